//! Flows: the use cases, over `Arc<dyn Port>`.
//!
//! Each flow does one bounded piece of work per `run_once` and says what happened to every item.
//! Any number of workers may run any flow against one store at the same time; a worker that dies
//! leaves nothing that another cannot finish.

mod batch;
mod build;
mod crm_sync;
mod deliver;
mod explain;
mod guard;
mod ingest;
mod project;
mod repository;
mod retention;
mod settle;
mod sweep;
mod worker;

pub use batch::{BatchFlow, BatchOutcome, BatchStep, Dropped};
pub use build::PackageSpec;
pub use crm_sync::{
    CRM_COLLECTIONS, CRM_KEYS, CRM_LINKS, CRM_RECORDS, CRM_STREAMS, CaughtUp, CrmDesk, CrmItem,
    CrmNotice, CrmPage, CrmSync, CrmSyncOutcome, CrmSystem, CrmWaiting, CrmWork, DeskError,
    EchoRule, Hear, HearOutcome, Heard, HintDecoder, Landscape, LandscapeError, LinkState, Listen,
    ListenOutcome, OpenConflict, PolicyError, RecordExplanation, Undecodable, WaitCause,
};
pub use deliver::{Deliver, DeliverOutcome, DeliverPolicy, Delivered, SettledOrder};
pub use explain::{Explain, Explanation, Waiting};
pub use guard::{BREAKERS, BreakerRecord, BreakerState, Guard, GuardPolicy, GuardedErp, Permit};
pub use ingest::{
    EventTypes, Fate, Ingest, IngestItem, IngestOutcome, IngestPolicy, Intaken, Refusal,
};
pub use retention::{Retention, RetentionOutcome};
pub use settle::{ExpectedRecords, Fates, OrderVerdict, Reading, UnmatchedRecord};
pub use sweep::{Sweep, SweepOutcome};
pub use worker::Worker;

use crate::batch::{BATCHES, SEGMENTS};
use crate::order::ORDERS;
use crate::port::Collection;

/// Every collection that the flows of orders keep documents in, for stores that have to be set up beforehand.
pub const COLLECTIONS: [Collection; 5] = [ORDERS, BATCHES, SEGMENTS, project::PROJECTS, BREAKERS];
