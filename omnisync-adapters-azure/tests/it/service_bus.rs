//! Service Bus against the loopback broker, by AMQP and by HTTPS.

mod contract;
mod hold;
mod rest;
mod support;

use std::time::Duration;

use omnisync_adapters_azure::service_bus::{
    OutgoingMessage, RetryMode, ServiceBusConfig, while_held,
};
use omnisync_core::ErrorKind;
use omnisync_core::event::decode_http;
use omnisync_core::policy::RetryPolicy;
use omnisync_core::port::{Clock as _, DeadLetterReason, Disposition, EventSource as _, Settled};
use omnisync_http::Secret;
use omnisync_testkit::server::service_bus::{Entity, Fault, MessageState, NewMessage, Step};

use support::{LOCK, World, one, queue, run, take};

const SECOND: Duration = Duration::from_secs(1);

fn dead_letter(description: &str) -> Disposition {
    Disposition::DeadLetter {
        reason: DeadLetterReason::ValidationFailure,
        description: description.to_owned(),
    }
}

#[test]
fn a_message_that_is_completed_after_its_lock_ran_out_is_lost_and_not_settled() {
    run(async {
        let world = World::new().await;
        world.bus().send("orders", NewMessage::new("a")).unwrap();
        let source = world.source();
        let delivery = one(&source).await;
        world.pass(LOCK + SECOND);
        let error = source
            .settle(&delivery, Disposition::Complete)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LockLost, "{}", error.report());
        let again = one(&source).await;
        assert_eq!(again.attempt, 2);
    });
}

/// Our own clock says that the lock holds: the word of the broker counts.
#[test]
fn a_lock_that_the_broker_lost_is_lost_although_our_clock_says_otherwise() {
    run(async {
        let world = World::new().await;
        world.bus().send("orders", NewMessage::new("a")).unwrap();
        let source = world.source();
        let delivery = one(&source).await;
        // An operator removes the queue and makes it again: the lock is known to nobody.
        assert!(world.bus().remove_entity("orders"));
        world.bus().add_entity(Entity::queue("orders"));
        for disposition in [
            Disposition::Complete,
            Disposition::RetryAfter(SECOND),
            dead_letter("x"),
        ] {
            let error = source.settle(&delivery, disposition).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::LockLost, "{}", error.report());
        }
        assert_eq!(world.bus().messages("orders"), []);
        assert_eq!(world.bus().dead_letters("orders"), []);
    });
}

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

#[test]
fn a_dead_letter_keeps_its_reason_and_can_be_resubmitted() {
    run(async {
        let world = World::new().await;
        let message = NewMessage::new("{}").with_message_id("m-1");
        world.bus().send("orders", message).unwrap();
        let source = world.source();
        let delivery = one(&source).await;
        let long = "ü".repeat(4_000);
        source.settle(&delivery, dead_letter(&long)).await.unwrap();

        let dead = world.config().dead_letters().build(world.parts()).unwrap();
        let letter = one(&dead).await;
        assert_eq!(
            letter.header("dead-letter-reason"),
            Some("ValidationFailure")
        );
        let description = letter.header("dead-letter-description").unwrap();
        assert_eq!(description.len(), 4_096);
        let not_dead = source.resubmit(&letter).await.unwrap_err();
        assert_eq!(not_dead.kind(), ErrorKind::Invalid);
        dead.resubmit(&letter).await.unwrap();
        assert_eq!(world.bus().dead_letters("orders"), []);

        let again = one(&source).await;
        assert_eq!((again.body.as_ref(), again.attempt), (&b"{}"[..], 1));
        assert_ne!(again.header("message-id"), Some("m-1"));
        assert_eq!(again.header("omnisync-original-message-id"), Some("m-1"));
        assert_eq!(again.header("dead-letter-reason"), None);
        let twice = dead.resubmit(&letter).await.unwrap_err();
        assert_eq!(twice.kind(), ErrorKind::LockLost);
    });
}

