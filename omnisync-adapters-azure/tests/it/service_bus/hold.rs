//! Locks that are held, and what holding them must not do.

use std::time::Duration;

use chrono::TimeDelta;
use omnisync_adapters_azure::service_bus::{RetryMode, ServiceBusSource, while_held};
use omnisync_core::ErrorKind;
use omnisync_core::port::{Clock as _, Disposition, EventSource as _, Settled};
use omnisync_testkit::server::service_bus::{Entity, Fault, MessageState, NewMessage, Step};

use super::support::{LOCK, SECOND, World, one, queue, run, take};

const ERP: &str = "orders/Subscriptions/erp";

async fn subscription() -> (World, ServiceBusSource) {
    let world = World::with([Entity::topic("orders", ["erp"])]).await;
    let source = erp(&world);
    (world, source)
}

fn erp(world: &World) -> ServiceBusSource {
    let config = world.config().with_subscription("erp");
    config.build(world.parts()).unwrap()
}

async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let wait = async {
        while !is() {
            tokio::task::yield_now().await;
        }
    };
    let came = tokio::time::timeout(Duration::from_secs(20), wait).await;
    assert!(came.is_ok(), "{what}");
}

/// Time passes, a third of a lock at a time, and nobody receives.
async fn pass_tended(world: &World, thirds: u32) {
    for _ in 0..thirds {
        let before = world.bus().counters().renewals;
        world.pass(LOCK * 2 / 3);
        let renewed = || world.bus().counters().renewals > before;
        until("what is parked is renewed", renewed).await;
    }
}

#[test]
fn parked_locks_are_held_although_nobody_receives() {
    run(async {
        let (world, source) = subscription().await;
        for number in 0..40 {
            let message = NewMessage::new(number.to_string());
            world.bus().send("orders", message).unwrap();
        }
        let all = take(&source, 40).await;
        assert_eq!(all.len(), 40);
        for delivery in &all {
            let later = Disposition::RetryAfter(Duration::from_secs(3_000));
            source.settle(delivery, later).await.unwrap();
        }
        assert_eq!(source.parked(), 40);
        for _ in 0..4 {
            let before = world.bus().counters().renewals;
            world.pass(LOCK * 2 / 3);
            let renewed = || world.bus().counters().renewals >= before + 40;
            until("everything is renewed", renewed).await;
        }
        let messages = world.bus().messages(ERP);
        let is_held = |state| matches!(state, MessageState::Locked(_));
        assert!(messages.iter().all(|it| is_held(it.state)));
        assert!(messages.iter().all(|it| it.deliveries == 0));
        assert!(take(&source, 40).await.is_empty());
    });
}

#[test]
fn what_is_parked_while_another_receives_is_held() {
    run(async {
        let (world, source) = subscription().await;
        world.bus().send("orders", NewMessage::new("a")).unwrap();
        let delivery = one(&source).await;
        let waiting = source.receive(1, Duration::from_secs(100));
        let meanwhile = async {
            let later = Disposition::RetryAfter(Duration::from_secs(70));
            source.settle(&delivery, later).await.unwrap();
            pass_tended(&world, 3).await;
            assert_eq!(source.parked(), 1);
            world.pass(Duration::from_secs(11));
        };
        let (again, ()) = tokio::join!(waiting, meanwhile);
        let again = again.unwrap().deliveries;
        assert_eq!(again.len(), 1, "in the same call");
        assert_eq!(again[0].attempt, 2);
    });
}

#[test]
fn a_receive_that_is_dropped_forgets_nothing_that_is_parked() {
    run(async {
        let (world, source) = subscription().await;
        world.bus().send("orders", NewMessage::new("a")).unwrap();
        let delivery = one(&source).await;
        let later = Disposition::RetryAfter(Duration::from_secs(300));
        source.settle(&delivery, later).await.unwrap();
        for _ in 0..4 {
            let before = world.bus().counters().renewals;
            world.pass(LOCK * 2 / 3);
            let dropped = source.receive(1, Duration::from_secs(60));
            tokio::time::timeout(Duration::ZERO, dropped).await.ok();
            let renewed = || world.bus().counters().renewals > before;
            until("it is renewed all the same", renewed).await;
        }
        assert_eq!(source.parked(), 1);
    });
}

