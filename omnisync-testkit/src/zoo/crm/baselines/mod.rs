//! What CRMs are commonly kept the same with.
//!
//! Small and honest versions: each is at work behind the same ports, takes what it cannot do now up
//! again later, and finds a record's counterparts by its natural key. What they have no answer to
//! is what the ledger is for.

mod last_writer;
mod told;
mod user_filter;
mod value_hash;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use omnisync_core::crm::field_map::CompiledFieldMap;
use omnisync_core::crm::{ChangeKind, Fields, ForeignId, HintScope, Native, Value};
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::port::{
    Action, Clock, Content, Creation, CrmRecord, CrmSink, DocumentKey, Expect, RecordUpdate, Sight,
    Snapshot, StateStore, StateStoreExt as _, Write,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::to_raw_value;

use crate::fake::crm::{CrmState, Standing};
use crate::sim::crm::{Bag, CrmHost, CrmPorts, Post};
use crate::sim::{Violation, Worker};

/// Records that are asked for at once when everything is compared.
const PAGE_RECORDS: usize = 50;

/// One of them.
#[derive(Clone)]
pub(super) struct Baseline {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) host: Arc<dyn CrmHost>,
    /// These are the flows that ship.
    pub(super) ships: bool,
}

/// All of them, and in the end the flows as they ship.
pub(super) fn all() -> Vec<Baseline> {
    let baseline = |name, what, host| Baseline {
        name,
        what,
        host,
        ships: false,
    };
    vec![
        baseline(
            "integration-user-filter",
            "drops what its own user did, copies the rest, and asks a copy that lags",
            Arc::new(following(|| user_filter::UserFilter)),
        ),
        baseline(
            "last-writer-wins",
            "copies what differs from whoever has the latest time of change",
            Arc::new(following(|| last_writer::LastWriter)),
        ),
        baseline(
            "value-hash",
            "copies every event whose values are not those that it copied last",
            Arc::new(following(|| value_hash::ValueHash)),
        ),
        baseline(
            "ledger-without-read-back",
            "the flows that ship, deciding on what events tell",
            Arc::new(told::believing),
        ),
        baseline(
            "ledger-without-conditions",
            "the flows that ship, writing whatever a record has become",
            Arc::new(super::mutants::on_no_condition()),
        ),
        Baseline {
            name: "ledger",
            what: "the flows that ship",
            host: Arc::new(super::mutants::syncing),
            ships: true,
        },
    ]
}

/// A system, as a baseline sees it.
pub(super) struct Party {
    name: String,
    sink: Arc<dyn CrmSink>,
    map: CompiledFieldMap,
    post: Post,
}

/// The systems, and where a baseline keeps what it knows.
pub(super) struct Parties {
    all: Vec<Party>,
    store: Arc<dyn StateStore>,
    clock: Arc<dyn Clock>,
}

/// What is known of a change.
pub(super) struct News {
    /// The place of the system where it was made.
    at: usize,
    id: ForeignId,
    /// The natural key of the record.
    key: String,
    /// The whole record.
    values: Fields<Option<Value>>,
    modified_at: DateTime<Utc>,
    /// By whom, and what; where somebody said so.
    user: Option<String>,
    kind: Option<ChangeKind>,
}

/// What a baseline does about a change.
#[async_trait]
pub(super) trait Rule: Send + Sync + 'static {
    /// It reads records of which an event tells no more than that something happened.
    const READS: bool;

    async fn follow(&self, parties: &Parties, news: &News) -> Result<(), PortError>;
}

/// A host that follows a rule.
fn following<R: Rule>(rule: impl Fn() -> R + Send + Sync) -> impl CrmHost {
    move |ports: CrmPorts| -> Box<dyn Worker> {
        let sim = ports.sim.clone();
        let mut all = Vec::new();
        for port in ports.systems {
            match port.map.compile(&ports.entity, &port.name) {
                Ok(map) => all.push(Party {
                    name: port.name.to_string(),
                    sink: port.sink,
                    map,
                    post: port.post,
                }),
                Err(errors) => {
                    let detail = format!("{} reasons against the map", errors.len());
                    sim.violate(Violation::new("setup", detail));
                }
            }
        }
        let (store, clock) = (ports.store, ports.clock);
        let parties = Parties { all, store, clock };
        let rule = rule();
        Box::new(Following { parties, rule })
    }
}

struct Following<R> {
    parties: Parties,
    rule: R,
}

#[async_trait]
impl<R: Rule> Worker for Following<R> {
    async fn round(&mut self) -> Result<(), PortError> {
        for (at, party) in self.parties.all.iter().enumerate() {
            let bag = party.post.take();
            for news in self.news(at, &bag).await? {
                self.rule.follow(&self.parties, &news).await?;
            }
            party.post.acknowledge(&bag);
        }
        Ok(())
    }
}

impl<R: Rule> Following<R> {
    async fn news(&self, at: usize, bag: &Bag) -> Result<Vec<News>, PortError> {
        let Some(party) = self.parties.all.get(at) else {
            return Ok(Vec::new());
        };
        let mut all = Vec::new();
        for (hint, after) in bag.hints.iter().zip(&bag.after) {
            let ids = match (&hint.scope, after) {
                (HintScope::Records(ids), Some(after)) => {
                    let told = ids.first().and_then(|id| party.told(at, id, after));
                    all.extend(told.map(|news| News {
                        user: hint.origin.user.clone(),
                        kind: Some(hint.kind),
                        ..news
                    }));
                    continue;
                }
                _ if !R::READS => continue,
                (HintScope::Records(ids), None) => ids.clone(),
                (HintScope::Everything, _) => party.everything().await?,
            };
            for id in ids {
                all.extend(party.read(at, &id).await?);
            }
        }
        Ok(all)
    }
}

