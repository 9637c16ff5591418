//! A CRM that fails when it is told to.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use omnisync_core::crm::{FieldName, Fields, ForeignId, Native};
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::port::{
    ChangesPage, Creation, CrmCapability, CrmRecord, CrmSink, RecordUpdate, Removal, Sight,
    WriteReceipt,
};
use omnisync_testkit::fake::crm::FakeCrm;

#[derive(Debug, Clone)]
pub(super) struct Moody {
    crm: FakeCrm,
    failing: Arc<Mutex<VecDeque<PortError>>>,
    refusing: Arc<Mutex<Option<ErrorKind>>>,
    reads: Arc<AtomicUsize>,
    places_are_lost: Arc<AtomicBool>,
}

impl Moody {
    pub(super) fn before(crm: FakeCrm) -> Self {
        Self {
            crm,
            failing: Arc::default(),
            refusing: Arc::default(),
            reads: Arc::default(),
            places_are_lost: Arc::default(),
        }
    }

    /// Reads so far.
    pub(super) fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }

    /// The next cursor of changes is too old.
    pub(super) fn forget_places(&self) {
        self.places_are_lost.store(true, Ordering::SeqCst);
    }

    /// Every write fails so, until it is told otherwise.
    pub(super) fn refuse_writes(&self, kind: Option<ErrorKind>) {
        *self.refusing.lock().unwrap() = kind;
    }

    fn refusal(&self, operation: &'static str) -> Result<(), PortError> {
        let kind = *self.refusing.lock().unwrap();
        kind.map_or(Ok(()), |kind| {
            Err(PortError::new(kind, operation).without_effect())
        })
    }

    /// The next read fails so.
    pub(super) fn fail_read(&self, error: PortError) {
        self.failing.lock().unwrap().push_back(error);
    }
}

#[async_trait]
impl CrmSink for Moody {
    fn capability(&self) -> CrmCapability {
        self.crm.capability()
    }

    async fn read(&self, record: &CrmRecord, fields: &[FieldName]) -> Result<Sight, PortError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let error = self.failing.lock().unwrap().pop_front();
        match error {
            Some(error) => Err(error),
            None => self.crm.read(record, fields).await,
        }
    }

    async fn find(
        &self,
        object: &str,
        values: &Fields<Native>,
    ) -> Result<Vec<ForeignId>, PortError> {
        self.crm.find(object, values).await
    }

    async fn create(&self, creation: Creation) -> Result<WriteReceipt, PortError> {
        self.refusal("crm_sink.create")?;
        self.crm.create(creation).await
    }

    async fn update(&self, update: RecordUpdate) -> Result<WriteReceipt, PortError> {
        self.refusal("crm_sink.update")?;
        self.crm.update(update).await
    }

    async fn remove(&self, removal: Removal) -> Result<WriteReceipt, PortError> {
        self.crm.remove(removal).await
    }

    async fn restore(&self, record: &CrmRecord) -> Result<WriteReceipt, PortError> {
        self.crm.restore(record).await
    }

    async fn changes(
        &self,
        object: &str,
        cursor: Option<&str>,
        items_max: usize,
    ) -> Result<ChangesPage, PortError> {
        if cursor.is_some() && self.places_are_lost.swap(false, Ordering::SeqCst) {
            return Err(PortError::new(ErrorKind::NotFound, "crm_sink.changes"));
        }
        self.crm.changes(object, cursor, items_max).await
    }
}