#[test]
fn a_link_that_was_detached_is_settled_by_its_lock() {
    run(async {
        let world = World::new().await;
        for body in ["a", "b", "c"] {
            world.bus().send("orders", NewMessage::new(body)).unwrap();
        }
        let source = world.source();
        let all = take(&source, 3).await;
        assert_eq!(all.len(), 3);
        world.bus().detach_links();
        // The source has noticed when it attaches another link.
        assert!(take(&source, 3).await.is_empty());
        let settled = source.settle(&all[0], Disposition::Complete).await;
        assert_eq!(settled.unwrap(), Settled::Completed);
        let settled = source.settle(&all[1], dead_letter("/a")).await;
        assert_eq!(settled.unwrap(), Settled::DeadLettered);
        world.bus().cut_connections();
        let settled = source.settle(&all[2], Disposition::Complete).await;
        assert_eq!(settled.unwrap(), Settled::Completed);
        assert_eq!(world.bus().messages("orders"), []);
        assert_eq!(world.bus().dead_letters("orders").len(), 1);
    });
}

#[test]
fn a_connection_that_is_cut_before_a_settlement_is_opened_again_for_it() {
    run(async {
        let world = World::new().await;
        world.bus().send("orders", NewMessage::new("a")).unwrap();
        let source = world.source();
        let delivery = one(&source).await;
        world.bus().inject(Some(Step::Settle), Fault::CutBefore);
        let settled = source.settle(&delivery, Disposition::Complete).await;
        assert_eq!(settled.unwrap(), Settled::Completed);
        assert_eq!(world.bus().messages("orders"), []);
    });
}

#[test]
fn a_settlement_whose_answer_was_lost_is_an_open_effect() {
    run(async {
        let world = World::new().await;
        world.bus().send("orders", NewMessage::new("a")).unwrap();
        let source = world.source();
        let delivery = one(&source).await;
        world.bus().inject(Some(Step::Settle), Fault::CutAfter);
        let error = source
            .settle(&delivery, Disposition::Complete)
            .await
            .unwrap_err();
        assert!(error.is_ambiguous(), "{}", error.report());
        assert_eq!(world.bus().messages("orders"), [], "it did happen");
        // Neither time nor a renewal that is refused makes that any clearer.
        for _ in 0..2 {
            world.pass(LOCK + SECOND);
            assert!(take(&source, 10).await.is_empty());
            let lost = source.extend(&delivery).await.unwrap_err();
            assert_eq!(lost.kind(), ErrorKind::LockLost);
            let again = source.settle(&delivery, Disposition::Complete).await;
            let error = again.unwrap_err();
            assert!(error.is_ambiguous(), "{}", error.report());
        }
    });
}

/// A link that ends with a reason says nothing about what was on its way, and neither does a lock
/// that is over by then.
#[test]
fn a_settlement_that_a_detached_link_left_open_stays_open() {
    run(async {
        let world = World::new().await;
        world.bus().send("orders", NewMessage::new("a")).unwrap();
        let source = world.source();
        let delivery = one(&source).await;
        world.bus().inject(Some(Step::Settle), Fault::DetachedAfter);
        for disposition in [
            Disposition::Complete,
            Disposition::Complete,
            Disposition::RetryAfter(SECOND),
            dead_letter("x"),
        ] {
            let error = source.settle(&delivery, disposition).await.unwrap_err();
            assert!(error.is_ambiguous(), "{}", error.report());
            assert_eq!(world.bus().messages("orders"), [], "it did happen");
        }
        let lost = source.extend(&delivery).await.unwrap_err();
        assert_eq!(
            lost.kind(),
            ErrorKind::LockLost,
            "an extension changes nothing"
        );
        let again = source.settle(&delivery, Disposition::Complete).await;
        assert!(again.unwrap_err().is_ambiguous(), "even after an extension");
        world.pass(LOCK + SECOND);
        assert!(take(&source, 10).await.is_empty());
        assert_eq!(world.bus().dead_letters("orders"), []);
    });
}

/// A link that could not be attached has sent nothing, and says why.
#[test]
fn a_link_that_is_refused_leaves_no_effect_open() {
    run(async {
        let world = World::new().await;
        let sender = world.sender();
        for (fault, kind) in [
            (Fault::Unauthorized, ErrorKind::Denied),
            (Fault::Busy, ErrorKind::Throttled),
        ] {
            world.bus().inject(Some(Step::Attach), fault);
            let error = sender.send(OutgoingMessage::new("a")).await.unwrap_err();
            assert_eq!((error.kind(), error.is_ambiguous()), (kind, false));
        }
    });
}

