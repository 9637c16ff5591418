#![cfg(test)]
//! The host from outside: the real binary, real files, real signals.

mod bad_input;
mod faults;
mod finops;
mod kill;
mod run;
mod serve;
mod support;
