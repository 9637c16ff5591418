//! Typed access to the documents of CRM sync.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::hear::contended;
use super::pass::StreamEntry;
use crate::crm::ledger::{KeyStanding, LinkRecord, Told};
use crate::crm::{EntityName, ForeignId, LinkId, Origin, SystemName};
use crate::error::{ErrorKind, PortError};
use crate::id::{ETag, Sha256};
use crate::port::{
    Action, Collection, Content, Document, DocumentKey, Expect, Page, Query, StateStore,
    StateStoreExt as _, Write, Written, body_of,
};

/// Which link a record of a system belongs to, and whether it has to be looked at.
pub const CRM_RECORDS: Collection = Collection::new("crm-records");

/// Which link a natural key belongs to.
pub const CRM_KEYS: Collection = Collection::new("crm-keys");

/// The ledgers.
pub const CRM_LINKS: Collection = Collection::new("crm-links");

/// How far the changes of each object have been read.
pub const CRM_STREAMS: Collection = Collection::new("crm-streams");

/// How often a reservation is tried again after somebody else changed it.
const CONFLICTS_MAX: usize = 8;

/// Changes of a record that events told of and that are kept until it is looked at.
const TOLD_MAX: usize = 8;

/// The state of a record that belongs to no link, and for a reason, whether it is to be looked at again
/// or not.
pub(super) const WAITING: &str = "waiting";

/// A document and the version it was read in.
#[derive(Debug, Clone)]
pub(super) struct Kept<T> {
    pub(super) content: T,
    pub(super) etag: Option<ETag>,
}

/// A record of a system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RecordEntry {
    pub(super) entity: EntityName,
    pub(super) system: SystemName,
    pub(super) id: ForeignId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) link: Option<LinkId>,
    /// Its link was stored with it as its record before this was said. Until then it is about to be,
    /// and another link may be first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) counted: bool,
    /// Hints so far: a hint that comes while the record is looked at is not lost.
    pub(super) hints: u64,
    /// Who is said to have changed it last.
    #[serde(default)]
    pub(super) origin: Origin,
    /// Changes that events told of since the last look, for systems that do not check versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) told: Vec<Told>,
    /// It has to be looked at from then on.
    #[serde(
        default,
        with = "crate::instant::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) due: Option<DateTime<Utc>>,
    /// Why it belongs to no link yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) waits_for: Option<String>,
    /// Times that a person took it out of its link: what it founds after that is another one.
    #[serde(default)]
    pub(super) unlinked: u64,
    /// The link of the record into which this one was merged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) merged_into: Option<LinkId>,
    /// The last pass over every record of its object that named it; 0 for none.
    #[serde(default, skip_serializing_if = "is_none_yet")]
    pub(super) pass: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out references"
)]
const fn is_none_yet(number: &u64) -> bool {
    *number == 0
}

impl RecordEntry {
    /// Keeps what an event told of a change.
    pub(super) fn tell(&mut self, told: &Told) {
        if self.told.contains(told) {
            return;
        }
        if self.told.len() == TOLD_MAX {
            self.told.remove(0);
        }
        self.told.push(told.clone());
    }

    /// A record of which nobody has spoken, to be stored as a new document.
    pub(super) fn unheard(entity: &EntityName, system: &SystemName, id: &ForeignId) -> Kept<Self> {
        Kept {
            content: Self {
                entity: entity.clone(),
                system: system.clone(),
                id: id.clone(),
                link: None,
                counted: false,
                hints: 0,
                origin: Origin::default(),
                told: Vec::new(),
                due: None,
                waits_for: None,
                unlinked: 0,
                merged_into: None,
                pass: 0,
            },
            etag: None,
        }
    }
}

/// Which link a natural key was reserved for. It counts as long as that link says so: a link that
/// goes on to another key, or whose record is gone for good, leaves its reservation to whoever takes
/// it over. Until then what points at its former key still leads to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyEntry {
    pub(super) entity: EntityName,
    pub(super) key: String,
    pub(super) link: LinkId,
    /// Times that it was taken: every one changes the document, so that of two at once one loses.
    #[serde(default)]
    pub(super) generation: u64,
}

