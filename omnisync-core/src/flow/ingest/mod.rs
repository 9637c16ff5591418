//! Events in: each ends accepted in the store, recognised, or set aside with a reason.

mod candidate;
mod flow;
mod outcome;

pub use candidate::{EventTypes, Refusal};
pub use flow::{Ingest, IngestPolicy};
pub use outcome::{Fate, IngestItem, IngestOutcome, Intaken};
