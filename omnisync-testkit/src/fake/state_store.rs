mod position;

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::id::ETag;
use omnisync_core::port::{
    Action, Clock, Collection, Content, Document, DocumentKey, Expect, Page, Query, StateStore,
    StateStoreCapability, Write, WriteResult, Written,
};

use position::Position;

/// How a [`MemoryStateStore`] behaves.
#[derive(Debug, Clone)]
pub struct MemoryStateStoreOptions {
    /// Whether the store counts as durable: clones share its documents. Default `true`.
    pub durable: bool,
    /// Largest body in bytes. Default 1 MiB.
    pub body_bytes_max: usize,
    /// Efficient number of items per call, as reported. Default 100.
    pub items_max: usize,
    /// Largest page whatever the query asks for. Default 1000.
    pub page_items_max: usize,
    /// Every other page is empty and still continues. Default `false`.
    pub empty_pages: bool,
    /// A write shows in queries only after this many further operations. Default 0.
    pub query_lag_operations: u64,
    /// Queries lag only when [`MemoryStateStore::lag_next_query`] was called. Default `false`.
    pub lags_on_demand: bool,
    /// By this clock documents are gone as soon as they expire, as in stores that remove them
    /// themselves. Default none: they stay.
    pub native_expiry: Option<Arc<dyn Clock>>,
}

impl Default for MemoryStateStoreOptions {
    fn default() -> Self {
        Self {
            durable: true,
            body_bytes_max: 1 << 20,
            items_max: 100,
            page_items_max: Query::PAGE_ITEMS,
            empty_pages: false,
            query_lag_operations: 0,
            lags_on_demand: false,
            native_expiry: None,
        }
    }
}

/// What goes wrong with one item of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemFault {
    /// The item fails without effect.
    Before(ErrorKind),
    /// The item takes effect and its acknowledgement is lost.
    After(ErrorKind),
}

/// Versioned documents in memory. Clones share them.
///
/// ```
/// use omnisync_testkit::fake::{MemoryStateStore, MemoryStateStoreOptions};
///
/// let store = MemoryStateStore::new(MemoryStateStoreOptions {
///     query_lag_operations: 5,
///     empty_pages: true,
///     ..MemoryStateStoreOptions::default()
/// });
/// let worker_after_restart = store.clone();
/// # assert_eq!(worker_after_restart.operations(), 0);
/// ```
#[derive(Debug, Clone, Default)]
pub struct MemoryStateStore {
    options: Arc<MemoryStateStoreOptions>,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    documents: BTreeMap<DocumentKey, Document>,
    /// What queries see when they lag; unused otherwise.
    visible: BTreeMap<DocumentKey, Document>,
    /// Changes on their way into `visible`, with the operation from which on they show.
    lagging: VecDeque<(u64, DocumentKey, Option<Document>)>,
    tags: u64,
    operations: u64,
    item_faults: BTreeMap<DocumentKey, VecDeque<ItemFault>>,
    throttles: VecDeque<Duration>,
    lag_next: bool,
}

impl MemoryStateStore {
    /// An empty store.
    pub fn new(options: MemoryStateStoreOptions) -> Self {
        Self {
            options: Arc::new(options),
            inner: Arc::default(),
        }
    }

    /// The next write of `key` goes wrong. Faults of the same key queue up.
    pub fn fail_item(&self, key: DocumentKey, fault: ItemFault) {
        self.locked()
            .item_faults
            .entry(key)
            .or_default()
            .push_back(fault);
    }

    /// The next `calls` calls give `Throttled` with this delay and do nothing.
    pub fn throttle(&self, calls: usize, retry_after: Duration) {
        self.locked()
            .throttles
            .extend(std::iter::repeat_n(retry_after, calls));
    }

    /// Everything in `collection`, as `get` would give it, in the order of ids.
    pub fn documents(&self, collection: Collection) -> Vec<Document> {
        let inner = self.locked();
        inner
            .documents
            .range(DocumentKey::new(collection, "")..)
            .take_while(|(key, _)| key.collection == collection)
            .map(|(_, document)| document.clone())
            .collect()
    }

