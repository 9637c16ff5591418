use super::*;
use crate::order::state::RejectionClass;

fn batch(n: u8) -> BatchId {
    BatchId::from_hash([n; 16])
}

fn execution(n: u8) -> ExecutionId {
    batch(n).into()
}

fn evidence(n: u8) -> Evidence {
    Evidence {
        execution: execution(n),
        record: "ORD-1".to_owned(),
        lines: 1,
    }
}

fn rejection(n: u8) -> Rejection {
    Rejection {
        execution: execution(n),
        code: None,
        message: "customer is blocked".to_owned(),
        entity: "Sales order headers V2".to_owned(),
        class: RejectionClass::Data,
        records_imported: 0,
        records_failed: 1,
    }
}

fn quarantine() -> QuarantineReason {
    QuarantineReason::RevisionConflict {
        event_id: "e2".to_owned(),
    }
}

fn newer() -> Revision {
    Revision::new(Some(2), None)
}

fn states() -> Vec<OrderState> {
    vec![
        OrderState::Pending,
        OrderState::Claimed {
            batch: batch(1),
            epoch: 3,
        },
        OrderState::Staged { batch: batch(1) },
        OrderState::Submitted {
            execution: execution(1),
        },
        OrderState::Imported {
            evidence: evidence(1),
        },
        OrderState::Rejected {
            reason: rejection(1),
        },
        OrderState::Quarantined {
            reason: quarantine(),
        },
        OrderState::Superseded { by: newer() },
        OrderState::Cancelled,
    ]
}

/// Every command, once for the batch that holds the order (1) and once for another (2).
fn commands() -> Vec<(&'static str, Command)> {
    vec![
        (
            "claim 1 epoch 3",
            Command::Claim {
                batch: batch(1),
                epoch: 3,
            },
        ),
        (
            "claim 1 epoch 4",
            Command::Claim {
                batch: batch(1),
                epoch: 4,
            },
        ),
        (
            "claim 1 epoch 2",
            Command::Claim {
                batch: batch(1),
                epoch: 2,
            },
        ),
        (
            "claim 2",
            Command::Claim {
                batch: batch(2),
                epoch: 9,
            },
        ),
        ("release 1", Command::Release { batch: batch(1) }),
        ("release 2", Command::Release { batch: batch(2) }),
        ("stage 1", Command::Stage { batch: batch(1) }),
        ("stage 2", Command::Stage { batch: batch(2) }),
        (
            "submit 1",
            Command::Submit {
                execution: execution(1),
            },
        ),
        (
            "submit 2",
            Command::Submit {
                execution: execution(2),
            },
        ),
        (
            "import 1",
            Command::Import {
                evidence: evidence(1),
            },
        ),
        (
            "import 2",
            Command::Import {
                evidence: evidence(2),
            },
        ),
        (
            "reject 1",
            Command::Reject {
                reason: rejection(1),
            },
        ),
        (
            "reject 2",
            Command::Reject {
                reason: rejection(2),
            },
        ),
        (
            "retry 1",
            Command::Retry {
                execution: execution(1),
            },
        ),
        (
            "retry 2",
            Command::Retry {
                execution: execution(2),
            },
        ),
        (
            "quarantine",
            Command::Quarantine {
                reason: quarantine(),
            },
        ),
        (
            "quarantine cancelled",
            Command::Quarantine {
                reason: QuarantineReason::CancelledAfterImport,
            },
        ),
        ("supersede", Command::Supersede { by: newer() }),
        ("cancel", Command::Cancel),
        ("reopen", Command::Reopen),
    ]
}

