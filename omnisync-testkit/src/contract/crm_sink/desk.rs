use std::sync::Arc;

use omnisync_core::crm::{FieldName, Fields, ForeignId, Native, VersionToken};
use omnisync_core::error::PortError;
use omnisync_core::port::{
    Creation, CrmRecord, CrmSink, Precondition, RecordUpdate, Removal, Sight, Snapshot,
    WriteReceipt,
};

use super::super::{Check, Violation};
use super::{CrmDesk, CrmSinkFixture};

/// A system and a clause: what every clause works with.
pub(super) struct Desk<'a> {
    pub(super) fixture: &'a dyn CrmSinkFixture,
    pub(super) sink: Arc<dyn CrmSink>,
    pub(super) check: Check,
    pub(super) at: CrmDesk,
}

impl<'a> Desk<'a> {
    pub(super) async fn open(fixture: &'a dyn CrmSinkFixture, clause: &'static str) -> Self {
        Self {
            fixture,
            sink: fixture.sink().await,
            check: Check::of(clause),
            at: fixture.desk(),
        }
    }

    pub(super) fn record(&self, id: &ForeignId) -> CrmRecord {
        CrmRecord {
            object: self.at.object.clone(),
            id: id.clone(),
        }
    }

    /// The first of the two text fields.
    pub(super) fn first(&self) -> FieldName {
        let [first, _] = &self.at.texts;
        first.clone()
    }

    /// The second one.
    pub(super) fn second(&self) -> FieldName {
        let [_, second] = &self.at.texts;
        second.clone()
    }

    /// A creation under `name`, with the natural key of the same name.
    pub(super) fn creation(&self, name: &str, fields: Vec<(FieldName, Native)>) -> Creation {
        let mut all = self.at.required.clone();
        all.insert(self.at.key.clone(), text(name));
        for (field, value) in fields {
            all.insert(field, value);
        }
        Creation {
            object: self.at.object.clone(),
            key: format!("contract-{name}"),
            natural_key: vec![self.at.key.clone()],
            fields: all,
        }
    }

    /// A record that has to be created.
    pub(super) async fn create(
        &self,
        name: &str,
        fields: Vec<(FieldName, Native)>,
    ) -> Result<CrmRecord, Violation> {
        let receipt = self.sink.create(self.creation(name, fields)).await;
        let receipt = self.check.ok("create", receipt)?;
        Ok(self.record(&receipt.id))
    }

    pub(super) async fn try_update(
        &self,
        record: &CrmRecord,
        fields: Vec<(FieldName, Native)>,
        expect: Option<VersionToken>,
    ) -> Result<WriteReceipt, PortError> {
        let update = RecordUpdate {
            record: record.clone(),
            fields: fields.into_iter().collect(),
            expect,
        };
        self.sink.update(update).await
    }

    /// An update of the current version, which has to be taken.
    pub(super) async fn update(
        &self,
        record: &CrmRecord,
        fields: Vec<(FieldName, Native)>,
    ) -> Result<WriteReceipt, Violation> {
        let version = self.present(record).await?.version;
        let receipt = self.try_update(record, fields, Some(version)).await;
        self.check.ok("update of the current version", receipt)
    }

    pub(super) async fn try_remove(
        &self,
        record: &CrmRecord,
        expect: Option<VersionToken>,
    ) -> Result<WriteReceipt, PortError> {
        let record = record.clone();
        self.sink.remove(Removal { record, expect }).await
    }

    /// A removal of the current version, which has to be taken.
    pub(super) async fn remove(&self, record: &CrmRecord) -> Result<WriteReceipt, Violation> {
        let version = self.present(record).await?.version;
        let receipt = self.try_remove(record, Some(version)).await;
        self.check.ok("remove of the current version", receipt)
    }

    /// What a read of the key and both texts sees.
    pub(super) async fn sight(&self, record: &CrmRecord) -> Result<Sight, Violation> {
        let [first, second] = self.at.texts.clone();
        let fields = [self.at.key.clone(), first, second];
        self.check.ok("read", self.sink.read(record, &fields).await)
    }

    /// The same of a record that has to be in use.
    pub(super) async fn present(&self, record: &CrmRecord) -> Result<Snapshot, Violation> {
        match self.sight(record).await? {
            Sight::Present(snapshot) => Ok(snapshot),
            other => Err(self
                .check
                .violation(format!("a record in use is read as {other:?}"))),
        }
    }

    /// The record has to be in use and hold `value` in `field`.
    pub(super) async fn holds(
        &self,
        record: &CrmRecord,
        field: &FieldName,
        value: &Native,
    ) -> Result<(), Violation> {
        let snapshot = self.present(record).await?;
        self.check.that(
            snapshot.fields.get(field.as_str()) == Some(value),
            format!("{field} holds what was written there"),
        )
    }

    /// The ids of the records with these values, sorted.
    pub(super) async fn find(
        &self,
        values: Vec<(FieldName, Native)>,
    ) -> Result<Vec<ForeignId>, Violation> {
        let values: Fields<Native> = values.into_iter().collect();
        let found = self.sink.find(&self.at.object, &values).await;
        let mut found = self.check.ok("find", found)?;
        found.sort();
        Ok(found)
    }

    /// The ids of the records with the natural key `name`.
    pub(super) async fn named(&self, name: &str) -> Result<Vec<ForeignId>, Violation> {
        self.find(vec![(self.at.key.clone(), text(name))]).await
    }

    /// Lets the clock pass where it tells changes apart.
    pub(super) async fn pass_unit(&self) {
        if self.sink.capability().precondition == Precondition::Weak {
            self.fixture.pass_unit().await;
        }
    }
}

pub(super) fn text(text: &str) -> Native {
    Native::Text(text.to_owned())
}
