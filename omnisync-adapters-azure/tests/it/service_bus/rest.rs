use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use http::header::{HeaderValue, LOCATION};
use omnisync_adapters_azure::service_bus::{RetryMode, ServiceBusRestConfig, while_held};
use omnisync_core::ErrorKind;
use omnisync_core::port::{DeadLetterReason, Disposition, EventSource as _, Settled};
use omnisync_http::{
    Client, Limits, Request, ReqwestConfig, Response, Secret, Transport, TransportError,
};
use omnisync_testkit::ids::SeqIds;
use omnisync_testkit::server::service_bus::{Entity, Fault, MessageState, NewMessage, Step};

use super::support::{LOCK, SECOND, World, one, run, take};

#[test]
fn a_retry_is_a_scheduled_copy_that_counts_on() {
    run(async {
        let world = World::new().await;
        let message = NewMessage::new("{}")
            .with_message_id("m-1")
            .with_content_type("application/json")
            .with_subject("order")
            .with_property("city", "Zürich");
        world.bus().send("orders", message).unwrap();
        let source = world.rest(world.rest_config());
        for attempt in 1..4 {
            let delivery = one(&source).await;
            assert_eq!(delivery.attempt, attempt);
            assert_eq!(delivery.header("city"), Some("Zürich"));
            assert_eq!(delivery.header("subject"), Some("order"));
            assert_eq!(delivery.header("content-type"), Some("application/json"));
            let later = Disposition::RetryAfter(Duration::from_secs(60));
            let settled = source.settle(&delivery, later).await.unwrap();
            assert_eq!(settled, Settled::Returned);
            let waiting = world.bus().messages("orders");
            assert_eq!(waiting.len(), 1);
            assert!(matches!(waiting[0].state, MessageState::Scheduled(_)));
            world.pass(Duration::from_secs(62));
        }
        let last = one(&source).await;
        assert_eq!(last.header("omnisync-original-message-id"), Some("m-1"));
        assert_eq!(last.header("message-id"), Some("m-1"));
        let waiting = world.bus().messages("orders");
        assert_ne!(waiting[0].message_id.as_deref(), Some("m-1"));
    });
}

#[test]
fn a_settlement_whose_answer_was_lost_is_an_open_effect() {
    run(async {
        let world = World::new().await;
        world.bus().send("orders", NewMessage::new("a")).unwrap();
        let source = world.rest(world.rest_config());
        let delivery = one(&source).await;
        world.bus().inject(Some(Step::Settle), Fault::CutAfter);
        let settled = source.settle(&delivery, Disposition::Complete).await;
        let error = settled.unwrap_err();
        assert!(error.is_ambiguous(), "{}", error.report());
        assert_eq!(world.bus().messages("orders"), []);
        // The service does not know the lock any longer, and later it is over for us too.
        for _ in 0..2 {
            let later = Disposition::RetryAfter(Duration::from_secs(1));
            for disposition in [Disposition::Complete, later] {
                let error = source.settle(&delivery, disposition).await.unwrap_err();
                assert!(error.is_ambiguous(), "{}", error.report());
            }
            let lost = source.extend(&delivery).await.unwrap_err();
            assert_eq!(lost.kind(), ErrorKind::LockLost, "{}", lost.report());
            world.pass(LOCK + SECOND);
            assert!(take(&source, 1).await.is_empty());
        }
    });
}

#[test]
fn a_clock_that_is_ahead_of_the_service_loses_no_message() {
    run(async {
        let world = World::new().await;
        world.bus().send("orders", NewMessage::new("a")).unwrap();
        let ahead = world.clock_ahead(LOCK * 3);
        let open = ReqwestConfig::default().open().unwrap();
        let source = World::rest_by(world.rest_config(), Arc::new(open), Arc::new(ahead));
        let delivery = one(&source).await;
        source.extend(&delivery).await.unwrap();
        let settled = source.settle(&delivery, Disposition::Complete).await;
        assert_eq!(settled.unwrap(), Settled::Completed);
        assert_eq!(world.bus().messages("orders"), []);
    });
}

