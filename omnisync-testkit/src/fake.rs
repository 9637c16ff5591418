//! Fakes with the manners of real back ends.
//!
//! Cloning a fake gives another handle to the same durable state: that is what a restarted
//! worker finds. Nothing here needs a runtime, and all time comes from a
//! [`Clock`](omnisync_core::port::Clock).

pub mod crm;

mod blob_stage;
mod erp;
mod event_source;
mod message;
mod notifier;
mod plain_format;
mod secrets;
mod state_store;

pub use blob_stage::{MemoryBlobStage, MemoryBlobStageOptions};
pub use crm::FakeCrm;
pub use erp::{
    ErpFault, ErpTables, FakeErp, FakeErpOptions, HeaderRow, ImportedOrder, Late, LineRow,
    OrderFailure,
};
pub use event_source::{QueueOptions, QueueSource};
pub use message::{DeadLetter, Message};
pub use notifier::MemoryNotifier;
pub use plain_format::PlainFormat;
pub use secrets::MemorySecrets;
pub use state_store::{ItemFault, MemoryStateStore, MemoryStateStoreOptions};
