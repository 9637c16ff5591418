//! Settles the orders of a batch, each by what the import says about it.

use chrono::{DateTime, Duration, Utc};
use tracing::{info, warn};

use super::super::repository::{Decision, Saved, Stored};
use super::super::settle::{Fates, OrderVerdict, Reading};
use super::flow::{Deliver, Slot};
use super::outcome::{DeliverOutcome, Delivered, SettledOrder};
use super::ruling::Ruling;
use crate::batch::{Attempt, BatchCommand, BatchRecord, Member, Settlement};
use crate::error::{ErrorKind, PortError};
use crate::id::{ExecutionId, OrderId};
use crate::order::{Cause, Command, OrderRecord, OrderState, StateName};
use crate::port::{ImportStatus, Reporting};

/// Orders that are settled with one write.
pub(super) const SETTLE_ORDERS: usize = 500;
/// Pages of results that one import may have.
const RESULT_PAGES_MAX: usize = 100_000;

/// What settling one order did.
struct SettledNow {
    order: SettledOrder,
    /// False when an earlier run had settled it.
    now: bool,
    /// Since when the order was in the pipeline.
    ingested_at: DateTime<Utc>,
}

impl Deliver {
    /// Reads the results and settles every order.
    pub(super) async fn settle(
        &self,
        batch: Stored<BatchRecord>,
        status: &ImportStatus,
    ) -> Result<DeliverOutcome, PortError> {
        let execution = ExecutionId::from(batch.record.id);
        let id = batch.record.id;
        let batch = match self.hold_for_results(batch).await? {
            Saved::Yes(held) => held,
            Saved::Lost => return Ok(DeliverOutcome::of(Some(id), Delivered::Elsewhere)),
        };
        let fates = match self.fates(execution).await {
            Ok(fates) => fates,
            Err(error) if self.is_overdue(&batch.record) => {
                warn!(batch.id = %id, error = %error, "the results cannot be read");
                return self.settle_with(batch, Ruling::Overdue).await;
            }
            Err(error) => return self.wait_after(batch, error, Slot::Keep).await,
        };
        let readings = batch.record.futile_attempts.saturating_add(1);
        let ruling = Ruling::Results {
            fates,
            status: status.clone(),
            is_last: readings >= self.policy.results_attempts_max,
        };
        self.settle_with(batch, ruling).await
    }

    /// Reading takes its time where every refused record has to be asked for.
    async fn hold_for_results(&self, batch: Stored<BatchRecord>) -> Result<Saved, PortError> {
        if self.erp.capability().reporting != Reporting::Refused {
            return Ok(Saved::Yes(batch));
        }
        let lease = Duration::seconds(self.policy.results_seconds_max.into());
        let lease = lease.max(self.policy.lease());
        let now = self.worker.now();
        self.repository
            .advance(&batch, BatchCommand::Renew { lease }, now)
            .await
    }

    /// True for an import that takes longer than it may.
    pub(super) fn is_overdue(&self, batch: &BatchRecord) -> bool {
        self.is_older(batch, self.policy.import_seconds_max)
    }

    /// True when the ERP took the package so many seconds ago.
    pub(super) fn is_older(&self, batch: &BatchRecord, seconds: u32) -> bool {
        let now = self.worker.now();
        let age = now - batch.submitted_at.unwrap_or(now);
        age >= Duration::seconds(seconds.into())
    }

    async fn fates(&self, execution: ExecutionId) -> Result<Fates, PortError> {
        let mut fates = Fates::default();
        let mut continuation = None;
        for _ in 0..RESULT_PAGES_MAX {
            let page = self.erp.results(execution, continuation.take()).await?;
            continuation.clone_from(&page.continuation);
            fates.add(page);
            if continuation.is_none() {
                return Ok(fates);
            }
        }
        Err(
            PortError::new(ErrorKind::TooLarge, "deliver.results").with_detail(format!(
                "import {execution} has more than {RESULT_PAGES_MAX} pages"
            )),
        )
    }

    /// What the results say about an order. Nothing about one that went on since its batch took
    /// it, and nothing about one whose event cannot be read any more: nobody knows what became
    /// of that.
    fn verdict(
        &self,
        execution: ExecutionId,
        ruling: &mut Ruling,
        record: &OrderRecord,
        member: &Member,
    ) -> Result<Option<OrderVerdict>, PortError> {
        let Ruling::Results { fates, .. } = ruling else {
            return Ok(None);
        };
        let expected = self.expected(record, member)?;
        Ok(expected.map(|expected| fates.verdict(execution, &expected)))
    }

