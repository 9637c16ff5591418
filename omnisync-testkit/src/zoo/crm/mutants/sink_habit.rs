//! Sinks with a habit of their own.

use std::fmt::{self, Debug};

use async_trait::async_trait;
use omnisync_core::crm::{FieldName, Fields, ForeignId, Native};
use omnisync_core::error::PortError;
use omnisync_core::port::{
    ChangesPage, Creation, CrmCapability, CrmRecord, CrmSink, RecordUpdate, Removal, Sight,
    WriteReceipt,
};

use crate::zoo::mutated::Mutated;

/// What is done differently with a sink.
#[async_trait]
pub(super) trait SinkHabit: Debug + Send + Sync + 'static {
    async fn read(
        &self,
        sink: &dyn CrmSink,
        record: &CrmRecord,
        fields: &[FieldName],
    ) -> Result<Sight, PortError> {
        sink.read(record, fields).await
    }

    async fn find(
        &self,
        sink: &dyn CrmSink,
        object: &str,
        values: &Fields<Native>,
    ) -> Result<Vec<ForeignId>, PortError> {
        sink.find(object, values).await
    }

    async fn create(
        &self,
        sink: &dyn CrmSink,
        creation: Creation,
    ) -> Result<WriteReceipt, PortError> {
        sink.create(creation).await
    }

    async fn update(
        &self,
        sink: &dyn CrmSink,
        update: RecordUpdate,
    ) -> Result<WriteReceipt, PortError> {
        sink.update(update).await
    }

    async fn remove(
        &self,
        sink: &dyn CrmSink,
        removal: Removal,
    ) -> Result<WriteReceipt, PortError> {
        sink.remove(removal).await
    }

    async fn changes(
        &self,
        sink: &dyn CrmSink,
        object: &str,
        cursor: Option<&str>,
        items_max: usize,
    ) -> Result<ChangesPage, PortError> {
        sink.changes(object, cursor, items_max).await
    }
}

#[async_trait]
impl<H: SinkHabit> CrmSink for Mutated<dyn CrmSink, H> {
    fn capability(&self) -> CrmCapability {
        self.port().capability()
    }

    async fn read(&self, record: &CrmRecord, fields: &[FieldName]) -> Result<Sight, PortError> {
        self.habit().read(self.port(), record, fields).await
    }

    async fn find(
        &self,
        object: &str,
        values: &Fields<Native>,
    ) -> Result<Vec<ForeignId>, PortError> {
        self.habit().find(self.port(), object, values).await
    }

    async fn create(&self, creation: Creation) -> Result<WriteReceipt, PortError> {
        self.habit().create(self.port(), creation).await
    }

    async fn update(&self, update: RecordUpdate) -> Result<WriteReceipt, PortError> {
        self.habit().update(self.port(), update).await
    }

    async fn remove(&self, removal: Removal) -> Result<WriteReceipt, PortError> {
        self.habit().remove(self.port(), removal).await
    }

    async fn restore(&self, record: &CrmRecord) -> Result<WriteReceipt, PortError> {
        self.port().restore(record).await
    }

    async fn changes(
        &self,
        object: &str,
        cursor: Option<&str>,
        items_max: usize,
    ) -> Result<ChangesPage, PortError> {
        let port = self.port();
        self.habit().changes(port, object, cursor, items_max).await
    }
}

type OnUpdate = dyn Fn(&mut RecordUpdate) + Send + Sync;
type OnRemoval = dyn Fn(&mut Removal) + Send + Sync;
type OnSight = dyn Fn(Result<Sight, PortError>) -> Result<Sight, PortError> + Send + Sync;
type OnUpdated = dyn Fn(&RecordUpdate, Result<WriteReceipt, PortError>) -> Result<WriteReceipt, PortError>
    + Send
    + Sync;
type OnPage = dyn Fn(&mut ChangesPage) + Send + Sync;
type OnError = dyn Fn(PortError) -> PortError + Send + Sync;

/// Edits, each at its place. What has no edit stays as it is.
#[derive(Default)]
pub(super) struct SinkEdits {
    /// What is asked to be changed.
    pub(super) update: Option<Box<OnUpdate>>,
    /// What is asked to be removed.
    pub(super) removal: Option<Box<OnRemoval>>,
    /// What a read shows.
    pub(super) sight: Option<Box<OnSight>>,
    /// What is heard of a change.
    pub(super) updated: Option<Box<OnUpdated>>,
    /// What is said to have changed.
    pub(super) page: Option<Box<OnPage>>,
    /// What a sink says when it fails.
    pub(super) error: Option<Box<OnError>>,
}

impl Debug for SinkEdits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SinkEdits").finish_non_exhaustive()
    }
}

impl SinkEdits {
    fn told<T>(&self, result: Result<T, PortError>) -> Result<T, PortError> {
        match &self.error {
            Some(edit) => result.map_err(edit),
            None => result,
        }
    }
}

#[async_trait]
impl SinkHabit for SinkEdits {
    async fn read(
        &self,
        sink: &dyn CrmSink,
        record: &CrmRecord,
        fields: &[FieldName],
    ) -> Result<Sight, PortError> {
        let read = self.told(sink.read(record, fields).await);
        match &self.sight {
            Some(edit) => edit(read),
            None => read,
        }
    }

    async fn find(
        &self,
        sink: &dyn CrmSink,
        object: &str,
        values: &Fields<Native>,
    ) -> Result<Vec<ForeignId>, PortError> {
        self.told(sink.find(object, values).await)
    }

    async fn create(
        &self,
        sink: &dyn CrmSink,
        creation: Creation,
    ) -> Result<WriteReceipt, PortError> {
        self.told(sink.create(creation).await)
    }

    async fn update(
        &self,
        sink: &dyn CrmSink,
        mut update: RecordUpdate,
    ) -> Result<WriteReceipt, PortError> {
        if let Some(edit) = &self.update {
            edit(&mut update);
        }
        let sent = update.clone();
        let result = self.told(sink.update(update).await);
        match &self.updated {
            Some(edit) => edit(&sent, result),
            None => result,
        }
    }

    async fn remove(
        &self,
        sink: &dyn CrmSink,
        mut removal: Removal,
    ) -> Result<WriteReceipt, PortError> {
        if let Some(edit) = &self.removal {
            edit(&mut removal);
        }
        self.told(sink.remove(removal).await)
    }

    async fn changes(
        &self,
        sink: &dyn CrmSink,
        object: &str,
        cursor: Option<&str>,
        items_max: usize,
    ) -> Result<ChangesPage, PortError> {
        let mut page = self.told(sink.changes(object, cursor, items_max).await)?;
        if let Some(edit) = &self.page {
            edit(&mut page);
        }
        Ok(page)
    }
}
