//! Typed access to the documents of the order pipeline.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::batch::{BATCHES, BatchCommand, BatchRecord, BatchState, Member, SegmentList};
use crate::error::{ErrorKind, PortError};
use crate::id::{BatchId, ETag, OrderId, Sha256};
use crate::order::{ORDERS, OrderRecord, Revision, StateName};
use crate::port::{
    Document, DocumentKey, Expect, Query, StateStore, StateStoreExt as _, Write, Written,
};

/// How often a record is read and decided again after somebody else changed it.
const CONFLICTS_MAX: usize = 8;

/// Batches that were asked for.
#[derive(Debug, Default)]
pub(super) struct Batches {
    pub(super) readable: Vec<Stored<BatchRecord>>,
    /// Why one of them cannot be read.
    pub(super) unreadable: Option<PortError>,
}

/// A record and the version it was read in.
#[derive(Debug, Clone)]
pub(super) struct Stored<T> {
    pub(super) record: T,
    pub(super) etag: ETag,
}

/// What a batch has to know of an order before it claims it. Reading this is much cheaper than
/// reading the whole record.
#[derive(Debug)]
pub(super) struct OrderHead {
    pub(super) state: StateName,
    pub(super) member: Member,
    pub(super) waiting_since: DateTime<Utc>,
    pub(super) event_bytes: usize,
}

impl OrderHead {
    fn read(document: &Document) -> Result<Self, PortError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Head<'a> {
            order_id: OrderId,
            state: State,
            revision: Revision,
            content_hash: Sha256,
            claim_generation: u32,
            #[serde(with = "crate::instant")]
            waiting_since: DateTime<Utc>,
            #[serde(borrow)]
            oms_event: &'a RawValue,
        }
        #[derive(Deserialize)]
        struct State {
            name: StateName,
        }
        let head: Head<'_> = document.parse()?;
        Ok(Self {
            state: head.state.name,
            member: Member {
                order: head.order_id,
                revision: head.revision,
                content: head.content_hash,
                generation: head.claim_generation,
            },
            waiting_since: head.waiting_since,
            event_bytes: head.oms_event.get().len(),
        })
    }
}

/// What a sweep has to know of an order: who claims it, and in which generation.
#[derive(Debug)]
pub(super) struct Claimed {
    pub(super) order: OrderId,
    pub(super) generation: u32,
    /// `None` when a query that lags shows an order that nobody claims any more.
    pub(super) batch: Option<BatchId>,
}

impl Claimed {
    fn read(document: &Document) -> Result<Self, PortError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Head {
            order_id: OrderId,
            state: State,
            claim_generation: u32,
        }
        #[derive(Deserialize)]
        struct State {
            #[serde(default)]
            batch: Option<BatchId>,
        }
        let head: Head = document.parse()?;
        Ok(Self {
            order: head.order_id,
            generation: head.claim_generation,
            batch: head.state.batch,
        })
    }
}

/// What to do with one order after looking at it.
#[derive(Debug)]
pub(super) enum Decision<R> {
    /// Nothing to write.
    Keep(R),
    /// Store the record; the result counts once the store has acknowledged it.
    Write(Box<OrderRecord>, R),
}

/// What became of saving a batch.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "unpacked where it is returned")]
pub(super) enum Saved {
    /// Stored.
    Yes(Stored<BatchRecord>),
    /// Somebody else changed the batch: this worker no longer holds it.
    Lost,
}

#[derive(Debug, Clone)]
pub(super) struct Repository {
    store: Arc<dyn StateStore>,
}

impl Repository {
    pub(super) fn new(store: Arc<dyn StateStore>) -> Self {
        Self { store }
    }

    pub(super) fn items_max(&self) -> usize {
        self.store.capability().items_max.max(1)
    }

    /// Looks at each order and writes what `decide` says. Where somebody else was faster, the
    /// order is read and decided again, so `decide` always speaks about what is stored.
    ///
    /// Results come in the order of `ids`, which have to be distinct.
    pub(super) async fn update_orders<R, F>(
        &self,
        ids: &[OrderId],
        mut decide: F,
    ) -> Result<Vec<Result<R, PortError>>, PortError>
    where
        R: Send,
        F: FnMut(usize, Option<OrderRecord>) -> Result<Decision<R>, PortError> + Send,
    {
        let mut results: BTreeMap<usize, Result<R, PortError>> = BTreeMap::new();
        let indices: Vec<usize> = (0..ids.len()).collect();
        for chunk in indices.chunks(self.items_max()) {
            let mut open: Vec<usize> = chunk.to_vec();
            for _ in 0..CONFLICTS_MAX {
                open = self
                    .update_round(ids, open, &mut decide, &mut results)
                    .await?;
                if open.is_empty() {
                    break;
                }
            }
            for index in open {
                results.insert(index, Err(contended(ids, index)));
            }
        }
        Ok(results.into_values().collect())
    }

