//! Mutants that speak differently with a system.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use omnisync_core::crm::{FieldName, ForeignId, Native, VersionToken};
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::port::{CrmRecord, CrmSink, RecordUpdate, Sight, Snapshot, WriteReceipt};

use super::sink_habit::{SinkEdits, SinkHabit};
use super::{on_sinks, scenes};
use crate::zoo::Specimen;

pub(super) fn specimens() -> Vec<Specimen> {
    let mut all = conditions();
    all.extend(answers());
    all.extend(looks());
    all
}

/// Those that write under other conditions, or more than is due.
fn conditions() -> Vec<Specimen> {
    vec![
        Specimen::of_sync(
            "written-on-no-condition",
            "a change is written whatever the record has become since it was read",
            &["I-S3"],
            [scenes::edits(), scenes::any()],
            on_sinks(|| SinkEdits {
                update: Some(Box::new(|update| update.expect = None)),
                ..SinkEdits::default()
            }),
        ),
        Specimen::of_sync(
            "removed-on-no-condition",
            "a record is removed whatever it has become since it was read",
            &["I-S7"],
            [scenes::removal(), scenes::any()],
            on_sinks(|| SinkEdits {
                removal: Some(Box::new(|removal| removal.expect = None)),
                ..SinkEdits::default()
            }),
        ),
        Specimen::of_sync(
            "overtaken-write-forced",
            "a change that is refused for its version is written once more on no condition",
            &["I-S3"],
            [scenes::edits(), scenes::any()],
            on_sinks(|| Forced),
        ),
        Specimen::of_sync(
            "whole-record-written",
            "a change writes every field of the record as it was read, not only what is newer",
            &["I-S9"],
            [scenes::edits()],
            on_sinks(WholeRecord::default),
        ),
    ]
}

/// Those that hear another answer to a write.
fn answers() -> Vec<Specimen> {
    vec![
        Specimen::of_sync(
            "failed-write-taken-for-done",
            "a change that failed counts as written",
            &["I-S1", "I-S3", "I-S4"],
            [scenes::edits(), scenes::any()],
            on_sinks(|| SinkEdits {
                updated: Some(Box::new(|update, result| {
                    let receipt = WriteReceipt {
                        id: update.record.id.clone(),
                        version: update.expect.clone(),
                    };
                    unless_failed(result, receipt)
                })),
                ..SinkEdits::default()
            }),
        ),
        Specimen::of_sync(
            "delays-forgotten",
            "the time for which a system asks is not told to anybody",
            &["I-X5"],
            [scenes::edits()],
            on_sinks(|| SinkEdits {
                error: Some(Box::new(|error| {
                    PortError::new(error.kind(), error.operation()).with_source(error)
                })),
                ..SinkEdits::default()
            }),
        ),
    ]
}

/// Those that see something else when they look.
fn looks() -> Vec<Specimen> {
    vec![
        Specimen::of_sync(
            "unreachable-taken-for-gone",
            "a record that cannot be read counts as removed",
            &["I-S1", "I-S7"],
            [scenes::edits()],
            on_sinks(|| SinkEdits {
                sight: Some(Box::new(|read| unless_failed(read, Sight::Missing))),
                ..SinkEdits::default()
            }),
        ),
        Specimen::of_sync(
            "unchanged-taken-for-empty",
            "a field that is not told since it did not change counts as emptied",
            &["I-S1", "I-S3", "I-S4"],
            [scenes::edits()],
            on_sinks(Sparse::default),
        ),
        Specimen::of_sync(
            "one-version-for-all",
            "every version of a record counts as the same",
            &["I-S1", "I-S2", "I-S3"],
            [scenes::edits()],
            on_sinks(|| SinkEdits {
                sight: Some(Box::new(|read| {
                    let mut sight = read?;
                    if let (Sight::Present(snapshot), Ok(version)) =
                        (&mut sight, VersionToken::new("v"))
                    {
                        snapshot.version = version;
                    }
                    Ok(sight)
                })),
                ..SinkEdits::default()
            }),
        ),
        Specimen::of_sync(
            "first-changed-record-only",
            "of several records that are named as changed only the first is looked at",
            &["I-S5"],
            [scenes::two_records().with_workers(1)],
            on_sinks(|| SinkEdits {
                page: Some(Box::new(|page| page.records.truncate(1))),
                ..SinkEdits::default()
            }),
        ),
    ]
}

/// What a failure is taken for, unless it asks for time.
fn unless_failed<T>(result: Result<T, PortError>, otherwise: T) -> Result<T, PortError> {
    match result {
        Err(error) if error.retry_after().is_none() => Ok(otherwise),
        other => other,
    }
}

/// Writes once more on no condition.
#[derive(Debug)]
struct Forced;

#[async_trait]
impl SinkHabit for Forced {
    async fn update(
        &self,
        sink: &dyn CrmSink,
        update: RecordUpdate,
    ) -> Result<WriteReceipt, PortError> {
        match sink.update(update.clone()).await {
            Err(error) if error.kind() == ErrorKind::Conflict => {
                let forced = RecordUpdate {
                    expect: None,
                    ..update
                };
                sink.update(forced).await
            }
            other => other,
        }
    }
}

/// What was read last of each record.
#[derive(Debug, Default)]
struct Last(Mutex<BTreeMap<ForeignId, Snapshot>>);

impl Last {
    fn books(&self) -> MutexGuard<'_, BTreeMap<ForeignId, Snapshot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, record: &CrmRecord, sight: &Sight) -> Option<Snapshot> {
        let mut books = self.books();
        match sight {
            Sight::Present(snapshot) => books.insert(record.id.clone(), snapshot.clone()),
            _ => books.remove(&record.id),
        }
    }
}

/// Writes all that it knows of a record.
#[derive(Debug, Default)]
struct WholeRecord(Last);

#[async_trait]
impl SinkHabit for WholeRecord {
    async fn read(
        &self,
        sink: &dyn CrmSink,
        record: &CrmRecord,
        fields: &[FieldName],
    ) -> Result<Sight, PortError> {
        let sight = sink.read(record, fields).await?;
        self.0.learn(record, &sight);
        Ok(sight)
    }

    async fn update(
        &self,
        sink: &dyn CrmSink,
        mut update: RecordUpdate,
    ) -> Result<WriteReceipt, PortError> {
        let known = self.0.books().get(&update.record.id).cloned();
        for (field, value) in known.into_iter().flat_map(|known| known.fields) {
            if !update.fields.contains(field.as_str()) {
                update.fields.insert(field, value);
            }
        }
        sink.update(update).await
    }
}

/// Tells of a record what changed since the last look, and calls the rest empty.
#[derive(Debug, Default)]
struct Sparse(Last);

#[async_trait]
impl SinkHabit for Sparse {
    async fn read(
        &self,
        sink: &dyn CrmSink,
        record: &CrmRecord,
        fields: &[FieldName],
    ) -> Result<Sight, PortError> {
        let mut sight = sink.read(record, fields).await?;
        let before = self.0.learn(record, &sight);
        if let (Sight::Present(snapshot), Some(before)) = (&mut sight, before)
            && snapshot.version != before.version
        {
            let told = |(field, value): (FieldName, Native)| {
                let is_old = before.fields.get(field.as_str()) == Some(&value);
                (field, if is_old { Native::Null } else { value })
            };
            let all = std::mem::take(&mut snapshot.fields);
            snapshot.fields = all.into_iter().map(told).collect();
        }
        Ok(sight)
    }
}