/// What a link is at, as dashboards can select on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkState {
    /// A write is announced, or somebody has to go on.
    Working,
    /// Something is in the way: a reference that leads nowhere, a value that was refused.
    Parked,
    /// A person has to decide.
    Conflict,
    /// Every system follows.
    Quiet,
}

impl LinkState {
    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Parked => "parked",
            Self::Conflict => "conflict",
            Self::Quiet => "quiet",
        }
    }
}

/// What became of a write on a condition.
#[derive(Debug)]
pub(super) enum Saved {
    Yes(ETag),
    /// Somebody else changed the document.
    Lost,
}

/// Whose a key is.
#[derive(Debug)]
pub(super) enum Reservation {
    /// It was reserved for this link just now.
    Taken(LinkId),
    /// It stands for this link, which says so. Without a document its founder is about to write it,
    /// or died.
    Of(LinkId, Option<Box<LinkRecord>>),
}

/// A document that is not what it should be.
#[derive(Debug)]
pub(super) struct Unreadable {
    document: Document,
    pub(super) error: PortError,
}

impl Unreadable {
    pub(super) fn key(&self) -> &DocumentKey {
        &self.document.key
    }
}

/// What is due.
#[derive(Debug)]
pub(super) struct Due<T> {
    pub(super) found: Vec<T>,
    pub(super) unreadable: Vec<Unreadable>,
    /// As many as were asked for: there may be more.
    pub(super) is_full: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Documents {
    pub(super) store: Arc<dyn StateStore>,
}

impl Documents {
    pub(super) fn new(store: Arc<dyn StateStore>) -> Self {
        Self { store }
    }

    async fn get<T: DeserializeOwned>(
        &self,
        key: &DocumentKey,
    ) -> Result<Option<Kept<T>>, PortError> {
        let document = self.store.get_one(key).await;
        let document = document.map_err(PortError::of_store)?;
        document.as_ref().map(kept).transpose()
    }

    async fn put(
        &self,
        key: DocumentKey,
        etag: Option<&ETag>,
        state: &str,
        due_at: Option<DateTime<Utc>>,
        body: &(impl Serialize + Sync),
    ) -> Result<Saved, PortError> {
        let write = Write {
            key,
            expect: etag.map_or(Expect::Absent, |etag| Expect::Tag(etag.clone())),
            action: Action::Put(Content {
                state: state.to_owned(),
                due_at,
                expires_at: None,
                body: body_of(body)?,
            }),
        };
        match self.store.write_one(write).await {
            Ok(Written::Put(etag)) => Ok(Saved::Yes(etag)),
            Ok(Written::Deleted) => Ok(Saved::Lost),
            Err(error) => match error.kind() {
                ErrorKind::AlreadyExists | ErrorKind::Conflict => Ok(Saved::Lost),
                _ => Err(error.of_store()),
            },
        }
    }

    /// One page of documents, bodies and all.
    pub(super) async fn page(&self, query: Query) -> Result<Page, PortError> {
        let page = self.store.query(query).await;
        page.map_err(PortError::of_store)
    }

    pub(super) async fn record(
        &self,
        entity: &EntityName,
        system: &SystemName,
        id: &ForeignId,
    ) -> Result<Option<Kept<RecordEntry>>, PortError> {
        self.get(&record_key(entity, system, id)).await
    }

    pub(super) async fn save_record(&self, entry: &Kept<RecordEntry>) -> Result<Saved, PortError> {
        let content = &entry.content;
        let key = record_key(&content.entity, &content.system, &content.id);
        let state = if content.link.is_none() && content.waits_for.is_some() {
            WAITING
        } else if content.due.is_some() {
            "hinted"
        } else if content.link.is_some() {
            "linked"
        } else {
            WAITING
        };
        self.put(key, entry.etag.as_ref(), state, content.due, content)
            .await
    }

