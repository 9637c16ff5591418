//! The adapters over real connections to loopback servers, and the decoders over what they are sent.
#![cfg(test)]

#[cfg(all(feature = "finops", feature = "reqwest"))]
mod finops;
#[cfg(feature = "webhook")]
mod webhook;
