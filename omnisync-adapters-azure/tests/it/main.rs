#![cfg(test)]
//! The Azure adapters against loopback servers, through their public interfaces.

#[cfg(feature = "blob")]
mod blob;
#[cfg(feature = "cosmos")]
mod cosmos;
#[cfg(feature = "event-grid")]
mod event_grid;
#[cfg(feature = "key-vault")]
mod key_vault;
#[cfg(any(feature = "blob", feature = "event-grid", feature = "key-vault"))]
mod log;
#[cfg(all(
    feature = "service-bus",
    feature = "service-bus-rest",
    feature = "tokio-rustls"
))]
mod service_bus;
