//! Algorithms that are known to be wrong, kept so that a simulation can prove that it finds them.
//!
//! A check that never failed proves nothing. Whatever stands here runs behind the same ports as
//! the real flows, so the same faults, the same clock and the same checks reach it, and a
//! simulation that lets one of these pass has lost its teeth.
//!
//! [`published`] is the order pipeline as its design was published.

pub mod published;
