//! Servers on a loopback port that speak as the real services do, for adapters and for hosts
//! under test.

pub mod fno;
