#![doc = include_str!("docs.md")]

mod catalogue;
mod client;
mod config;
mod error_file;
mod importer;
mod recurring;
mod refusal;
mod results;
mod submission;
mod wire;

pub use catalogue::{DmfError, classify};
pub use config::{EntityConfig, FinOpsConfig, FinOpsMode};
pub use importer::FinOpsImporter;
