//! Contract suites: the numbered clauses of every port as tests.
//!
//! Each clause of a port's *Contract* is one public function here, with the clause's number in
//! its name. It takes a fixture, a trait that the adapter's tests implement once, and gives a
//! [`Violation`] instead of panicking. A macro per port turns every clause into one `#[test]`:
//!
//! ```
//! use std::sync::Arc;
//! use omnisync_core::port::StateStore;
//! use omnisync_testkit::contract::StateStoreFixture;
//! use omnisync_testkit::fake::MemoryStateStore;
//!
//! #[derive(Default)]
//! struct Memory(MemoryStateStore);
//!
//! #[async_trait::async_trait]
//! impl StateStoreFixture for Memory {
//!     async fn store(&self) -> Arc<dyn StateStore> {
//!         Arc::new(self.0.clone())
//!     }
//!     async fn reopen(&self) -> Option<Arc<dyn StateStore>> {
//!         Some(Arc::new(self.0.clone()))
//!     }
//!     async fn settle(&self) {}
//! }
//!
//! omnisync_testkit::state_store_contract!(fixture = Memory::default());
//! # fn main() {}
//! ```
//!
//! The fixture expression is evaluated anew for every clause, inside the runner, and may
//! `.await`. The runner is [`block_on`] unless `run = …` names another, such as a function that
//! enters a tokio runtime:
//!
//! ```ignore
//! omnisync_testkit::state_store_contract!(
//!     fixture = Sqlite::in_temp_dir().await,
//!     run = |clause| tokio::runtime::Runtime::new().unwrap().block_on(clause),
//! );
//! ```
//!
//! What a back end may differ in is its `capability()`. A clause that does not apply asserts the
//! documented alternative; none passes by doing nothing.

pub mod blob_stage;
pub mod clock;
pub mod crm_sink;
pub mod erp_importer;
pub mod event_source;
pub mod id_source;
pub mod secret_source;
pub mod state_store;

mod check;
mod macros;

pub use blob_stage::BlobStageFixture;
pub use check::{Check, Violation};
pub use clock::ClockFixture;
pub use crm_sink::{CrmDesk, CrmSinkFixture};
pub use erp_importer::{ErpImporterFixture, ErpPackage, ErpRow};
pub use event_source::EventSourceFixture;
pub use id_source::IdSourceFixture;
pub use secret_source::SecretSourceFixture;
pub use state_store::StateStoreFixture;

pub use futures::executor::block_on;

use std::fmt;

use futures::future::BoxFuture;

/// A clause with its name, for those who run suites by hand: a zoo of broken adapters, a report.
pub struct Clause<F: ?Sized> {
    name: &'static str,
    check: ClauseFn<F>,
}

type ClauseFn<F> = for<'a> fn(&'a F) -> BoxFuture<'a, Result<(), Violation>>;

impl<F: ?Sized> Clause<F> {
    #[doc(hidden)]
    pub const fn new(name: &'static str, check: ClauseFn<F>) -> Self {
        Self { name, check }
    }

    /// The clause's function, such as `c02_absent_on_a_present_document_changes_nothing`.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Checks the clause.
    ///
    /// # Errors
    /// Says what the back end did otherwise.
    pub async fn check(&self, fixture: &F) -> Result<(), Violation>
    where
        F: Sync,
    {
        (self.check)(fixture).await
    }
}

impl<F: ?Sized> fmt::Debug for Clause<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clause").field(&self.name).finish()
    }
}
