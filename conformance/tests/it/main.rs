#![cfg(test)]
//! The adapters against software that others wrote. `cargo xtask conformance` installs it and
//! says where it is.
#![cfg(feature = "azure")]

mod blob;
mod cosmos;
mod event_grid;
mod service_bus;
mod service_bus_official;