/// The whole graph: state, command, next state. Whatever is not listed is illegal.
const LEGAL: &[(&str, &str, &str)] = &[
    ("Pending", "claim 1 epoch 3", "Claimed"),
    ("Pending", "claim 1 epoch 4", "Claimed"),
    ("Pending", "claim 1 epoch 2", "Claimed"),
    ("Pending", "claim 2", "Claimed"),
    ("Pending", "supersede", "Superseded"),
    ("Pending", "cancel", "Cancelled"),
    ("Pending", "quarantine", "Quarantined"),
    ("Pending", "quarantine cancelled", "Quarantined"),
    ("Claimed", "claim 1 epoch 3", "Claimed"),
    ("Claimed", "claim 1 epoch 4", "Claimed"),
    ("Claimed", "release 1", "Pending"),
    ("Claimed", "stage 1", "Staged"),
    ("Claimed", "quarantine", "Quarantined"),
    ("Claimed", "quarantine cancelled", "Quarantined"),
    ("Staged", "submit 1", "Submitted"),
    ("Staged", "quarantine", "Quarantined"),
    ("Staged", "quarantine cancelled", "Quarantined"),
    ("Submitted", "import 1", "Imported"),
    ("Submitted", "reject 1", "Rejected"),
    ("Submitted", "retry 1", "Pending"),
    ("Submitted", "quarantine", "Quarantined"),
    ("Submitted", "quarantine cancelled", "Quarantined"),
    ("Imported", "quarantine cancelled", "Quarantined"),
    ("Rejected", "cancel", "Cancelled"),
    ("Rejected", "reopen", "Pending"),
    ("Quarantined", "supersede", "Superseded"),
    ("Quarantined", "cancel", "Cancelled"),
    ("Quarantined", "reopen", "Pending"),
];

#[test]
fn every_state_meets_every_command_as_the_graph_says() {
    let mut seen = 0;
    for state in states() {
        for (label, command) in commands() {
            let expected = LEGAL
                .iter()
                .find(|(from, with, _)| *from == state.name().as_str() && *with == label)
                .map(|(_, _, to)| *to);
            let actual = transition(&state, command.clone());
            match (expected, actual) {
                (Some(to), Ok(transition)) => {
                    assert_eq!(
                        transition.next.name().as_str(),
                        to,
                        "{state:?} with {label}"
                    );
                    seen += 1;
                }
                (None, Err(error)) => {
                    assert_eq!(error.state, state.name());
                    assert_eq!(error.command, command.name());
                }
                (expected, actual) => {
                    panic!("{state:?} with {label}: expected {expected:?}, got {actual:?}")
                }
            }
        }
    }
    assert_eq!(seen, LEGAL.len());
    assert_eq!(states().len(), StateName::ALL.len());
}

#[test]
fn every_change_into_a_terminal_state_starts_retention_and_every_change_out_ends_it() {
    for state in states() {
        for (label, command) in commands() {
            let Ok(done) = transition(&state, command) else {
                continue;
            };
            let starts = done.effects.contains(&Effect::StartRetention);
            let stops = done.effects.contains(&Effect::StopRetention);
            let terminal = done.next.is_terminal();
            // A superseded revision lives on inside the record of its successor.
            let superseded = matches!(done.next, OrderState::Superseded { .. });
            assert_eq!(starts, terminal && !superseded, "{state:?} with {label}");
            assert_eq!(
                stops,
                state.is_terminal() && !terminal,
                "{state:?} with {label}"
            );
        }
    }
}

#[test]
fn an_order_that_returns_to_waiting_gets_a_new_claim_generation() {
    for state in states() {
        for (label, command) in commands() {
            let Ok(done) = transition(&state, command) else {
                continue;
            };
            if done.next == OrderState::Pending {
                assert!(
                    done.effects.contains(&Effect::NextGeneration),
                    "{state:?} with {label}"
                );
            }
        }
    }
}

#[test]
fn processed_means_that_the_erp_took_the_order() {
    use crate::order::state::ProcessingStatus;
    for name in StateName::ALL {
        assert_eq!(
            name.processing_status() == ProcessingStatus::Processed,
            name == StateName::Imported
        );
    }
}

#[test]
fn a_state_survives_its_stored_form() {
    for state in states() {
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(
            serde_json::from_str::<OrderState>(&text).unwrap(),
            state,
            "{text}"
        );
    }
}