    /// How many calls there have been.
    pub fn operations(&self) -> u64 {
        self.locked().operations
    }

    /// The next query sees the store as it was some operations ago; needs
    /// [`lags_on_demand`](MemoryStateStoreOptions::lags_on_demand).
    pub fn lag_next_query(&self) {
        self.locked().lag_next = true;
    }

    /// Lets lagging queries catch up with every write.
    pub fn catch_up(&self) {
        let mut inner = self.locked();
        inner.show(u64::MAX);
    }

    fn begin(&self, operation: &'static str) -> Result<MutexGuard<'_, Inner>, PortError> {
        let mut inner = self.locked();
        inner.operations += 1;
        let now = inner.operations;
        if let Some(clock) = &self.options.native_expiry {
            inner.expire(clock.now(), &self.options);
        }
        inner.show(now);
        match inner.throttles.pop_front() {
            Some(delay) => {
                Err(PortError::new(ErrorKind::Throttled, operation).with_retry_after(delay))
            }
            None => Ok(inner),
        }
    }

    fn locked(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl StateStore for MemoryStateStore {
    fn capability(&self) -> StateStoreCapability {
        let options = &self.options;
        let mut capability =
            StateStoreCapability::durable(options.body_bytes_max, options.items_max);
        if !options.durable {
            capability = capability.volatile();
        }
        if options.query_lag_operations > 0 {
            capability = capability.with_lagging_queries();
        }
        if options.native_expiry.is_some() {
            capability = capability.with_native_expiry();
        }
        capability
    }

    async fn get(&self, keys: &[DocumentKey]) -> Result<Vec<Option<Document>>, PortError> {
        let inner = self.begin("state_store.get")?;
        Ok(keys
            .iter()
            .map(|key| inner.documents.get(key).cloned())
            .collect())
    }

    async fn write(&self, writes: Vec<Write>) -> Result<Vec<WriteResult>, PortError> {
        let mut inner = self.begin("state_store.write")?;
        Ok(writes
            .into_iter()
            .map(|write| inner.write(write, &self.options))
            .collect())
    }

    async fn query(&self, query: Query) -> Result<Page, PortError> {
        let mut inner = self.begin("state_store.query")?;
        let start = Position::parse(&query)?;
        if self.options.empty_pages && !start.pause_over {
            let continuation = Some(
                Position {
                    pause_over: true,
                    ..start
                }
                .text(&query),
            );
            return Ok(Page {
                documents: Vec::new(),
                continuation,
            });
        }
        let asked = std::mem::take(&mut inner.lag_next);
        let lags = asked || !self.options.lags_on_demand;
        let source = if lags && self.options.query_lag_operations > 0 {
            &inner.visible
        } else {
            &inner.documents
        };
        let size = query.page_items_max.min(self.options.page_items_max).max(1);
        Ok(page(source, &query, &start, size))
    }
}

impl Inner {
    fn write(&mut self, write: Write, options: &MemoryStateStoreOptions) -> WriteResult {
        let key = write.key.clone();
        let fault = self.item_faults.get_mut(&key).and_then(VecDeque::pop_front);
        let injected =
            |kind| Err(refusal(kind, &key).with_detail(format!("injected fault on {key}")));
        match fault {
            None => self.apply(write, options),
            Some(ItemFault::Before(kind)) => injected(kind),
            Some(ItemFault::After(kind)) => {
                self.apply(write, options)?;
                injected(kind)
            }
        }
    }

    fn apply(&mut self, write: Write, options: &MemoryStateStoreOptions) -> WriteResult {
        let Write {
            key,
            expect,
            action,
        } = write;
        if let Action::Put(content) = &action
            && content.body.get().len() > options.body_bytes_max
        {
            return Err(refusal(ErrorKind::TooLarge, &key));
        }
        match (&expect, self.documents.get(&key)) {
            (Expect::Absent, Some(_)) => return Err(refusal(ErrorKind::AlreadyExists, &key)),
            (Expect::Tag(tag), Some(present)) if *tag != present.etag => {
                return Err(refusal(ErrorKind::Conflict, &key));
            }
            (Expect::Tag(_), None) => return Err(refusal(ErrorKind::Conflict, &key)),
            (Expect::Any | Expect::Tag(_), _) | (Expect::Absent, None) => {}
        }
        let (after, written) = match action {
            Action::Delete => (None, Written::Deleted),
            Action::Put(content) => {
                self.tags += 1;
                let etag = ETag::new(format!("v{}", self.tags))
                    .map_err(|error| refusal(ErrorKind::Internal, &key).with_source(error))?;
                (
                    Some(document(key.clone(), content, etag.clone())),
                    Written::Put(etag),
                )
            }
        };
        self.change(key, after, options);
        Ok(written)
    }

    fn change(
        &mut self,
        key: DocumentKey,
        after: Option<Document>,
        options: &MemoryStateStoreOptions,
    ) {
        if options.query_lag_operations > 0 {
            let shows_at = self.operations.saturating_add(options.query_lag_operations);
            self.lagging
                .push_back((shows_at, key.clone(), after.clone()));
        }
        put_or_remove(&mut self.documents, key, after);
    }

    /// Removes what has expired.
    fn expire(&mut self, now: DateTime<Utc>, options: &MemoryStateStoreOptions) {
        let expired: Vec<DocumentKey> = self
            .documents
            .values()
            .filter(|document| document.expires_at.is_some_and(|until| until <= now))
            .map(|document| document.key.clone())
            .collect();
        for key in expired {
            self.change(key, None, options);
        }
    }

    /// Makes visible what queries may see from `operation` on.
    fn show(&mut self, operation: u64) {
        while self
            .lagging
            .front()
            .is_some_and(|(shows_at, ..)| *shows_at < operation)
        {
            if let Some((_, key, after)) = self.lagging.pop_front() {
                put_or_remove(&mut self.visible, key, after);
            }
        }
    }
}

fn page(
    source: &BTreeMap<DocumentKey, Document>,
    query: &Query,
    start: &Position,
    size: usize,
) -> Page {
    let from = match &start.after {
        Some(id) => Bound::Excluded(DocumentKey::new(query.collection, id.clone())),
        None => Bound::Included(DocumentKey::new(query.collection, "")),
    };
    let mut matching = source
        .range((from, Bound::Unbounded))
        .map(|(_, document)| document)
        .take_while(|document| document.key.collection == query.collection)
        .filter(|document| matches(query, document));
    let documents: Vec<Document> = matching
        .by_ref()
        .take(size)
        .map(|document| Document {
            key: document.key.clone(),
            state: document.state.clone(),
            due_at: document.due_at,
            expires_at: document.expires_at,
            body: document.body.as_ref().filter(|_| query.bodies).cloned(),
            etag: document.etag.clone(),
        })
        .collect();
    let more = matching.next().is_some();
    let continuation = documents.last().filter(|_| more).map(|last| {
        Position {
            after: Some(last.key.id.clone()),
            pause_over: false,
        }
        .text(query)
    });
    Page {
        documents,
        continuation,
    }
}

fn matches(query: &Query, document: &Document) -> bool {
    let in_state = query
        .state
        .as_ref()
        .is_none_or(|state| *state == document.state);
    let due = query
        .due_before
        .is_none_or(|instant| document.due_at.is_some_and(|at| at < instant));
    in_state && due
}

fn document(key: DocumentKey, content: Content, etag: ETag) -> Document {
    let Content {
        state,
        due_at,
        expires_at,
        body,
    } = content;
    Document {
        key,
        state,
        due_at,
        expires_at,
        body: Some(body),
        etag,
    }
}

fn put_or_remove(
    documents: &mut BTreeMap<DocumentKey, Document>,
    key: DocumentKey,
    after: Option<Document>,
) {
    match after {
        Some(document) => documents.insert(key, document),
        None => documents.remove(&key),
    };
}

fn refusal(kind: ErrorKind, key: &DocumentKey) -> PortError {
    PortError::new(kind, "state_store.write").with_detail(key.to_string())
}
