//! Names and fields of what the flows report, and what never gets into it.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use omnisync_core::event::CloudEvent;
use omnisync_core::port::{BlobStage as _, BlobStageExt as _};
use omnisync_testkit::fake::{ErpFault, Message, OrderFailure};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event as Occurrence, Metadata, Subscriber};

use crate::support::{Event, World, deface, deliver_all, id, run, seconds};

/// Values that stand for what must not be reported.
const CANARIES: [&str; 4] = [
    "Canary Customerson",
    "13 Canary Street",
    "canary-account",
    "canary-s3cr3t-t0ken",
];

/// Keeps every event and the fields of every span.
#[derive(Debug, Clone, Default)]
struct Recorder {
    events: Arc<Mutex<Vec<BTreeMap<&'static str, String>>>>,
    spans: Arc<Mutex<String>>,
    ids: Arc<AtomicU64>,
}

/// Fields of one event or span.
#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields::default();
        span.record(&mut fields);
        writeln!(self.spans.lock().unwrap(), "{:?}", fields.0).unwrap();
        Id::from_u64(self.ids.fetch_add(1, Ordering::SeqCst) + 1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        writeln!(self.spans.lock().unwrap(), "{:?}", fields.0).unwrap();
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Occurrence<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.events.lock().unwrap().push(fields.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Recorder {
    /// What is reported while `work` runs.
    fn of(work: impl FnOnce()) -> Self {
        // With a single subscriber in the process, a call site that another test reaches first
        // would be taken for one that nobody listens to.
        static OTHERS: OnceLock<[Dispatch; 2]> = OnceLock::new();
        OTHERS.get_or_init(|| [(); 2].map(|()| Dispatch::new(Self::default())));
        let recorder = Self::default();
        tracing::subscriber::with_default(recorder.clone(), work);
        recorder
    }

    /// The events called `name`.
    fn named(&self, name: &str) -> Vec<BTreeMap<&'static str, String>> {
        let events = self.events.lock().unwrap();
        let named = events.iter().filter(|event| event["message"] == name);
        named.cloned().collect()
    }

    fn text(&self) -> String {
        format!(
            "{:?}\n{}",
            self.events.lock().unwrap(),
            self.spans.lock().unwrap()
        )
    }
}

#[track_caller]
fn check_fields(event: &BTreeMap<&'static str, String>, fields: &[&str]) {
    for field in fields {
        assert!(event.contains_key(field), "no {field} in {event:?}");
    }
}

#[test]
fn each_step_reports_the_event_that_dashboards_read() {
    let world = World::default();
    let recorder = Recorder::of(|| {
        world.publish(&["A", "B"].map(Event::created));
        world.queue.publish(Message::new("{"));
        let flows = world.flows("w1");
        flows.take_in();
        flows.batch_now();
        deliver_all(&world, &flows);
    });
    let ingested = recorder.named("IngestionSuccess");
    assert_eq!(ingested.len(), 2);
    check_fields(&ingested[0], &["OrderId", "DurationMs"]);
    assert_eq!(ingested[0]["OrderId"], "A");

    let dead = recorder.named("DeadLetter");
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0]["DeadLetterReason"], "JsonDeserialiseFailure");

    let batch = world.batches().remove(0);
    let staged = recorder.named("TransformSuccess");
    assert_eq!(staged.len(), 1);
    check_fields(&staged[0], &["DurationMs"]);
    assert_eq!(staged[0]["BatchId"], batch.id.to_string());
    assert_eq!(staged[0]["BatchSize"], "2");
    assert_eq!(
        staged[0]["BlobName"],
        batch.package.unwrap().name.to_string()
    );

    let delivered = recorder.named("DeliverySuccess");
    let (orders, batches): (Vec<_>, Vec<_>) = delivered
        .into_iter()
        .partition(|event| event.contains_key("OrderId"));
    assert_eq!((orders.len(), batches.len()), (2, 1));
    check_fields(&orders[0], &["BatchId", "DurationMs"]);
    check_fields(
        &batches[0],
        &["BatchId", "BatchSize", "DurationMs", "BlobName", "imported"],
    );
    assert!(recorder.named("DeliveryFailure").is_empty());
}

#[test]
fn a_failed_call_of_the_erp_is_reported_with_batch_and_package() {
    let world = World::default();
    let batch = world.stage(&[Event::created("A")]);
    world.erp.fail_submit(ErpFault::Unavailable);
    let recorder = Recorder::of(|| {
        world.flows("w1").deliver();
    });
    let failures = recorder.named("DeliveryFailure");
    assert_eq!(failures.len(), 1);
    check_fields(&failures[0], &["BlobName", "error"]);
    assert_eq!(failures[0]["BatchId"], batch.to_string());
}

#[test]
fn a_batch_of_which_the_erp_took_nothing_is_reported_as_a_failure() {
    let world = World::default();
    world.stage(&[Event::created("A")]);
    world.erp.fail_order(&id("A"), OrderFailure::data("No."));
    let recorder = Recorder::of(|| drop(deliver_all(&world, &world.flows("w1"))));
    assert!(recorder.named("DeliverySuccess").is_empty());
    let failures = recorder.named("DeliveryFailure");
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0]["rejected"], "1");
}