#[test]
fn one_lost_answer_keeps_no_other_parked_lock_waiting() {
    for operation_timeout_ms in [600_000, 3_000] {
        run(async {
            let (world, _) = subscription().await;
            let config = world.config().with_subscription("erp");
            let config = config.with_operation_timeout_ms(operation_timeout_ms);
            let source = config.build(world.parts()).unwrap();
            for body in ["a", "b"] {
                world.bus().send("orders", NewMessage::new(body)).unwrap();
            }
            for delivery in take(&source, 2).await {
                let later = Disposition::RetryAfter(Duration::from_secs(300));
                source.settle(&delivery, later).await.unwrap();
            }
            world.bus().inject(Some(Step::Manage), Fault::Silent);
            let before = world.bus().counters().renewals;
            world.pass(LOCK * 2 / 3);
            let renewed = || world.bus().counters().renewals > before;
            until("the other one is renewed", renewed).await;
            if operation_timeout_ms < 600_000 {
                let both = || world.bus().counters().renewals > before + 1;
                until("and this one a little later", both).await;
            }
            assert_eq!(source.parked(), 2);
        });
    }
}

/// What matters is the lock that it has now, not the little that was left of its first one.
#[test]
fn a_delivery_that_came_late_is_renewed_when_half_of_its_new_lock_is_over() {
    run(async {
        let (world, source) = subscription().await;
        let waiting = source.receive(1, Duration::from_secs(60));
        let given_up = tokio::time::timeout(Duration::from_millis(300), waiting).await;
        assert!(given_up.is_err());
        world.bus().send("orders", NewMessage::new("a")).unwrap();
        let is_held = || matches!(world.bus().messages(ERP)[0].state, MessageState::Locked(_));
        until("it comes to nobody", is_held).await;
        world.pass(LOCK * 9 / 10);
        let delivery = one(&source).await;
        let later = Disposition::RetryAfter(Duration::from_secs(300));
        source.settle(&delivery, later).await.unwrap();
        let parked_at = world.clock.now();
        pass_tended(&world, 1).await;
        let after = world.clock.now() - parked_at;
        assert!(after < TimeDelta::seconds(27), "{after}");
        assert_eq!(source.parked(), 1);
    });
}

#[test]
fn no_more_is_parked_than_allowed() {
    run(async {
        let (world, _) = subscription().await;
        let config = world.config().with_subscription("erp").with_parked_max(1);
        let source = config.build(world.parts()).unwrap();
        for body in ["a", "b"] {
            world.bus().send("orders", NewMessage::new(body)).unwrap();
        }
        let all = take(&source, 2).await;
        let later = Disposition::RetryAfter(Duration::from_secs(300));
        source.settle(&all[0], later.clone()).await.unwrap();
        let full = source.settle(&all[1], later).await.unwrap_err();
        assert_eq!(full.kind(), ErrorKind::Exhausted, "{}", full.report());
        assert!(!full.is_ambiguous());
        let settled = source.settle(&all[1], Disposition::Complete).await;
        assert_eq!(settled.unwrap(), Settled::Completed, "it is held as before");
    });
}

#[test]
fn what_is_parked_comes_again_when_its_source_ends() {
    run(async {
        let (world, source) = subscription().await;
        world.bus().send("orders", NewMessage::new("a")).unwrap();
        let delivery = one(&source).await;
        let later = Disposition::RetryAfter(Duration::from_secs(300));
        source.settle(&delivery, later).await.unwrap();
        drop(source);
        world.pass(LOCK + SECOND);
        assert_eq!(one(&erp(&world)).await.attempt, 2);
    });
}

#[test]
fn a_dead_letter_that_is_to_come_later_stays_a_dead_letter() {
    run(async {
        let world = World::new().await;
        world.bus().send("orders", NewMessage::new("a")).unwrap();
        let source = world.source();
        let delivery = one(&source).await;
        let dead = Disposition::DeadLetter {
            reason: omnisync_core::port::DeadLetterReason::ValidationFailure,
            description: "/total".to_owned(),
        };
        source.settle(&delivery, dead).await.unwrap();
        let config = world.config().dead_letters();
        let refused = config.clone().with_retry_mode(RetryMode::ScheduleCopy);
        let refused = refused.build(world.parts()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Misconfigured);

        let letters = config.build(world.parts()).unwrap();
        let letter = one(&letters).await;
        let later = Disposition::RetryAfter(Duration::from_secs(10));
        letters.settle(&letter, later).await.unwrap();
        assert_eq!(world.bus().messages("orders"), []);
        world.pass(Duration::from_secs(11));
        let again = one(&letters).await;
        assert_eq!(
            again.header("dead-letter-reason"),
            Some("ValidationFailure")
        );
        assert_eq!(world.bus().messages("orders"), []);
    });
}

