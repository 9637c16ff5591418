//! The program from outside: the real binary, real files.
#![cfg(test)]

mod dynamics;
mod sf_cdc;
mod support;
