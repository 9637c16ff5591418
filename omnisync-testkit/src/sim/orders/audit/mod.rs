//! Checks the promises of the order pipeline, from what really happens at its ports.

mod batches;
mod deliveries;
mod finish;
mod imports;
mod orders;
mod outcomes;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use omnisync_core::batch::{BATCHES, SEGMENTS};
use omnisync_core::error::ErrorKind;
use omnisync_core::id::{BlobName, ExecutionId, Sha256};
use omnisync_core::order::ORDERS;
use omnisync_core::port::{Action, Content, ImportStatus, Write, WriteResult};
use rust_decimal::Decimal;
use serde_json::value::RawValue;

use super::super::violation::Violation;
use super::super::world::Sim;
use super::workload::{CANARIES, When, Workload};
use crate::fake::{FakeErp, QueueSource};
use crate::fault::{Call, Observer, Seen};
use imports::Submissions;
pub(super) use outcomes::ReadStanding;
pub use outcomes::Standing;
use view::{BatchView, MemberView, OrderView};

/// The promises that are checked, and what each says.
pub const INVARIANTS: [(&str, &str); 18] = [
    (
        "I-O1",
        "no accepted order is lost: it ends in a terminal state",
    ),
    (
        "I-O2",
        "the ERP takes each revision of an order at most once",
    ),
    (
        "I-O3",
        "an event is acknowledged only after its order is durable",
    ),
    (
        "I-O4",
        "states move along the graph; revisions and epochs never fall",
    ),
    (
        "I-O5",
        "an order is imported only if the ERP took all of it",
    ),
    (
        "I-O6",
        "an order is in at most one live batch, and lists agree with claims",
    ),
    (
        "I-O7",
        "a package is a function of its batch and is never overwritten",
    ),
    ("I-O8", "only what is settled and old is removed"),
    ("I-O9", "a bad order never holds up a good one"),
    (
        "I-O10",
        "what counts in the end is the newest revision, or somebody is told",
    ),
    ("I-O11", "amount and currency reach the ERP exactly"),
    (
        "I-O12",
        "every wait is explained, and nobody runs in circles",
    ),
    ("I-X1", "the trail of an order tells how it got where it is"),
    ("I-X2", "personal data stays out of logs and errors"),
    ("I-X3", "bad input never panics"),
    ("I-X4", "the same tape makes the same run"),
    (
        "I-X5",
        "what was refused with a time is not asked before it",
    ),
    (
        "I-X6",
        "a call that is dropped anywhere leaves nothing behind that recovery cannot handle",
    ),
];

/// Keeps books on everything that happens at the ports.
pub(super) struct Auditor {
    sim: Sim,
    queue: QueueSource,
    erp: FakeErp,
    /// `None` when the host keeps records of this workspace.
    reads: Option<ReadStanding>,
    books: Mutex<Books>,
}

/// What is known so far.
struct Books {
    workload: Workload,
    /// Which events were published, by order and event.
    published: BTreeSet<(usize, usize)>,
    /// Orders and events by the body of their message.
    bodies: BTreeMap<Bytes, (usize, usize)>,
    orders: BTreeMap<String, KnownOrder>,
    /// Orders of a host with documents of its own.
    standings: BTreeMap<String, Standing>,
    /// Orders whose document was removed at its time.
    retired: BTreeSet<String>,
    batches: BTreeMap<String, KnownBatch>,
    batches_begun: u64,
    segments: BTreeMap<String, Vec<MemberView>>,
    /// Every blob that ever was, by name.
    blobs: BTreeMap<BlobName, Sha256>,
    /// Imports that took a content wholly, by order and amount.
    creations: BTreeMap<(String, Decimal), BTreeSet<ExecutionId>>,
    imports_seen: usize,
    submissions: Submissions,
    /// Results that were withheld or damaged on their way.
    results_disturbed: u32,
}

struct KnownOrder {
    view: OrderView,
    body: Box<RawValue>,
}

struct KnownBatch {
    view: BatchView,
    members: Option<Vec<MemberView>>,
}

impl fmt::Debug for Auditor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auditor").finish_non_exhaustive()
    }
}

impl Auditor {
    /// Books of a run in which `workload` is sent through `queue` to `erp`.
    pub(super) fn new(sim: Sim, workload: Workload, queue: QueueSource, erp: FakeErp) -> Self {
        let mut bodies = BTreeMap::new();
        for (order, planned) in workload.orders.iter().enumerate() {
            for failure in planned.failures() {
                erp.fail_order(&planned.id, failure);
            }
            for (event, planned) in planned.events.iter().enumerate() {
                bodies.insert(planned.message.body.clone(), (order, event));
            }
        }
        let books = Books {
            workload,
            published: BTreeSet::new(),
            bodies,
            orders: BTreeMap::new(),
            standings: BTreeMap::new(),
            retired: BTreeSet::new(),
            batches: BTreeMap::new(),
            batches_begun: 0,
            segments: BTreeMap::new(),
            blobs: BTreeMap::new(),
            creations: BTreeMap::new(),
            imports_seen: 0,
            submissions: Submissions::default(),
            results_disturbed: 0,
        };
        Self {
            sim,
            queue,
            erp,
            reads: None,
            books: Mutex::new(books),
        }
    }

