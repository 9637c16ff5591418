//! `CosmosStateStore` against Microsoft's in-memory emulator, over http.

mod contract;
mod faults;
mod javascript;
mod provisioning;
mod regions;
mod support;
mod throttling;
mod wire;
