use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use serde::Serialize;
use serde_json::value::RawValue;

use super::forward_to_pointee;
use crate::error::{ErrorKind, PortError};
use crate::id::ETag;

/// Versioned JSON documents with compare-and-set writes.
///
/// # Contract
/// 1. A document that was acknowledged is read back equal by `get`, in this process and, when
///    the store is durable, after the process was killed.
/// 2. `Expect::Absent` on a present document changes nothing and gives `AlreadyExists`.
/// 3. `Expect::Tag` with another than the current tag, or on an absent document, changes
///    nothing and gives `Conflict`.
/// 4. `Expect::Any` replaces or creates.
/// 5. Every successful put gives the document a tag that it never had before.
/// 6. Items of one `write` succeed or fail one by one: a refused item does not undo its
///    neighbours. Results come in the order of the writes.
/// 7. Of concurrent writes with the same precondition at most one succeeds.
/// 8. `query` pages give every document that matched from before the first page until after the
///    last one exactly once; order is not promised, and an empty page with a continuation is
///    not the end.
/// 9. `query` selects by collection, by state when given, and by `due_at < due_before` when
///    given (documents without `due_at` do not match then).
/// 10. A delete with a precondition follows clauses 2 to 4; deleting an absent document with
///     `Expect::Any` succeeds.
/// 11. Any JSON value survives, numbers to their exact decimal value up to 15 significant
///     digits, and texts up to the last character, whatever the script.
/// 12. Ids may hold any character but control characters and `/ \ ? #`; collections are
///     separate name spaces.
/// 13. `get` reflects every write acknowledged before it was called.
/// 14. A body larger than `capability().body_bytes_max` gives `TooLarge` and changes nothing.
///
/// # Cancel safety
/// A dropped `write` may or may not have taken effect, each item on its own. Read back.
#[async_trait]
pub trait StateStore: fmt::Debug + Send + Sync + 'static {
    /// What this back end can do.
    fn capability(&self) -> StateStoreCapability;

    /// Reads documents by key: one result per key, in order, `None` when absent.
    ///
    /// # Errors
    /// `Unavailable`, `TimedOut`, `Throttled`, `Denied`, `Corrupt`.
    async fn get(&self, keys: &[DocumentKey]) -> Result<Vec<Option<Document>>, PortError>;

    /// Writes documents, each on its own condition.
    ///
    /// # Errors
    /// The outer error means that no item's fate is known; per item: `AlreadyExists`,
    /// `Conflict`, `TooLarge`, `Exhausted`, `Unavailable`, `TimedOut`, `Throttled`, `Denied`.
    async fn write(&self, writes: Vec<Write>) -> Result<Vec<WriteResult>, PortError>;

    /// One page of the documents that match.
    ///
    /// # Errors
    /// As `get`, and `Invalid` for a continuation that this store did not issue.
    async fn query(&self, query: Query) -> Result<Page, PortError>;
}

/// What a [`StateStore`] can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StateStoreCapability {
    /// Acknowledged writes survive the loss of the process.
    pub durable: bool,
    /// Queries see every write acknowledged before they began. When false, a query may miss or
    /// show old versions of recent writes.
    pub query_reads_own_writes: bool,
    /// Documents are removed by the back end itself some time after `expires_at`.
    pub native_expiry: bool,
    /// Largest body in bytes.
    pub body_bytes_max: usize,
    /// Largest number of items in one `write` or `get` that is still efficient.
    pub items_max: usize,
}

impl StateStoreCapability {
    /// A durable, strongly consistent store without expiry of its own.
    pub const fn durable(body_bytes_max: usize, items_max: usize) -> Self {
        Self {
            durable: true,
            query_reads_own_writes: true,
            native_expiry: false,
            body_bytes_max,
            items_max,
        }
    }

    /// The same, for a store that forgets when the process ends.
    #[must_use]
    pub const fn volatile(mut self) -> Self {
        self.durable = false;
        self
    }

