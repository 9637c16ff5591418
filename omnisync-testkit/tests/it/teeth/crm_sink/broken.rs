//! A CRM with one bug at a time.

use std::sync::Mutex;

use async_trait::async_trait;
use omnisync_core::crm::{FieldName, Fields, ForeignId, Native, VersionToken};
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::port::{
    ChangesPage, Creation, CrmCapability, CrmRecord, CrmSink, RecordUpdate, Removal, Sight,
    WriteReceipt,
};
use omnisync_testkit::fake::crm::{FakeCrm, Standing};

use crate::crm::{ACCOUNT, field, text};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bug {
    LeavesOutEmptyFields,
    GivesEveryField,
    AnswersOldReads,
    TakesUnknownFields,
    VersionsByContent,
    UpdatesWholeRecords,
    ReadsWhatWasWritten,
    IgnoresVersions,
    IgnoresVersionsOfRemovals,
    OverwritesTakenKeys,
    CreatesTwice,
    UpsertsAgain,
    GivesTheNewestVersion,
    TellsAnOldVersion,
    TellsAnotherId,
    FindsPrefixes,
    FindsRemoved,
    FindsAnyOfTheValues,
    GoneIsMissing,
    MissingIsGone,
    MergedIsGone,
    RemovalTogglesUse,
    RestoresAnew,
    DoesNotRestore,
    RefusesToTell,
    ForgetsRemovals,
    StopsEarly,
    NeverStops,
    StartsOverOldCursors,
    DropsRefusedValues,
    RefusalIsConflict,
    ForgetsCreations,
    TellsCreationsByKey,
}

#[derive(Debug)]
pub(super) struct Broken {
    inner: FakeCrm,
    bug: Bug,
    creations: Mutex<u32>,
}

impl Broken {
    pub(super) fn new(inner: FakeCrm, bug: Bug) -> Self {
        Self {
            inner,
            bug,
            creations: Mutex::default(),
        }
    }

    fn is(&self, bug: Bug) -> bool {
        self.bug == bug
    }

    /// The first version of a record that is there.
    fn first_version(&self, id: &ForeignId) -> Option<VersionToken> {
        let versions = self.inner.versions(id);
        versions.first().map(|state| state.version.clone())
    }

    /// What a record holds, as a version.
    fn content(&self, id: &ForeignId) -> VersionToken {
        let fields = self.inner.snapshot(id).unwrap().state.fields;
        let texts = ["Number", "City", "River"].map(|name| fields.get(name).unwrap().as_text());
        VersionToken::new(format!("{texts:?}")).unwrap()
    }

    /// Checks a condition by content.
    fn expect(&self, id: &ForeignId, expect: &mut Option<VersionToken>) -> Result<(), PortError> {
        match expect.take() {
            Some(expect) if expect != self.content(id) => {
                Err(PortError::new(ErrorKind::Conflict, "crm_sink.write"))
            }
            _ => Ok(()),
        }
    }

    fn whole(&self, record: &CrmRecord) -> Fields<Native> {
        let mut first = self.inner.versions(&record.id).swap_remove(0).fields;
        first.remove("Owner");
        first
    }
}

#[async_trait]
impl CrmSink for Broken {
    fn capability(&self) -> CrmCapability {
        self.inner.capability()
    }

