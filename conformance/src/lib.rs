#![doc = include_str!("../README.md")]

#[cfg(feature = "azure")]
pub mod azurite;
#[cfg(feature = "azure")]
pub mod cosmos_emulator;
pub mod node;
#[cfg(feature = "azure")]
pub mod stack;