    /// Records that have to be looked at, in no order.
    pub(super) async fn due_records(
        &self,
        now: DateTime<Utc>,
        max: usize,
    ) -> Result<Due<RecordEntry>, PortError> {
        self.due(CRM_RECORDS, now, max).await
    }

    /// Links that somebody has to go on with.
    pub(super) async fn due_links(
        &self,
        now: DateTime<Utc>,
        max: usize,
    ) -> Result<Due<LinkRecord>, PortError> {
        self.due(CRM_LINKS, now, max).await
    }

    /// One that cannot be read does not stand in the way of the others.
    async fn due<T: DeserializeOwned>(
        &self,
        collection: Collection,
        now: DateTime<Utc>,
        max: usize,
    ) -> Result<Due<T>, PortError> {
        let until = now + chrono::TimeDelta::milliseconds(1);
        let query = Query::all(collection).due_before(until);
        let documents = self.store.query_all(query, max).await;
        let mut documents = documents.map_err(PortError::of_store)?;
        let is_full = documents.len() >= max;
        documents.sort_by(|a, b| (a.due_at, &a.key.id).cmp(&(b.due_at, &b.key.id)));
        documents.dedup_by(|a, b| a.key == b.key);
        let mut due = Due {
            found: Vec::with_capacity(documents.len()),
            unreadable: Vec::new(),
            is_full,
        };
        for document in documents {
            match document.parse() {
                Ok(content) => due.found.push(content),
                Err(error) => due.unreadable.push(Unreadable { document, error }),
            }
        }
        Ok(due)
    }

    /// Leaves a document that cannot be read as it is, to be tried again at `until`: somebody may
    /// mend it, or a newer program may have written it.
    pub(super) async fn set_aside(
        &self,
        unreadable: &Unreadable,
        until: DateTime<Utc>,
    ) -> Result<(), PortError> {
        let document = &unreadable.document;
        let Some(body) = &document.body else {
            return Ok(());
        };
        let write = Write {
            key: document.key.clone(),
            expect: Expect::Tag(document.etag.clone()),
            action: Action::Put(Content {
                state: document.state.clone(),
                due_at: Some(until),
                expires_at: document.expires_at,
                body: body.clone(),
            }),
        };
        match self.store.write_one(write).await {
            Err(error) if error.kind() != ErrorKind::Conflict => Err(error.of_store()),
            _ => Ok(()),
        }
    }

    /// Links that may wait for another record, up to `max` of those that a person has to decide
    /// about and of the others.
    pub(super) async fn waiting_links(&self, max: usize) -> Result<Vec<LinkRecord>, PortError> {
        let mut documents = Vec::new();
        for state in [LinkState::Parked, LinkState::Conflict] {
            let query = Query::all(CRM_LINKS).in_state(state.as_str());
            let page = self.store.query_all(query, max).await;
            documents.extend(page.map_err(PortError::of_store)?);
        }
        documents.sort_by(|a, b| a.key.id.cmp(&b.key.id));
        Ok(documents
            .iter()
            .filter_map(|document| document.parse().ok())
            .collect())
    }

    pub(super) async fn key(
        &self,
        entity: &EntityName,
        key: &str,
    ) -> Result<Option<Kept<KeyEntry>>, PortError> {
        self.get(&natural_key(entity, key)).await
    }

