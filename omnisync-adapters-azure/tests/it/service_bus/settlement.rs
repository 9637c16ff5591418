//! Settlements, and locks and links that were lost before them.

use omnisync_adapters_azure::service_bus::while_held;
use omnisync_core::ErrorKind;
use omnisync_core::port::{Clock as _, Disposition, EventSource as _, Settled};
use omnisync_testkit::server::service_bus::{Entity, Fault, NewMessage, Step};

use super::support::{LOCK, SECOND, World, dead_letter, one, run, take};

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