    /// The same, for a host with documents of its own.
    pub(super) fn reading(mut self, reads: Option<ReadStanding>) -> Self {
        self.reads = reads;
        self
    }

    /// Publishes what is sent at the beginning.
    pub(super) fn publish_first(&self) {
        let mut books = self.books();
        for order in 0..books.workload.orders.len() {
            self.publish(&mut books, order, When::AtOnce);
        }
    }

    /// Publishes everything once more, as a replay of an archive would.
    pub(super) fn publish_again(&self) {
        let books = self.books();
        for (order, event) in &books.published {
            if let Some(planned) = books.event(*order, *event)
                && planned.is_valid
            {
                self.queue.publish(planned.message.clone());
            }
        }
    }

    fn publish(&self, books: &mut Books, order: usize, when: When) {
        let Some(planned) = books.workload.orders.get(order) else {
            return;
        };
        for (event, planned) in planned.events.iter().enumerate() {
            if planned.when == when && books.published.insert((order, event)) {
                self.queue.publish(planned.message.clone());
            }
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn violate(&self, invariant: &'static str, detail: String) {
        self.sim.violate(Violation::new(invariant, detail));
    }

    fn wrote(&self, write: &Write, result: &WriteResult) {
        match result {
            Err(error) => {
                if error.kind() == ErrorKind::Conflict && write.key.collection == BATCHES {
                    self.sim.mark("zombie fenced");
                }
                if error.kind() == ErrorKind::Conflict && write.key.collection == ORDERS {
                    self.sim.mark("order contended");
                }
            }
            Ok(_) => match &write.action {
                Action::Put(content) => self.stored(write, content),
                Action::Delete => self.removed(write),
            },
        }
    }

    fn stored(&self, write: &Write, content: &Content) {
        let id = write.key.id.as_str();
        let mut books = self.books();
        if let Some(read) = self.reads {
            if write.key.collection == ORDERS {
                self.standing_stored(&mut books, id, read(content));
            }
        } else if write.key.collection == ORDERS {
            self.order_stored(&mut books, id, content);
        } else if write.key.collection == BATCHES {
            self.batch_stored(&mut books, id, content);
        } else if write.key.collection == SEGMENTS {
            books.segment_stored(id, content);
        }
    }

    fn removed(&self, write: &Write) {
        let id = write.key.id.as_str();
        let mut books = self.books();
        if self.reads.is_some() {
            self.standing_removed(&mut books, id);
        } else if write.key.collection == ORDERS {
            self.order_removed(&mut books, id);
        } else if write.key.collection == BATCHES {
            books.batches.remove(id);
        } else if write.key.collection == SEGMENTS {
            books.segments.remove(id);
        }
    }

    /// Personal data stays in the document of its order.
    fn check_discretion(&self, place: fmt::Arguments<'_>, text: &str) {
        if CANARIES.iter().any(|canary| text.contains(canary)) {
            self.violate("I-X2", format!("personal data is in {place}"));
        }
    }

    fn told(&self, status: &ImportStatus) {
        match status {
            ImportStatus::PartiallySucceeded => self.sim.mark("partial import"),
            ImportStatus::Failed => self.sim.mark("failed import"),
            ImportStatus::Canceled => self.sim.mark("cancelled import seen"),
            ImportStatus::Unknown(_) => self.sim.mark("unknown status"),
            _ => {}
        }
    }
}

impl Books {
    fn event(&self, order: usize, event: usize) -> Option<&super::workload::PlannedEvent> {
        self.workload.orders.get(order)?.events.get(event)
    }

    fn index_of(&self, order: &str) -> Option<usize> {
        let mut orders = self.workload.orders.iter();
        orders.position(|planned| planned.id.as_str() == order)
    }
}

impl Observer for Auditor {
    fn observe(&self, call: &Call, seen: Seen<'_>) {
        match seen {
            Seen::Write(write, result) => self.wrote(write, result),
            Seen::Put(receipt) => self.blob_put(receipt),
            Seen::Deleted(name) => self.blob_deleted(name),
            Seen::Settled(delivery, disposition, settled) => {
                self.settled(delivery, disposition, settled);
            }
            Seen::Status(execution, status) => {
                self.told(status);
                self.asked(execution);
                self.imported();
            }
            Seen::Submitted(execution) => {
                self.submitted(call, execution);
                self.imported();
            }
            Seen::Result(..) => self.imported(),
            Seen::Refused(error) => match (call.operation, error.kind()) {
                ("erp_importer.submit", ErrorKind::AlreadyExists) => {
                    self.sim.mark("repeated submission refused");
                }
                ("erp_importer.submit", ErrorKind::Conflict) => {
                    self.sim.mark("project was busy");
                }
                ("blob_stage.put", ErrorKind::AlreadyExists) => self.sim.mark("blob was there"),
                ("event_source.settle", ErrorKind::LockLost) => self.sim.mark("settled too late"),
                _ => {}
            },
            _ => {}
        }
    }
}

/// What the end of a run is checked with.
pub(super) struct Finish<'f> {
    /// Imports that the ERP lost or that were cancelled there.
    pub(super) harmed_imports: &'f [ExecutionId],
    /// The ERP names refused records only and counts the others.
    pub(super) counts: bool,
}
