//! A CRM in memory, with the manners of the real ones.
//!
//! It normalises what is written, runs triggers and automations, refuses values, checks versions
//! as well as it can, forgets what was removed, and tells of every change in a stream of events
//! that a test may double, turn around, join, blur or lose. People work in it as the port does.

mod automation;
mod dump;
mod engine;
mod feed;
mod log;
mod object;
mod options;
mod people;
mod record;
mod sink;
mod stream;
mod wish;

pub use dump::CrmDump;
pub use feed::CrmEvent;
pub use log::{ChangeCause, CrmChange, FieldChange};
pub use object::{Automation, CrmField, CrmObject, Derived, Normaliser, Trigger};
pub use options::{CrmOptions, Removing};
pub use record::{CrmRow, CrmState, Standing};

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use omnisync_core::crm::ForeignId;
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::port::{Clock, CrmRecord};

use engine::{Engine, Inner};
use record::Record;

/// A CRM in memory. Clones share the records.
///
/// ```
/// use std::sync::Arc;
/// use omnisync_core::crm::{FieldName, Native, SystemName};
/// use omnisync_testkit::clock::ManualClock;
/// use omnisync_testkit::fake::crm::{CrmField, CrmObject, CrmOptions, FakeCrm, Normaliser};
///
/// let city = FieldName::new("ShippingCity")?;
/// let account = CrmObject::new("Account")
///     .with_field(city.clone(), CrmField::text().normalised_by(Normaliser::Trim));
/// let options = CrmOptions::new(SystemName::new("salesforce")?).with_object(account);
/// let crm = FakeCrm::new(Arc::new(ManualClock::default()), options);
///
/// let fields = [(city, Native::Text(" Basel ".to_owned()))].into_iter().collect();
/// let id = crm.create_by("ann", "Account", fields)?;
/// let row = crm.snapshot(&id).ok_or("just created")?;
/// assert_eq!(row.state.fields.get("ShippingCity").and_then(Native::as_text), Some("Basel"));
/// assert_eq!(crm.take_events(10).len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct FakeCrm {
    clock: Arc<dyn Clock>,
    options: Arc<CrmOptions>,
    inner: Arc<Mutex<Inner>>,
}

impl FakeCrm {
    /// A CRM without records that lives by `clock`.
    pub fn new(clock: Arc<dyn Clock>, options: CrmOptions) -> Self {
        Self {
            clock,
            options: Arc::new(options),
            inner: Arc::default(),
        }
    }

    /// How it behaves.
    pub fn options(&self) -> &CrmOptions {
        &self.options
    }

    /// A record as the system sees it, also when it is forgotten at the port.
    pub fn snapshot(&self, id: &ForeignId) -> Option<CrmRow> {
        self.settled().records.get(id).map(|record| row(id, record))
    }

    /// Every record that ever was, by id.
    pub fn records(&self) -> Vec<CrmRow> {
        let inner = self.settled();
        let records = inner.records.iter();
        records.map(|(id, record)| row(id, record)).collect()
    }

    /// Every version that a record had, the first one first.
    pub fn versions(&self, id: &ForeignId) -> Vec<CrmState> {
        let inner = self.settled();
        let record = inner.records.get(id);
        record.map_or_else(Vec::new, |record| {
            record.past.iter().chain([&record.now]).cloned().collect()
        })
    }

    /// What happened to the records after so many changes, whoever did it.
    pub fn changes_log(&self, after: usize) -> Vec<CrmChange> {
        self.settled().log.iter().skip(after).cloned().collect()
    }

    /// How many calls of the port there have been.
    pub fn operations(&self) -> u64 {
        self.locked().operations
    }

    /// The next `calls` calls of the port give `Throttled` with this delay and do nothing.
    pub fn throttle(&self, calls: usize, retry_after: Duration) {
        let failure = (ErrorKind::Throttled, Some(retry_after));
        let failures = std::iter::repeat_n(failure, calls);
        self.locked().failures.extend(failures);
    }

    /// The next `calls` calls of the port give an error of this kind and do nothing: the limit of
    /// the day is reached (`Exhausted`), a permission was taken away (`Denied`).
    pub fn refuse(&self, calls: usize, kind: ErrorKind) {
        let failures = std::iter::repeat_n((kind, None), calls);
        self.locked().failures.extend(failures);
    }

    /// The next writes of this record through the port give `Unavailable` and do nothing: another
    /// transaction holds it. `false` when there is no such record.
    pub fn lock(&self, id: &ForeignId, writes: u32) -> bool {
        let mut inner = self.locked();
        let record = inner.records.get_mut(id);
        record.map(|record| record.locked_writes = writes).is_some()
    }

    /// The next reads of this record through the port answer the version before the last, against
    /// the contract of the port. `false` when it has but one.
    pub fn read_stale(&self, id: &ForeignId, reads: u32) -> bool {
        let mut inner = self.locked();
        let record = inner.records.get_mut(id);
        let record = record.filter(|record| !record.past.is_empty());
        record.map(|record| record.stale_reads = reads).is_some()
    }

    /// Cursors of `changes` that were given before the last change are too old.
    pub fn forget_changes(&self) {
        let mut inner = self.locked();
        inner.changes_from = inner.log.len();
    }

    /// How many automations wait for their time.
    pub fn automations_waiting(&self) -> usize {
        self.settled().pending.len()
    }

    /// Runs every automation that waits, whatever the time. How many of them changed something.
    pub fn run_automations(&self) -> usize {
        self.engine("crm", &mut self.locked()).automate(true)
    }

    /// Somebody switches every automation off for good: those that wait, too. Triggers stay.
    pub fn stop_automations(&self) {
        let mut inner = self.locked();
        inner.automations_are_off = true;
        inner.pending.clear();
    }

    /// A call of the port.
    fn call<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&mut Engine<'_>) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        let mut inner = self.locked();
        inner.operations += 1;
        if let Some((kind, delay)) = inner.failures.pop_front() {
            return Err(PortError::new(kind, operation).no_sooner(delay));
        }
        let mut engine = self.engine(operation, &mut inner);
        engine.automate(false);
        work(&mut engine)
    }

    /// Something that a person does.
    fn by_hand<T>(
        &self,
        work: impl FnOnce(&mut Engine<'_>) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        let mut inner = self.locked();
        let mut engine = self.engine("crm", &mut inner);
        engine.automate(false);
        work(&mut engine)
    }

    fn engine<'a>(&'a self, operation: &'static str, inner: &'a mut Inner) -> Engine<'a> {
        Engine {
            options: &self.options,
            now: self.clock.now(),
            operation,
            inner,
        }
    }

    /// The state after every automation that is due.
    fn settled(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.locked();
        self.engine("crm", &mut inner).automate(false);
        inner
    }

    fn locked(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn row(id: &ForeignId, record: &Record) -> CrmRow {
    CrmRow {
        record: CrmRecord {
            object: record.object.clone(),
            id: id.clone(),
        },
        state: record.now.clone(),
    }
}