    /// Applies a ruling, order by order; whoever was settled before stays as he is.
    pub(super) async fn settle_with(
        &self,
        mut batch: Stored<BatchRecord>,
        mut ruling: Ruling,
    ) -> Result<DeliverOutcome, PortError> {
        let id = batch.record.id;
        let members = match self.repository.sealed_members(&batch.record).await {
            Ok(members) => members,
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => return self.fail(batch, error, Slot::Keep).await,
        };
        if let Ruling::Results {
            fates,
            status,
            is_last,
        } = &mut ruling
            && self.erp.capability().reporting == Reporting::Refused
        {
            let reading = Reading {
                is_last: *is_last,
                has_failed: matches!(status, ImportStatus::Failed | ImportStatus::Canceled),
            };
            let weighed = self.weigh(&batch.record, &members, fates, reading).await;
            match weighed {
                // Nobody is settled before all are known: an order that went on would be missing
                // from the next count.
                Ok(false) if !*is_last => {
                    let step = self.wait_for_results(batch, members.len(), status.as_str());
                    return Ok(DeliverOutcome::of(Some(id), step.await?));
                }
                Ok(_) => {}
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => return self.fail(batch, error, Slot::Keep).await,
            }
        }
        let mut done = DeliverOutcome::of(Some(id), Delivered::Elsewhere);
        let mut settlement = Settlement::default();
        let mut unresolved = 0_usize;
        for chunk in members.chunks(SETTLE_ORDERS) {
            match self.renew_if_due(batch).await? {
                Saved::Yes(renewed) => batch = renewed,
                Saved::Lost => return Ok(done),
            }
            let ids: Vec<OrderId> = chunk.iter().map(|member| member.order.clone()).collect();
            let now = self.worker.now();
            let settled = self
                .repository
                .update_orders(&ids, |index, record| {
                    let verdict = match (&record, chunk.get(index)) {
                        (Some(record), Some(member)) => {
                            self.verdict(id.into(), &mut ruling, record, member)?
                        }
                        _ => None,
                    };
                    Ok(self.decide(&batch.record, record, &ruling, verdict, now))
                })
                .await?;
            for order in settled {
                match order {
                    Ok(Some(settled)) => {
                        count(&mut settlement, settled.order.state);
                        self.note_order(&batch.record, &settled);
                        if settled.now {
                            done.orders.push(settled.order);
                        }
                    }
                    Err(error) if error.kind() != ErrorKind::Corrupt => return Err(error),
                    // Somebody took the order's document away, or altered it: the batch must
                    // not wait for it for ever.
                    Ok(None) | Err(_) if ruling.is_final() => settlement.quarantined += 1,
                    Ok(None) | Err(_) => unresolved += 1,
                }
            }
        }
        if let Ruling::Results { fates, status, .. } = ruling {
            done.unmatched = fates.into_unmatched();
            if unresolved > 0 {
                done.step = self
                    .wait_for_results(batch, unresolved, status.as_str())
                    .await?;
                return Ok(done);
            }
        }
        done.step = self.finish(batch, settlement).await?;
        Ok(done)
    }

    async fn wait_for_results(
        &self,
        batch: Stored<BatchRecord>,
        unresolved: usize,
        status: &str,
    ) -> Result<Delivered, PortError> {
        let waits_for = format!("results of {unresolved} orders ({status} import)");
        let attempt = batch.record.attempts.saturating_add(1);
        let delay = self.policy.retry.delay(attempt, self.worker.ids.jitter());
        let until = self.worker.after(delay);
        let waiting = self.wait(batch, waits_for, until, Attempt::Futile).await?;
        Ok(waiting.step)
    }

    async fn finish(
        &self,
        batch: Stored<BatchRecord>,
        settlement: Settlement,
    ) -> Result<Delivered, PortError> {
        let now = self.worker.now();
        let finish = BatchCommand::Finish {
            settlement,
            retention: self.worker.retention.batch(),
        };
        let Saved::Yes(finished) = self.repository.advance(&batch, finish, now).await? else {
            return Ok(Delivered::Elsewhere);
        };
        self.note_batch(&finished.record, settlement);
        self.repository
            .vacate(&self.project, finished.record.id, now)
            .await?;
        Ok(Delivered::Done(settlement))
    }

