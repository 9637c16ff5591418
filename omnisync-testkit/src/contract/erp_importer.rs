//! The clauses of [`ErpImporter`].

mod desk;
mod results;
mod submitting;

pub use results::{
    c04_unknown_words_are_unknown, c05_results_name_every_record_once,
    c06_imported_records_carry_evidence, c09_results_wait_for_the_end,
};
pub use submitting::{
    c01_acknowledged_submissions_are_known, c02_unknown_executions_are_not_submitted,
    c03_repeated_executions_follow_the_capability, c07_a_busy_project_refuses,
    c08_altered_or_foreign_bytes_import_nothing,
};

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use omnisync_core::id::{ExecutionId, OrderId, ProjectName};
use omnisync_core::port::{ErpImporter, RecordKey};

use super::macros::port_contract;

/// An order that the ERP shall find in a package, and what it shall do with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErpRow {
    /// Number of the order.
    pub order: OrderId,
    /// The ERP shall refuse every record of this order.
    pub refused: bool,
}

/// A package that the ERP understands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErpPackage {
    /// The bytes.
    pub content: Bytes,
    /// Every record in it, as `results` names it, with `true` for those that the ERP refuses.
    pub records: Vec<(RecordKey, bool)>,
}

/// What the clauses need from a test environment. Every clause gets its own, with an ERP that
/// knows no execution and does nothing by itself: imports wait in the queue until `finish`.
#[async_trait]
pub trait ErpImporterFixture: Send + Sync {
    /// The importer under test.
    async fn importer(&self) -> Arc<dyn ErpImporter>;

    /// The importer as it is after both sides were restarted. Clauses give up their handles
    /// before they call this.
    async fn restart(&self) -> Arc<dyn ErpImporter>;

    /// A data project that exists.
    fn project(&self) -> ProjectName;

    /// A valid package with these orders. Equal rows give equal bytes.
    async fn package(&self, rows: &[ErpRow]) -> ErpPackage;

    /// Runs an import to its end.
    async fn finish(&self, execution: ExecutionId);

    /// Makes the ERP answer with this word when asked for the status of an import.
    async fn say(&self, execution: ExecutionId, word: &str);

    /// How often the ERP itself imported each record, whatever it tells the importer.
    async fn imported(&self) -> Vec<(RecordKey, u32)>;
}

port_contract!(erp_importer, __erp_importer_clauses, ErpImporterFixture);

#[doc(hidden)]
#[macro_export]
macro_rules! __erp_importer_clauses {
    ($then:ident, $($context:tt)*) => {
        $crate::$then! { ($($context)*) erp_importer [
            c01_acknowledged_submissions_are_known,
            c02_unknown_executions_are_not_submitted,
            c03_repeated_executions_follow_the_capability,
            c04_unknown_words_are_unknown,
            c05_results_name_every_record_once,
            c06_imported_records_carry_evidence,
            c07_a_busy_project_refuses,
            c08_altered_or_foreign_bytes_import_nothing,
            c09_results_wait_for_the_end,
        ] }
    };
}

/// Tests an [`ErpImporter`](omnisync_core::port::ErpImporter): one `#[test]` per clause.
///
/// `fixture` is an expression that builds an
/// [`ErpImporterFixture`](crate::contract::ErpImporterFixture); `run` blocks on a future and is
/// [`block_on`](crate::contract::block_on) by default. See [`contract`](crate::contract).
#[macro_export]
macro_rules! erp_importer_contract {
    (fixture = $fixture:expr $(,)?) => {
        $crate::erp_importer_contract!(fixture = $fixture, run = $crate::contract::block_on);
    };
    (fixture = $fixture:expr, run = $run:expr $(,)?) => {
        $crate::__erp_importer_clauses!(__clause_tests, $fixture, $run);
    };
}
