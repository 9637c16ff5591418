//! What every system is known to hold of one record, and what follows from a look at one of them.
//!
//! Pure: [`LinkRecord::observe`] takes what a system was seen to hold, [`LinkRecord::plan`] says
//! what to do next, and what became of a write is told to [`LinkRecord::acknowledged`] and its
//! siblings. Whoever does what it says (`flow::CrmSync`) stores the record before each effect.
//!
//! A change is a value that differs from what was last seen at that system and that no write of
//! ours explains. A write goes where a system is behind the agreed version, and nowhere else; so
//! no system's way of rewriting values, and no pair of them, can keep the others busy.
//!
//! With N systems, E edits of people and A observations that cannot be told apart (a lost answer, or
//! a person's edit in one version with our write, on a field that the system rewrites): agreed
//! versions grow only by an edit or such an observation, and each is written to N - 1 systems at
//! most once with success. So there are at most (N - 1)(E + A) writes, and then it is quiet.

mod arbitrate;
mod breaker;
mod change;
mod conflict;
mod decision;
mod key;
mod life;
mod member;
mod members;
mod merge;
mod observe;
mod overdue;
mod overwritten;
mod park;
mod place;
mod plan;
mod policy;
mod record;
mod replay;
mod settle;
#[cfg(test)]
mod tests;

pub use conflict::{
    Choice, Conflict, ConflictId, ConflictState, ConflictSubject, ResolveError, Side,
};
pub use decision::{Decision, FieldDecision, Grounds, Stance, Verdict};
pub use key::{KeyClaim, KeyStanding};
pub use member::{
    Held, Intent, IntentField, IntentKind, MemberRecord, Obstacle, Presence, Refusal,
};
pub use members::Members;
pub use merge::MergeInto;
pub use observe::{Observation, Observed, Outlook};
pub use overdue::{Overdue, OverdueCause};
pub use overwritten::{Told, Written};
pub use park::Awaited;
pub use plan::{Step, Target};
pub use policy::{FieldPolicy, MergePolicy, SyncPolicy};
pub use record::{Answer, Base, LIFE_FIRST, Life, LinkRecord};
pub use replay::{Difference, what_if};

use super::name::{FieldName, SystemName};
use super::value::Value;

/// What the ledger has to know of the systems to compare and to plan.
pub trait Lenses {
    /// Systems that take part in this entity, in a fixed order.
    fn systems(&self) -> &[SystemName];

    /// What `system` would show of `value` after it was written: `None` where it cannot hold it.
    fn normal(
        &self,
        system: &SystemName,
        field: &FieldName,
        value: Option<&Value>,
    ) -> Option<Option<Value>>;

    /// True if the field is written to `system`.
    fn takes(&self, system: &SystemName, field: &FieldName) -> bool;

    /// True if a look at a record of `system` shows the field.
    fn shows(&self, system: &SystemName, field: &FieldName) -> bool;

    /// True if a write to `system` fails where the record was changed since it was read.
    fn guards(&self, system: &SystemName) -> bool;

    /// True if records of `system` say that a person has something to decide.
    fn marks(&self, system: &SystemName) -> bool;

    /// True if a record cannot be created without this field.
    fn requires(&self, field: &FieldName) -> bool;
}
