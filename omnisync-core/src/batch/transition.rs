//! The state machine of a batch, as a pure function of record, command and instant.

use chrono::{DateTime, Duration, Utc};
use thiserror::Error;

use super::member::SegmentList;
use super::record::{BatchRecord, BatchState, Lease, PackageRecord, Settlement};
use crate::id::WorkerId;

/// What shall happen to a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchCommand {
    /// A worker takes the batch, when nobody holds it or the holder's lease has passed. A
    /// worker that starts again under its old name takes its own batches back at once.
    Take {
        /// The worker.
        worker: WorkerId,
        /// How long it holds the batch without renewing.
        lease: Duration,
    },
    /// The holder goes on holding it.
    Renew {
        /// For how long.
        lease: Duration,
    },
    /// The holder lets go until `due_at`.
    Yield {
        /// When the batch next wants attention.
        due_at: DateTime<Utc>,
        /// What it waits for, for people.
        waits_for: String,
        /// How the attempt ended.
        attempt: Attempt,
    },
    /// The members are fixed.
    Seal {
        /// The members.
        members: SegmentList,
    },
    /// The package is in the stage.
    Stage {
        /// The package.
        package: PackageRecord,
    },
    /// The package is gone, or the ERP has no trace of it: stage or submit again.
    Restage,
    /// The holder sets out to submit the package. Whoever comes after it knows that the ERP may
    /// have it, even where the ERP does not know yet.
    Announce {
        /// How long it holds the batch at least.
        lease: Duration,
    },
    /// The ERP took the package.
    Submit,
    /// Every order is settled.
    Finish {
        /// How.
        settlement: Settlement,
        /// How long the record stays.
        retention: Duration,
    },
}

/// How an attempt ended that did not finish its step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// Nothing failed: it is only too early.
    Early,
    /// The same, and the ERP knows the import.
    Seen,
    /// It failed, which says nothing about the batch: the peer was away, say.
    Failed,
    /// The ERP refused the package for the time being: what was announced did not happen.
    Refused,
    /// It was answered, and the answer does not help. Limits count these alone, so that no
    /// outage uses up what a batch is allowed. What was announced did not happen.
    Futile,
}

/// The command does not apply to the state. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{command} does not apply to a batch that is {}", state.as_str())]
pub struct IllegalBatchTransition {
    /// State of the batch.
    pub state: BatchState,
    /// Name of the command.
    pub command: &'static str,
}

impl BatchRecord {
    /// Decides what `command` makes of the batch at `now`.
    ///
    /// # Errors
    /// [`IllegalBatchTransition`] names both sides.
    pub fn apply(
        &self,
        command: BatchCommand,
        now: DateTime<Utc>,
    ) -> Result<Self, IllegalBatchTransition> {
        use BatchCommand as C;
        use BatchState as S;

        let illegal = |command| {
            Err(IllegalBatchTransition {
                state: self.state,
                command,
            })
        };
        let mut next = self.clone();
        match (self.state, command) {
            (S::Open | S::Sealed | S::Staged | S::Submitted, C::Take { worker, lease }) => {
                if !self.may_be_taken_by(&worker, now) {
                    return illegal("Take");
                }
                next.epoch = self.epoch.saturating_add(1);
                next.lease = Some(Lease {
                    owner: worker,
                    until: later(now, lease),
                });
            }
            (S::Open | S::Sealed | S::Staged | S::Submitted, C::Renew { lease }) => {
                let Some(held) = &mut next.lease else {
                    return illegal("Renew");
                };
                held.until = later(now, lease);
            }
            (
                S::Open | S::Sealed | S::Staged | S::Submitted,
                C::Yield {
                    due_at,
                    waits_for,
                    attempt,
                },
            ) => {
                next.wait(due_at, waits_for, attempt);
            }
            (S::Open, C::Seal { members }) => {
                next.enter(S::Sealed, now);
                next.sealed_at = Some(now);
                next.members = Some(members);
            }
            (S::Sealed, C::Stage { package }) => {
                next.enter(S::Staged, now);
                next.staged_at = Some(now);
                next.package = Some(package);
                next.lease = None;
            }
            (S::Staged | S::Submitted, C::Restage) => {
                // A package that the ERP lost is still in the stage; one that the stage lost is
                // built again from the members.
                let back = if self.state == S::Staged {
                    S::Sealed
                } else {
                    S::Staged
                };
                next.enter(back, now);
                next.attempts = self.attempts.saturating_add(1);
                next.submitted_at = None;
                next.lease = None;
                if back == S::Sealed {
                    next.staged_at = None;
                } else {
                    next.resubmissions = self.resubmissions.saturating_add(1);
                }
            }
            (S::Staged, C::Announce { lease }) => {
                let Some(held) = &mut next.lease else {
                    return illegal("Announce");
                };
                held.until = held.until.max(later(now, lease));
                next.announced_at = Some(now);
            }
            (S::Staged, C::Submit) => {
                next.enter(S::Submitted, now);
                next.submitted_at = Some(now);
            }
            (
                S::Open | S::Sealed | S::Staged | S::Submitted,
                C::Finish {
                    settlement,
                    retention,
                },
            ) => {
                next.enter(S::Done, now);
                next.done_at = Some(now);
                next.settlement = Some(settlement);
                next.lease = None;
                next.expires_at = now.checked_add_signed(retention);
            }
            (S::Open | S::Sealed | S::Staged | S::Submitted | S::Done, command) => {
                return illegal(command.name());
            }
        }
        Ok(next)
    }

    fn wait(&mut self, due_at: DateTime<Utc>, waits_for: String, attempt: Attempt) {
        self.lease = None;
        self.due_at = due_at;
        self.waits_for = Some(waits_for);
        self.is_seen |= attempt == Attempt::Seen;
        self.attempts = match attempt {
            Attempt::Early | Attempt::Seen => 0,
            Attempt::Failed | Attempt::Refused | Attempt::Futile => self.attempts.saturating_add(1),
        };
        if attempt == Attempt::Futile {
            self.futile_attempts = self.futile_attempts.saturating_add(1);
        }
        if matches!(attempt, Attempt::Refused | Attempt::Futile) {
            self.announced_at = None;
        }
    }

    fn enter(&mut self, state: BatchState, now: DateTime<Utc>) {
        self.state = state;
        self.due_at = now;
        self.attempts = 0;
        self.futile_attempts = 0;
        self.waits_for = None;
        self.announced_at = None;
        self.is_seen = false;
    }

    /// True when `worker` may take the batch at `now`.
    pub fn may_be_taken_by(&self, worker: &WorkerId, now: DateTime<Utc>) -> bool {
        match &self.lease {
            None => self.due_at <= now,
            Some(lease) => lease.owner == *worker || lease.until <= now,
        }
    }
}

impl BatchCommand {
    /// The name, for errors and documentation.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Take { .. } => "Take",
            Self::Renew { .. } => "Renew",
            Self::Yield { .. } => "Yield",
            Self::Seal { .. } => "Seal",
            Self::Stage { .. } => "Stage",
            Self::Restage => "Restage",
            Self::Announce { .. } => "Announce",
            Self::Submit => "Submit",
            Self::Finish { .. } => "Finish",
        }
    }
}

fn later(now: DateTime<Utc>, by: Duration) -> DateTime<Utc> {
    now.checked_add_signed(by)
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
#[path = "transition_tests.rs"]
mod tests;
