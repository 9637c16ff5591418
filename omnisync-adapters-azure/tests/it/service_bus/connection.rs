//! Connections and the tokens that they live by.

use std::time::Duration;

use omnisync_core::port::{Disposition, EventSource as _, Settled};
use omnisync_testkit::server::service_bus::{Fault, NewMessage, Step};

use super::support::{World, one, run, take};

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
