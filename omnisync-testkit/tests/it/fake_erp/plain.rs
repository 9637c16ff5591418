//! Packages in the plain form: their bytes, and their way through the flows.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use omnisync_core::flow::{
    BatchFlow, BatchOutcome, Deliver, DeliverOutcome, DeliverPolicy, Delivered, Dropped, Ingest,
    IngestPolicy, PackageSpec, Worker,
};
use omnisync_core::id::{ProjectName, Sha256, WorkerId};
use omnisync_core::order::{Country, Currency, Order, StateName};
use omnisync_core::package::PackageFormat;
use omnisync_core::policy::BatchPolicy;
use omnisync_core::port::{FailureClass, ImportStatus, RecordKey};
use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::contract::block_on;
use omnisync_testkit::fake::{
    FakeErp, FakeErpOptions, ImportedOrder, MemoryBlobStage, MemoryStateStore, Message,
    OrderFailure, PlainFormat, QueueOptions, QueueSource,
};
use omnisync_testkit::ids::SeqIds;
use rust_decimal::Decimal;

use super::packages::{info, order_with, plain_package};
use super::{by_hand, import, order_id, refused, results};

fn order_to(country: &str) -> Order {
    let mut order = order_with("A", 1);
    order.shipping_address.country = Country::parse(country).unwrap();
    order
}

#[test]
fn a_package_is_lines_of_text_that_depend_on_nothing_else() {
    let orders = [order_with("A", 2), order_with("B", 1)];
    let format = PlainFormat::default();
    let mut builder = format.begin(info()).unwrap();
    for order in &orders {
        builder.append(order).unwrap();
    }
    let (content, totals) = builder.finish().unwrap();

    let batch = info().batch_id;
    let expected = format!(
        "OMNISYNC PLAIN 1\nB\t{batch}\nH\tA\tEUR\nL\tA/1\t10\nL\tA/2\t10\nH\tB\tEUR\nL\tB/1\t10\n"
    );
    assert_eq!(content, Bytes::from(expected));
    assert_eq!(content, plain_package(&orders).0);
    assert_eq!((totals.orders, totals.lines), (2, 3));
    assert_eq!(totals.bytes, u64::try_from(content.len()).unwrap());
    assert_eq!(totals.sha256, Sha256::of(&content));
    let euro = Currency::parse("EUR").unwrap();
    assert_eq!(totals.amounts, [(euro, Decimal::from(30))].into());
}

#[test]
fn a_package_refuses_what_it_cannot_hold() {
    let format = PlainFormat { orders_max: 1 };
    let mut builder = format.begin(info()).unwrap();
    let nowhere = order_to(PlainFormat::NOWHERE);
    assert!(format.check(&nowhere).is_err());
    assert!(format.record_keys(&nowhere).is_err());
    assert!(builder.append(&nowhere).is_err());
    assert!(format.check(&order_to("FR")).is_ok());
    builder.append(&order_with("A", 1)).unwrap();
    assert!(builder.append(&order_with("B", 1)).is_err(), "full");
    assert_eq!(builder.finish().unwrap().1.orders, 1);
    assert!(format.begin(info()).unwrap().finish().is_err(), "empty");

    let format = PlainFormat::default();
    let mut builder = format.begin(info()).unwrap();
    builder.append(&order_with("A", 1)).unwrap();
    let again = builder.append(&order_with("A", 2)).unwrap_err();
    assert!(again.to_string().contains("already"), "{again}");
    let mut dear = order_with("B", 2);
    for line in &mut dear.line_items {
        line.unit_price = Decimal::MAX;
    }
    assert!(builder.append(&dear).is_err(), "no sum");
    builder.append(&order_with("C", 1)).unwrap();
    assert_eq!(builder.finish().unwrap().1.orders, 2);
}