#[test]
fn a_dead_letter_of_the_service_is_resubmitted() {
    run(async {
        let world = World::new().await;
        let message = NewMessage::new("{}").with_message_id("m-1");
        world.bus().send("orders", message).unwrap();
        let amqp = world.source();
        let delivery = one(&amqp).await;
        let reason = DeadLetterReason::ValidationFailure;
        let description = "/total".to_owned();
        let dead = Disposition::DeadLetter {
            reason,
            description,
        };
        amqp.settle(&delivery, dead).await.unwrap();
        let source = world.rest(world.rest_config().dead_letters());
        let letter = one(&source).await;
        assert_eq!(
            letter.header("dead-letter-reason"),
            Some("ValidationFailure")
        );
        source.resubmit(&letter).await.unwrap();
        assert_eq!(world.bus().dead_letters("orders"), []);
        let again = one(&amqp).await;
        assert_eq!((again.body.as_ref(), again.attempt), (&b"{}"[..], 1));
        assert_eq!(again.header("omnisync-original-message-id"), Some("m-1"));
        assert_eq!(again.header("dead-letter-reason"), None);
    });
}

#[test]
fn work_is_done_while_the_lock_is_renewed() {
    run(async {
        let world = World::new().await;
        world.bus().send("orders", NewMessage::new("a")).unwrap();
        let source = world.rest(world.rest_config());
        let delivery = one(&source).await;
        let done = while_held(&source, &world.clock, &delivery, async { 7 }).await;
        assert_eq!(done.unwrap(), 7);
        world.pass(LOCK * 2);
        let never = std::future::pending::<()>();
        let lost = while_held(&source, &world.clock, &delivery, never).await;
        assert_eq!(lost.unwrap_err().kind(), ErrorKind::LockLost);
    });
}

#[test]
fn a_key_that_is_wrong_is_denied_and_never_shown() {
    run(async {
        let world = World::new().await;
        let canary = "Y2FuYXJ5LWtleS0wMDAwMDAwMDAwMDAwMDAwMDA=";
        let config = world
            .rest_config()
            .with_key("RootManageSharedAccessKey", Secret::new(canary));
        let shown = format!("{config:?}");
        let source = world.rest(config);
        let error = source.receive(1, Duration::ZERO).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{}", error.report());
        let all = format!("{shown} {source:?} {error:?} {}", error.report());
        assert!(!all.contains(canary) && !all.contains("sig="), "{all}");
    });
}

#[test]
fn a_topic_has_to_be_accepted() {
    run(async {
        let world = World::with([Entity::topic("orders", ["erp", "audit"])]).await;
        let config = world.rest_config().with_subscription("erp");
        let accepted = config.clone().with_retry_mode(RetryMode::ScheduleCopy);
        let source = world.rest(accepted);
        world.bus().send("orders", NewMessage::new("a")).unwrap();
        let delivery = one(&source).await;
        let later = Disposition::RetryAfter(Duration::from_secs(5));
        source.settle(&delivery, later).await.unwrap();
        world.pass(Duration::from_secs(7));
        let audit = world.rest_config().with_subscription("audit");
        let audit = world.rest(audit.with_retry_mode(RetryMode::ScheduleCopy));
        assert_eq!(take(&audit, 10).await.len(), 1, "its own, not the copy");
        assert_eq!(one(&source).await.attempt, 2);
    });
}

#[test]
fn nothing_is_there_and_the_wait_is_over() {
    run(async {
        let world = World::new().await;
        let source = world.rest(world.rest_config());
        assert!(take(&source, 5).await.is_empty());
        let missing = ServiceBusRestConfig {
            entity: "nothing".to_owned(),
            ..world.rest_config()
        };
        let error = world
            .rest(missing)
            .receive(1, Duration::ZERO)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{}", error.report());
    });
}

/// A proxy that spoils the first two messages on their way.
#[derive(Debug)]
struct Spoiling {
    transport: Box<dyn Transport>,
    seen: AtomicU32,
}

#[async_trait]
impl Transport for Spoiling {
    async fn send(&self, request: Request, limits: Limits) -> Result<Response, TransportError> {
        let mut answer = self.transport.send(request, limits).await?;
        if let Some(location) = answer.headers_mut().get_mut(LOCATION) {
            match self.seen.fetch_add(1, Ordering::Relaxed) {
                0 => *location = HeaderValue::from_static("https://evil.example.com/lock"),
                1 => {
                    let unreadable = HeaderValue::from_static("{");
                    answer.headers_mut().insert("brokerproperties", unreadable);
                }
                _ => {}
            }
        }
        Ok(answer)
    }
}

