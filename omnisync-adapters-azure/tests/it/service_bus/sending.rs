//! Messages that are sent.

use std::time::Duration;

use omnisync_adapters_azure::service_bus::OutgoingMessage;
use omnisync_core::ErrorKind;
use omnisync_core::port::Clock as _;
use omnisync_testkit::server::service_bus::{Fault, MessageState, Step};

use super::support::{World, run};

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
