use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::id::ETag;
use omnisync_core::port::{
    Action, Document, DocumentKey, Expect, Page, Query, StateStore, StateStoreCapability, Write,
    WriteResult, Written,
};
use omnisync_testkit::contract::state_store::clauses;
use omnisync_testkit::fake::{MemoryStateStore, MemoryStateStoreOptions};
use serde_json::Value;
use serde_json::value::to_raw_value;

use super::caught;
use crate::fixture::Store;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    CreateOverwrites,
    IgnoresTags,
    AnyOnlyCreates,
    TagsStartAnew,
    AllOrNothing,
    ChecksBeforeItAwaits,
    PagesByOffset,
    DropsLastOfPage,
    DueIsInclusive,
    IgnoresState,
    DeletesWithoutCondition,
    SinglePrecision,
    FoldsCase,
    CachesReads,
    TakesAnySize,
}

#[derive(Debug)]
struct Broken {
    inner: MemoryStateStore,
    bug: Bug,
    cache: Mutex<BTreeMap<DocumentKey, Option<Document>>>,
    puts: Arc<Mutex<BTreeMap<DocumentKey, u32>>>,
}

impl Broken {
    fn mend(&self, mut write: Write) -> Write {
        match (&write.expect, &write.action) {
            (Expect::Absent, Action::Put(_)) if self.bug == Bug::CreateOverwrites => {
                write.expect = Expect::Any;
            }
            (Expect::Tag(_), Action::Put(_)) if self.bug == Bug::IgnoresTags => {
                write.expect = Expect::Any;
            }
            (Expect::Any, Action::Put(_)) if self.bug == Bug::AnyOnlyCreates => {
                write.expect = Expect::Absent;
            }
            (_, Action::Delete) if self.bug == Bug::DeletesWithoutCondition => {
                write.expect = Expect::Any;
            }
            _ => {}
        }
        if self.bug == Bug::FoldsCase {
            write.key.id = write.key.id.to_lowercase();
        }
        if self.bug == Bug::SinglePrecision
            && let Action::Put(content) = &mut write.action
        {
            let body: Value = serde_json::from_str(content.body.get()).unwrap();
            content.body = to_raw_value(&single_precision(body)).unwrap();
        }
        write
    }

    /// Renames tags to the number of puts since the document was created.
    fn rename(&self, key: &DocumentKey, written: &Written) -> Written {
        let mut puts = self.puts.lock().unwrap();
        match written {
            Written::Deleted => {
                puts.remove(key);
                Written::Deleted
            }
            Written::Put(_) => {
                let count = puts.entry(key.clone()).or_default();
                *count += 1;
                Written::Put(ETag::new(format!("{count}")).unwrap())
            }
        }
    }
}

fn single_precision(value: Value) -> Value {
    match value {
        #[expect(clippy::cast_possible_truncation, reason = "that is the bug")]
        Value::Number(number) => Value::from(number.as_f64().unwrap() as f32),
        Value::Array(items) => items.into_iter().map(single_precision).collect(),
        other => other,
    }
}

#[async_trait]
impl StateStore for Broken {
    fn capability(&self) -> StateStoreCapability {
        let mut capability = self.inner.capability();
        if self.bug == Bug::TakesAnySize {
            capability.body_bytes_max /= 2;
        }
        capability
    }

    async fn get(&self, keys: &[DocumentKey]) -> Result<Vec<Option<Document>>, PortError> {
        let mut keys = keys.to_vec();
        if self.bug == Bug::FoldsCase {
            for key in &mut keys {
                key.id = key.id.to_lowercase();
            }
        }
        let mut found = self.inner.get(&keys).await?;
        if self.bug == Bug::CachesReads {
            let mut cache = self.cache.lock().unwrap();
            for (key, document) in keys.iter().zip(&mut found) {
                *document = cache
                    .entry(key.clone())
                    .or_insert_with(|| document.clone())
                    .clone();
            }
        }
        if self.bug == Bug::TagsStartAnew {
            let puts = self.puts.lock().unwrap();
            for document in found.iter_mut().flatten() {
                document.etag = ETag::new(puts[&document.key].to_string()).unwrap();
            }
        }
        Ok(found)
    }