impl Party {
    fn told(&self, at: usize, id: &ForeignId, after: &CrmState) -> Option<News> {
        let is_in_use = after.standing == Standing::Active;
        let modified_at = after.modified_at;
        let news = || self.holds(at, id, &after.fields, modified_at);
        is_in_use.then(news).flatten()
    }

    async fn everything(&self) -> Result<Vec<ForeignId>, PortError> {
        let mut ids = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let object = self.map.object();
            let asked = self.sink.changes(object, cursor.as_deref(), PAGE_RECORDS);
            let page = asked.await?;
            ids.extend(page.records);
            if !page.more {
                return Ok(ids);
            }
            cursor = Some(page.cursor);
        }
    }

    async fn read(&self, at: usize, id: &ForeignId) -> Result<Option<News>, PortError> {
        let snapshot = self.snapshot(id).await?;
        Ok(snapshot.and_then(|snapshot| {
            let modified_at = snapshot.modified_at.unwrap_or_default();
            self.holds(at, id, &snapshot.fields, modified_at)
        }))
    }

    async fn snapshot(&self, id: &ForeignId) -> Result<Option<Snapshot>, PortError> {
        let record = self.record(id);
        let sight = self.sink.read(&record, self.map.native_fields());
        Ok(match sight.await? {
            Sight::Present(snapshot) => Some(snapshot),
            _ => None,
        })
    }

    fn record(&self, id: &ForeignId) -> CrmRecord {
        CrmRecord {
            object: self.map.object().to_owned(),
            id: id.clone(),
        }
    }

    fn values(&self, fields: &Fields<Native>) -> Fields<Option<Value>> {
        let read = self.map.get(fields).into_iter();
        read.filter_map(|(field, value)| Some((field, value.ok()?)))
            .collect()
    }

    fn holds(
        &self,
        at: usize,
        id: &ForeignId,
        fields: &Fields<Native>,
        modified_at: DateTime<Utc>,
    ) -> Option<News> {
        let values = self.values(fields);
        Some(News {
            at,
            id: id.clone(),
            key: self.map.key_of(&values)?,
            values,
            modified_at,
            user: None,
            kind: None,
        })
    }

    /// The record with the natural key of these values.
    async fn find(&self, values: &Fields<Option<Value>>) -> Result<Option<ForeignId>, PortError> {
        let mut key = values.clone();
        key.retain(|field, _| self.map.key_fields().contains(field));
        let natives = self.natives(&key);
        let found = self.sink.find(self.map.object(), &natives).await?;
        Ok(found.into_iter().next())
    }

    /// What cannot be written is left out.
    fn natives(&self, values: &Fields<Option<Value>>) -> Fields<Native> {
        let put = self.map.put(values, &Fields::new());
        put.unwrap_or_default()
    }

    async fn create(&self, news: &News) -> Result<ForeignId, PortError> {
        let creation = Creation {
            object: self.map.object().to_owned(),
            key: news.key.clone(),
            natural_key: self.map.key_natives(),
            fields: self.natives(&news.values),
        };
        Ok(self.sink.create(creation).await?.id)
    }

    async fn update(
        &self,
        id: &ForeignId,
        values: &Fields<Option<Value>>,
    ) -> Result<(), PortError> {
        let update = RecordUpdate {
            record: self.record(id),
            fields: self.natives(values),
            expect: None,
        };
        self.sink.update(update).await.map(|_| ())
    }

    /// The record with the key of the news; it is created where there is none.
    async fn met(&self, news: &News) -> Result<Option<ForeignId>, PortError> {
        if let Some(id) = self.find(&news.values).await? {
            return Ok(Some(id));
        }
        match self.create(news).await {
            Ok(_) => Ok(None),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => self.find(&news.values).await,
            Err(error) => Err(error),
        }
    }
}

impl Parties {
    /// Every system but the one of the news.
    fn others(&self, news: &News) -> impl Iterator<Item = &Party> {
        let all = self.all.iter().enumerate();
        all.filter(|(at, _)| *at != news.at).map(|(_, party)| party)
    }

    async fn kept<T: DeserializeOwned>(&self, key: &DocumentKey) -> Result<Option<T>, PortError> {
        let document = self.store.get_one(key).await?;
        document.map(|found| found.parse()).transpose()
    }

    /// Keeps it, whatever was kept before.
    async fn keep(
        &self,
        key: DocumentKey,
        what: &(impl Serialize + Sync),
    ) -> Result<(), PortError> {
        let body = to_raw_value(what).map_err(|error| {
            PortError::new(ErrorKind::Internal, "baseline.keep").with_source(error)
        })?;
        let write = Write {
            key,
            expect: Expect::Any,
            action: Action::Put(Content {
                state: "kept".to_owned(),
                due_at: None,
                expires_at: None,
                body,
            }),
        };
        self.store.write_one(write).await.map(|_| ())
    }
}
