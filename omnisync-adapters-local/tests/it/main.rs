#![cfg(test)]
//! The shared contracts against the adapters of this crate, and what is specific to them.

mod contract;
mod support;

#[cfg(feature = "folder")]
mod folder;
#[cfg(feature = "ndjson")]
mod ndjson;
#[cfg(feature = "ndjson")]
mod ndjson_settle;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "sqlite")]
mod sqlite_file;
#[cfg(feature = "sqlite")]
mod sqlite_processes;
mod system;
