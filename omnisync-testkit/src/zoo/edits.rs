//! Changes to what goes into a store and what comes out of it.

use std::fmt;

use async_trait::async_trait;
use omnisync_core::batch::BatchRecord;
use omnisync_core::error::PortError;
use omnisync_core::order::{ORDERS, OrderRecord};
use omnisync_core::port::{
    Action, Content, Document, DocumentKey, Page, Query, StateStore, Write, WriteResult,
};
use serde_json::value::to_raw_value;

use super::mutated::StoreHabit;

type OnKey = dyn Fn(&mut DocumentKey) + Send + Sync;
type OnWrites = dyn Fn(&[Write]) -> Option<PortError> + Send + Sync;
type OnWrite = dyn Fn(&mut Write) + Send + Sync;
type OnResult = dyn Fn(&Write, &mut WriteResult) + Send + Sync;
type OnDocument = dyn Fn(&DocumentKey, &mut Option<Document>) + Send + Sync;
type OnError = dyn Fn(PortError) -> PortError + Send + Sync;

/// Edits, each at its place. What has no edit stays as it is.
#[derive(Default)]
pub(super) struct Edits {
    key: Option<Box<OnKey>>,
    refuse: Option<Box<OnWrites>>,
    write: Option<Box<OnWrite>>,
    result: Option<Box<OnResult>>,
    document: Option<Box<OnDocument>>,
    error: Option<Box<OnError>>,
}

impl fmt::Debug for Edits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edits").finish_non_exhaustive()
    }
}

impl Edits {
    /// Every address, of reads and of writes.
    pub(super) fn keys(edit: impl Fn(&mut DocumentKey) + Send + Sync + 'static) -> Self {
        Self {
            key: Some(Box::new(edit)),
            ..Self::default()
        }
    }

    /// Refuses a whole write for what is in it.
    pub(super) fn refusing(
        refuse: impl Fn(&[Write]) -> Option<PortError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            refuse: Some(Box::new(refuse)),
            ..Self::default()
        }
    }

    /// What is written.
    pub(super) fn writes(edit: impl Fn(&mut Write) + Send + Sync + 'static) -> Self {
        Self {
            write: Some(Box::new(edit)),
            ..Self::default()
        }
    }

    /// The content of what is stored about orders.
    pub(super) fn orders(edit: impl Fn(&mut OrderRecord) + Send + Sync + 'static) -> Self {
        Self::writes(move |write| {
            if write.key.collection == ORDERS
                && let Action::Put(content) = &write.action
                && let Some(mut record) = order_in(content)
            {
                edit(&mut record);
                if let Ok(edited) = record.to_write(write.expect.clone()) {
                    *write = edited;
                }
            }
        })
    }

    /// What is heard of a write.
    pub(super) fn results(
        self,
        edit: impl Fn(&Write, &mut WriteResult) + Send + Sync + 'static,
    ) -> Self {
        Self {
            result: Some(Box::new(edit)),
            ..self
        }
    }

    /// What is read, by its address or by a query.
    pub(super) fn documents(
        self,
        edit: impl Fn(&DocumentKey, &mut Option<Document>) + Send + Sync + 'static,
    ) -> Self {
        Self {
            document: Some(Box::new(edit)),
            ..self
        }
    }

    /// What the store says when it fails.
    pub(super) fn errors(edit: impl Fn(PortError) -> PortError + Send + Sync + 'static) -> Self {
        Self {
            error: Some(Box::new(edit)),
            ..Self::default()
        }
    }

    fn told<T>(&self, result: Result<T, PortError>) -> Result<T, PortError> {
        match &self.error {
            Some(edit) => result.map_err(edit),
            None => result,
        }
    }
}

#[async_trait]
impl StoreHabit for Edits {
    async fn get(
        &self,
        store: &dyn StateStore,
        keys: &[DocumentKey],
    ) -> Result<Vec<Option<Document>>, PortError> {
        let mut keys = keys.to_vec();
        if let Some(edit) = &self.key {
            keys.iter_mut().for_each(edit);
        }
        let mut documents = self.told(store.get(&keys).await)?;
        if let Some(edit) = &self.document {
            for (key, document) in keys.iter().zip(&mut documents) {
                edit(key, document);
            }
        }
        Ok(documents)
    }

    async fn write(
        &self,
        store: &dyn StateStore,
        mut writes: Vec<Write>,
    ) -> Result<Vec<WriteResult>, PortError> {
        if let Some(error) = self.refuse.as_ref().and_then(|refuse| refuse(&writes)) {
            return Err(error);
        }
        for write in &mut writes {
            if let Some(edit) = &self.key {
                edit(&mut write.key);
            }
            if let Some(edit) = &self.write {
                edit(write);
            }
        }
        let sent = self.result.as_ref().map(|edit| (edit, writes.clone()));
        let mut results = self.told(store.write(writes).await)?;
        if let Some((edit, sent)) = sent {
            for (write, result) in sent.iter().zip(&mut results) {
                edit(write, result);
            }
        }
        if let Some(edit) = &self.error {
            results = results
                .into_iter()
                .map(|result| result.map_err(edit))
                .collect();
        }
        Ok(results)
    }

    async fn query(&self, store: &dyn StateStore, query: Query) -> Result<Page, PortError> {
        let mut page = self.told(store.query(query).await)?;
        if let Some(edit) = &self.document {
            page.documents = page
                .documents
                .into_iter()
                .filter_map(|document| {
                    let key = document.key.clone();
                    let mut document = Some(document);
                    edit(&key, &mut document);
                    document
                })
                .collect();
        }
        Ok(page)
    }
}

/// The order that is to be stored.
fn order_in(content: &Content) -> Option<OrderRecord> {
    serde_json::from_str(content.body.get()).ok()
}

/// Changes a batch that was read.
pub(super) fn edit_batch(document: &mut Document, edit: impl FnOnce(&mut BatchRecord)) {
    if let Ok(mut batch) = BatchRecord::from_document(document) {
        edit(&mut batch);
        if let Ok(body) = to_raw_value(&batch) {
            document.body = Some(body);
        }
    }
}

/// The state that a write gives its document.
pub(super) fn state_of(write: &Write) -> Option<&str> {
    match &write.action {
        Action::Put(content) => Some(&content.state),
        Action::Delete => None,
    }
}
