//! Algorithms that are known to be wrong, kept so that a simulation can prove that it finds them.
//!
//! A check that never failed proves nothing. Whatever stands here runs behind the same ports as
//! the real flows, so the same faults, the same clock and the same checks reach it, and a
//! simulation that lets one of these pass has lost its teeth.
//!
//! [`published`] is the order pipeline as its design was published. [`specimens`] are the flows
//! as they ship, each with one rule broken.

mod mutants;
pub mod published;
mod rate;
mod specimen;

pub use rate::{PublishedRate, published_rate};
pub use specimen::{Catch, Hunted, Specimen};

/// The pipeline with one rule broken, rule by rule. A simulation has to catch every one.
pub fn specimens() -> Vec<Specimen> {
    mutants::specimens()
}

/// The pipeline as it comes, in every scenario that a specimen is hunted in: what catches one of
/// these is not what it seems.
pub fn sound() -> Vec<Specimen> {
    mutants::sound()
}
