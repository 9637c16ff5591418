#![doc = include_str!("docs.md")]

mod cache;
mod client;
mod config;
mod source;
mod wire;

pub use config::KeyVaultConfig;
pub use source::KeyVaultSecrets;