    /// One read, decision and write of the `open` orders. Gives those that somebody else changed.
    async fn update_round<R, F>(
        &self,
        ids: &[OrderId],
        open: Vec<usize>,
        decide: &mut F,
        results: &mut BTreeMap<usize, Result<R, PortError>>,
    ) -> Result<Vec<usize>, PortError>
    where
        R: Send,
        F: FnMut(usize, Option<OrderRecord>) -> Result<Decision<R>, PortError> + Send,
    {
        let keys: Vec<DocumentKey> = open
            .iter()
            .filter_map(|index| ids.get(*index))
            .map(OrderRecord::key)
            .collect();
        let documents = self.store.get(&keys).await?;
        let mut writes = Vec::new();
        let mut waiting = Vec::new();
        for (index, document) in open.into_iter().zip(documents) {
            let expect = document.as_ref().map_or(Expect::Absent, |document| {
                Expect::Tag(document.etag.clone())
            });
            let decision = document
                .as_ref()
                .map(OrderRecord::from_document)
                .transpose()
                .and_then(|record| decide(index, record));
            match decision {
                Ok(Decision::Keep(result)) => {
                    results.insert(index, Ok(result));
                }
                Ok(Decision::Write(record, result)) => {
                    writes.push(record.to_write(expect)?);
                    waiting.push((index, result));
                }
                Err(error) => {
                    results.insert(index, Err(error));
                }
            }
        }
        if writes.is_empty() {
            return Ok(Vec::new());
        }
        let mut again = Vec::new();
        for ((index, result), written) in waiting.into_iter().zip(self.store.write(writes).await?) {
            match written {
                Ok(_) => {
                    results.insert(index, Ok(result));
                }
                Err(error) if is_race(&error) => again.push(index),
                Err(error) => {
                    results.insert(index, Err(error));
                }
            }
        }
        Ok(again)
    }

    pub(super) async fn orders(
        &self,
        ids: &[OrderId],
    ) -> Result<Vec<Option<OrderRecord>>, PortError> {
        self.orders_each(ids).await?.into_iter().collect()
    }

    /// The same, where a document that cannot be read must not stand in the way of the others.
    pub(super) async fn orders_each(
        &self,
        ids: &[OrderId],
    ) -> Result<Vec<Result<Option<OrderRecord>, PortError>>, PortError> {
        let mut records = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(self.items_max()) {
            let keys: Vec<DocumentKey> = chunk.iter().map(OrderRecord::key).collect();
            for document in self.store.get(&keys).await? {
                let record = document.as_ref().map(OrderRecord::from_document);
                records.push(record.transpose());
            }
        }
        Ok(records)
    }

    /// The orders as far as a batch has to know them before it claims them. A document that
    /// cannot be read must not stand in the way of the others.
    pub(super) async fn order_heads(
        &self,
        ids: &[OrderId],
    ) -> Result<Vec<Result<Option<OrderHead>, PortError>>, PortError> {
        let keys: Vec<DocumentKey> = ids.iter().map(OrderRecord::key).collect();
        let mut heads = Vec::with_capacity(keys.len());
        for chunk in keys.chunks(self.items_max()) {
            for document in self.store.get(chunk).await? {
                heads.push(document.as_ref().map(OrderHead::read).transpose());
            }
        }
        Ok(heads)
    }

    /// Since when and which orders wait, oldest first.
    pub(super) async fn waiting_orders(&self) -> Result<Vec<(DateTime<Utc>, OrderId)>, PortError> {
        let query = Query::all(ORDERS)
            .in_state(StateName::Pending.as_str())
            .without_bodies();
        let mut waiting = Vec::new();
        let mut continuation = None;
        loop {
            let page = self
                .store
                .query(Query {
                    continuation,
                    ..query.clone()
                })
                .await?;
            for document in page.documents {
                if let Ok(order) = OrderId::new(&document.key.id) {
                    let since = document.due_at.unwrap_or(DateTime::<Utc>::MIN_UTC);
                    waiting.push((since, order));
                }
            }
            continuation = page.continuation;
            if continuation.is_none() {
                break;
            }
        }
        waiting.sort_unstable();
        // A lagging query may show an order twice while it changes.
        let mut seen = BTreeSet::new();
        waiting.retain(|(_, order)| seen.insert(order.clone()));
        Ok(waiting)
    }

    /// One page of claims. Documents that cannot be read are left out.
    pub(super) async fn claim_page(
        &self,
        continuation: Option<String>,
    ) -> Result<(Vec<Claimed>, Option<String>), PortError> {
        let query = Query {
            continuation,
            ..Query::all(ORDERS).in_state(StateName::Claimed.as_str())
        };
        let page = self.store.query(query).await?;
        let claims = page
            .documents
            .iter()
            .filter_map(|document| Claimed::read(document).ok())
            .collect();
        Ok((claims, page.continuation))
    }

    pub(super) async fn batch(
        &self,
        batch: BatchId,
    ) -> Result<Option<Stored<BatchRecord>>, PortError> {
        let document = self.store.get_one(&BatchRecord::key(batch)).await?;
        document.as_ref().map(stored_batch).transpose()
    }

