//! Batches: identity, members, the state machine and the stored record.

mod member;
mod record;
mod transition;

pub use member::{Member, SEGMENT_MEMBERS_MAX, SEGMENTS, SegmentList, batch_id};
pub use record::{
    BATCH_SCHEMA, BATCHES, BatchRecord, BatchState, Lease, PackageRecord, Settlement,
};
pub use transition::{Attempt, BatchCommand, IllegalBatchTransition};
