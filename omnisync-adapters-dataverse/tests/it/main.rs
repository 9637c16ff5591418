//! The adapters over real connections to loopback servers.
#![cfg(test)]

#[cfg(all(feature = "finops", feature = "reqwest"))]
mod finops;
