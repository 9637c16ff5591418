use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::revision::Revision;
use super::state::{OrderState, ProcessingStatus, StateName};
use super::trail::{Actor, Cause, Trail, TrailEntry};
use super::transition::{Command, Effect, IllegalTransition, transition};
use crate::error::PortError;
use crate::id::{BatchId, BlobName, ExecutionId, OrderId, Sha256};
use crate::port::{Action, Collection, Content, Document, DocumentKey, Expect, Write};

/// Where orders are stored.
pub const ORDERS: Collection = Collection::new("orders");

/// Version of the stored form.
pub const RECORD_SCHEMA: u32 = 1;

/// What an order is stored as.
///
/// The members up to `ttl` carry the names that dashboards of the order-pipeline design read.
/// An order in a batch is stored as `Claimed` until it is settled: `Staged` and `Submitted`
/// follow from the batch's own record (see [`OrderRecord::state_in_batch`]) and enter the trail
/// with their times when the order is settled, so that no step of a batch is written once per
/// order.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderRecord {
    /// Document id: the order id.
    pub id: OrderId,
    /// Partition key: the order id.
    pub order_id: OrderId,
    /// Coarse projection of `state`.
    pub processing_status: ProcessingStatus,
    /// The CloudEvent that carries the current revision, as it was received.
    pub oms_event: Box<RawValue>,
    /// When the current revision was accepted.
    #[serde(with = "crate::instant")]
    pub ingested_at: DateTime<Utc>,
    /// When a batch took the order.
    #[serde(default, with = "crate::instant::option")]
    pub picked_up_at: Option<DateTime<Utc>>,
    /// When the order reached a terminal state.
    #[serde(default, with = "crate::instant::option")]
    pub processed_at: Option<DateTime<Utc>>,
    /// The batch that took the order last.
    pub batch_id: Option<BatchId>,
    /// The package that carried the order last.
    pub blob_reference: Option<BlobName>,
    /// How often the order was sent again.
    pub retry_count: u32,
    /// Seconds after the last write when the document may go; set in terminal states only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<i64>,

    /// Version of this form.
    pub schema: u32,
    /// Exact state.
    pub state: OrderState,
    /// Current revision.
    pub revision: Revision,
    /// Hash of what the current revision says.
    pub content_hash: Sha256,
    /// When the order began to wait: the event's own time, but never after its arrival.
    #[serde(with = "crate::instant")]
    pub waiting_since: DateTime<Utc>,
    /// Raised whenever the order returns to waiting; part of the batch id.
    pub claim_generation: u32,
    /// An import ran that may have left something of the order, in whatever revision, in the
    /// ERP. Never taken back: it decides whether a cancellation can be carried out here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_be_in_erp: bool,
    /// The instant of `ttl`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::instant::option"
    )]
    pub expires_at: Option<DateTime<Utc>>,
    /// A newer revision that waits for this one to leave its batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued: Option<RevisionContent>,
    /// What happened so far.
    pub trail: Trail,
}

/// One revision of an order, as received.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevisionContent {
    /// Which revision.
    pub revision: Revision,
    /// Hash of what it says.
    pub content_hash: Sha256,
    /// True for a cancellation.
    pub cancels: bool,
    /// The CloudEvent.
    pub oms_event: Box<RawValue>,
    /// When it was accepted.
    #[serde(with = "crate::instant")]
    pub ingested_at: DateTime<Utc>,
    /// When the order system recorded it, but never after its arrival.
    #[serde(with = "crate::instant")]
    pub waiting_since: DateTime<Utc>,
    /// Where it came from.
    pub cause: Cause,
}

/// When, by whom and why a record changes.
#[derive(Debug, Clone)]
pub struct Change {
    /// When.
    pub at: DateTime<Utc>,
    /// By whom.
    pub actor: Actor,
    /// Why.
    pub cause: Cause,
    /// How long a record stays after it became terminal.
    pub retention: Duration,
}

impl OrderRecord {
    /// Address of an order's document.
    pub fn key(order: &OrderId) -> DocumentKey {
        DocumentKey::new(ORDERS, order.as_str())
    }

