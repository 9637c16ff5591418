//! Events in: the webhook that Event Grid delivers to, on any server that speaks HTTP.

mod answer;
mod authentication;
mod config;
mod ingest;
mod read;
mod receiver;
mod secrets;
mod webhook;

pub use authentication::{DeliveryTokens, TokenRefusal};
pub use config::EventGridHandlerConfig;
pub use ingest::{Evidence, EvidenceKeeper, IngestReceiver};
pub use receiver::{DeliveryReceiver, Pushed, PushedEvent, Taken, TakenStatus};
pub use secrets::{DeliverySecrets, FixedSecrets, NamedSecrets, SecretsFn};
pub use webhook::{Admission, Begun, EventGridHandler, EventGridHandlerBuilder};
