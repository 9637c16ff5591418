#![cfg(test)]
//! What adapters rely on, over a scripted transport and over real connections of this machine.

mod support;

mod budget;
mod cache;
mod canary;
mod client;
mod headers;
mod providers;
mod repeats;
mod throttle;
mod throttle_shared;
mod trace;
mod urls;
mod waits;

#[cfg(feature = "azure_core")]
mod azure;
#[cfg(feature = "reqwest")]
mod reqwest;