#[test]
fn a_revision_that_is_refused_is_no_success() {
    let world = World::default();
    world.ingest(&[Event::created("A")]);
    let mut other = Event::created("A");
    other.key = "other".to_owned();
    other.quantity = 9;
    let recorder = Recorder::of(|| drop(world.ingest(&[other])));
    assert!(recorder.named("IngestionSuccess").is_empty());
    assert_eq!(
        recorder.named("DeadLetter")[0]["DeadLetterReason"],
        "RevisionConflict"
    );
}

/// An order whose every text is a canary.
fn canary(order: &str) -> Event {
    let mut event = Event::created(order);
    event.name = CANARIES[0].to_owned();
    event.street = CANARIES[1].to_owned();
    event
}

fn with_canaries(event: &Event) -> String {
    let account = format!("\"customerId\":\"{}\"", CANARIES[2]);
    let token = format!("\"data\":{{\"apiToken\":\"{}\",", CANARIES[3]);
    event
        .json()
        .replace("\"customerId\":\"C-1\"", &account)
        .replace("\"data\":{", &token)
}

#[test]
fn nothing_of_a_payload_gets_into_reports_errors_outcomes_or_dead_letters() {
    let world = World::default();
    let mut said = String::new();
    let recorder = Recorder::of(|| {
        let good = ["A", "B", "C", "D"].map(canary);
        for event in &good {
            world.queue.publish(Message::new(with_canaries(event)));
        }
        world
            .queue
            .publish(Message::new(with_canaries(&canary("P").of_nowhere())));
        let spoilt = [
            ("\"CAD\"", "\"canary-account\""),
            ("\"totalAmount\":5.00", "\"totalAmount\":\"canary-account\""),
            ("\"orderId\":\"X\"", "\"orderId\":\"canary-account\\u0000\""),
            (
                "\"specversion\":\"1.0\"",
                "\"specversion\":\"canary-account\"",
            ),
            ("OMS.Order.Created", "OMS.Order.Archived"),
            ("\"country\"", "\"canary-account\""),
            ("\"data\":{", "\"data\":{canary-account"),
            ("}}}", "}"),
        ];
        for (from, to) in spoilt {
            let broken = with_canaries(&canary("X")).replace(from, to);
            assert!(broken.contains(CANARIES[2]));
            world.queue.publish(Message::new(broken.clone()));
            let pushed = CloudEvent::from_json(broken.as_bytes());
            writeln!(said, "{pushed:?}").unwrap();
            let answers = run(world.flows("w1").ingest.accept(vec![pushed]));
            writeln!(said, "{answers:?}").unwrap();
        }
        let flows = world.flows("w1");
        writeln!(said, "{:?}", flows.take_in()).unwrap();
        writeln!(said, "{:?}", flows.batch_now()).unwrap();
        world.erp.fail_order(&id("B"), OrderFailure::data("No."));
        world
            .erp
            .fail_order(&id("C"), OrderFailure::transient("Deadlock."));
        world.erp.fail_submit(ErpFault::Unavailable);
        writeln!(said, "{:?}", deliver_all(&world, &flows)).unwrap();
        deface(&world, "D");
        world.queue.publish(Message::new(with_canaries(&Event {
            revision: Some(2),
            ..canary("D")
        })));
        let error = run(flows.ingest.run_once(&world.queue)).unwrap_err();
        writeln!(said, "{error} {error:?} {}", error.report()).unwrap();
        writeln!(said, "{:?}", flows.batch_now()).unwrap();
        let name = world.stage.names().remove(1);
        run(world.stage.delete(&name)).unwrap();
        run(world.stage.put_bytes(&name, "canary-account".into())).unwrap();
        world.clock.advance(seconds(60));
        if let Err(error) = run(flows.deliver.run_once()) {
            writeln!(said, "{error} {error:?} {}", error.report()).unwrap();
        }
        writeln!(said, "{:?}", flows.sweep()).unwrap();
        for order in ["A", "B", "C", "P"] {
            let story = run(flows.explain.order(&id(order))).unwrap().unwrap();
            writeln!(said, "{story}\n{story:?}").unwrap();
        }
    });
    for letter in world.queue.dead_letters() {
        writeln!(said, "{} {}", letter.reason, letter.description).unwrap();
    }
    assert_eq!(world.queue.dead_letters().len(), 8);
    said.push_str(&recorder.text());
    for canary in CANARIES {
        if let Some(at) = said.find(canary) {
            let from = said.floor_char_boundary(at.saturating_sub(400));
            panic!(
                "{canary} in: …{}",
                said.get(from..at + canary.len()).unwrap()
            );
        }
    }
    for name in [
        "IngestionSuccess",
        "TransformSuccess",
        "DeliverySuccess",
        "DeliveryFailure",
        "DeadLetter",
    ] {
        assert!(!recorder.named(name).is_empty(), "{name}");
    }
}
