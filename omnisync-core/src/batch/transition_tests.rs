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
        announced_at: None,
        is_seen: false,
        resubmissions: 0,
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
        BatchCommand::Announce { lease },
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
    let graph: [(BatchState, [Option<BatchState>; 10]); 5] = [
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
                Some(Staged),
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
                None,
                Some(Done),
            ],
        ),
        (Done, [None; 10]),
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
    assert_eq!(after(Attempt::Refused), (3, 1));
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

#[test]
fn an_announcement_holds_until_the_erp_took_or_refused_the_package() {
    let lease = Duration::seconds(900);
    let announce = BatchCommand::Announce { lease };
    let announced = batch(BatchState::Staged).apply(announce, now()).unwrap();
    assert_eq!(announced.announced_at, Some(now()));
    assert_eq!(announced.lease.as_ref().unwrap().until, now() + lease);
    let after = |attempt| {
        let wait = BatchCommand::Yield {
            due_at: now(),
            waits_for: "the ERP".to_owned(),
            attempt,
        };
        announced.apply(wait, now()).unwrap().announced_at
    };
    for open in [Attempt::Early, Attempt::Failed] {
        assert_eq!(after(open), Some(now()), "{open:?}");
    }
    for certain in [Attempt::Refused, Attempt::Futile] {
        assert_eq!(after(certain), None, "{certain:?}");
    }
    let submitted = announced.apply(BatchCommand::Submit, now()).unwrap();
    assert_eq!(submitted.announced_at, None);
}