#[test]
fn results_name_the_records_as_the_format_does() {
    let erp = FakeErp::new(by_hand());
    let (content, keys) = plain_package(&[order_with("A", 2), order_with("B", 1)]);
    assert_eq!(import(&erp, 1, &content), ImportStatus::Succeeded);
    let page = block_on(omnisync_core::port::ErpImporter::results(
        &erp,
        super::execution(1),
        None,
    ))
    .unwrap();
    let named: BTreeSet<RecordKey> = page.records.into_iter().map(|record| record.key).collect();
    assert_eq!(named, keys.into_iter().flatten().collect());
}

#[test]
fn plain_records_are_taken_by_the_same_rules() {
    let erp = FakeErp::new(by_hand());
    let text = "OMNISYNC PLAIN 1\nB\tbatch\nH\tA\tEUR\nH\tA\tUSD\nL\tA/1\t1.50\nL\tA/1\t2\nL\tA/2\tmuch\nL\tZ/1\t1\n";
    let content = Bytes::from_static(text.as_bytes());

    assert_eq!(import(&erp, 1, &content), ImportStatus::PartiallySucceeded);

    let tables = erp.tables();
    assert_eq!(
        tables.imports(),
        [("A", 1)].into(),
        "the first row of a key counts"
    );
    assert_eq!(tables.header("A").unwrap().currency, "EUR");
    assert_eq!(tables.line_imports(), [("A/1", 1)].into());
    assert_eq!(tables.line("A/1").unwrap().amount, Decimal::new(150, 2));
    let log = erp.imports_since(0);
    let counts: Vec<_> = log
        .iter()
        .map(|order| (&*order.order, order.taken, order.refused))
        .collect();
    assert_eq!(counts, [("A", 2, 3), ("Z", 0, 1)]);
}

#[test]
fn what_is_no_plain_package_imports_nothing() {
    for text in [
        "OMNISYNC PLAIN 1\n",
        "OMNISYNC PLAIN 1\nB\tbatch\nH\tA\tEUR",
        "OMNISYNC PLAIN 1\nH\tA\tEUR\n",
        "OMNISYNC PLAIN 1\nB\tbatch\nH\tA\tEUR\nL\tA\t1\n",
        "OMNISYNC PLAIN 1\nB\tbatch\nH\tA\tEUR\nX\tA/1\t1\n",
        "OMNISYNC PLAIN 2\nB\tbatch\nH\tA\tEUR\nL\tA/1\t1\n",
    ] {
        let erp = FakeErp::new(by_hand());
        let content = Bytes::copy_from_slice(text.as_bytes());
        assert_eq!(import(&erp, 1, &content), ImportStatus::Failed, "{text:?}");
        assert_eq!(erp.tables().orders(), 0, "{text:?}");
    }
}

#[test]
fn planned_failures_hold_for_plain_packages() {
    let erp = FakeErp::new(by_hand());
    erp.fail_order(&order_id("A"), OrderFailure::transient("Deadlock."));
    let half = OrderFailure::data("Item is stopped.").of_lines();
    erp.fail_order(&order_id("B"), half);
    let (content, _) = plain_package(&[order_with("A", 1), order_with("B", 1)]);
    import(&erp, 1, &content);
    assert_eq!(refused(&erp, 1), ["A", "A/1", "B/1"]);
    let failure = Err((FailureClass::Transient, "Deadlock.".to_owned()));
    assert_eq!(results(&erp, 1)["A/1"], failure);
    assert_eq!(import(&erp, 2, &content), ImportStatus::Succeeded);
}

/// One worker's flows with plain packages, over fakes.
struct World {
    clock: ManualClock,
    queue: QueueSource,
    erp: FakeErp,
    ingest: Ingest,
    batch: BatchFlow,
    deliver: Deliver,
}