    /// The same, for a store whose queries may lag behind its writes.
    #[must_use]
    pub const fn with_lagging_queries(mut self) -> Self {
        self.query_reads_own_writes = false;
        self
    }

    /// The same, for a store that removes expired documents itself.
    #[must_use]
    pub const fn with_native_expiry(mut self) -> Self {
        self.native_expiry = true;
        self
    }
}

/// Name space of documents, such as `orders`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Collection(&'static str);

impl Collection {
    /// Names a collection. Use lower-case letters, digits and `_`.
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// The name.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Address of a document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentKey {
    /// Name space.
    pub collection: Collection,
    /// Key within the name space, and the partition key where a back end has one.
    pub id: String,
}

impl DocumentKey {
    /// Addresses `id` in `collection`.
    pub fn new(collection: Collection, id: impl Into<String>) -> Self {
        Self {
            collection,
            id: id.into(),
        }
    }
}

impl fmt::Display for DocumentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.collection, self.id)
    }
}

/// A stored document.
#[derive(Debug, Clone)]
pub struct Document {
    /// Address.
    pub key: DocumentKey,
    /// Short word that queries select on.
    pub state: String,
    /// When the document next wants attention.
    pub due_at: Option<DateTime<Utc>>,
    /// From when on the document may be removed.
    pub expires_at: Option<DateTime<Utc>>,
    /// JSON text; `None` when the query asked for none.
    pub body: Option<Box<RawValue>>,
    /// Current version.
    pub etag: ETag,
}

impl Document {
    /// Parses the body.
    ///
    /// # Errors
    /// `Corrupt` when the body is missing or is not a `T`; names the document.
    pub fn parse<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T, PortError> {
        let corrupt = || {
            PortError::new(ErrorKind::Corrupt, "state_store.parse")
                .with_detail(format!("document {} cannot be read as its type", self.key))
        };
        let body = self.body.as_ref().ok_or_else(corrupt)?;
        serde_json::from_str(body.get()).map_err(|error| corrupt().with_source(error))
    }
}

/// Condition under which a write takes effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// The document must not exist.
    Absent,
    /// The document must exist in this version.
    Tag(ETag),
    /// No condition.
    Any,
}

/// Everything of a document but its address and version.
#[derive(Debug, Clone)]
pub struct Content {
    /// Short word that queries select on.
    pub state: String,
    /// When the document next wants attention.
    pub due_at: Option<DateTime<Utc>>,
    /// From when on the document may be removed.
    pub expires_at: Option<DateTime<Utc>>,
    /// JSON text.
    pub body: Box<RawValue>,
}

/// What a write does.
#[derive(Debug, Clone)]
pub enum Action {
    /// Creates or replaces.
    Put(Content),
    /// Removes.
    Delete,
}

/// One conditional write.
#[derive(Debug, Clone)]
pub struct Write {
    /// Address.
    pub key: DocumentKey,
    /// Condition.
    pub expect: Expect,
    /// Effect.
    pub action: Action,
}

/// What a successful write did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// The document now has this version.
    Put(ETag),
    /// The document is gone.
    Deleted,
}

/// Fate of one write.
pub type WriteResult = Result<Written, PortError>;

/// Selects documents.
#[derive(Debug, Clone)]
pub struct Query {
    /// Name space.
    pub collection: Collection,
    /// Only documents in this state.
    pub state: Option<String>,
    /// Only documents due before this instant.
    pub due_before: Option<DateTime<Utc>>,
    /// Whether the pages carry bodies.
    pub bodies: bool,
    /// Largest number of documents on a page; stores may give fewer.
    pub page_items_max: usize,
    /// Where to go on: the continuation of the page before.
    pub continuation: Option<String>,
}

impl Query {
    /// Default number of documents on a page.
    pub const PAGE_ITEMS: usize = 1_000;

