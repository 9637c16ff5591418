//! The clauses of [`CrmSink`].

mod creating;
mod desk;
mod following;
mod reading;
mod removing;
mod updating;

pub use creating::{
    c05_a_taken_key_creates_nothing, c06_a_repeated_creation_gives_the_first_receipt,
    c07_receipts_carry_the_id_and_the_version, c13_a_record_tells_its_creation,
};
pub use following::c11_changes_name_every_changed_record;
pub use reading::{
    c01_reads_give_every_field_that_was_asked_for, c02_every_change_gives_a_new_version,
    c08_find_gives_the_records_that_hold_the_values,
};
pub use removing::{
    c09_removed_and_merged_records_are_told_apart, c10_restore_follows_the_capability,
};
pub use updating::{
    c03_updates_change_the_named_fields_only, c04_another_version_changes_nothing,
    c12_refused_values_change_nothing,
};

use std::sync::Arc;

use async_trait::async_trait;
use omnisync_core::crm::{FieldName, Fields, ForeignId, Native};
use omnisync_core::port::{CrmRecord, CrmSink};

use super::macros::port_contract;

/// The object whose records the clauses write.
#[derive(Debug, Clone)]
pub struct CrmDesk {
    /// The system's name of it.
    pub object: String,
    /// The field that is its natural key: it keeps short texts as they are written.
    pub key: FieldName,
    /// Two more fields that keep short texts as they are written, and are empty in a new record.
    pub texts: [FieldName; 2],
    /// What a new record needs besides.
    pub required: Fields<Native>,
    /// A value that the system refuses in an update, and in a new record.
    pub refused: (FieldName, Native),
    /// A value as it is written, and what the system makes of it; `None` where it keeps all.
    pub normalised: Option<(FieldName, Native, Native)>,
    /// An id that no record ever had.
    pub absent: ForeignId,
    /// The system does not know a record any more once it is out of use.
    pub forgets_at_once: bool,
}

/// What the clauses need from a test environment. Every clause gets its own, whose object has no
/// records. The people who work in the system do so past the port.
#[async_trait]
pub trait CrmSinkFixture: Send + Sync {
    /// The port under test.
    async fn sink(&self) -> Arc<dyn CrmSink>;

    /// Where the clauses work.
    fn desk(&self) -> CrmDesk;

    /// A person changes a field.
    async fn edit(&self, record: &CrmRecord, field: &FieldName, value: Native);

    /// A person takes a record out of use. Unless it forgets at once, the system knows it yet.
    async fn delete(&self, record: &CrmRecord);

    /// A person merges `loser` into `winner`; `false` where the system does not tell a merge from
    /// a removal.
    async fn merge(&self, loser: &CrmRecord, winner: &CrmRecord) -> bool;

    /// Makes the system forget a record that is out of use; `false` where it never does.
    async fn forget(&self, record: &CrmRecord) -> bool;

    /// Makes the cursors of changes too old that were given before the last change; `false` where
    /// they never are.
    async fn outlive_cursors(&self) -> bool;

    /// Lets a unit of the clock pass by which a system with weak conditions tells changes apart.
    async fn pass_unit(&self);
}

port_contract!(crm_sink, __crm_sink_clauses, CrmSinkFixture);

#[doc(hidden)]
#[macro_export]
macro_rules! __crm_sink_clauses {
    ($then:ident, $($context:tt)*) => {
        $crate::$then! { ($($context)*) crm_sink [
            c01_reads_give_every_field_that_was_asked_for,
            c02_every_change_gives_a_new_version,
            c03_updates_change_the_named_fields_only,
            c04_another_version_changes_nothing,
            c05_a_taken_key_creates_nothing,
            c06_a_repeated_creation_gives_the_first_receipt,
            c07_receipts_carry_the_id_and_the_version,
            c08_find_gives_the_records_that_hold_the_values,
            c09_removed_and_merged_records_are_told_apart,
            c10_restore_follows_the_capability,
            c11_changes_name_every_changed_record,
            c12_refused_values_change_nothing,
            c13_a_record_tells_its_creation,
        ] }
    };
}

/// Tests a [`CrmSink`](omnisync_core::port::CrmSink): one `#[test]` per clause.
///
/// `fixture` is an expression that builds a
/// [`CrmSinkFixture`](crate::contract::CrmSinkFixture); `run` blocks on a future and is
/// [`block_on`](crate::contract::block_on) by default. See [`contract`](crate::contract).
#[macro_export]
macro_rules! crm_sink_contract {
    (fixture = $fixture:expr $(,)?) => {
        $crate::crm_sink_contract!(fixture = $fixture, run = $crate::contract::block_on);
    };
    (fixture = $fixture:expr, run = $run:expr $(,)?) => {
        $crate::__crm_sink_clauses!(__clause_tests, $fixture, $run);
    };
}
