//! Stored documents, read as far as an auditor has to know them.

use chrono::{DateTime, Utc};
use omnisync_core::batch::{BatchState, Lease, SegmentList};
use omnisync_core::id::{BatchId, BlobName, OrderId, Sha256};
use omnisync_core::order::{Evidence, ProcessingStatus, Revision, StateName};
use serde::Deserialize;

/// An order's document.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrderView {
    pub(super) state: StateView,
    pub(super) processing_status: ProcessingStatus,
    pub(super) revision: Revision,
    pub(super) content_hash: Sha256,
    pub(super) claim_generation: u32,
    #[serde(default)]
    pub(super) queued: Option<QueuedView>,
    #[serde(default)]
    pub(super) ttl: Option<i64>,
    #[serde(default)]
    pub(super) expires_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct StateView {
    pub(super) name: StateName,
    #[serde(default)]
    pub(super) batch: Option<BatchId>,
    #[serde(default)]
    pub(super) epoch: Option<u32>,
    #[serde(default)]
    pub(super) evidence: Option<Evidence>,
    #[serde(default)]
    pub(super) reason: Option<ReasonView>,
}

/// Why an order was refused or set aside, as far as the two have something in common.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct ReasonView {
    #[serde(default)]
    pub(super) name: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct QueuedView {
    pub(super) revision: Revision,
}

/// A batch's document.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BatchView {
    pub(super) state: BatchState,
    pub(super) epoch: u32,
    #[serde(default)]
    pub(super) lease: Option<Lease>,
    #[serde(default)]
    pub(super) members: Option<SegmentList>,
    #[serde(default)]
    pub(super) package: Option<PackageView>,
    #[serde(default)]
    pub(super) expires_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct PackageView {
    pub(super) name: BlobName,
    pub(super) sha256: Sha256,
}

/// A segment of a member list.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct SegmentView {
    pub(super) members: Vec<MemberView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct MemberView {
    pub(super) order: OrderId,
    pub(super) revision: Revision,
    pub(super) content: Sha256,
    pub(super) generation: u32,
}