    /// The record of an order that was never seen before. A cancellation that comes first is
    /// kept as a cancelled order, so that the older creation behind it is recognised.
    pub fn begin(order: OrderId, content: RevisionContent, change: &Change) -> Self {
        let mut record = Self {
            id: order.clone(),
            order_id: order,
            processing_status: ProcessingStatus::Pending,
            oms_event: content.oms_event.clone(),
            ingested_at: content.ingested_at,
            picked_up_at: None,
            processed_at: None,
            batch_id: None,
            blob_reference: None,
            retry_count: 0,
            ttl: None,
            schema: RECORD_SCHEMA,
            state: OrderState::Pending,
            revision: content.revision,
            content_hash: content.content_hash,
            waiting_since: content.waiting_since,
            claim_generation: 0,
            may_be_in_erp: false,
            expires_at: None,
            queued: None,
            trail: Trail::default(),
        };
        record.start_revision(None, content, change);
        record
    }

    /// Reads a record from its document.
    ///
    /// # Errors
    /// `Corrupt` when the document is not an order record; names it.
    pub fn from_document(document: &Document) -> Result<Self, PortError> {
        document.parse()
    }

    /// Renders the write that stores this record.
    ///
    /// # Errors
    /// `Invalid` when the record cannot be rendered.
    pub fn to_write(&self, expect: Expect) -> Result<Write, PortError> {
        let body = crate::port::body_of(self)?;
        Ok(Write {
            key: Self::key(&self.order_id),
            expect,
            action: Action::Put(Content {
                state: self.state.name().as_str().to_owned(),
                due_at: Some(self.due_at()),
                expires_at: self.expires_at,
                body,
            }),
        })
    }

    /// When the document next wants attention: since when it waits, from when on its claim may
    /// be checked, or when it may go.
    fn due_at(&self) -> DateTime<Utc> {
        match self.state.name() {
            StateName::Pending => self.waiting_since,
            StateName::Claimed | StateName::Staged | StateName::Submitted => {
                self.picked_up_at.unwrap_or(self.ingested_at)
            }
            _ => self.expires_at.unwrap_or(self.ingested_at),
        }
    }

    /// Moves the order along its graph, with everything that follows from it.
    ///
    /// # Errors
    /// [`IllegalTransition`]; the record is unchanged.
    pub fn apply(&mut self, command: Command, change: &Change) -> Result<(), IllegalTransition> {
        let step = transition(&self.state, command)?;
        let from = self.state.name();
        // Raising the epoch of a claim is no change of state.
        if from != step.next.name() {
            self.trail.push(TrailEntry {
                at: change.at,
                from: Some(from),
                to: step.next.name(),
                actor: change.actor.clone(),
                cause: change.cause.clone(),
                revision: self.revision,
                content: None,
                note: None,
            });
        }
        self.may_be_in_erp |= from == StateName::Submitted && !took_nothing(&step.next);
        self.batch_id = step.next.batch().or(self.batch_id);
        self.state = step.next;
        for effect in step.effects {
            self.perform(*effect, change);
        }
        self.processing_status = self.state.name().processing_status();
        Ok(())
    }

    fn perform(&mut self, effect: Effect, change: &Change) {
        match effect {
            Effect::NotePickUp => self.picked_up_at = Some(change.at),
            Effect::ForgetPickUp => {
                self.picked_up_at = None;
                self.batch_id = None;
                self.blob_reference = None;
            }
            Effect::CountAttempt => self.retry_count = self.retry_count.saturating_add(1),
            Effect::NextGeneration => {
                self.claim_generation = self.claim_generation.saturating_add(1);
            }
            Effect::StartRetention => {
                self.processed_at = Some(change.at);
                self.ttl = Some(change.retention.num_seconds());
                self.expires_at = change.at.checked_add_signed(change.retention);
            }
            Effect::StopRetention => self.stop_retention(),
            Effect::PromoteQueued => {
                if let Some(queued) = self.queued.take() {
                    self.advance_to(queued, change);
                }
            }
        }
    }

    fn stop_retention(&mut self) {
        self.processed_at = None;
        self.ttl = None;
        self.expires_at = None;
    }

    /// Takes a revision that is newer than the current one, now that no batch holds the order.
    pub(super) fn advance_to(&mut self, content: RevisionContent, change: &Change) {
        let by = content.revision;
        // Refused and imported revisions keep their end; a waiting one is superseded.
        if transition(&self.state, Command::Supersede { by }).is_ok() {
            let from = self.state.name();
            self.trail.push(TrailEntry {
                at: change.at,
                from: Some(from),
                to: StateName::Superseded,
                actor: change.actor.clone(),
                cause: content.cause.clone(),
                revision: self.revision,
                content: None,
                note: Some(format!("superseded by revision {by}")),
            });
            self.state = OrderState::Superseded { by };
        }
        let previous = self.state.clone();
        self.start_revision(Some(&previous), content, change);
    }

