//! OMNISYNC's state store on SQLite, one document an order.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use omnisync_adapters_local::{SqliteConfig, SqliteStateStore};
use omnisync_core::order::{ORDERS, StateName};
use omnisync_core::port::{Action, Content, DocumentKey, Expect, Query, StateStoreExt as _, Write};

use super::super::input::Entry;
use super::super::runtime;
use super::producers::{self, Producer};
use super::{Ingested, check};
use crate::error::Error;

const WHO: &str = "omnisync";

struct Documents {
    store: Arc<SqliteStateStore>,
    due_at: DateTime<Utc>,
}

impl Producer for Documents {
    async fn put(&mut self, entry: &Entry) -> Result<(), Error> {
        let write = Write {
            key: DocumentKey::new(ORDERS, entry.id.as_str()),
            expect: Expect::Absent,
            action: Action::Put(Content {
                state: StateName::Pending.as_str().to_owned(),
                due_at: Some(self.due_at),
                expires_at: None,
                body: entry.body.clone(),
            }),
        };
        self.store
            .write_one(write)
            .await
            .map_err(Error::store(WHO))?;
        Ok(())
    }
}

pub(super) fn run(
    entries: &Arc<Vec<Entry>>,
    folder: &Path,
    producers: usize,
) -> Result<Ingested, Error> {
    let path = folder.join("state.db");
    let open = || SqliteConfig::new(&path).open().map_err(Error::store(WHO));
    runtime()?.block_on(async {
        let store = Arc::new(open()?);
        let producers = (0..producers)
            .map(|_| Documents {
                store: Arc::clone(&store),
                due_at: DateTime::UNIX_EPOCH,
            })
            .collect();
        let ingested = producers::run(entries, producers).await?;
        drop(store);
        check(WHO, entries, stored(&open()?).await?)?;
        Ok(ingested)
    })
}

async fn stored(store: &SqliteStateStore) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let documents = store
        .query_all(Query::all(ORDERS), usize::MAX)
        .await
        .map_err(Error::store(WHO))?;
    let found = documents.into_iter().filter_map(|document| {
        let body = document.body?.get().as_bytes().to_vec();
        Some((document.key.id, body))
    });
    Ok(found.collect())
}
