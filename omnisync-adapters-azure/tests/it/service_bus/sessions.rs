//! Sessions, and the one lock that all of a session have.

use omnisync_core::ErrorKind;
use omnisync_core::port::{Disposition, EventSource as _, Settled};
use omnisync_testkit::server::service_bus::NewMessage;

use super::support::{LOCK, World, dead_letter, one, queue, run, take};

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
