#![cfg(test)]
//! The host from outside: the real binary, real files, real signals.

#[cfg(feature = "azure")]
mod azure;
mod bad_input;
mod faults;
mod finops;
mod kill;
mod run;
mod serve;
mod support;
