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
    /// It failed, which says nothing about the batch: the peer was away, say.
    Failed,
    /// It was answered, and the answer does not help. Limits count these alone, so that no
    /// outage uses up what a batch is allowed.
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
                next.lease = None;
                next.due_at = due_at;
                next.waits_for = Some(waits_for);
                next.attempts = match attempt {
                    Attempt::Early => 0,
                    Attempt::Failed | Attempt::Futile => self.attempts.saturating_add(1),
                };
                let futile = u32::from(attempt == Attempt::Futile);
                next.futile_attempts = self.futile_attempts.saturating_add(futile);
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
                }
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

    fn enter(&mut self, state: BatchState, now: DateTime<Utc>) {
        self.state = state;
        self.due_at = now;
        self.attempts = 0;
        self.futile_attempts = 0;
        self.waits_for = None;
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
mod tests {
    use super::*;
    use crate::batch::{BATCH_SCHEMA, batch_id};
    use crate::id::{BlobName, ProjectName, Sha256};
    use crate::policy::Trigger;

    fn worker(name: &str) -> WorkerId {
        WorkerId::new(name).unwrap()
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_773_475_200, 0).unwrap()
    }

    fn batch(state: BatchState) -> BatchRecord {
        BatchRecord {
            id: batch_id(&[], 0),
            schema: BATCH_SCHEMA,
            state,
            epoch: 1,
            lease: Some(Lease {
                owner: worker("a"),
                until: now() + Duration::seconds(60),
            }),
            project: ProjectName::new("Orders").unwrap(),
            trigger: Trigger::Requested,
            content_time: now(),
            opened_at: now(),
            sealed_at: None,
            staged_at: None,
            submitted_at: None,
            done_at: None,
            proposal: SegmentList::proposal(1),
            members: None,
            package: None,
            due_at: now(),
            attempts: 2,
            futile_attempts: 1,
            waits_for: None,
            settlement: None,
            expires_at: None,
        }
    }

    fn commands() -> Vec<BatchCommand> {
        let lease = Duration::seconds(60);
        vec![
            BatchCommand::Take {
                worker: worker("a"),
                lease,
            },
            BatchCommand::Take {
                worker: worker("b"),
                lease,
            },
            BatchCommand::Renew { lease },
            BatchCommand::Yield {
                due_at: now(),
                waits_for: "the ERP".into(),
                attempt: Attempt::Failed,
            },
            BatchCommand::Seal {
                members: SegmentList::sealed(1, 1),
            },
            BatchCommand::Stage {
                package: PackageRecord {
                    name: BlobName::new("p.zip").unwrap(),
                    bytes: 1,
                    sha256: Sha256::of(b"p"),
                    orders: 1,
                    lines: 1,
                    amounts: std::collections::BTreeMap::new(),
                },
            },
            BatchCommand::Restage,
            BatchCommand::Submit,
            BatchCommand::Finish {
                settlement: Settlement::default(),
                retention: lease,
            },
        ]
    }

    #[test]
    fn every_state_meets_every_command_as_the_graph_says() {
        use BatchState::{Done, Open, Sealed, Staged, Submitted};
        // Rows: states; columns: commands. `None` is illegal. Worker b may not take what a holds.
        let graph: [(BatchState, [Option<BatchState>; 9]); 5] = [
            (
                Open,
                [
                    Some(Open),
                    None,
                    Some(Open),
                    Some(Open),
                    Some(Sealed),
                    None,
                    None,
                    None,
                    Some(Done),
                ],
            ),
            (
                Sealed,
                [
                    Some(Sealed),
                    None,
                    Some(Sealed),
                    Some(Sealed),
                    None,
                    Some(Staged),
                    None,
                    None,
                    Some(Done),
                ],
            ),
            (
                Staged,
                [
                    Some(Staged),
                    None,
                    Some(Staged),
                    Some(Staged),
                    None,
                    None,
                    Some(Sealed),
                    Some(Submitted),
                    Some(Done),
                ],
            ),
            (
                Submitted,
                [
                    Some(Submitted),
                    None,
                    Some(Submitted),
                    Some(Submitted),
                    None,
                    None,
                    Some(Staged),
                    None,
                    Some(Done),
                ],
            ),
            (Done, [None; 9]),
        ];
        for (state, row) in graph {
            for (command, expected) in commands().into_iter().zip(row) {
                let name = command.name();
                let actual = batch(state)
                    .apply(command, now())
                    .ok()
                    .map(|next| next.state);
                assert_eq!(actual, expected, "{state:?} with {name}");
            }
        }
    }

    #[test]
    fn another_worker_takes_over_after_the_lease_with_a_higher_epoch() {
        let lease = Duration::seconds(60);
        let take = BatchCommand::Take {
            worker: worker("b"),
            lease,
        };
        let held = batch(BatchState::Sealed);
        let just_before = now() + Duration::seconds(59);
        assert!(held.apply(take.clone(), just_before).is_err());
        let taken = held.apply(take, now() + lease).unwrap();
        assert_eq!(taken.epoch, 2);
        assert_eq!(taken.lease.unwrap().owner, worker("b"));
    }

    #[test]
    fn a_batch_that_yielded_is_left_alone_until_it_is_due() {
        let due_at = now() + Duration::seconds(30);
        let wait = BatchCommand::Yield {
            due_at,
            waits_for: "the import".into(),
            attempt: Attempt::Early,
        };
        let waiting = batch(BatchState::Submitted).apply(wait, now()).unwrap();
        assert!(!waiting.may_be_taken_by(&worker("b"), now()));
        assert!(waiting.may_be_taken_by(&worker("b"), due_at));
    }

    #[test]
    fn an_outage_counts_as_attempts_but_not_against_the_batch() {
        let after = |attempt| {
            let waits_for = "the ERP".to_owned();
            let wait = BatchCommand::Yield {
                due_at: now(),
                waits_for,
                attempt,
            };
            let next = batch(BatchState::Submitted).apply(wait, now()).unwrap();
            (next.attempts, next.futile_attempts)
        };
        assert_eq!(after(Attempt::Early), (0, 1));
        assert_eq!(after(Attempt::Failed), (3, 1));
        assert_eq!(after(Attempt::Futile), (3, 2));
    }

    #[test]
    fn a_package_is_named_after_its_content_and_its_batch() {
        let name = batch(BatchState::Sealed).package_name().unwrap();
        let id = batch(BatchState::Sealed).id.simple();
        assert_eq!(name.as_str(), format!("oms_20260314_080000_{id}.zip"));
    }

    #[test]
    fn a_new_step_begins_without_failed_attempts() {
        let sealed = batch(BatchState::Open)
            .apply(
                BatchCommand::Seal {
                    members: SegmentList::sealed(1, 1),
                },
                now(),
            )
            .unwrap();
        assert_eq!((sealed.attempts, sealed.futile_attempts), (0, 0));
    }
}
