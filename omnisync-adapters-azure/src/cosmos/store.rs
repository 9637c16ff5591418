use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use omnisync_core::id::ETag;
use omnisync_core::port::{
    Action, Clock, Collection, Content, Document, DocumentKey, Expect, IdSource, Page, Query,
    StateStore, StateStoreCapability, Write, WriteResult, Written,
};
use omnisync_core::{ErrorKind, PortError};

use super::address::{Address, Place};
use super::charge::{CosmosCharges, Operation};
use super::client::CosmosClients;
use super::config::CosmosConfig;
use super::continuation;
use super::provision;
use super::refusal::Refusal;
use super::wire::{self, Unstorable};

const GET: &str = "state_store.get";
const WRITE: &str = "state_store.write";
const QUERY: &str = "state_store.query";
/// Items of one call that are still worth it.
const ITEMS_MAX: usize = 1_000;
/// Largest item, in bytes: 2 MiB, and 1 KiB of it for what the service adds.
const ITEM_BYTES_MAX: usize = 2_097_152 - 1_024;

/// Documents in containers of Cosmos DB, over the official client.
#[derive(Debug)]
pub struct CosmosStateStore {
    config: CosmosConfig,
    clients: CosmosClients,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
}

impl CosmosStateStore {
    pub(super) fn new(
        config: CosmosConfig,
        clients: CosmosClients,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Self {
        Self {
            config,
            clients,
            clock,
            ids,
        }
    }

    /// Creates the database and the containers of these collections where they are not there, with
    /// the indexes that queries and dashboards use. What is there stays as it is. Any number of
    /// hosts may do so at once. It takes rights that other operations do not need.
    ///
    /// # Errors
    /// `Misconfigured` for a container that is there with another partition key, or without time to
    /// live, and for one that two collections would share unawares; `Denied`; otherwise as [`StateStore::get`].
    pub async fn provision(&self, collections: &[Collection]) -> Result<(), PortError> {
        self.config.check_containers(collections)?;
        let database = Box::pin(provision::database(&self.clients)).await?;
        for collection in collections {
            let place = self.config.place(*collection);
            let throughput = self.config.throughput;
            Box::pin(provision::container(&database, &place, throughput)).await?;
        }
        Ok(())
    }

    /// What the service has charged so far.
    pub fn charges(&self) -> CosmosCharges {
        self.clients.charges()
    }

    async fn get_one(&self, key: &DocumentKey) -> Result<Option<Document>, PortError> {
        let place = self.config.place(key.collection);
        let Ok(address) = place.address(key) else {
            // What cannot be stored is not there.
            return Ok(None);
        };
        let found = self.clients.read(&place.container, &address).await;
        let found = found.map_err(|refusal| refusal.port(GET, &key.to_string()))?;
        let Some(bytes) = found else {
            return Ok(None);
        };
        let json = String::from_utf8_lossy(&bytes);
        let (_, etag) = wire::marks(&json).map_err(|wrong| corrupt(GET, key, wrong))?;
        let read = wire::decode(&json, &place, key.clone(), etag.clone());
        Ok(Some(read.unwrap_or_else(|wrong| {
            warn_of(key, wrong);
            wire::unreadable(&json, key.clone(), etag, true)
        })))
    }

    async fn write_one(&self, write: &Write) -> WriteResult {
        let place = self.config.place(write.key.collection);
        let address = place.address(&write.key).map_err(|_| {
            let what = "the id is longer than the service holds: 1,023 bytes when escaped";
            refused(ErrorKind::Invalid, &write.key, what)
        })?;
        match &write.action {
            Action::Put(content) => self.put(write, &place, &address, content).await,
            Action::Delete => self.delete(write, &place, &address).await,
        }
    }

    async fn put(
        &self,
        write: &Write,
        place: &Place,
        address: &Address,
        content: &Content,
    ) -> WriteResult {
        let key = &write.key;
        let too_large = || {
            let what = "the document is larger than the service takes";
            refused(ErrorKind::TooLarge, key, what)
        };
        if content.body.get().len() > self.config.body_bytes_max {
            return Err(too_large());
        }
        let name = self.ids.unique().simple().to_string();
        let item = wire::encode(key, place, address, content, &name, self.clock.now());
        let item = item.map_err(|unstorable| {
            let what = match unstorable {
                Unstorable::Instant => "an instant is not between the years 0 and 9999",
                Unstorable::Json => "it cannot be rendered",
            };
            refused(ErrorKind::Invalid, key, what)
        })?;
        if item.get().len() > ITEM_BYTES_MAX {
            return Err(too_large());
        }
        let (operation, tag) = match &write.expect {
            Expect::Absent => (Operation::Create, None),
            Expect::Tag(tag) => (Operation::Replace, Some(own(key, tag)?)),
            Expect::Any => (Operation::Upsert, None),
        };
        let container = &place.container;
        let put = self.clients.put(container, address, operation, tag, &item);
        let refusal = match put.await {
            Ok(tag) => return Ok(Written::Put(tag)),
            Err(refusal) => refusal,
        };
        let is_condition = match operation {
            Operation::Create => refusal.status == 409,
            Operation::Replace => refusal.status == 412 || refusal.is_absent(),
            _ => false,
        };
        if operation == Operation::Upsert && refusal.status == 409 && !refusal.is_open {
            // Without a condition there is none that did not hold.
            let what = "another write came between; try again";
            let error = refused(ErrorKind::Unavailable, key, what).without_effect();
            return Err(error.with_source(refusal));
        }
        if !is_condition {
            return Err(refusal.port(WRITE, &key.to_string()));
        }
        if refusal.is_open {
            return self.own_version(key, place, address, &name, refusal).await;
        }
        Err(match operation {
            Operation::Create => refused(ErrorKind::AlreadyExists, key, "it is there already"),
            _ => refused(ErrorKind::Conflict, key, CHANGED),
        })
    }

    /// An earlier attempt of the same write may be what stands in its own way.
    async fn own_version(
        &self,
        key: &DocumentKey,
        place: &Place,
        address: &Address,
        name: &str,
        refusal: Refusal,
    ) -> WriteResult {
        if let Ok(Some(bytes)) = self.clients.read(&place.container, address).await
            && let Ok(json) = std::str::from_utf8(&bytes)
            && let Ok((_, etag)) = wire::marks(json)
            && wire::write_of(json).as_deref() == Some(name)
        {
            return Ok(Written::Put(etag));
        }
        Err(refusal.port(WRITE, &key.to_string()))
    }

    async fn delete(&self, write: &Write, place: &Place, address: &Address) -> WriteResult {
        let key = &write.key;
        let container = &place.container;
        let tag = match &write.expect {
            Expect::Absent => {
                let found = self.clients.read(container, address).await;
                let found = found.map_err(|refusal| refusal.port(WRITE, &key.to_string()))?;
                return if found.is_none() {
                    Ok(Written::Deleted)
                } else {
                    Err(refused(ErrorKind::AlreadyExists, key, "it is there"))
                };
            }
            Expect::Tag(tag) => Some(own(key, tag)?),
            Expect::Any => None,
        };
        match self.clients.delete(container, address, tag).await {
            Ok(()) => Ok(Written::Deleted),
            Err(refusal) if refusal.is_absent() && tag.is_none() => Ok(Written::Deleted),
            Err(refusal) if !refusal.is_open && (refusal.status == 412 || refusal.is_absent()) => {
                Err(refused(ErrorKind::Conflict, key, CHANGED))
            }
            Err(refusal) => Err(refusal.port(WRITE, &key.to_string())),
        }
    }
}

const CHANGED: &str = "it has changed since it was read";

#[async_trait]
impl StateStore for CosmosStateStore {
    fn capability(&self) -> StateStoreCapability {
        StateStoreCapability::durable(self.config.body_bytes_max, ITEMS_MAX)
            .with_lagging_queries()
            .with_native_expiry()
    }

