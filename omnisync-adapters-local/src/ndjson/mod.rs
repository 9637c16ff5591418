#![doc = include_str!("docs.md")]

mod checkpoint;
mod config;
mod ledger;
mod progress;
mod reader;
mod source;
mod wire;

pub use config::NdjsonConfig;
pub use source::NdjsonSource;
