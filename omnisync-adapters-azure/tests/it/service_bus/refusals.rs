//! Wrong settings, and what a broker refuses.

use std::time::Duration;

use omnisync_adapters_azure::service_bus::{OutgoingMessage, ServiceBusConfig};
use omnisync_core::ErrorKind;
use omnisync_core::policy::RetryPolicy;
use omnisync_core::port::EventSource as _;
use omnisync_http::Secret;
use omnisync_testkit::server::service_bus::{Fault, Step};

use super::support::{SECOND, World, run, take};

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
