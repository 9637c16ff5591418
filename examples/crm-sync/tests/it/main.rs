#![cfg(test)]
//! The host from outside: the real binary and real files.

mod bad_input;
mod decide;
mod run;
mod samples;
mod support;