#[test]
fn a_session_is_kept_for_what_is_parked_of_it() {
    run(async {
        let world = World::with([queue("orders", |manners| manners.sessions = true)]).await;
        let send = |session: &str, body: &str| {
            let message = NewMessage::new(body).with_session_id(session);
            world.bus().send("orders", message).unwrap();
        };
        send("s-1", "a");
        send("s-2", "other");
        let config = world.config().with_sessions();
        let config = config.with_retry_mode(RetryMode::HoldLock);
        let source = config.build(world.parts()).unwrap();
        let delivery = one(&source).await;
        assert_eq!(delivery.body, "a");
        let later = Disposition::RetryAfter(Duration::from_secs(85));
        source.settle(&delivery, later).await.unwrap();
        for _ in 0..4 {
            assert!(take(&source, 10).await.is_empty(), "neither it nor others");
            pass_tended(&world, 1).await;
        }
        send("s-1", "b");
        let next = one(&source).await;
        assert_eq!(
            next.body, "b",
            "the session is held for longer than its first lock"
        );
        let settled = source.settle(&next, Disposition::Complete).await;
        assert_eq!(settled.unwrap(), Settled::Completed);
        world.pass(Duration::from_secs(6));
        let mut again = take(&source, 10).await;
        if again.is_empty() {
            again = take(&source, 10).await;
        }
        assert_eq!((again[0].body.as_ref(), again[0].attempt), (&b"a"[..], 2));
    });
}

#[test]
fn a_link_that_ended_during_a_pause_is_replaced_whatever_the_reason() {
    run(async {
        let world = World::new().await;
        let source = world.source();
        assert!(take(&source, 1).await.is_empty());
        // The broker detaches with unauthorized-access: the token has ended.
        world.pass(Duration::from_secs(3_700));
        world.bus().send("orders", NewMessage::new("a")).unwrap();
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        assert_eq!(one(&source).await.body, "a");
    });
}

#[test]
fn a_clock_that_is_ahead_of_the_broker_loses_no_message() {
    run(async {
        let world = World::new().await;
        world.bus().send("orders", NewMessage::new("a")).unwrap();
        let ahead = World::ahead(&world, LOCK * 3);
        let source = world.config().build(ahead).unwrap();
        let delivery = one(&source).await;
        source.extend(&delivery).await.unwrap();
        let settled = source.settle(&delivery, Disposition::Complete).await;
        assert_eq!(settled.unwrap(), Settled::Completed);
        assert_eq!(world.bus().messages("orders"), []);
    });
}

#[test]
fn work_is_dropped_when_its_renewal_is_not_answered_before_the_lock_is_over() {
    run(async {
        let world = World::new().await;
        world.bus().send("orders", NewMessage::new("a")).unwrap();
        let config = world.config().with_operation_timeout_ms(600_000);
        let source = config.build(world.parts()).unwrap();
        let delivery = one(&source).await;
        let never = std::future::pending::<()>();
        let mut held = std::pin::pin!(while_held(&source, &world.clock, &delivery, never));
        let before = world.bus().counters().renewals;
        tokio::select! {
            _ = &mut held => panic!("the work is not done"),
            () = until("the first renewal", || world.bus().counters().renewals > before) => {}
        }
        world.bus().inject(Some(Step::Manage), Fault::Silent);
        let silent = async {
            world.pass(LOCK * 2 / 3);
            until("a renewal without an answer", || {
                world.bus().faults_left() == 0
            })
            .await;
            world.pass(LOCK + SECOND);
            std::future::pending::<()>().await;
        };
        let lost = tokio::select! {
            lost = held => lost.unwrap_err(),
            () = silent => unreachable!(),
            () = tokio::time::sleep(Duration::from_secs(20)) => panic!("the work goes on"),
        };
        assert_eq!(lost.kind(), ErrorKind::LockLost, "{}", lost.report());
    });
}
