#![doc = include_str!("docs.md")]

mod address;
mod charge;
mod client;
mod config;
mod continuation;
mod json;
mod provision;
mod refusal;
mod store;
mod wire;

pub use charge::{Charge, CosmosCharges};
pub use config::{Container, Containers, CosmosConfig, Reads, Throughput};
pub use store::CosmosStateStore;
