//! An account with a second region, which is behind.

use std::time::Duration;

use omnisync_conformance::cosmos_emulator::CosmosEmulatorOptions;
use omnisync_core::ErrorKind;
use omnisync_core::order::ORDERS;
use omnisync_core::port::{Expect, StateStoreExt};
use serde_json::json;

use super::support::{Desk, block_on, key, put};

/// An order that only the region of the writes has.
async fn behind() -> Desk {
    let mut desk = Desk::with(CosmosEmulatorOptions::default().with_lagging_region()).await;
    desk.config = desk.config.with_timeout_ms(4_000);
    let store = desk.store();
    store.provision(&[ORDERS]).await.unwrap();
    store
        .write_one(put("ORD-1", Expect::Absent, &json!(1)))
        .await
        .unwrap();
    desk
}

fn documents_asked_elsewhere(desk: &Desk) -> usize {
    let requests = desk.emulator.requests();
    requests
        .iter()
        .filter(|request| request.is_document() && request.region > 0)
        .count()
}

#[test]
fn a_slow_read_does_not_ask_a_region_that_is_behind() {
    block_on(async {
        let desk = behind().await;
        // Longer than the client waits before it asks a second region.
        desk.emulator.slow_reads(1, Duration::from_millis(1_500));
        let found = desk.store().get_one(&key("ORD-1")).await.unwrap();
        assert!(found.is_some());
        assert_eq!(documents_asked_elsewhere(&desk), 0);
    });
}

#[test]
fn what_only_a_region_that_is_behind_answers_is_unavailable() {
    block_on(async {
        let desk = behind().await;
        let store = desk.store();
        store.get_one(&key("ORD-1")).await.unwrap().unwrap();
        // Often enough for a client that learns which region is well.
        for _ in 0..12 {
            desk.emulator.refuse(1, 503, 0);
            let error = store.get_one(&key("ORD-1")).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.report());
        }
        assert!(documents_asked_elsewhere(&desk) > 0);
        let before = documents_asked_elsewhere(&desk);
        assert!(store.get_one(&key("ORD-1")).await.unwrap().is_some());
        assert_eq!(documents_asked_elsewhere(&desk), before);
    });
}