    /// Batches in `state`, oldest content first. Those of other projects are left out; one whose
    /// document cannot be read does not keep the others from being worked on.
    pub(super) async fn batches(
        &self,
        state: BatchState,
        project: &crate::id::ProjectName,
        batches_max: usize,
    ) -> Result<Batches, PortError> {
        let query = Query::all(BATCHES).in_state(state.as_str());
        let documents = self.store.query_all(query, batches_max).await?;
        let mut batches = Batches::default();
        for document in &documents {
            match stored_batch(document) {
                Ok(batch) => batches.readable.push(batch),
                Err(error) => batches.unreadable = batches.unreadable.or(Some(error)),
            }
        }
        let readable = &mut batches.readable;
        readable.retain(|batch| batch.record.state == state && batch.record.project == *project);
        readable.sort_by_key(|batch| (batch.record.content_time, batch.record.id));
        Ok(batches)
    }

    /// Stores a new batch; `Lost` when its id is taken.
    pub(super) async fn create_batch(&self, record: BatchRecord) -> Result<Saved, PortError> {
        self.put_batch(record, Expect::Absent).await
    }

    /// Applies `command` to a batch and stores the result on the version that was read.
    pub(super) async fn advance(
        &self,
        batch: &Stored<BatchRecord>,
        command: BatchCommand,
        now: DateTime<Utc>,
    ) -> Result<Saved, PortError> {
        match batch.record.apply(command, now) {
            Ok(next) => self.put_batch(next, Expect::Tag(batch.etag.clone())).await,
            Err(_) => Ok(Saved::Lost),
        }
    }

    /// Renews the lease of a batch when half of it has passed.
    pub(super) async fn renew_if_due(
        &self,
        batch: Stored<BatchRecord>,
        lease: chrono::Duration,
        now: DateTime<Utc>,
    ) -> Result<Saved, PortError> {
        let fresh = batch
            .record
            .lease
            .as_ref()
            .is_some_and(|held| held.until - now > lease / 2);
        if fresh {
            return Ok(Saved::Yes(batch));
        }
        self.advance(&batch, BatchCommand::Renew { lease }, now)
            .await
    }

    async fn put_batch(&self, record: BatchRecord, expect: Expect) -> Result<Saved, PortError> {
        match self.store.write_one(record.to_write(expect)?).await {
            Ok(Written::Put(etag)) => Ok(Saved::Yes(Stored { record, etag })),
            Ok(Written::Deleted) => Ok(Saved::Lost),
            Err(error) if is_race(&error) => Ok(Saved::Lost),
            Err(error) => Err(error),
        }
    }

    /// Stores a member list.
    pub(super) async fn save_members(
        &self,
        batch: BatchId,
        list: &SegmentList,
        members: &[Member],
    ) -> Result<(), PortError> {
        self.write_all(list.to_writes(batch, members)?).await
    }

    /// Reads a member list; `None` when it was never completely written.
    pub(super) async fn members(
        &self,
        batch: BatchId,
        list: &SegmentList,
    ) -> Result<Option<Vec<Member>>, PortError> {
        let keys: Vec<DocumentKey> = list.keys(batch).collect();
        let mut segments = Vec::with_capacity(keys.len());
        for chunk in keys.chunks(self.items_max()) {
            segments.extend(self.store.get(chunk).await?);
        }
        list.read(batch, &segments)
    }

    /// The orders that a sealed batch holds.
    ///
    /// `Corrupt` when the list is gone: only a person can bring it back.
    pub(super) async fn sealed_members(
        &self,
        batch: &BatchRecord,
    ) -> Result<Vec<Member>, PortError> {
        let gone = || {
            PortError::new(ErrorKind::Corrupt, "batch.members").with_detail(format!(
                "the member list of batch {} is gone from the store; restore it",
                batch.id
            ))
        };
        let list = batch.members.as_ref().ok_or_else(gone)?;
        self.members(batch.id, list).await?.ok_or_else(gone)
    }

    /// Writes unconditionally; the first item that fails is the error.
    pub(super) async fn write_all(&self, writes: Vec<Write>) -> Result<(), PortError> {
        let chunk_items = self.items_max();
        let mut writes = writes.into_iter();
        loop {
            let chunk: Vec<Write> = writes.by_ref().take(chunk_items).collect();
            if chunk.is_empty() {
                return Ok(());
            }
            for written in self.store.write(chunk).await? {
                written?;
            }
        }
    }

    pub(super) fn store(&self) -> &dyn StateStore {
        &*self.store
    }
}

pub(super) fn stored_batch(document: &Document) -> Result<Stored<BatchRecord>, PortError> {
    Ok(Stored {
        record: BatchRecord::from_document(document)?,
        etag: document.etag.clone(),
    })
}

pub(super) fn is_race(error: &PortError) -> bool {
    matches!(error.kind(), ErrorKind::Conflict | ErrorKind::AlreadyExists)
}

fn contended(ids: &[OrderId], index: usize) -> PortError {
    let order = ids.get(index).map(OrderId::as_str).unwrap_or_default();
    PortError::new(ErrorKind::Unavailable, "orders.update").with_detail(format!(
        "order {order} was changed by others {CONFLICTS_MAX} times in a row; try again"
    ))
}
