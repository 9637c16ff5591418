//! Manners of the fakes that no contract demands.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use omnisync_core::ErrorKind;
use omnisync_core::id::BlobName;
use omnisync_core::port::{
    Action, BlobStage, BlobStageExt, Collection, Content, Disposition, DocumentKey, EventSource,
    Expect, Query, Settled, StateStore, StateStoreExt, Write,
};
use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::contract::block_on;
use omnisync_testkit::fake::{
    ItemFault, MemoryBlobStage, MemoryStateStore, MemoryStateStoreOptions, Message, QueueOptions,
    QueueSource,
};

const ORDERS: Collection = Collection::new("orders");

fn put(id: &str) -> Write {
    let body = serde_json::value::to_raw_value(id).unwrap();
    let content = Content {
        state: "open".to_owned(),
        due_at: None,
        expires_at: None,
        body,
    };
    Write {
        key: DocumentKey::new(ORDERS, id),
        expect: Expect::Absent,
        action: Action::Put(content),
    }
}

#[test]
fn a_lagging_query_shows_a_write_after_so_many_operations() {
    let store = MemoryStateStore::new(MemoryStateStoreOptions {
        query_lag_operations: 3,
        ..MemoryStateStoreOptions::default()
    });
    assert!(!store.capability().query_reads_own_writes);
    block_on(store.write_one(put("a"))).unwrap();
    let seen: Vec<usize> = (0..5)
        .map(|_| {
            block_on(store.query(Query::all(ORDERS)))
                .unwrap()
                .documents
                .len()
        })
        .collect();
    assert_eq!(seen, [0, 0, 0, 1, 1]);
}

#[test]
fn item_faults_strike_one_item_before_or_after_its_effect() {
    let store = MemoryStateStore::default();
    let key = |id: &str| DocumentKey::new(ORDERS, id);
    store.fail_item(key("a"), ItemFault::Before(ErrorKind::Unavailable));
    store.fail_item(key("b"), ItemFault::After(ErrorKind::TimedOut));
    let results = block_on(store.write(vec![put("a"), put("b"), put("c")])).unwrap();
    let kinds: Vec<_> = results.iter().map(|result| result.as_ref().err()).collect();
    assert_eq!(kinds[0].unwrap().kind(), ErrorKind::Unavailable);
    assert_eq!(kinds[1].unwrap().kind(), ErrorKind::TimedOut);
    assert!(kinds[2].is_none());
    let ids: Vec<_> = store
        .documents(ORDERS)
        .into_iter()
        .map(|found| found.key.id)
        .collect();
    assert_eq!(ids, ["b", "c"]);
}

