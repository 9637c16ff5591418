//! Mutants that keep less in the ledger of a record, or see less in it.

use omnisync_core::crm::ledger::{ConflictState, ConflictSubject, LinkRecord, MemberRecord};
use omnisync_core::flow::CRM_LINKS;
use omnisync_core::port::{Action, Document, DocumentKey, Expect, Write};
use serde_json::value::to_raw_value;

use super::{on_store, scenes};
use crate::zoo::Specimen;
use crate::zoo::edits::Edits;

pub(super) fn specimens() -> Vec<Specimen> {
    let mut all = members();
    all.extend(agreements());
    all.extend(conflicts());
    all
}

/// Those that forget something of what a system holds.
fn members() -> Vec<Specimen> {
    vec![
        Specimen::of_sync(
            "write-not-announced",
            "a write is made before the ledger says so",
            &["I-S9"],
            [scenes::edits()],
            on_store(|| {
                stored(|link| {
                    each_member(link, |member| {
                        member.intent.take_if(|intent| !intent.acknowledged);
                    });
                })
            }),
        ),
        Specimen::of_sync(
            "following-forgotten",
            "which version a system follows is forgotten",
            &["I-S6", "I-S9"],
            [scenes::edits()],
            on_store(|| {
                seen(|link| {
                    each_member(link, |member| {
                        let names: Vec<_> = member.fields.names().cloned().collect();
                        for name in names {
                            if let Some(held) = member.fields.get_mut(name.as_str()) {
                                held.synced = 0;
                            }
                        }
                    });
                })
            }),
        ),
        Specimen::of_sync(
            "answers-not-counted",
            "how often systems answered each other is forgotten",
            &["I-S8"],
            [scenes::circle()],
            on_store(|| {
                seen(|link| {
                    for (_, base) in link.fields.iter_mut() {
                        base.answers.clear();
                        base.reactions.clear();
                    }
                })
            }),
        ),
        Specimen::of_sync(
            "stale-read-believed",
            "a read that is behind what was read before counts as a change",
            &["I-S1", "I-S2", "I-S3", "I-S4"],
            [scenes::any().with_workers(1), scenes::any()],
            on_store(|| {
                seen(|link| {
                    each_member(link, |member| {
                        member.past.clear();
                        member.modified_at = None;
                        member.receipt = None;
                    });
                })
            }),
        ),
        Specimen::of_sync(
            "unanswered-write-forgotten",
            "a write without an answer is forgotten instead of being looked at",
            &["I-S1", "I-S2", "I-S3", "I-S4", "I-S5"],
            [scenes::normalises().with_workers(1), scenes::normalises()],
            on_store(|| {
                seen(|link| {
                    each_member(link, |member| {
                        member.intent = None;
                        member.unfinished = None;
                    });
                })
            }),
        ),
    ]
}

/// Those that treat what is agreed differently.
fn agreements() -> Vec<Specimen> {
    vec![
        Specimen::of_sync(
            "ledger-overwritten",
            "a ledger is stored whatever another worker stored meanwhile",
            &["I-S3", "I-S4", "I-S6", "I-S9"],
            [scenes::edits(), scenes::any()],
            on_store(|| {
                Edits::writes(|write: &mut Write| {
                    if write.key.collection == CRM_LINKS {
                        write.expect = Expect::Any;
                    }
                })
            }),
        ),
        Specimen::of_sync(
            "no-tombstone",
            "that a record was removed is forgotten",
            &["I-S1", "I-S6", "I-S7"],
            [scenes::deletion(), scenes::any()],
            on_store(|| stored(|link| link.life.alive = true)),
        ),
        Specimen::of_sync(
            "removal-in-dispute-made",
            "a record is removed although another system changed it and nobody decided",
            &["I-S1", "I-S3", "I-S7"],
            [scenes::removal(), scenes::any_of_three()],
            on_store(|| {
                stored(|link| {
                    link.life.held = None;
                    link.conflicts
                        .retain(|one| one.subject != ConflictSubject::DeleteVersusEdit);
                })
            }),
        ),
        Specimen::of_sync(
            "versions-counted-anew",
            "a value that is agreed keeps the version of the one before",
            &["I-S6"],
            [scenes::edits()],
            on_store(|| {
                stored(|link| {
                    let names: Vec<_> = link.fields.names().cloned().collect();
                    for name in names {
                        if let Some(base) = link.fields.get_mut(name.as_str()) {
                            base.version = 1;
                        }
                    }
                })
            }),
        ),
    ]
}

/// Those that keep conflicts to themselves.
fn conflicts() -> Vec<Specimen> {
    vec![
        Specimen::of_sync(
            "lost-values-not-kept",
            "a conflict that a rule decided is not kept",
            &["I-S3"],
            [scenes::race(), scenes::any_of_three()],
            on_store(|| {
                stored(|link| {
                    link.conflicts
                        .retain(|one| matches!(one.state, ConflictState::Open));
                })
            }),
        ),
        Specimen::of_sync(
            "second-records-not-told",
            "nobody is told of a second record with a natural key",
            &["I-S5"],
            [scenes::weak_keys()],
            on_store(|| {
                stored(|link| {
                    link.conflicts
                        .retain(|one| !matches!(one.subject, ConflictSubject::DuplicateKey { .. }));
                })
            }),
        ),
    ]
}

/// Ledgers as they are stored.
fn stored(edit: impl Fn(&mut LinkRecord) + Send + Sync + 'static) -> Edits {
    Edits::writes(move |write: &mut Write| {
        if write.key.collection == CRM_LINKS
            && let Action::Put(content) = &mut write.action
            && let Ok(mut link) = serde_json::from_str::<LinkRecord>(content.body.get())
        {
            edit(&mut link);
            if let Ok(body) = to_raw_value(&link) {
                content.body = body;
            }
        }
    })
}

/// Ledgers as they are read.
fn seen(edit: impl Fn(&mut LinkRecord) + Send + Sync + 'static) -> Edits {
    let edit = move |key: &DocumentKey, document: &mut Option<Document>| {
        if key.collection == CRM_LINKS
            && let Some(document) = document
            && let Ok(mut link) = document.parse::<LinkRecord>()
        {
            edit(&mut link);
            if let Ok(body) = to_raw_value(&link) {
                document.body = Some(body);
            }
        }
    };
    Edits::default().documents(edit)
}

fn each_member(link: &mut LinkRecord, edit: impl Fn(&mut MemberRecord)) {
    link.members.values_mut().for_each(edit);
}
