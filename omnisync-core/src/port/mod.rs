//! Ports: what the core needs from the outside, one trait a file.
//!
//! Every port is object safe, `Debug + Send + Sync + 'static`, and held as `Arc<dyn Port>`.
//! The numbered clauses under *Contract* are the tests of `omnisync_testkit::contract`; what
//! back ends may differ in is data (`capability()`), and the tests select on it.

mod blob_stage;
mod clock;
mod crm_sink;
mod erp_importer;
mod event_source;
mod notifier;
mod secret_source;
mod state_store;

pub use blob_stage::{
    BlobRead, BlobReceipt, BlobStage, BlobStageCapability, BlobStageExt, ByteStream, byte_stream,
};
pub use clock::{Clock, IdSource};
pub use crm_sink::{
    ChangesPage, Creation, CrmCapability, CrmRecord, CrmSink, Precondition, RecordUpdate, Removal,
    Sight, Snapshot, WriteReceipt,
};
pub use erp_importer::{
    EntityTotal, ErpCapability, ErpImporter, FailureClass, ImportProblem, ImportStatus, RecordKey,
    RecordOutcome, RecordResult, RepeatedExecution, Reporting, ResultsPage, Submission,
    SubmitReceipt,
};
pub use event_source::{
    DeadLetterReason, Delivery, DeliveryToken, Disposition, EventSource, EventSourceCapability,
    Received, Settled, SettlementMode,
};
pub use notifier::{Notice, NoticeEvent, Notifier};
pub use secret_source::{SecretSource, SecretSourceCapability, SecretValue};
pub use state_store::{
    Action, Collection, Content, Document, DocumentKey, Expect, Page, Query, StateStore,
    StateStoreCapability, StateStoreExt, Write, WriteResult, Written,
};

pub(crate) use state_store::body_of;

/// Implements a port for a pointer to an implementation. Spelling every method out keeps
/// wrappers honest: a method added to a port breaks them until they forward it.
macro_rules! forward_to_pointee {
    ($port:ident { $($body:tt)* }) => {
        #[deny(clippy::missing_trait_methods)]
        #[async_trait::async_trait]
        impl<T: $port + ?Sized> $port for std::sync::Arc<T> { $($body)* }
        #[deny(clippy::missing_trait_methods)]
        #[async_trait::async_trait]
        impl<T: $port + ?Sized> $port for Box<T> { $($body)* }
    };
}
use forward_to_pointee;