    fn start_revision(
        &mut self,
        previous: Option<&OrderState>,
        content: RevisionContent,
        change: &Change,
    ) {
        use super::state::QuarantineReason::CancelledAfterImport;

        let cancels = content.cancels;
        self.state = match (cancels, self.may_be_in_erp) {
            (false, _) => OrderState::Pending,
            (true, false) => OrderState::Cancelled,
            (true, true) => OrderState::Quarantined {
                reason: CancelledAfterImport,
            },
        };
        self.trail.push(TrailEntry {
            at: change.at,
            from: previous.map(OrderState::name),
            to: self.state.name(),
            actor: change.actor.clone(),
            cause: content.cause.clone(),
            revision: content.revision,
            content: Some(content.content_hash),
            note: None,
        });
        self.oms_event = content.oms_event;
        self.ingested_at = content.ingested_at;
        self.waiting_since = content.waiting_since;
        self.revision = content.revision;
        self.content_hash = content.content_hash;
        self.picked_up_at = None;
        if previous.is_some() {
            self.claim_generation = self.claim_generation.saturating_add(1);
        }
        self.stop_retention();
        if self.state.is_terminal() {
            self.perform(Effect::StartRetention, change);
        }
        self.processing_status = self.state.name().processing_status();
    }

    /// Settles an order that is stored as `Claimed`: enters the steps of its batch into the
    /// trail, then the end.
    ///
    /// # Errors
    /// [`IllegalTransition`] when the order is not held by `progress`'s batch; the record is
    /// unchanged.
    pub fn settle(
        &mut self,
        end: Command,
        progress: &BatchProgress,
        change: &Change,
    ) -> Result<(), IllegalTransition> {
        let stage = progress.staged_at.map(|at| {
            (
                at,
                Command::Stage {
                    batch: progress.batch,
                },
            )
        });
        let execution = ExecutionId::from(progress.batch);
        let submit = progress
            .submitted_at
            .map(|at| (at, Command::Submit { execution }));
        let steps: Vec<_> = stage
            .into_iter()
            .chain(submit)
            .chain([(change.at, end)])
            .collect();
        // All or nothing: the whole way is checked before the first step is taken.
        let mut reached = self.state.clone();
        for (_, command) in &steps {
            reached = transition(&reached, command.clone())?.next;
        }
        self.blob_reference.clone_from(&progress.package);
        for (at, command) in steps {
            let change = Change {
                at,
                ..change.clone()
            };
            self.apply(command, &change)?;
        }
        Ok(())
    }

    /// The exact state of an order that its batch's record moves along.
    pub fn state_in_batch(&self, progress: Option<&BatchProgress>) -> OrderState {
        match (&self.state, progress) {
            (OrderState::Claimed { batch, .. }, Some(progress)) if *batch == progress.batch => {
                if progress.submitted_at.is_some() {
                    OrderState::Submitted {
                        execution: ExecutionId::from(*batch),
                    }
                } else if progress.staged_at.is_some() {
                    OrderState::Staged { batch: *batch }
                } else {
                    self.state.clone()
                }
            }
            _ => self.state.clone(),
        }
    }

    /// The newest revision that is known, queued or current, and the hash of what it says.
    pub fn newest(&self) -> (Revision, Sha256) {
        self.queued
            .as_ref()
            .map_or((self.revision, self.content_hash), |queued| {
                (queued.revision, queued.content_hash)
            })
    }
}

/// True when an import that ended like this certainly left nothing of the order in the ERP.
fn took_nothing(end: &OrderState) -> bool {
    matches!(end, OrderState::Rejected { reason } if reason.records_imported == 0)
}

/// How far a batch is, as far as its orders are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchProgress {
    /// The batch.
    pub batch: BatchId,
    /// Its package, once staged.
    pub package: Option<BlobName>,
    /// When the package was staged.
    pub staged_at: Option<DateTime<Utc>>,
    /// When the ERP took the package.
    pub submitted_at: Option<DateTime<Utc>>,
}