impl World {
    fn new() -> Self {
        let clock = ManualClock::default();
        let queue = QueueSource::new(Arc::new(clock.clone()), QueueOptions::default());
        let store = MemoryStateStore::default();
        let stage = MemoryBlobStage::default();
        let erp = FakeErp::new(FakeErpOptions {
            polls_to_end: Some(0),
            ..FakeErpOptions::default()
        });
        let worker = Worker::new(
            WorkerId::new("worker").unwrap(),
            Arc::new(clock.clone()),
            Arc::new(SeqIds::new(1)),
        );
        let format = Arc::new(PlainFormat::default());
        let spec = PackageSpec::with_format(format, ProjectName::new("Sales orders").unwrap());
        let receive = IngestPolicy {
            wait_ms: 0,
            ..IngestPolicy::default()
        };
        Self {
            ingest: Ingest::new(Arc::new(store.clone()), worker.clone(), receive),
            batch: BatchFlow::new(
                Arc::new(store.clone()),
                Arc::new(stage.clone()),
                worker.clone(),
                BatchPolicy::default(),
                spec.clone(),
            ),
            deliver: Deliver::new(
                Arc::new(store),
                Arc::new(stage),
                Arc::new(erp.clone()),
                worker,
                DeliverPolicy::default(),
                spec,
            ),
            clock,
            queue,
            erp,
        }
    }

    fn publish(&self, order: &str, country: &str) {
        self.queue.publish(Message::new(format!(
            r#"{{"specversion":"1.0","type":"OMS.Order.Created","source":"https://oms.example/orders","id":"{order}-1","datacontenttype":"application/json","data":{{"orderId":"{order}","revision":1,"customerId":"C-1","orderDate":"2026-01-01","totalAmount":5.00,"currency":"CAD","lineItems":[{{"itemNumber":1,"productCode":"P-1","quantity":1,"unitPrice":2.50}},{{"itemNumber":2,"productCode":"P-2","quantity":1,"unitPrice":2.50}}],"shippingAddress":{{"name":"Zoe","street":"1 Main St","city":"Toronto","country":"{country}"}}}}}}"#
        )));
    }

    fn batch(&self) -> BatchOutcome {
        block_on(self.ingest.run_once(&self.queue)).unwrap();
        block_on(self.batch.run_now()).unwrap()
    }

    fn deliver(&self) -> DeliverOutcome {
        for _ in 0..3 {
            let outcome = block_on(self.deliver.run_once()).unwrap();
            if matches!(outcome.step, Delivered::Done(_)) {
                return outcome;
            }
            self.clock.advance(Duration::from_secs(100));
        }
        panic!("the import did not end");
    }
}

#[test]
fn plain_packages_pass_through_the_flows() {
    let world = World::new();
    for (order, country) in [("A", "CA"), ("B", "CA"), ("N", PlainFormat::NOWHERE)] {
        world.publish(order, country);
    }
    let stopped = OrderFailure::data("Item is stopped.").of_lines();
    world.erp.fail_order(&order_id("B"), stopped);

    let batched = world.batch();
    let delivered = world.deliver();

    let [(order, Dropped::MappingFailed { detail })] = batched.dropped.as_slice() else {
        panic!("{:?}", batched.dropped);
    };
    assert_eq!(order.as_str(), "N");
    assert!(detail.contains("QQ"), "{detail}");
    let package = batched.package.unwrap();
    assert_eq!((package.orders, package.lines), (2, 4));
    assert_eq!(delivered.unmatched, []);
    let states: Vec<_> = delivered
        .orders
        .iter()
        .map(|order| (order.order.as_str(), order.state))
        .collect();
    assert_eq!(
        states,
        [("A", StateName::Imported), ("B", StateName::Rejected)]
    );
    let log = world.erp.imports_since(0);
    let whole: Vec<&str> = log
        .iter()
        .filter(|order| order.is_whole())
        .map(|order| &*order.order)
        .collect();
    assert_eq!(whole, ["A"]);
    let expected = ImportedOrder {
        execution: batched.batch.unwrap().into(),
        order: "A".into(),
        currency: "CAD".into(),
        amount: Decimal::from(5),
        taken: 3,
        refused: 0,
    };
    assert_eq!(log[0], expected);
}
