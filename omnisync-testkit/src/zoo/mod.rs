//! Algorithms that are known to be wrong, kept so that a simulation can prove that it finds them.
//!
//! A check that never failed proves nothing. Whatever stands here runs behind the same ports as
//! the real flows, so the same faults, the same clock and the same checks reach it, and a
//! simulation that lets one of these pass has lost its teeth.
//!
//! [`orders`] has the order pipeline as its design was published, [`crm`] what CRMs are commonly
//! kept the same with. [`specimens`] are the flows as they ship, each with one rule broken.

pub mod crm;
mod edits;
mod mutated;
pub mod orders;
mod specimen;

pub use specimen::{Catch, Hunted, Specimen};

/// The flows with one rule broken, rule by rule. A simulation has to catch every one.
pub fn specimens() -> Vec<Specimen> {
    let mut all = orders::specimens();
    all.extend(crm::specimens());
    all
}

/// The flows as they come, in every scenario that a specimen is hunted in: what catches one of
/// these is not what it seems.
pub fn sound() -> Vec<Specimen> {
    let mut all = orders::sound();
    all.extend(crm::sound());
    all
}
