//! The ledger as it ships, over systems that are not read back: what an event told last of a record,
//! or what was written to it since, counts as what it holds. Only what no event told is read.

use std::sync::Arc;

use async_trait::async_trait;
use omnisync_core::crm::ledger::SyncPolicy;
use omnisync_core::crm::{FieldName, Fields, ForeignId, Native};
use omnisync_core::error::PortError;
use omnisync_core::port::{
    ChangesPage, Creation, CrmCapability, CrmRecord, CrmSink, RecordUpdate, Removal, Sight,
    WriteReceipt,
};

use super::super::mutants;
use crate::sim::Worker;
use crate::sim::crm::{CrmPort, CrmPorts, Post, Syncing};

pub(super) fn believing(mut ports: CrmPorts) -> Box<dyn Worker> {
    let told = |port: CrmPort| CrmPort {
        sink: Arc::new(Told {
            sink: port.sink,
            post: port.post.clone(),
        }),
        ..port
    };
    ports.systems = ports.systems.into_iter().map(told).collect();
    let sim = ports.sim.clone();
    let flows = Syncing::new(ports, SyncPolicy::default());
    mutants::started(&sim, flows.map(Syncing::believing))
}

#[derive(Debug)]
struct Told {
    sink: Arc<dyn CrmSink>,
    post: Post,
}

#[async_trait]
impl CrmSink for Told {
    fn capability(&self) -> CrmCapability {
        self.sink.capability()
    }

    async fn read(&self, record: &CrmRecord, fields: &[FieldName]) -> Result<Sight, PortError> {
        let told = self.post.told().get(&record.id).cloned();
        match told {
            Some(told) => Ok(told.sight(fields)),
            None => self.sink.read(record, fields).await,
        }
    }

    async fn find(
        &self,
        object: &str,
        values: &Fields<Native>,
    ) -> Result<Vec<ForeignId>, PortError> {
        self.sink.find(object, values).await
    }

    async fn create(&self, creation: Creation) -> Result<WriteReceipt, PortError> {
        self.sink.create(creation).await
    }

    async fn update(&self, update: RecordUpdate) -> Result<WriteReceipt, PortError> {
        let receipt = self.sink.update(update.clone()).await?;
        if let (Some(told), Some(version)) = (
            self.post.told().get_mut(&update.record.id),
            receipt.version.clone(),
        ) {
            let told = Arc::make_mut(told);
            told.version = version;
            for (field, value) in update.fields {
                told.fields.insert(field, value);
            }
        }
        Ok(receipt)
    }

    async fn remove(&self, removal: Removal) -> Result<WriteReceipt, PortError> {
        self.sink.remove(removal).await
    }

    async fn restore(&self, record: &CrmRecord) -> Result<WriteReceipt, PortError> {
        self.sink.restore(record).await
    }

    async fn changes(
        &self,
        object: &str,
        cursor: Option<&str>,
        items_max: usize,
    ) -> Result<ChangesPage, PortError> {
        self.sink.changes(object, cursor, items_max).await
    }
}
