//! The order pipeline, wrong in every way.
//!
//! [`published`] is the pipeline as its design was published, and [`specimens`] the one that ships,
//! each with one rule broken.

mod mutants;
pub mod published;
mod rate;

pub use rate::{PublishedRate, published_rate};

use super::Specimen;

/// The pipeline with one rule broken, rule by rule.
pub fn specimens() -> Vec<Specimen> {
    mutants::specimens()
}

/// The pipeline as it comes, wherever a specimen is hunted.
pub fn sound() -> Vec<Specimen> {
    mutants::sound()
}
