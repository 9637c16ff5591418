//! Change events through the public interface. `apache-avro` writes the payloads.
#![cfg(test)]

#[cfg(feature = "cdc")]
mod bitmaps;
#[cfg(feature = "cdc")]
mod events;
#[cfg(feature = "cdc")]
mod fixture;
#[cfg(feature = "cdc")]
mod json_forms;
#[cfg(feature = "cdc")]
mod samples;
#[cfg(feature = "cdc")]
mod wrong_schema;