#[test]
fn what_cannot_be_handed_out_stops_nothing() {
    run(async {
        let world = World::new().await;
        let bodies = [
            vec![b'x'; 100_000],
            b"a".to_vec(),
            b"b".to_vec(),
            b"c".to_vec(),
        ];
        for body in bodies {
            world.bus().send("orders", NewMessage::new(body)).unwrap();
        }
        let mut config = world.rest_config();
        config.message_bytes_max = 1_000;
        let spoiling = Spoiling {
            transport: Box::new(ReqwestConfig::default().open().unwrap()),
            seen: AtomicU32::new(0),
        };
        let source = world.rest_over(config, Arc::new(spoiling));
        // Too large, then with a lock elsewhere, then without anything that can be read.
        assert_eq!(one(&source).await.body, "c");
        assert_eq!(world.bus().backlog("orders"), 4, "the service has them all");
    });
}

#[test]
fn what_is_passed_over_does_not_outlast_the_wait() {
    run(async {
        let world = World::with([Entity::topic("orders", ["audit"])]).await;
        for _ in 0..5 {
            let other = NewMessage::new("a").with_property("omnisync-retry-for", "erp");
            world.bus().send("orders", other).unwrap();
        }
        let config = world.rest_config().with_subscription("audit");
        let source = world.rest(config.with_retry_mode(RetryMode::ScheduleCopy));
        let received = source.receive(2, Duration::ZERO).await.unwrap();
        assert!(received.deliveries.is_empty());
        let left = || world.bus().backlog("orders/Subscriptions/audit");
        assert_eq!(left(), 3);
        world.bus().send("orders", NewMessage::new("own")).unwrap();
        assert_eq!(one(&source).await.body, "own");
        assert_eq!(left(), 1);
    });
}

#[test]
fn properties_of_a_message_do_not_change_the_request_for_its_copy() {
    run(async {
        let world = World::new().await;
        let message = NewMessage::new("a")
            .with_property("city", "Z")
            .with_property("expect", "100-continue")
            .with_property("x-forwarded-host", "evil.example.com");
        world.bus().send("orders", message).unwrap();
        let source = world.rest(world.rest_config());
        let delivery = one(&source).await;
        let later = Disposition::RetryAfter(Duration::from_secs(60));
        source.settle(&delivery, later).await.unwrap();
        let waiting = world.bus().messages("orders");
        assert_eq!(waiting[0].properties["city"], "Z");
        for name in ["expect", "x-forwarded-host"] {
            assert!(!waiting[0].properties.contains_key(name), "{name}");
        }
    });
}

#[test]
fn a_dead_letter_is_not_sent_to_the_living_by_a_retry() {
    run(async {
        let world = World::new().await;
        world.bus().send("orders", NewMessage::new("a")).unwrap();
        let amqp = world.source();
        let dead = Disposition::DeadLetter {
            reason: DeadLetterReason::ValidationFailure,
            description: "/total".to_owned(),
        };
        amqp.settle(&one(&amqp).await, dead).await.unwrap();
        let source = world.rest(world.rest_config().dead_letters());
        let letter = one(&source).await;
        let later = Disposition::RetryAfter(Duration::from_secs(60));
        let error = source.settle(&letter, later).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{}", error.report());
        assert_eq!(world.bus().messages("orders"), []);
        assert_eq!(world.bus().dead_letters("orders").len(), 1);
        source.resubmit(&letter).await.unwrap();
    });
}

