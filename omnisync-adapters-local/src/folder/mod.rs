#![doc = include_str!("docs.md")]

mod config;
mod engine;
mod stage;
mod wire;

pub use config::FolderConfig;
pub use stage::FolderBlobStage;
