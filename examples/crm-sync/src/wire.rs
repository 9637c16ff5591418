//! What lies between the flows and a CRM: people who are quicker, and answers that get lost.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use omnisync_core::crm::{FieldName, Fields, ForeignId, Native};
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::port::{
    ChangesPage, Creation, CrmCapability, CrmRecord, CrmSink, RecordUpdate, Removal, Sight,
    WriteReceipt,
};
use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::fake::crm::FakeCrm;
use omnisync_testkit::rng::SplitMix64;

use crate::words;

/// Of a thousand writes: before so many somebody changes the record.
const QUICKER_PER_MILLE: u32 = 60;

/// Of a thousand writes: of so many the answer is lost.
const LOST_PER_MILLE: u32 = 40;

/// How long somebody takes. Longer than the unit of the clock that weak conditions go by.
const EDIT: Duration = Duration::from_secs(2);

/// A CRM behind a network.
#[derive(Debug)]
pub(crate) struct Wire {
    crm: FakeCrm,
    clock: ManualClock,
    trouble: Option<Arc<Trouble>>,
}

/// What goes wrong on the way, as a seed says.
#[derive(Debug)]
pub(crate) struct Trouble {
    rng: Mutex<SplitMix64>,
    quicker: AtomicU32,
    lost: AtomicU32,
    /// The field that somebody changes, by object.
    fields: BTreeMap<&'static str, &'static str>,
}

impl Trouble {
    pub(crate) fn new(rng: SplitMix64) -> Self {
        let fields = [
            ("Account", "Description"),
            ("Product2", "Description"),
            ("account", "description"),
            ("product", "description"),
        ];
        Self {
            rng: Mutex::new(rng),
            quicker: AtomicU32::new(0),
            lost: AtomicU32::new(0),
            fields: fields.into(),
        }
    }

    /// Writes before which somebody changed the record.
    pub(crate) fn quicker(&self) -> u32 {
        self.quicker.load(Ordering::Relaxed)
    }

    /// Answers that were lost.
    pub(crate) fn lost(&self) -> u32 {
        self.lost.load(Ordering::Relaxed)
    }

    fn with_rng<T>(&self, work: impl FnOnce(&mut SplitMix64) -> T) -> T {
        work(&mut self.rng.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Wire {
    /// Without `trouble` everything arrives.
    pub(crate) fn new(crm: FakeCrm, clock: ManualClock, trouble: Option<Arc<Trouble>>) -> Self {
        Self {
            crm,
            clock,
            trouble,
        }
    }

    /// Somebody changes the record between our read and our write.
    fn interrupt(&self, record: &CrmRecord) {
        let Some(trouble) = &self.trouble else {
            return;
        };
        let Some(field) = trouble.fields.get(record.object.as_str()) else {
            return;
        };
        let note = trouble.with_rng(|rng| {
            let note = words::sentence(rng);
            rng.chance(QUICKER_PER_MILLE).then_some(note)
        });
        let (Some(note), Ok(field)) = (note, FieldName::new(field)) else {
            return;
        };
        self.clock.advance(EDIT);
        let fields = [(field, Native::Text(note))].into_iter().collect();
        // What the system refuses was no edit.
        if self.crm.edit(&record.id, fields, "eve").is_ok() {
            trouble.quicker.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Loses the answer to something that was done.
    fn answer(
        &self,
        operation: &'static str,
        answer: Result<WriteReceipt, PortError>,
    ) -> Result<WriteReceipt, PortError> {
        let (Some(trouble), Ok(_)) = (&self.trouble, &answer) else {
            return answer;
        };
        if !trouble.with_rng(|rng| rng.chance(LOST_PER_MILLE)) {
            return answer;
        }
        trouble.lost.fetch_add(1, Ordering::Relaxed);
        Err(PortError::new(ErrorKind::TimedOut, operation).with_detail("the answer was lost"))
    }
}

#[async_trait]
impl CrmSink for Wire {
    fn capability(&self) -> CrmCapability {
        self.crm.capability()
    }

    async fn read(&self, record: &CrmRecord, fields: &[FieldName]) -> Result<Sight, PortError> {
        self.crm.read(record, fields).await
    }

    async fn find(
        &self,
        object: &str,
        values: &Fields<Native>,
    ) -> Result<Vec<ForeignId>, PortError> {
        self.crm.find(object, values).await
    }

    async fn create(&self, creation: Creation) -> Result<WriteReceipt, PortError> {
        let answer = self.crm.create(creation).await;
        self.answer("crm_sink.create", answer)
    }

    async fn update(&self, update: RecordUpdate) -> Result<WriteReceipt, PortError> {
        self.interrupt(&update.record);
        let answer = self.crm.update(update).await;
        self.answer("crm_sink.update", answer)
    }

    async fn remove(&self, removal: Removal) -> Result<WriteReceipt, PortError> {
        self.interrupt(&removal.record);
        let answer = self.crm.remove(removal).await;
        self.answer("crm_sink.remove", answer)
    }

    async fn restore(&self, record: &CrmRecord) -> Result<WriteReceipt, PortError> {
        let answer = self.crm.restore(record).await;
        self.answer("crm_sink.restore", answer)
    }

    async fn changes(
        &self,
        object: &str,
        cursor: Option<&str>,
        items_max: usize,
    ) -> Result<ChangesPage, PortError> {
        self.crm.changes(object, cursor, items_max).await
    }
}
