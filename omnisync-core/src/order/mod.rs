//! Orders: typed content, validation, revisions, the state machine and the stored document.

pub mod intake;
mod model;
mod place;
mod record;
mod revision;
mod rule;
mod state;
mod total;
mod trail;
mod transition;
mod validate;

pub use model::{Address, Country, Currency, LineItem, Order, Unknown};
pub use record::{BatchProgress, Change, ORDERS, OrderRecord, RECORD_SCHEMA, RevisionContent};
pub use revision::{Revision, cancellation_hash, content_hash};
pub use rule::{Rule, SIGNIFICANT_DIGITS_MAX, Violation};
pub use state::{
    Evidence, OrderState, ProcessingStatus, QuarantineReason, Rejection, RejectionClass, StateName,
};
pub use total::{FreightInTotal, TotalMode, TotalPolicy};
pub use trail::{Actor, Cause, TRAIL_ENTRIES_MAX, Trail, TrailEntry};
pub use transition::{Command, Effect, IllegalTransition, Transition, transition};
pub use validate::{OrderRules, Validated, explicit_revision, validate, validate_order_id};
