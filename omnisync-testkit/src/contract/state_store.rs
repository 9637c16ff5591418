//! The clauses of [`StateStore`].

mod desk;
mod documents;
mod queries;
mod writes;

pub use documents::{
    c01_acknowledged_documents_are_read_back, c11_any_json_value_survives,
    c12_ids_hold_any_allowed_character, c13_get_reflects_acknowledged_writes,
    c14_too_large_bodies_change_nothing,
};
pub use queries::{
    c08_pages_give_every_match_exactly_once, c09_queries_select_by_collection_state_and_due_time,
};
pub use writes::{
    c02_absent_on_a_present_document_changes_nothing, c03_another_tag_changes_nothing,
    c04_any_replaces_or_creates, c05_every_put_gives_a_new_tag,
    c06_items_of_a_write_succeed_one_by_one, c07_at_most_one_concurrent_write_succeeds,
    c10_deletes_follow_their_precondition,
};

use std::sync::Arc;

use async_trait::async_trait;
use omnisync_core::port::StateStore;

use super::macros::port_contract;

/// What the clauses need from a test environment. Every clause gets its own.
///
/// Clauses write only to collections called `contract_…`, and remove what earlier runs left.
#[async_trait]
pub trait StateStoreFixture: Send + Sync {
    /// A handle to the store under test; every call gives one to the same documents.
    async fn store(&self) -> Arc<dyn StateStore>;

    /// The store as it is after the process was killed; `None` when it is not durable. Clauses
    /// give up their handles before they call this.
    async fn reopen(&self) -> Option<Arc<dyn StateStore>>;

    /// Waits until queries show every acknowledged write. Nothing to do where
    /// `query_reads_own_writes` holds.
    async fn settle(&self);
}

port_contract!(state_store, __state_store_clauses, StateStoreFixture);

#[doc(hidden)]
#[macro_export]
macro_rules! __state_store_clauses {
    ($then:ident, $($context:tt)*) => {
        $crate::$then! { ($($context)*) state_store [
            c01_acknowledged_documents_are_read_back,
            c02_absent_on_a_present_document_changes_nothing,
            c03_another_tag_changes_nothing,
            c04_any_replaces_or_creates,
            c05_every_put_gives_a_new_tag,
            c06_items_of_a_write_succeed_one_by_one,
            c07_at_most_one_concurrent_write_succeeds,
            c08_pages_give_every_match_exactly_once,
            c09_queries_select_by_collection_state_and_due_time,
            c10_deletes_follow_their_precondition,
            c11_any_json_value_survives,
            c12_ids_hold_any_allowed_character,
            c13_get_reflects_acknowledged_writes,
            c14_too_large_bodies_change_nothing,
        ] }
    };
}

/// Tests a [`StateStore`](omnisync_core::port::StateStore): one `#[test]` per clause.
///
/// `fixture` is an expression that builds a
/// [`StateStoreFixture`](crate::contract::StateStoreFixture); `run` blocks on a future and is
/// [`block_on`](crate::contract::block_on) by default. See [`contract`](crate::contract).
#[macro_export]
macro_rules! state_store_contract {
    (fixture = $fixture:expr $(,)?) => {
        $crate::state_store_contract!(fixture = $fixture, run = $crate::contract::block_on);
    };
    (fixture = $fixture:expr, run = $run:expr $(,)?) => {
        $crate::__state_store_clauses!(__clause_tests, $fixture, $run);
    };
}