    /// All documents of `collection`.
    pub fn all(collection: Collection) -> Self {
        Self {
            collection,
            state: None,
            due_before: None,
            bodies: true,
            page_items_max: Self::PAGE_ITEMS,
            continuation: None,
        }
    }

    /// Only documents in `state`.
    #[must_use]
    pub fn in_state(mut self, state: impl Into<String>) -> Self {
        self.state = Some(state.into());
        self
    }

    /// Only documents due before `instant`.
    #[must_use]
    pub fn due_before(mut self, instant: DateTime<Utc>) -> Self {
        self.due_before = Some(instant);
        self
    }

    /// Leaves bodies out.
    #[must_use]
    pub fn without_bodies(mut self) -> Self {
        self.bodies = false;
        self
    }

    /// At most `items` documents a page.
    #[must_use]
    pub fn with_page_items_max(mut self, items: usize) -> Self {
        self.page_items_max = items;
        self
    }
}

/// One page of a query.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Matching documents, in no promised order.
    pub documents: Vec<Document>,
    /// Where to go on; `None` at the end. Only this ends a query, never an empty page.
    pub continuation: Option<String>,
}

/// Conveniences over any [`StateStore`]. Never implement this.
#[async_trait]
pub trait StateStoreExt: StateStore {
    /// Reads one document.
    ///
    /// # Errors
    /// As [`StateStore::get`].
    async fn get_one(&self, key: &DocumentKey) -> Result<Option<Document>, PortError> {
        Ok(self.get(std::slice::from_ref(key)).await?.pop().flatten())
    }

    /// Writes one document.
    ///
    /// # Errors
    /// As [`StateStore::write`], the item's own error included.
    async fn write_one(&self, write: Write) -> WriteResult {
        self.write(vec![write]).await?.pop().unwrap_or_else(|| {
            Err(PortError::new(ErrorKind::Internal, "state_store.write")
                .with_detail("the store answered one write with no result"))
        })
    }

    /// Reads every page of `query`, up to `items_max` documents.
    ///
    /// # Errors
    /// As [`StateStore::query`].
    async fn query_all(
        &self,
        mut query: Query,
        items_max: usize,
    ) -> Result<Vec<Document>, PortError> {
        let mut all = Vec::new();
        loop {
            query.page_items_max = query.page_items_max.min(items_max - all.len());
            let page = self.query(query.clone()).await?;
            all.extend(page.documents);
            match page.continuation {
                Some(continuation) if all.len() < items_max => {
                    query.continuation = Some(continuation);
                }
                _ => return Ok(all),
            }
        }
    }
}

impl<S: StateStore + ?Sized> StateStoreExt for S {}

/// Renders a body.
///
/// # Errors
/// `Invalid` when `value` has no JSON form.
pub(crate) fn body_of<T: Serialize>(value: &T) -> Result<Box<RawValue>, PortError> {
    serde_json::value::to_raw_value(value).map_err(|error| {
        PortError::new(ErrorKind::Invalid, "state_store.render").with_source(error)
    })
}

forward_to_pointee!(StateStore {
    fn capability(&self) -> StateStoreCapability {
        (**self).capability()
    }
    // What the store returns is handed on as it is: a pointer costs no future of its own.
    fn get<'life0, 'life1, 'async_trait>(
        &'life0 self,
        keys: &'life1 [DocumentKey],
    ) -> BoxFuture<'async_trait, Result<Vec<Option<Document>>, PortError>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        (**self).get(keys)
    }
    fn write<'life0, 'async_trait>(
        &'life0 self,
        writes: Vec<Write>,
    ) -> BoxFuture<'async_trait, Result<Vec<WriteResult>, PortError>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        (**self).write(writes)
    }
    fn query<'life0, 'async_trait>(
        &'life0 self,
        query: Query,
    ) -> BoxFuture<'async_trait, Result<Page, PortError>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        (**self).query(query)
    }
});
