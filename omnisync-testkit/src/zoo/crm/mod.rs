//! CRM sync, wrong in every way.
//!
//! [`rates`] says how often fail what CRMs are commonly kept the same with, and [`specimens`] are
//! the flows that ship, each with one rule broken.

mod baselines;
mod mutants;
mod rate;

pub use rate::{SyncRate, rates};

use super::Specimen;

/// The flows of CRM sync with one rule broken, rule by rule.
pub fn specimens() -> Vec<Specimen> {
    mutants::specimens()
}

/// The flows of CRM sync as they come, wherever a specimen is hunted.
pub fn sound() -> Vec<Specimen> {
    mutants::sound()
}
