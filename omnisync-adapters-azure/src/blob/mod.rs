#![doc = include_str!("docs.md")]

mod block;
mod client;
mod config;
mod connection_string;
mod location;
mod put;
mod read;
mod read_url;
mod refusal;
mod sign;
mod stage;
mod wire;

pub use config::{AzureBlobConfig, BlobCredential};
pub use read_url::SignedUrl;
pub use stage::AzureBlobStage;