    async fn read(&self, record: &CrmRecord, fields: &[FieldName]) -> Result<Sight, PortError> {
        if self.is(Bug::AnswersOldReads) {
            self.inner.read_stale(&record.id, 1);
        }
        let mut asked = fields.to_vec();
        if self.is(Bug::TakesUnknownFields) {
            asked.retain(|field| field.as_str() != "NobodysField");
        }
        if self.is(Bug::GivesEveryField) {
            asked.push(field("Label"));
        }
        let mut sight = self.inner.read(record, &asked).await?;
        if let Sight::Present(snapshot) = &mut sight {
            match self.bug {
                Bug::LeavesOutEmptyFields => {
                    snapshot.fields.retain(|_, value| *value != Native::Null);
                }
                Bug::VersionsByContent => snapshot.version = self.content(&record.id),
                Bug::ForgetsCreations => snapshot.creation = None,
                Bug::TellsCreationsByKey => {
                    let row = self.inner.snapshot(&record.id).unwrap();
                    let number = row.state.fields.get("Number").and_then(Native::as_text);
                    snapshot.creation = number.map(|number| format!("contract-{number}"));
                }
                Bug::ReadsWhatWasWritten => {
                    if let Some(code) = snapshot.fields.get_mut("Code") {
                        *code = text(" ab ");
                    }
                }
                _ => {}
            }
        }
        Ok(match sight {
            Sight::Gone { .. } if self.is(Bug::GoneIsMissing) => Sight::Missing,
            Sight::Merged { .. } if self.is(Bug::MergedIsGone) => Sight::Gone { version: None },
            Sight::Missing if self.is(Bug::MissingIsGone) => Sight::Gone { version: None },
            sight => sight,
        })
    }

    async fn find(
        &self,
        object: &str,
        values: &Fields<Native>,
    ) -> Result<Vec<ForeignId>, PortError> {
        let holds = |have: &Fields<Native>, (name, value): (&FieldName, &Native)| {
            let have = have.get(name.as_str());
            let have = have.and_then(Native::as_text).unwrap_or_default();
            have.starts_with(value.as_text().unwrap_or_default())
        };
        let rows = self.inner.records().into_iter();
        let in_use = self.inner.find(object, values).await?;
        let found = rows.filter(|row| {
            let have = &row.state.fields;
            let same =
                |(name, value): (&FieldName, &Native)| have.get(name.as_str()) == Some(value);
            match self.bug {
                Bug::FindsPrefixes => values.iter().all(|value| holds(have, value)),
                Bug::FindsRemoved => values.iter().all(same),
                Bug::FindsAnyOfTheValues => values.iter().any(same),
                _ => in_use.contains(&row.record.id),
            }
        });
        Ok(found.map(|row| row.record.id).collect())
    }

    async fn create(&self, mut creation: Creation) -> Result<WriteReceipt, PortError> {
        let number = {
            let mut creations = self.creations.lock().unwrap();
            *creations += 1;
            *creations
        };
        let key = creation
            .fields
            .get("Number")
            .cloned()
            .unwrap_or(Native::Null);
        let same: Fields<Native> = [(field("Number"), key)].into_iter().collect();
        let taken = self.inner.find(&creation.object, &same).await?;
        let record = taken.first().map(|id| CrmRecord {
            object: creation.object.clone(),
            id: id.clone(),
        });
        match self.bug {
            Bug::OverwritesTakenKeys | Bug::UpsertsAgain => {
                let again = creation.key == "contract-ONE";
                if let Some(record) = record
                    && again == self.is(Bug::UpsertsAgain)
                {
                    let update = RecordUpdate {
                        record,
                        fields: creation.fields,
                        expect: None,
                    };
                    return self.inner.update(update).await;
                }
            }
            Bug::CreatesTwice => {
                creation.key = format!("{} {number}", creation.key);
                if self.inner.capability().unique_keys && taken.len() == 1 {
                    let other = format!("ONE {number}");
                    creation.fields.insert(field("Number"), text(&other));
                }
            }
            Bug::DropsRefusedValues => drop_refused(&mut creation.fields),
            _ => {}
        }
        let mut receipt = self
            .inner
            .create(creation)
            .await
            .map_err(|error| self.told(error))?;
        match self.bug {
            Bug::GivesTheNewestVersion => {
                let row = self.inner.snapshot(&receipt.id).unwrap();
                receipt.version = Some(row.state.version);
            }
            Bug::VersionsByContent => receipt.version = None,
            _ => {}
        }
        Ok(receipt)
    }

