use async_trait::async_trait;
use omnisync_core::crm::{FieldName, Fields, ForeignId, Native};
use omnisync_core::error::PortError;
use omnisync_core::port::{
    ChangesPage, Creation, CrmCapability, CrmRecord, CrmSink, RecordUpdate, Removal, Sight,
    WriteReceipt,
};

use super::super::distortion::{position, shuffle};
use super::super::{Distortion, Seen, Subject};
use super::Intercepted;

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<P: CrmSink> CrmSink for Intercepted<P> {
    fn capability(&self) -> CrmCapability {
        self.inner.capability()
    }

    async fn read(&self, record: &CrmRecord, fields: &[FieldName]) -> Result<Sight, PortError> {
        let subject = Subject::Record(record.clone());
        let (call, _) = self.seam.before("crm_sink.read", subject).await?;
        let result = self.inner.read(record, fields).await;
        if let Ok(sight) = &result {
            self.seam.show(&call, Seen::Sight(record, sight));
        }
        self.seam.after(&call, result).await
    }

    async fn find(
        &self,
        object: &str,
        values: &Fields<Native>,
    ) -> Result<Vec<ForeignId>, PortError> {
        let subject = Subject::Object(object.to_owned());
        let (call, distortion) = self.seam.before("crm_sink.find", subject).await?;
        let mut result = self.inner.find(object, values).await;
        if let Ok(found) = &mut result {
            if let Some(Distortion::Shuffled { dice }) = distortion {
                shuffle(found, dice);
            }
            self.seam.show(&call, Seen::Found(object, found));
        }
        self.seam.after(&call, result).await
    }

    async fn create(&self, creation: Creation) -> Result<WriteReceipt, PortError> {
        let subject = Subject::Creation {
            object: creation.object.clone(),
            key: creation.key.clone(),
        };
        let (call, distortion) = self.seam.before("crm_sink.create", subject).await?;
        if distortion == Some(Distortion::Repeated)
            && let Ok(receipt) = self.inner.create(creation.clone()).await
        {
            self.seam.show(&call, Seen::Created(&creation, &receipt));
        }
        let watched = self.seam.is_watched().then(|| creation.clone());
        let result = self.inner.create(creation).await;
        if let (Some(creation), Ok(receipt)) = (&watched, &result) {
            self.seam.show(&call, Seen::Created(creation, receipt));
        }
        self.seam.after(&call, result).await
    }

    async fn update(&self, update: RecordUpdate) -> Result<WriteReceipt, PortError> {
        let subject = Subject::Record(update.record.clone());
        let (call, distortion) = self.seam.before("crm_sink.update", subject).await?;
        if distortion == Some(Distortion::Repeated)
            && let Ok(receipt) = self.inner.update(update.clone()).await
        {
            self.seam.show(&call, Seen::Updated(&update, &receipt));
        }
        let watched = self.seam.is_watched().then(|| update.clone());
        let result = self.inner.update(update).await;
        if let (Some(update), Ok(receipt)) = (&watched, &result) {
            self.seam.show(&call, Seen::Updated(update, receipt));
        }
        self.seam.after(&call, result).await
    }

    async fn remove(&self, removal: Removal) -> Result<WriteReceipt, PortError> {
        let record = removal.record.clone();
        let subject = Subject::Record(record.clone());
        let (call, distortion) = self.seam.before("crm_sink.remove", subject).await?;
        if distortion == Some(Distortion::Repeated)
            && let Ok(receipt) = self.inner.remove(removal.clone()).await
        {
            self.seam.show(&call, Seen::Removed(&record, &receipt));
        }
        let result = self.inner.remove(removal).await;
        if let Ok(receipt) = &result {
            self.seam.show(&call, Seen::Removed(&record, receipt));
        }
        self.seam.after(&call, result).await
    }

    async fn restore(&self, record: &CrmRecord) -> Result<WriteReceipt, PortError> {
        let subject = Subject::Record(record.clone());
        let (call, distortion) = self.seam.before("crm_sink.restore", subject).await?;
        if distortion == Some(Distortion::Repeated)
            && let Ok(receipt) = self.inner.restore(record).await
        {
            self.seam.show(&call, Seen::Restored(record, &receipt));
        }
        let result = self.inner.restore(record).await;
        if let Ok(receipt) = &result {
            self.seam.show(&call, Seen::Restored(record, receipt));
        }
        self.seam.after(&call, result).await
    }

    async fn changes(
        &self,
        object: &str,
        cursor: Option<&str>,
        items_max: usize,
    ) -> Result<ChangesPage, PortError> {
        let subject = Subject::Object(object.to_owned());
        let (call, distortion) = self.seam.before("crm_sink.changes", subject).await?;
        let mut result = self.inner.changes(object, cursor, items_max).await;
        if let Ok(page) = &mut result {
            distort(&mut page.records, distortion);
            self.seam.show(&call, Seen::Changes(object, page));
        }
        self.seam.after(&call, result).await
    }
}

fn distort(records: &mut Vec<ForeignId>, distortion: Option<Distortion>) {
    match distortion {
        Some(Distortion::Shuffled { dice }) => shuffle(records, dice),
        Some(Distortion::Doubled { dice }) => {
            if let Some(twice) = records.get(position(dice, records.len())).cloned() {
                records.push(twice);
            }
        }
        _ => {}
    }
}