#[test]
fn work_is_dropped_when_the_lock_of_its_delivery_is_lost() {
    run(async {
        let world = World::new().await;
        world.bus().send("orders", NewMessage::new("a")).unwrap();
        let source = world.source();
        let delivery = one(&source).await;

        let clock = world.clock.clone();
        let long = async {
            for _ in 0..8 {
                world.pass(LOCK / 3);
                clock.sleep_until(clock.now() + SECOND / 4).await;
            }
            7
        };
        let done = source.while_held(&delivery, long).await;
        assert_eq!(done.unwrap(), 7, "far longer than one lock");

        assert!(world.bus().remove_entity("orders"));
        world.bus().add_entity(Entity::queue("orders"));
        let never = std::future::pending::<()>();
        let held = source.while_held(&delivery, never);
        world.pass(LOCK / 2);
        let error = held.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LockLost, "{}", error.report());
        let lost = while_held(&source, &world.clock, &delivery, async {}).await;
        assert_eq!(lost.unwrap_err().kind(), ErrorKind::LockLost);
    });
}

#[test]
fn tokens_are_put_again_before_they_end() {
    run(async {
        let world = World::new().await;
        let source = world.source();
        for hour in 0..4 {
            world.bus().send("orders", NewMessage::new("a")).unwrap();
            let delivery = one(&source).await;
            source.extend(&delivery).await.unwrap();
            source
                .settle(&delivery, Disposition::Complete)
                .await
                .unwrap();
            assert_eq!(world.bus().backlog("orders"), 0, "{hour}");
            world.pass(Duration::from_secs(2_800));
            assert!(take(&source, 1).await.is_empty());
        }
        assert_eq!(
            world.bus().counters().connections,
            1,
            "on the same connection"
        );
    });
}

/// Heartbeats go on, so that nothing but the tokens shows it.
#[test]
fn a_connection_that_takes_no_tokens_any_more_is_replaced() {
    for fault in [Fault::Detached, Fault::Silent] {
        run(async {
            let world = World::new().await;
            let config = world.config().with_operation_timeout_ms(500);
            let source = config.build(world.parts()).unwrap();
            assert!(take(&source, 1).await.is_empty());
            world.pass(Duration::from_secs(2_800));
            world.bus().inject(Some(Step::PutToken), fault);
            world.bus().send("orders", NewMessage::new("a")).unwrap();
            let delivery = one(&source).await;
            source
                .settle(&delivery, Disposition::Complete)
                .await
                .unwrap();
            assert_eq!(world.bus().faults_left(), 0);
            assert_eq!(world.bus().counters().connections, 2, "{fault:?}");
        });
    }
}

#[test]
fn a_key_that_is_wrong_is_denied_and_never_shown() {
    run(async {
        let world = World::new().await;
        let canary = "Y2FuYXJ5LWtleS0wMDAwMDAwMDAwMDAwMDAwMDA=";
        let config = world
            .config()
            .with_key("RootManageSharedAccessKey", Secret::new(canary));
        let shown = format!("{config:?}");
        let source = config.build(world.parts()).unwrap();
        let error = source.receive(1, SECOND).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{}", error.report());
        let all = format!("{shown} {source:?} {error:?} {}", error.report());
        assert!(!all.contains(canary) && !all.contains("sig="), "{all}");
        let text = format!("Endpoint=sb://x;SharedAccessKey={canary}");
        let error = ServiceBusConfig::from_connection_string(&text, Some("q")).unwrap_err();
        assert!(!format!("{error:?} {}", error.report()).contains(canary));
    });
}

#[test]
fn an_entity_that_is_not_there_is_a_wrong_setting() {
    run(async {
        let world = World::with([]).await;
        let error = world.source().receive(1, SECOND).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{}", error.report());
    });
}

#[test]
fn a_broker_that_is_not_there_is_unavailable_without_effect() {
    run(async {
        let world = World::new().await;
        let fast = RetryPolicy {
            base_ms: 1,
            cap_ms: 2,
            attempts_max: 2,
        };
        let config = world.config().with_reconnect(fast);
        let source = config.clone().build(world.parts()).unwrap();
        let sender = config.build_sender(world.parts()).unwrap();
        world.server.stop().await;
        let error = source.receive(1, Duration::ZERO).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let error = sender.send(OutgoingMessage::new("a")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(!error.is_ambiguous(), "{}", error.report());
    });
}

#[test]
fn a_busy_broker_asks_for_a_pause() {
    run(async {
        let world = World::new().await;
        let source = world.source();
        world.bus().inject(Some(Step::Attach), Fault::Busy);
        let error = source.receive(1, SECOND).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Throttled, "{}", error.report());
        assert!(error.retry_after().is_some());
        assert!(
            take(&source, 1).await.is_empty(),
            "and works again after it"
        );
    });
}