    async fn get(&self, keys: &[DocumentKey]) -> Result<Vec<Option<Document>>, PortError> {
        let reads = keys.iter().map(|key| Box::pin(self.get_one(key)));
        // Collected first: the stream would else borrow the closure for any lifetime.
        let reads: Vec<_> = reads.collect();
        stream::iter(reads)
            .buffered(self.config.concurrent_requests_max)
            .try_collect()
            .await
    }

    async fn write(&self, writes: Vec<Write>) -> Result<Vec<WriteResult>, PortError> {
        // Writes of the same document keep their order, the others go side by side.
        let mut groups: Vec<Vec<usize>> = Vec::with_capacity(writes.len());
        let mut known: HashMap<&DocumentKey, usize> = HashMap::with_capacity(writes.len());
        for (number, write) in writes.iter().enumerate() {
            let group = *known.entry(&write.key).or_insert(groups.len());
            match groups.get_mut(group) {
                Some(group) => group.push(number),
                None => groups.push(vec![number]),
            }
        }
        let groups: Vec<_> = groups
            .into_iter()
            .map(|group| Box::pin(self.write_group(&writes, group)))
            .collect();
        let mut done: Vec<(usize, WriteResult)> = stream::iter(groups)
            .buffer_unordered(self.config.concurrent_requests_max)
            .concat()
            .await;
        done.sort_by_key(|(number, _)| *number);
        Ok(done.into_iter().map(|(_, result)| result).collect())
    }

