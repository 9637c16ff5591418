//! Opens batches of the orders that wait longest.

use chrono::{DateTime, Utc};

use super::super::repository::{Saved, Stored};
use super::claim::CLAIM_ORDERS;
use super::flow::BatchFlow;
use super::outcome::{Dropped, unreadable};
use crate::batch::{BATCH_SCHEMA, BatchRecord, BatchState, Lease, Member, SegmentList, batch_id};
use crate::error::PortError;
use crate::id::{BatchId, OrderId};
use crate::order::StateName;
use crate::policy::{Backlog, Trigger};

/// Batches of exactly the same members that may be given up before anything was claimed.
const ROUNDS_MAX: u32 = 64;

/// What became of opening a batch.
pub(super) enum Opened {
    Batch(Box<Stored<BatchRecord>>, Vec<Member>),
    Nothing,
    Elsewhere(BatchId),
}

impl BatchFlow {
    /// Opens a batch of the orders that wait longest.
    pub(super) async fn open(
        &self,
        requested: bool,
        dropped: &mut Vec<(OrderId, Dropped)>,
    ) -> Result<Opened, PortError> {
        let waiting = self.repository.waiting_orders().await?;
        let Some((oldest, _)) = waiting.first() else {
            return Ok(Opened::Nothing);
        };
        let now = self.worker.now();
        let backlog = Backlog {
            orders: waiting.len(),
            oldest: *oldest,
        };
        let trigger = self.policy.trigger(now, &backlog);
        let trigger = if requested {
            trigger.or(Some(Trigger::Requested))
        } else {
            trigger
        };
        let Some(trigger) = trigger else {
            return Ok(Opened::Nothing);
        };

        let candidates = self.candidates(waiting);
        let (members, content_time) = self.propose(&candidates, dropped).await?;
        if members.is_empty() {
            return Ok(Opened::Nothing);
        }
        self.create(members, content_time, trigger).await
    }

    fn candidates(&self, waiting: Vec<(DateTime<Utc>, OrderId)>) -> Vec<OrderId> {
        let in_package = self.spec.format.orders_max();
        let orders_max = self.policy.orders_max.min(in_package).max(1);
        waiting
            .into_iter()
            .take(orders_max)
            .map(|(_, order)| order)
            .collect()
    }

    /// Reads the candidates and takes as many as the policy lets into one package.
    async fn propose(
        &self,
        candidates: &[OrderId],
        dropped: &mut Vec<(OrderId, Dropped)>,
    ) -> Result<(Vec<Member>, DateTime<Utc>), PortError> {
        let mut members = Vec::with_capacity(candidates.len());
        let mut content_time = DateTime::<Utc>::MIN_UTC;
        let mut event_bytes = 0_u64;
        'candidates: for chunk in candidates.chunks(CLAIM_ORDERS) {
            let heads = self.repository.order_heads(chunk).await?;
            for (order, head) in chunk.iter().zip(heads) {
                let head = match head {
                    Ok(Some(head)) => head,
                    Ok(None) => continue,
                    Err(error) => {
                        dropped.push((order.clone(), unreadable(&error)));
                        continue;
                    }
                };
                if head.state != StateName::Pending {
                    continue;
                }
                let bytes = u64::try_from(head.event_bytes).unwrap_or(u64::MAX);
                event_bytes = event_bytes.saturating_add(bytes);
                if event_bytes > self.policy.event_bytes_max && !members.is_empty() {
                    break 'candidates;
                }
                content_time = content_time.max(head.waiting_since);
                members.push(head.member);
            }
        }
        members.sort_by(|a, b| a.order.cmp(&b.order));
        Ok((members, content_time))
    }

    async fn create(
        &self,
        members: Vec<Member>,
        content_time: DateTime<Utc>,
        trigger: Trigger,
    ) -> Result<Opened, PortError> {
        let now = self.worker.now();
        let lease = Lease {
            owner: self.worker.id.clone(),
            until: now.checked_add_signed(self.policy.lease()).unwrap_or(now),
        };
        let proposal = SegmentList::proposal(members.len());
        for round in 0..ROUNDS_MAX {
            let id = batch_id(&members, round);
            let record = BatchRecord {
                id,
                schema: BATCH_SCHEMA,
                state: BatchState::Open,
                epoch: 0,
                lease: Some(lease.clone()),
                project: self.spec.project.clone(),
                trigger,
                content_time,
                opened_at: now,
                sealed_at: None,
                staged_at: None,
                announced_at: None,
                is_seen: false,
                resubmissions: 0,
                submitted_at: None,
                done_at: None,
                proposal: proposal.clone(),
                members: None,
                package: None,
                due_at: now,
                attempts: 0,
                futile_attempts: 0,
                waits_for: None,
                settlement: None,
                expires_at: None,
            };
            if let Saved::Yes(batch) = self.repository.create_batch(record).await? {
                self.repository
                    .save_members(id, &proposal, &members)
                    .await?;
                return Ok(Opened::Batch(Box::new(batch), members));
            }
            match self.repository.batch(id).await? {
                // A batch of these very members was given up before it claimed any.
                Some(existing) if existing.record.state == BatchState::Done => {}
                _ => return Ok(Opened::Elsewhere(id)),
            }
        }
        Ok(Opened::Nothing)
    }

    /// The orders that the batch set out to claim. Where the worker that opened it died before
    /// the list was stored, nothing is claimed yet and the list is made again; `None` when other
    /// orders wait by now.
    pub(super) async fn proposal(
        &self,
        batch: &BatchRecord,
        dropped: &mut Vec<(OrderId, Dropped)>,
    ) -> Result<Option<Vec<Member>>, PortError> {
        if let Some(stored) = self.repository.members(batch.id, &batch.proposal).await? {
            return Ok(Some(stored));
        }
        let candidates = self.candidates(self.repository.waiting_orders().await?);
        let (members, _) = self.propose(&candidates, dropped).await?;
        if (0..ROUNDS_MAX).any(|round| batch_id(&members, round) == batch.id) {
            self.repository
                .save_members(batch.id, &batch.proposal, &members)
                .await?;
            return Ok(Some(members));
        }
        Ok(None)
    }
}