#[test]
fn a_message_that_is_too_large_is_set_aside_and_stops_nothing() {
    run(async {
        let world = World::new().await;
        let config = world.config().with_message_bytes_max(1_000);
        let source = config.build(world.parts()).unwrap();
        world
            .bus()
            .send("orders", NewMessage::new(vec![7; 100_000]))
            .unwrap();
        world.bus().send("orders", NewMessage::new("good")).unwrap();
        let mut all = take(&source, 10).await;
        if all.is_empty() {
            all = take(&source, 10).await;
        }
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].body, "good");
        let letters = world.bus().dead_letters("orders");
        assert_eq!(letters.len(), 1);
        assert_eq!(letters[0].dead_letter_reason.as_deref(), Some("TooLarge"));
    });
}

#[test]
fn messages_are_sent_alone_and_in_one_piece() {
    run(async {
        let world = World::new().await;
        let sender = world.sender();
        let message = OutgoingMessage::new(vec![0xff, 0x00])
            .with_message_id("m-1")
            .with_content_type("application/octet-stream")
            .with_correlation_id("c-1")
            .with_subject("order")
            .with_time_to_live(Duration::from_secs(3_600))
            .with_property("city", "Zürich");
        sender.send(message).await.unwrap();
        let many = (0..50).map(|number| OutgoingMessage::new(vec![b'x'; 2_000 + number]));
        sender.send_batch(many).await.unwrap();
        sender.send_batch([]).await.unwrap();
        let at = world.clock.now() + chrono::TimeDelta::hours(1);
        sender
            .send(OutgoingMessage::new("later").with_scheduled_at(at))
            .await
            .unwrap();
        let messages = world.bus().messages("orders");
        assert_eq!(messages.len(), 52);
        assert_eq!(messages[0].body, [0xff, 0x00]);
        assert_eq!(messages[0].message_id.as_deref(), Some("m-1"));
        assert_eq!(messages[0].correlation_id.as_deref(), Some("c-1"));
        assert_eq!(messages[0].properties["city"], "Zürich");
        assert!(messages[0].expires.is_some());
        assert!(matches!(messages[51].state, MessageState::Scheduled(_)));
        let large = OutgoingMessage::new(vec![0; 300 << 10]);
        let error = sender.send(large).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert!(!error.is_ambiguous());
    });
}

#[test]
fn a_send_whose_answer_was_lost_is_an_open_effect_and_safe_to_repeat() {
    run(async {
        let world = World::new().await;
        let sender = world.sender();
        world.bus().inject(Some(Step::Send), Fault::CutAfter);
        let message = || OutgoingMessage::new("a").with_message_id("m-1");
        let error = sender.send(message()).await.unwrap_err();
        assert!(error.is_ambiguous(), "{}", error.report());
        sender.send(message()).await.unwrap();
        assert_eq!(world.bus().messages("orders").len(), 1);
    });
}

#[test]
fn cloud_events_in_binary_mode_are_understood() {
    run(async {
        let world = World::new().await;
        let message = NewMessage::new("{\"orderId\":\"A-1\"}")
            .with_content_type("application/json")
            .with_property("cloudEvents:specversion", "1.0")
            .with_property("cloudEvents:id", "é 1")
            .with_property("cloudEvents:source", "/orders")
            .with_property("cloudEvents_type", "order.created");
        world.bus().send("orders", message).unwrap();
        let delivery = one(&world.source()).await;
        let headers = delivery
            .headers
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()));
        let decoded = decode_http(headers, &delivery.body).unwrap();
        let event = decoded.into_events().unwrap().remove(0);
        assert_eq!((event.id(), event.source()), ("é 1", "/orders"));
        assert_eq!(event.event_type(), "order.created");
    });
}