    /// What becomes of one order: `None` while nobody knows.
    fn decide(
        &self,
        batch: &BatchRecord,
        record: Option<OrderRecord>,
        ruling: &Ruling,
        verdict: Option<OrderVerdict>,
        now: DateTime<Utc>,
    ) -> Decision<Option<SettledNow>> {
        let execution = ExecutionId::from(batch.id);
        let Some(mut record) = record else {
            return Decision::Keep(None);
        };
        let ingested_at = record.ingested_at;
        let held = matches!(record.state, OrderState::Claimed { batch: by, .. } if by == batch.id);
        if !held {
            let order = settled_before(&record, execution);
            return Decision::Keep(order.map(|order| SettledNow {
                order,
                now: false,
                ingested_at,
            }));
        }
        let attempts_max = self.policy.order_attempts_max;
        let Some(command) = ruling.command(execution, &record, verdict, attempts_max) else {
            return Decision::Keep(None);
        };
        let reason = reason_of(&command);
        let change = self.worker.change(now, Cause::Execution { id: execution });
        if record.settle(command, &batch.progress(), &change).is_err() {
            return Decision::Keep(None);
        }
        let order = SettledOrder {
            order: record.order_id.clone(),
            state: settled_before(&record, execution)
                .map_or_else(|| record.state.name(), |settled| settled.state),
            reason,
        };
        Decision::Write(
            Box::new(record),
            Some(SettledNow {
                order,
                now: true,
                ingested_at,
            }),
        )
    }

    fn note_order(&self, batch: &BatchRecord, settled: &SettledNow) {
        if settled.now && settled.order.state == StateName::Imported {
            info!(
                OrderId = %settled.order.order,
                BatchId = %batch.id,
                DurationMs = self.worker.millis_since(settled.ingested_at),
                "DeliverySuccess"
            );
        }
    }

    /// A batch of which the ERP took nothing is no success, whatever its import was called.
    fn note_batch(&self, batch: &BatchRecord, settlement: Settlement) {
        let package = batch.package.as_ref();
        let orders = package.map_or(0, |package| package.orders);
        let name = package.map_or("", |package| package.name.as_str());
        let started = batch.submitted_at.unwrap_or(batch.opened_at);
        let duration_ms = self.worker.millis_since(started);
        if settlement.imported > 0 {
            info!(
                BatchId = %batch.id,
                BatchSize = orders,
                DurationMs = duration_ms,
                BlobName = name,
                imported = settlement.imported,
                rejected = settlement.rejected,
                retried = settlement.retried,
                quarantined = settlement.quarantined,
                "DeliverySuccess"
            );
        } else {
            warn!(
                BatchId = %batch.id,
                BatchSize = orders,
                DurationMs = duration_ms,
                BlobName = name,
                rejected = settlement.rejected,
                retried = settlement.retried,
                quarantined = settlement.quarantined,
                "DeliveryFailure"
            );
        }
    }
}

/// How an import ended for an order, as its trail tells.
fn settled_before(record: &OrderRecord, execution: ExecutionId) -> Option<SettledOrder> {
    let by_import = Cause::Execution { id: execution };
    let ended = |to: StateName| to.is_terminal() || to == StateName::Pending;
    let entry = record
        .trail
        .entries()
        .iter()
        .rev()
        .find(|entry| entry.cause == by_import && ended(entry.to))?;
    Some(SettledOrder {
        order: record.order_id.clone(),
        state: entry.to,
        reason: None,
    })
}

fn reason_of(command: &Command) -> Option<String> {
    match command {
        Command::Reject { reason } => Some(
            reason
                .code
                .clone()
                .unwrap_or_else(|| reason.class.to_string()),
        ),
        Command::Quarantine { reason } => Some(reason.as_str().to_owned()),
        _ => None,
    }
}

fn count(settlement: &mut Settlement, state: StateName) {
    let counter = match state {
        StateName::Imported => &mut settlement.imported,
        StateName::Rejected => &mut settlement.rejected,
        StateName::Pending => &mut settlement.retried,
        _ => &mut settlement.quarantined,
    };
    *counter += 1;
}