    async fn write(&self, writes: Vec<Write>) -> Result<Vec<WriteResult>, PortError> {
        let mut writes: Vec<Write> = writes.into_iter().map(|write| self.mend(write)).collect();
        if self.bug == Bug::ChecksBeforeItAwaits {
            for write in &mut writes {
                let found = self.inner.get(std::slice::from_ref(&write.key)).await?;
                let tag = found[0].as_ref().map(|document| document.etag.clone());
                let holds = match &write.expect {
                    Expect::Any => true,
                    Expect::Absent => tag.is_none(),
                    Expect::Tag(want) => tag.as_ref() == Some(want),
                };
                yield_now().await;
                if holds {
                    write.expect = Expect::Any;
                }
            }
        }
        let keys: Vec<DocumentKey> = writes.iter().map(|write| write.key.clone()).collect();
        if self.bug == Bug::TagsStartAnew {
            for write in &mut writes {
                if let Expect::Tag(tag) = &write.expect {
                    let current = self.inner.get(std::slice::from_ref(&write.key)).await?;
                    let count = self.puts.lock().unwrap().get(&write.key).copied();
                    if let (Some(document), Some(count)) = (&current[0], count)
                        && tag.as_str() == count.to_string()
                    {
                        write.expect = Expect::Tag(document.etag.clone());
                    }
                }
            }
        }
        if self.bug == Bug::AllOrNothing && writes.len() > 1 {
            let conflict = || Err(PortError::new(ErrorKind::Conflict, "state_store.write"));
            return Ok(writes.iter().map(|_| conflict()).collect());
        }
        let results = self.inner.write(writes).await?;
        if self.bug == Bug::TagsStartAnew {
            let renamed = keys.iter().zip(results);
            return Ok(renamed
                .map(|(key, result)| Ok(self.rename(key, &result?)))
                .collect());
        }
        Ok(results)
    }

    async fn query(&self, mut query: Query) -> Result<Page, PortError> {
        match self.bug {
            Bug::DueIsInclusive => {
                let later = |instant| instant + chrono::TimeDelta::nanoseconds(1);
                query.due_before = query.due_before.map(later);
            }
            Bug::IgnoresState => query.state = None,
            Bug::PagesByOffset => return self.page_by_offset(query).await,
            _ => {}
        }
        let mut page = self.inner.query(query).await?;
        if self.bug == Bug::DropsLastOfPage && page.continuation.is_some() {
            page.documents.pop();
        }
        Ok(page)
    }
}

impl Broken {
    async fn page_by_offset(&self, mut query: Query) -> Result<Page, PortError> {
        let start: usize = query
            .continuation
            .take()
            .map_or(0, |text| text.parse().unwrap());
        let size = query.page_items_max;
        query.page_items_max = 1_000;
        let all = self.inner.query(query).await?.documents;
        let next = start + size;
        let continuation = (next < all.len()).then(|| next.to_string());
        Ok(Page {
            documents: all.into_iter().skip(start).take(size).collect(),
            continuation,
        })
    }
}

async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

fn broken(bug: Bug) -> Store {
    let mut store = Store::new(MemoryStateStoreOptions::default());
    let puts = Arc::default();
    store.wrap = Box::new(move |inner| {
        Arc::new(Broken {
            inner,
            bug,
            cache: Mutex::default(),
            puts: Arc::clone(&puts),
        })
    });
    store
}

#[track_caller]
fn check(bug: Bug, want: &str) {
    caught(clauses(), || broken(bug), want);
}

#[test]
fn a_sound_store_passes() {
    caught(
        clauses(),
        || Store::new(MemoryStateStoreOptions::default()),
        "",
    );
}

#[test]
fn an_acknowledgement_before_durability_is_caught() {
    let forgetful = || {
        let mut store = Store::new(MemoryStateStoreOptions::default());
        store.forgets = true;
        store
    };
    caught(clauses(), forgetful, "c01");
}

#[test]
fn a_create_that_overwrites_is_caught() {
    check(Bug::CreateOverwrites, "c02 c06 c07");
}

#[test]
fn ignored_tags_are_caught() {
    check(Bug::IgnoresTags, "c03 c06 c07");
}

#[test]
fn an_unconditional_put_that_only_creates_is_caught() {
    check(Bug::AnyOnlyCreates, "c04 c08 c09 c10 c11");
}

#[test]
fn tags_that_start_anew_are_caught() {
    check(Bug::TagsStartAnew, "c03 c05 c09");
}

#[test]
fn a_write_of_all_or_nothing_is_caught() {
    check(Bug::AllOrNothing, "c06");
}

#[test]
fn a_condition_checked_before_an_await_is_caught() {
    check(Bug::ChecksBeforeItAwaits, "c07");
}

#[test]
fn pages_by_offset_are_caught() {
    check(Bug::PagesByOffset, "c08");
}

#[test]
fn a_dropped_document_is_caught() {
    check(Bug::DropsLastOfPage, "c08");
}

#[test]
fn an_inclusive_due_time_is_caught() {
    check(Bug::DueIsInclusive, "c09");
}

#[test]
fn an_ignored_state_is_caught() {
    check(Bug::IgnoresState, "c09");
}

#[test]
fn a_delete_without_condition_is_caught() {
    check(Bug::DeletesWithoutCondition, "c10");
}

#[test]
fn numbers_of_single_precision_are_caught() {
    check(Bug::SinglePrecision, "c11");
}

#[test]
fn ids_without_case_are_caught() {
    check(Bug::FoldsCase, "c12");
}

#[test]
fn cached_reads_are_caught() {
    check(Bug::CachesReads, "c04 c05 c07 c10 c11 c12 c13");
}

#[test]
fn a_limit_that_is_not_kept_is_caught() {
    check(Bug::TakesAnySize, "c14");
}