    /// Reserves a key for the link that `taker` names for the generation of the reservation, unless it
    /// stands for another one. A reservation counts as long as its link says so.
    pub(super) async fn reserve(
        &self,
        entity: &EntityName,
        key: &str,
        taker: impl Fn(u64) -> LinkId + Send + Sync,
    ) -> Result<Reservation, PortError> {
        for _ in 0..CONFLICTS_MAX {
            let reserved = self.key(entity, key).await?;
            let generation = reserved
                .as_ref()
                .map_or(1, |kept| kept.content.generation + 1);
            let link = taker(generation);
            if let Some(owner) = reserved.as_ref().map(|kept| kept.content.link)
                && owner != link
            {
                let Some(stored) = self.link(owner).await? else {
                    return Ok(Reservation::Of(owner, None));
                };
                if stored.content.key_standing(key) != KeyStanding::Free {
                    return Ok(Reservation::Of(owner, Some(Box::new(stored.content))));
                }
            }
            // One of the taker's own is written again too: whoever was about to take it over loses.
            let content = KeyEntry {
                entity: entity.clone(),
                key: key.to_owned(),
                link,
                generation,
            };
            let etag = reserved.and_then(|kept| kept.etag);
            if let Saved::Yes(_) = self.reserve_key(&Kept { content, etag }).await? {
                return Ok(Reservation::Taken(link));
            }
        }
        Err(contended("crm_sync.reserve"))
    }

    async fn reserve_key(&self, entry: &Kept<KeyEntry>) -> Result<Saved, PortError> {
        let content = &entry.content;
        let key = natural_key(&content.entity, &content.key);
        self.put(key, entry.etag.as_ref(), "reserved", None, content)
            .await
    }

    pub(super) async fn link(&self, link: LinkId) -> Result<Option<Kept<LinkRecord>>, PortError> {
        self.get(&link_key(link)).await
    }

    pub(super) async fn save_link(
        &self,
        link: &Kept<LinkRecord>,
        state: LinkState,
        due: Option<DateTime<Utc>>,
    ) -> Result<Saved, PortError> {
        let key = link_key(link.content.link);
        self.put(key, link.etag.as_ref(), state.as_str(), due, &link.content)
            .await
    }

    pub(super) async fn stream(
        &self,
        system: &SystemName,
        entity: &EntityName,
    ) -> Result<Kept<StreamEntry>, PortError> {
        let entry = self.get(&stream_key(system, entity)).await?;
        Ok(entry.unwrap_or_else(|| Kept {
            content: StreamEntry::default(),
            etag: None,
        }))
    }

    pub(super) async fn save_stream(
        &self,
        system: &SystemName,
        entity: &EntityName,
        entry: &Kept<StreamEntry>,
    ) -> Result<Saved, PortError> {
        let state = if entry.content.is_behind() {
            "behind"
        } else {
            "read"
        };
        let key = stream_key(system, entity);
        self.put(key, entry.etag.as_ref(), state, None, &entry.content)
            .await
    }
}

fn kept<T: DeserializeOwned>(document: &Document) -> Result<Kept<T>, PortError> {
    Ok(Kept {
        content: document.parse()?,
        etag: Some(document.etag.clone()),
    })
}

fn record_key(entity: &EntityName, system: &SystemName, id: &ForeignId) -> DocumentKey {
    DocumentKey::new(CRM_RECORDS, format!("{entity}:{system}:{id}"))
}

/// The record that a key of a document names.
pub(super) fn record_of(key: &DocumentKey) -> Option<(EntityName, SystemName, ForeignId)> {
    if key.collection != CRM_RECORDS {
        return None;
    }
    let mut parts = key.id.splitn(3, ':');
    let entity = EntityName::new(parts.next()?).ok()?;
    let system = SystemName::new(parts.next()?).ok()?;
    let id = ForeignId::new(parts.next()?).ok()?;
    Some((entity, system, id))
}

/// Keys are texts of people: any character, any length.
fn natural_key(entity: &EntityName, key: &str) -> DocumentKey {
    let hash = Sha256::of(key.as_bytes());
    DocumentKey::new(CRM_KEYS, format!("{entity}:{hash}"))
}

fn link_key(link: LinkId) -> DocumentKey {
    DocumentKey::new(CRM_LINKS, link.to_string())
}

/// The link that a key of a document names.
pub(super) fn link_of(key: &DocumentKey) -> Option<LinkId> {
    let id = key.id.parse().ok();
    id.filter(|_| key.collection == CRM_LINKS)
}

fn stream_key(system: &SystemName, entity: &EntityName) -> DocumentKey {
    DocumentKey::new(CRM_STREAMS, format!("{system}:{entity}"))
}
