//! Retries: copies that are scheduled, and locks that are held meanwhile.

use std::time::Duration;

use omnisync_adapters_azure::service_bus::RetryMode;
use omnisync_core::port::{Disposition, EventSource as _, Settled};
use omnisync_testkit::server::service_bus::{Entity, Fault, MessageState, NewMessage, Step};

use super::support::{LOCK, SECOND, World, one, run, take};

#[test]
fn retry_after_sends_a_scheduled_copy_that_counts_on() {
    run(async {
        let world = World::new().await;
        let message = NewMessage::new("{\"a\":1}")
            .with_message_id("m-1")
            .with_subject("order")
            .with_property("city", "Zürich")
            .with_ttl(Duration::from_secs(86_400));
        world.bus().send("orders", message).unwrap();
        let source = world.source();
        let mut attempts = Vec::new();
        for _ in 0..4 {
            let delivery = one(&source).await;
            attempts.push(delivery.attempt);
            let later = Disposition::RetryAfter(Duration::from_secs(60));
            assert_eq!(
                source.settle(&delivery, later).await.unwrap(),
                Settled::Returned
            );
            let waiting = world.bus().messages("orders");
            assert_eq!(waiting.len(), 1);
            assert!(matches!(waiting[0].state, MessageState::Scheduled(_)));
            assert_eq!(waiting[0].deliveries, 0, "no delivery is burnt");
            assert_ne!(waiting[0].message_id.as_deref(), Some("m-1"));
            assert_eq!(waiting[0].subject.as_deref(), Some("order"));
            assert!(take(&source, 10).await.is_empty());
            world.pass(Duration::from_secs(61));
        }
        assert_eq!(attempts, [1, 2, 3, 4]);
        let last = one(&source).await;
        assert_eq!(last.body, "{\"a\":1}");
        assert_eq!(last.header("city"), Some("Zürich"));
        assert_eq!(last.header("omnisync-original-message-id"), Some("m-1"));
        assert_eq!(last.header("omnisync-original-sequence-number"), Some("1"));
    });
}

/// The copy has been sent and the connection breaks before the original is completed: whoever
/// gets the original again makes the same copy, and the queue keeps one.
#[test]
fn a_retry_that_is_interrupted_leaves_one_copy_where_duplicates_are_detected() {
    run(async {
        let world = World::new().await;
        world.bus().send("orders", NewMessage::new("a")).unwrap();
        let source = world.source();
        let delivery = one(&source).await;
        // The renewal has its link and its token by then; only the completion needs new ones.
        source.extend(&delivery).await.unwrap();
        world.bus().inject(Some(Step::Settle), Fault::CutBefore);
        world.bus().inject(Some(Step::PutToken), Fault::Busy);
        let later = Disposition::RetryAfter(Duration::from_secs(600));
        let error = source.settle(&delivery, later.clone()).await.unwrap_err();
        assert!(error.is_ambiguous(), "{}", error.report());
        assert_eq!(world.bus().faults_left(), 0);
        assert_eq!(world.bus().messages("orders").len(), 2, "both are there");
        drop(source);
        world.bus().clear_faults();
        world.pass(LOCK + SECOND);
        let source = world.source();
        let again = one(&source).await;
        assert_eq!(again.attempt, 2);
        source.settle(&again, later).await.unwrap();
        assert_eq!(world.bus().messages("orders").len(), 1);
    });
}

#[test]
fn retry_after_can_hold_the_lock_and_give_the_message_back_in_time() {
    run(async {
        let topic = Entity::topic("orders", ["erp", "audit"]);
        let world = World::with([topic]).await;
        let config = world.config().with_subscription("erp");
        let source = config.build(world.parts()).unwrap();
        world.bus().send("orders", NewMessage::new("a")).unwrap();
        let delivery = one(&source).await;
        let later = Disposition::RetryAfter(Duration::from_secs(100));
        source.settle(&delivery, later).await.unwrap();
        for _ in 0..5 {
            world.pass(Duration::from_secs(19));
            assert!(take(&source, 10).await.is_empty());
        }
        world.pass(Duration::from_secs(6));
        let mut again = take(&source, 10).await;
        if again.is_empty() {
            again = take(&source, 10).await;
        }
        assert_eq!(again.len(), 1);
        assert_eq!(again[0].attempt, 2, "for one delivery in all");
        assert_eq!(world.bus().backlog("orders/Subscriptions/audit"), 1);
    });
}

#[test]
fn a_copy_through_a_topic_is_passed_over_by_other_subscriptions() {
    run(async {
        let world = World::with([Entity::topic("orders", ["erp", "audit"])]).await;
        let of = |name: &str| {
            let config = world.config().with_subscription(name);
            let config = config.with_retry_mode(RetryMode::ScheduleCopy);
            config.build(world.parts()).unwrap()
        };
        let (erp, audit) = (of("erp"), of("audit"));
        world.bus().send("orders", NewMessage::new("a")).unwrap();
        let delivery = one(&audit).await;
        audit
            .settle(&delivery, Disposition::Complete)
            .await
            .unwrap();
        let delivery = one(&erp).await;
        let later = Disposition::RetryAfter(Duration::from_secs(60));
        erp.settle(&delivery, later).await.unwrap();
        world.pass(Duration::from_secs(61));
        assert!(take(&audit, 10).await.is_empty());
        assert_eq!(world.bus().backlog("orders/Subscriptions/audit"), 0);
        assert_eq!(one(&erp).await.attempt, 2);
    });
}