    async fn query(&self, query: Query) -> Result<Page, PortError> {
        let place = self.config.place(query.collection);
        let foreign = || {
            let error = PortError::new(ErrorKind::Invalid, QUERY);
            error.with_detail(
                "the continuation was not issued for this query; start again without one",
            )
        };
        let token = match &query.continuation {
            None => None,
            Some(text) => Some(continuation::open(&query, text).ok_or_else(foreign)?),
        };
        let sql = continuation::sql(&query);
        let items = query.page_items_max;
        let page = self.clients.page(&place.container, sql, items, token).await;
        let about = || format!("collection {}", query.collection);
        let page = page.map_err(|refusal| refusal.port(QUERY, &about()))?;
        let mut documents = Vec::with_capacity(page.items.len());
        for item in &page.items {
            documents.push(read_item(&query, &place, item.get())?);
        }
        Ok(Page {
            documents,
            continuation: page.token.map(|token| continuation::seal(&query, &token)),
        })
    }
}

impl CosmosStateStore {
    async fn write_group(&self, writes: &[Write], group: Vec<usize>) -> Vec<(usize, WriteResult)> {
        let mut results = Vec::with_capacity(group.len());
        for number in group {
            if let Some(write) = writes.get(number) {
                results.push((number, self.write_one(write).await));
            }
        }
        results
    }
}

fn read_item(query: &Query, place: &Place, json: &str) -> Result<Document, PortError> {
    let unknown = || DocumentKey::new(query.collection, "(unknown)");
    let (id, etag) = wire::marks(json).map_err(|wrong| corrupt(QUERY, &unknown(), wrong))?;
    let Some(document) = place.document_id(&id) else {
        let key = DocumentKey::new(query.collection, id);
        warn_of(&key, "an id that no document of ours has");
        return Ok(wire::unreadable(json, key, etag, query.bodies));
    };
    let key = DocumentKey::new(query.collection, document);
    let read = if query.bodies {
        wire::decode(json, place, key.clone(), etag.clone())
    } else {
        wire::decode_head(json, key.clone(), etag.clone())
    };
    Ok(read.unwrap_or_else(|wrong| {
        warn_of(&key, wrong);
        wire::unreadable(json, key, etag, query.bodies)
    }))
}

fn warn_of(key: &DocumentKey, wrong: wire::Wrong) {
    tracing::warn!(
        document.collection = %key.collection,
        document.id = %key.id,
        wrong,
        "a document cannot be read; repair it, or move it to a container of its own"
    );
}

fn corrupt(operation: &'static str, key: &DocumentKey, wrong: wire::Wrong) -> PortError {
    PortError::new(ErrorKind::Corrupt, operation).with_detail(format!(
        "document {key} holds {wrong}; repair it, or move it to a container of its own"
    ))
}

fn refused(kind: ErrorKind, key: &DocumentKey, what: &str) -> PortError {
    PortError::new(kind, WRITE).with_detail(format!("{key}: {what}"))
}

/// The tag, where it looks like one of the service. Others match nothing: they are not sent,
/// since `*` or a list would match too much.
fn own<'a>(key: &DocumentKey, tag: &'a ETag) -> Result<&'a ETag, PortError> {
    let inner = tag.as_str().strip_prefix('"');
    let inner = inner.and_then(|rest| rest.strip_suffix('"'));
    let is_own = inner.is_some_and(|text| {
        text.bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'"')
    });
    if is_own {
        Ok(tag)
    } else {
        Err(refused(ErrorKind::Conflict, key, CHANGED))
    }
}
