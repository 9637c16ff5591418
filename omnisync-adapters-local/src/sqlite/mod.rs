#![doc = include_str!("docs.md")]

mod answer;
mod body;
mod config;
mod engine;
mod error;
mod reader;
mod schema;
mod store;
mod turn;
mod wire;

pub use config::SqliteConfig;
pub use store::SqliteStateStore;