    async fn update(&self, mut update: RecordUpdate) -> Result<WriteReceipt, PortError> {
        let id = update.record.id.clone();
        match self.bug {
            Bug::IgnoresVersions => update.expect = None,
            Bug::VersionsByContent => self.expect(&id, &mut update.expect)?,
            Bug::UpdatesWholeRecords if self.inner.snapshot(&id).is_some() => {
                let mut whole = self.whole(&update.record);
                for (name, value) in update.fields {
                    whole.insert(name, value);
                }
                update.fields = whole;
            }
            Bug::DropsRefusedValues => drop_refused(&mut update.fields),
            _ => {}
        }
        let mut receipt = self
            .inner
            .update(update)
            .await
            .map_err(|error| self.told(error))?;
        match self.bug {
            Bug::TellsAnOldVersion => receipt.version = self.first_version(&id),
            Bug::TellsAnotherId => receipt.id = ForeignId::new("crm-4712").unwrap(),
            Bug::VersionsByContent => receipt.version = None,
            _ => {}
        }
        Ok(receipt)
    }

    async fn remove(&self, mut removal: Removal) -> Result<WriteReceipt, PortError> {
        if matches!(
            self.bug,
            Bug::IgnoresVersions | Bug::IgnoresVersionsOfRemovals
        ) {
            removal.expect = None;
        }
        if self.is(Bug::VersionsByContent) {
            self.expect(&removal.record.id, &mut removal.expect)?;
        }
        if self.is(Bug::RemovalTogglesUse) {
            let sight = self.inner.read(&removal.record, &[]).await?;
            if matches!(sight, Sight::Gone { .. }) {
                return self.inner.restore(&removal.record).await;
            }
        }
        self.inner.remove(removal).await
    }

    async fn restore(&self, record: &CrmRecord) -> Result<WriteReceipt, PortError> {
        match self.bug {
            Bug::RestoresAnew => {
                let mut fields = self.whole(record);
                fields.insert(field("Number"), text("ONE again"));
                self.inner
                    .create(Creation {
                        object: ACCOUNT.to_owned(),
                        key: "again".to_owned(),
                        natural_key: Vec::new(),
                        fields,
                    })
                    .await
            }
            Bug::DoesNotRestore => Ok(WriteReceipt {
                id: record.id.clone(),
                version: None,
            }),
            Bug::RefusesToTell => {
                self.inner.undelete_by(&record.id, "broken").unwrap();
                Err(PortError::new(ErrorKind::Unsupported, "crm_sink.restore"))
            }
            _ => self.inner.restore(record).await,
        }
    }

    async fn changes(
        &self,
        object: &str,
        cursor: Option<&str>,
        items_max: usize,
    ) -> Result<ChangesPage, PortError> {
        let page = self.inner.changes(object, cursor, items_max).await;
        if self.is(Bug::StartsOverOldCursors) && page.is_err() {
            return self.inner.changes(object, None, items_max).await;
        }
        let mut page = page?;
        match self.bug {
            Bug::ForgetsRemovals => {
                let rows = self.inner.records();
                let gone = |id: &ForeignId| {
                    let row = rows.iter().find(|row| row.record.id == *id).unwrap();
                    row.state.standing != Standing::Active
                };
                page.records.retain(|id| !gone(id));
            }
            Bug::StopsEarly => page.more = false,
            Bug::NeverStops => page.more = true,
            _ => {}
        }
        Ok(page)
    }
}

impl Broken {
    fn told(&self, error: PortError) -> PortError {
        if self.is(Bug::RefusalIsConflict) && error.kind() == ErrorKind::Invalid {
            return PortError::new(ErrorKind::Conflict, error.operation());
        }
        error
    }
}

fn drop_refused(fields: &mut Fields<Native>) {
    fields.retain(|_, value| *value != text("forbidden"));
}
