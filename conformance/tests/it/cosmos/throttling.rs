use omnisync_conformance::cosmos_emulator::{CosmosEmulatorOptions, Recorded};
use omnisync_core::ErrorKind;
use omnisync_core::order::ORDERS;
use omnisync_core::port::{Expect, Query, StateStore, StateStoreExt, Write, WriteResult};
use serde_json::json;

use super::support::{Desk, block_on, key, put};

/// More than 400 request units a second take at once.
const ORDERS_MANY: usize = 150;

async fn throttled(retries: u32) -> Desk {
    let mut desk = Desk::with(CosmosEmulatorOptions::default().throttled()).await;
    desk.config = desk.config.with_throttle_retries_max(retries);
    desk.store().provision(&[ORDERS]).await.unwrap();
    desk
}

fn many() -> Vec<Write> {
    (0..ORDERS_MANY)
        .map(|number| {
            put(
                &format!("ORD-{number}"),
                Expect::Absent,
                &json!({ "n": number }),
            )
        })
        .collect()
}

async fn present(desk: &Desk) -> Vec<bool> {
    let keys: Vec<_> = (0..ORDERS_MANY)
        .map(|number| key(&format!("ORD-{number}")))
        .collect();
    // Reads are throttled, too: this one may wait for as long as it takes.
    let patient = desk.store_of(desk.config.clone().with_throttle_retries_max(100), 9);
    let found = patient.get(&keys).await.unwrap();
    found.iter().map(Option::is_some).collect()
}

#[test]
fn a_throttled_bulk_write_ends_with_everything_written() {
    block_on(async {
        let desk = throttled(50).await;
        let store = desk.store();
        let results = store.write(many()).await.unwrap();
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        let requests = desk.emulator.requests().into_iter();
        let sent = requests.filter(Recorded::is_document_write).count();
        assert!(sent > ORDERS_MANY, "nothing was throttled: {sent} requests");
        assert!(present(&desk).await.into_iter().all(|is_there| is_there));

        let charges = store.charges();
        assert_eq!(charges.creates.operations, 150);
        // A create takes more than 5 units.
        assert!(charges.creates.request_units > 5.0 * 150.0, "{charges:?}");
        assert_eq!(charges.total().operations, 150);
    });
}

#[test]
fn without_repetitions_every_throttled_item_says_so_and_none_is_lost() {
    block_on(async {
        let desk = throttled(0).await;
        let results = desk.store().write(many()).await.unwrap();
        let there = present(&desk).await;
        let throttled = |result: &WriteResult| {
            result.as_ref().err().map(|error| {
                assert_eq!(error.kind(), ErrorKind::Throttled, "{}", error.report());
                assert!(error.retry_after().is_some_and(|delay| !delay.is_zero()));
                assert!(!error.is_ambiguous());
            })
        };
        let refused = results.iter().filter_map(throttled).count();
        assert!(
            refused > 0 && refused < ORDERS_MANY,
            "{refused} of {ORDERS_MANY}"
        );
        let written: Vec<bool> = results.iter().map(Result::is_ok).collect();
        assert_eq!(written, there);
    });
}

#[test]
fn no_more_requests_are_on_their_way_than_allowed() {
    block_on(async {
        let mut desk = Desk::open().await;
        desk.config = desk.config.with_concurrent_requests_max(1);
        let store = desk.store();
        let (first, second) = futures::join!(store.write(many()), store.write(many()));
        let written = first.unwrap().into_iter().chain(second.unwrap());
        assert_eq!(written.flatten().count(), ORDERS_MANY);
        assert_eq!(desk.emulator.most_at_once(), 1);
        let all = store.query_all(Query::all(ORDERS), 1_000).await.unwrap();
        assert_eq!(all.len(), ORDERS_MANY);
        assert!(store.charges().queries.request_units > 0.0);
    });
}
