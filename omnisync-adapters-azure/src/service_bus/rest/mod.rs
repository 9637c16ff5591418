//! The same service by HTTPS alone.

mod client;
mod config;
mod source;
mod wire;

pub use config::ServiceBusRestConfig;
pub use source::ServiceBusRestSource;