#[test]
fn sessions_are_accepted_one_after_another() {
    run(async {
        let world = World::with([queue("orders", |manners| manners.sessions = true)]).await;
        for (session, body) in [("s-1", "a"), ("s-2", "b"), ("s-1", "c")] {
            let message = NewMessage::new(body).with_session_id(session);
            world.bus().send("orders", message).unwrap();
        }
        let source = world.config().with_sessions().build(world.parts()).unwrap();
        let first = take(&source, 10).await;
        let bodies: Vec<_> = first
            .iter()
            .map(|delivery| delivery.body.as_ref())
            .collect();
        assert_eq!(bodies, [b"a", b"c"], "one session, in order");
        assert_eq!(first[0].header("session-id"), Some("s-1"));
        for _ in 0..3 {
            world.pass(LOCK / 2);
            source.extend(&first[0]).await.unwrap();
        }
        let settled = source.settle(&first[0], Disposition::Complete).await;
        assert_eq!(settled.unwrap(), Settled::Completed);
        let settled = source.settle(&first[1], dead_letter("/c")).await;
        assert_eq!(settled.unwrap(), Settled::DeadLettered, "one lock for both");
        let mut second = take(&source, 10).await;
        if second.is_empty() {
            second = take(&source, 10).await;
        }
        assert_eq!(second[0].body, "b");
        world.bus().detach_links();
        let error = source
            .settle(&second[0], Disposition::Complete)
            .await
            .unwrap_err();
        assert!(
            error.kind() == ErrorKind::LockLost || error.is_ambiguous(),
            "a session ends with its link: {}",
            error.report()
        );
    });
}

#[test]
fn a_session_that_is_accepted_again_revives_nothing_of_its_old_link() {
    run(async {
        let world = World::with([queue("orders", |manners| manners.sessions = true)]).await;
        let message = NewMessage::new("a").with_session_id("s-1");
        world.bus().send("orders", message).unwrap();
        let source = world.config().with_sessions().build(world.parts()).unwrap();
        let old = one(&source).await;
        world.bus().detach_links();
        let mut again = take(&source, 1).await;
        if again.is_empty() {
            again = take(&source, 1).await;
        }
        assert_eq!(again[0].header("session-id"), Some("s-1"));
        assert_eq!(source.locked_until(&old), None);
        let error = source.extend(&old).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LockLost, "{}", error.report());
        source
            .settle(&again[0], Disposition::Complete)
            .await
            .unwrap();
    });
}

#[test]
fn what_comes_after_a_dropped_receive_is_not_lost() {
    run(async {
        let world = World::new().await;
        let source = world.source();
        {
            let waiting = source.receive(5, Duration::from_secs(60));
            let given_up = tokio::time::timeout(Duration::from_millis(300), waiting).await;
            assert!(given_up.is_err());
        }
        world.bus().send("orders", NewMessage::new("a")).unwrap();
        let delivery = one(&source).await;
        assert_eq!((delivery.attempt, delivery.body.as_ref()), (1, &b"a"[..]));
    });
}

#[test]
fn a_dropped_receive_leaves_nothing_open_that_the_next_one_does_not_want() {
    for (max, late) in [(1, 1), (3, 1), (3, 3)] {
        run(async {
            let world = World::new().await;
            let source = world.source();
            let waiting = source.receive(10, Duration::from_secs(60));
            let given_up = tokio::time::timeout(Duration::from_millis(300), waiting).await;
            assert!(given_up.is_err());
            let send = || world.bus().send("orders", NewMessage::new("a")).unwrap();
            let locked = || {
                let all = world.bus().messages("orders").into_iter();
                all.filter(|it| matches!(it.state, MessageState::Locked(_)))
                    .count()
            };
            (0..late).for_each(|_| assert!(send()));
            while locked() < late {
                tokio::task::yield_now().await;
            }
            (late..max).for_each(|_| assert!(send()));
            let mut came = take(&source, max).await.len();
            while came < max {
                came += take(&source, max - came).await.len();
            }
            assert!(send());
            let last = take(&world.source(), 1).await.len();
            assert_eq!(last, 1, "the last one is for whoever asks next");
        });
    }
}

#[test]
fn a_broker_that_starts_again_is_found_again() {
    run(async {
        let World { clock, server } = World::new().await;
        let world = World { clock, server };
        let source = world.source();
        assert!(take(&source, 1).await.is_empty());
        let World { clock, server } = world;
        let server = server.restart().await.unwrap();
        let world = World { clock, server };
        world.bus().send("orders", NewMessage::new("a")).unwrap();
        let delivery = one(&source).await;
        source
            .settle(&delivery, Disposition::Complete)
            .await
            .unwrap();
        assert_eq!(world.bus().messages("orders"), []);
    });
}