#[test]
fn a_throttled_store_names_a_delay_and_does_nothing() {
    let store = MemoryStateStore::default();
    store.throttle(1, Duration::from_secs(5));
    let error = block_on(store.write_one(put("a"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(5)));
    assert!(store.documents(ORDERS).is_empty());
    block_on(store.write_one(put("a"))).unwrap();
}

#[test]
fn a_foreign_continuation_is_invalid() {
    let store = MemoryStateStore::default();
    for text in ["", "x", "orders", "orders?2/=a", "orderslines?0/=a"] {
        let query = Query {
            continuation: Some(text.to_owned()),
            ..Query::all(ORDERS)
        };
        assert_eq!(
            block_on(store.query(query)).unwrap_err().kind(),
            ErrorKind::Invalid,
            "{text}"
        );
    }
}

#[test]
fn a_blob_can_vanish() {
    let stage = MemoryBlobStage::default();
    let name = BlobName::new("a.zip").unwrap();
    block_on(stage.put_bytes(&name, "x".into())).unwrap();
    assert!(stage.vanish(&name) && !stage.vanish(&name));
    assert_eq!(block_on(stage.head(&name)).unwrap(), None);
}

fn queue(options: QueueOptions) -> (ManualClock, QueueSource) {
    let clock = ManualClock::default();
    (clock.clone(), QueueSource::new(Arc::new(clock), options))
}

#[test]
fn a_waiting_receive_wakes_when_something_is_published_or_its_time_is_over() {
    let (clock, queue) = queue(QueueOptions::default());
    let wait = Duration::from_secs(10);
    let mut waiting = queue.receive(1, wait);
    assert!(waiting.as_mut().now_or_never().is_none());
    queue.publish(Message::new("a"));
    let received = waiting.now_or_never().unwrap().unwrap();
    assert_eq!(received.deliveries.len(), 1);

    let mut waiting = queue.receive(1, wait);
    assert!(waiting.as_mut().now_or_never().is_none());
    clock.advance(wait);
    assert!(
        waiting
            .now_or_never()
            .unwrap()
            .unwrap()
            .deliveries
            .is_empty()
    );
}

#[test]
fn a_queue_sets_aside_what_was_delivered_too_often() {
    let (clock, queue) = queue(QueueOptions {
        attempts_max: Some(2),
        finite: true,
        ..QueueOptions::default()
    });
    queue.publish(Message::new("a"));
    for attempt in 1..=2 {
        let received = block_on(queue.receive(1, Duration::ZERO)).unwrap();
        assert_eq!(received.deliveries[0].attempt, attempt);
        clock.advance(Duration::from_secs(61));
    }
    assert!(block_on(queue.receive(1, Duration::ZERO)).unwrap().ended);
    assert_eq!(queue.dead_letters()[0].reason, "AttemptsExhausted");
}

#[test]
fn a_queue_drops_what_it_was_sent_within_its_window() {
    let (clock, queue) = queue(QueueOptions {
        duplicate_window: Some(Duration::from_secs(600)),
        ..QueueOptions::default()
    });
    let message = Message::new("a").with_header("message-id", "1");
    queue.publish(message.clone());
    queue.publish(message.clone());
    queue.publish(Message::new("a"));
    assert_eq!(queue.unsettled(), 2);
    clock.advance(Duration::from_secs(600));
    queue.publish(message);
    assert_eq!(queue.unsettled(), 3);
}

#[test]
fn a_return_by_copy_that_breaks_off_leaves_both() {
    let (clock, queue) = queue(QueueOptions {
        returns_by_copy: true,
        broken_return_every: Some(2),
        ..QueueOptions::default()
    });
    queue.publish(Message::new("a"));
    let delay = Disposition::RetryAfter(Duration::from_secs(5));
    for expected in [1, 2] {
        let received = block_on(queue.receive(1, Duration::ZERO)).unwrap();
        let settled = block_on(queue.settle(&received.deliveries[0], delay.clone()));
        match settled {
            Ok(settled) => assert_eq!((settled, expected), (Settled::Returned, 1)),
            Err(error) => assert!(error.is_ambiguous() && expected == 2),
        }
        assert_eq!(queue.unsettled(), expected);
        clock.advance(Duration::from_secs(5));
    }
}

#[test]
fn a_queue_duplicates_and_reorders_on_demand() {
    let (_, queue) = queue(QueueOptions {
        duplicate_every: Some(1),
        shuffle_seed: Some(1),
        ..QueueOptions::default()
    });
    for number in 0..5 {
        queue.publish(Message::new(number.to_string()));
    }
    let received = block_on(queue.receive(100, Duration::ZERO)).unwrap();
    let bodies: Vec<_> = received
        .deliveries
        .iter()
        .map(|found| found.body.clone())
        .collect();
    assert_eq!(bodies.len(), 10);
    assert!(!bodies.is_sorted());
}

#[test]
fn a_lost_lock_gives_the_message_to_somebody_else() {
    let (_, queue) = queue(QueueOptions::default());
    queue.publish(Message::new("a"));
    let first = block_on(queue.receive(1, Duration::ZERO))
        .unwrap()
        .deliveries
        .remove(0);
    queue.lose_locks();
    let late = block_on(queue.settle(&first, Disposition::Complete)).unwrap_err();
    assert_eq!(late.kind(), ErrorKind::LockLost);
    let second = block_on(queue.receive(1, Duration::ZERO))
        .unwrap()
        .deliveries
        .remove(0);
    assert_eq!(second.attempt, 2);
}