/// Whoever reads it, and whatever way it was retried by.
#[test]
fn a_resubmitted_message_is_a_new_one() {
    run(async {
        for by_https in [false, true] {
            let world = World::new().await;
            let message = NewMessage::new("a").with_message_id("m-1");
            world.bus().send("orders", message).unwrap();
            let (amqp, rest) = (world.source(), world.rest(world.rest_config()));
            let later = || Disposition::RetryAfter(Duration::from_secs(60));
            let delivery = one(&amqp).await;
            amqp.settle(&delivery, later()).await.unwrap();
            world.pass(Duration::from_secs(62));
            let reason = DeadLetterReason::ValidationFailure;
            let description = "/total".to_owned();
            let dead = Disposition::DeadLetter {
                reason,
                description,
            };
            amqp.settle(&one(&amqp).await, dead).await.unwrap();
            if by_https {
                let dead = world.rest(world.rest_config().dead_letters());
                let letter = one(&dead).await;
                assert_eq!(letter.header("message-id"), Some("m-1"));
                dead.resubmit(&letter).await.unwrap();
            } else {
                let dead = world.config().dead_letters().build(world.parts()).unwrap();
                let letter = one(&dead).await;
                assert_eq!(letter.header("message-id"), Some("m-1"));
                dead.resubmit(&letter).await.unwrap();
            }
            let id = world.bus().messages("orders")[0].message_id.clone();
            assert_ne!(id.as_deref(), Some("m-1"));
            let by_rest = one(&rest).await;
            assert_eq!(by_rest.header("message-id"), id.as_deref());
            rest.settle(&by_rest, later()).await.unwrap();
            world.pass(Duration::from_secs(62));
            let by_amqp = one(&amqp).await;
            assert_eq!(by_amqp.header("message-id"), id.as_deref());
            amqp.settle(&by_amqp, later()).await.unwrap();
            world.pass(Duration::from_secs(62));
            let last = one(&rest).await;
            assert_eq!(last.header("message-id"), id.as_deref());
            assert_eq!(last.header("omnisync-original-message-id"), Some("m-1"));
            assert_eq!(last.attempt, 3);
        }
    });
}

#[test]
fn a_copy_in_quarantine_goes_by_the_id_of_its_message() {
    run(async {
        for id in [Some("m-1"), None] {
            let world = World::with([Entity::queue("orders"), Entity::queue("poison")]).await;
            let mut message = NewMessage::new("a");
            if let Some(id) = id {
                message = message.with_message_id(id);
            }
            world.bus().send("orders", message).unwrap();
            let source = world.rest(world.rest_config().with_quarantine("poison"));
            let delivery = one(&source).await;
            let dead = Disposition::DeadLetter {
                reason: DeadLetterReason::ValidationFailure,
                description: "/total".to_owned(),
            };
            source.settle(&delivery, dead).await.unwrap();
            let poison = ServiceBusRestConfig {
                entity: "poison".to_owned(),
                ..world.rest_config()
            };
            let letter = one(&world.rest(poison)).await;
            assert_eq!(letter.header("message-id"), id);
            assert_eq!(letter.attempt, 1, "attempts begin anew");
        }
    });
}

#[test]
fn a_copy_that_was_sent_for_something_else_does_not_stand_in_for_a_retry() {
    run(async {
        let world = World::with([Entity::queue("orders"), Entity::queue("poison")]).await;
        world.bus().send("orders", NewMessage::new("a")).unwrap();
        let source = world.rest(world.rest_config().with_quarantine("poison"));
        let delivery = one(&source).await;
        let dead = Disposition::DeadLetter {
            reason: DeadLetterReason::ValidationFailure,
            description: "/total".to_owned(),
        };
        world.bus().inject(Some(Step::Settle), Fault::Busy);
        let busy = source.settle(&delivery, dead).await.unwrap_err();
        assert_eq!(busy.kind(), ErrorKind::Unavailable, "{}", busy.report());
        assert_eq!(world.bus().messages("poison").len(), 1);
        let later = Disposition::RetryAfter(Duration::from_secs(60));
        source.settle(&delivery, later).await.unwrap();
        let waiting = world.bus().messages("orders");
        assert_eq!(waiting.len(), 1);
        assert!(matches!(waiting[0].state, MessageState::Scheduled(_)));
    });
}

#[test]
fn dead_letters_have_no_retry_mode() {
    run(async {
        let world = World::with([Entity::topic("orders", ["erp"])]).await;
        let dead = world.rest_config().with_subscription("erp").dead_letters();
        let client = || {
            let transport = Arc::new(ReqwestConfig::default().open().unwrap());
            let (clock, ids) = (Arc::new(world.clock.clone()), Arc::new(SeqIds::new(9)));
            Client::builder(transport, clock, ids).build().unwrap()
        };
        let clock = || Arc::new(world.clock.clone());
        dead.clone().build(client(), clock()).unwrap();
        let refused = dead.with_retry_mode(RetryMode::ScheduleCopy);
        let refused = refused.build(client(), clock()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Misconfigured);
        let living = world.rest_config().with_subscription("erp");
        let unsaid = living.build(client(), clock()).unwrap_err();
        assert_eq!(unsaid.kind(), ErrorKind::Misconfigured);
    });
}
