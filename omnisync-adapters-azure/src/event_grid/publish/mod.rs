//! Events out: one POST for a batch, and the fate of every event of it.

mod client;
mod config;
mod credential;
mod publisher;
mod sas;
mod wire;

pub use config::{EventGridConfig, EventGridCredential};
pub use publisher::{EventGridPublisher, PublishOutcome, PublishRefusal, Published};
