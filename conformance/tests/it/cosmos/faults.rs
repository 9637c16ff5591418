use omnisync_core::ErrorKind;
use omnisync_core::id::ETag;
use omnisync_core::order::ORDERS;
use omnisync_core::port::{Action, Expect, Query, StateStore, StateStoreExt, Write, Written};
use serde_json::{Value, json};

use super::support::{Desk, block_on, key, put, tag};

fn delete(id: &str, expect: Expect) -> Write {
    Write {
        key: key(id),
        expect,
        action: Action::Delete,
    }
}

fn attempts(desk: &Desk) -> usize {
    let requests = desk.emulator.requests();
    requests
        .iter()
        .filter(|request| request.is_document_write())
        .count()
}

#[test]
fn a_write_whose_answer_was_lost_is_known_again() {
    block_on(async {
        let desk = Desk::open().await;
        let store = desk.store();
        desk.emulator.lose_answers(1);
        let created = tag(store
            .write_one(put("ORD-1", Expect::Absent, &json!(1)))
            .await
            .unwrap());
        assert_eq!(attempts(&desk), 2);
        assert_eq!(
            store.get_one(&key("ORD-1")).await.unwrap().unwrap().etag,
            created
        );

        desk.emulator.lose_answers(1);
        let replace = put("ORD-1", Expect::Tag(created.clone()), &json!(2));
        let replaced = tag(store.write_one(replace).await.unwrap());
        assert_eq!(attempts(&desk), 4);
        assert_ne!(replaced, created);
        let found = store.get_one(&key("ORD-1")).await.unwrap().unwrap();
        assert_eq!(
            (found.etag.clone(), found.parse::<Value>().unwrap()),
            (replaced, json!(2))
        );
    });
}

#[test]
fn the_writer_whose_condition_did_not_hold_is_told_so_all_the_same() {
    block_on(async {
        let desk = Desk::open().await;
        let (store, other) = (desk.store(), desk.store_of(desk.config.clone(), 2));
        other
            .write_one(put("ORD-1", Expect::Absent, &json!(1)))
            .await
            .unwrap();
        desk.emulator.lose_answers(1);
        let error = store
            .write_one(put("ORD-1", Expect::Absent, &json!(2)))
            .await
            .unwrap_err();
        // What is there may be what the first attempt made, and somebody else changed since.
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(error.is_ambiguous(), "{error:?}");
        let found = other.get_one(&key("ORD-1")).await.unwrap().unwrap();
        assert_eq!(found.parse::<Value>().unwrap(), json!(1));
        let again = store
            .write_one(put("ORD-1", Expect::Absent, &json!(2)))
            .await
            .unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    });
}

#[test]
fn a_delete_whose_answer_was_lost_stays_open() {
    block_on(async {
        let desk = Desk::open().await;
        let store = desk.store();
        let created = tag(store
            .write_one(put("ORD-1", Expect::Absent, &json!(1)))
            .await
            .unwrap());
        desk.emulator.lose_answers(1);
        let error = store
            .write_one(delete("ORD-1", Expect::Tag(created)))
            .await
            .unwrap_err();
        assert!(error.is_ambiguous(), "{error:?}");
        assert!(error.is_transient());
        desk.emulator.lose_answers(1);
        let gone = store.write_one(delete("ORD-1", Expect::Any)).await.unwrap();
        assert_eq!(gone, Written::Deleted);
    });
}

#[test]
fn a_write_that_is_never_answered_is_open_and_its_neighbours_are_not_touched() {
    block_on(async {
        let mut desk = Desk::open().await;
        desk.config = desk.config.with_concurrent_requests_max(1);
        let store = desk.store();
        store.get_one(&key("ORD-1")).await.unwrap();
        desk.emulator.lose_answers_to("ORD-1");
        let ids = ["ORD-0", "ORD-1", "ORD-2"];
        let writes = ids.map(|id| put(id, Expect::Absent, &json!(id)));
        let mut written = store.write(writes.to_vec()).await.unwrap();
        let error = written.remove(1).unwrap_err();
        assert!(error.is_ambiguous(), "{error:?}");
        for (id, written) in ["ORD-0", "ORD-2"].into_iter().zip(written) {
            let found = store.get_one(&key(id)).await.unwrap().unwrap();
            assert_eq!(found.etag, tag(written.unwrap()), "{id}");
            assert_eq!(found.parse::<Value>().unwrap(), json!(id));
        }
    });
}

#[test]
fn a_create_that_was_done_and_denied_is_never_there_already() {
    block_on(async {
        let mut desk = Desk::open().await;
        desk.config = desk.config.with_timeout_ms(2_000);
        let store = desk.store();
        store.get_one(&key("ORD-1")).await.unwrap();
        let expected = [(408, ErrorKind::TimedOut), (503, ErrorKind::Unavailable)];
        for (status, kind) in expected {
            let id = format!("ORD-{status}");
            desk.emulator.deny(1, status);
            let written = store.write_one(put(&id, Expect::Absent, &json!(1))).await;
            let found = store.get_one(&key(&id)).await.unwrap().unwrap();
            assert_eq!(tag(written.unwrap()), found.etag, "{status}");

            let id = format!("ORD-{status}-{status}");
            desk.emulator.deny(1_000, status);
            let written = store.write_one(put(&id, Expect::Absent, &json!(1))).await;
            desk.emulator.forget_refusals();
            assert!(store.get_one(&key(&id)).await.unwrap().is_some());
            let error = written.unwrap_err();
            assert_eq!(error.kind(), kind, "{}", error.report());
            assert!(error.is_ambiguous(), "{}", error.report());
        }
    });
}

#[test]
fn an_unconditional_write_has_no_condition_that_did_not_hold() {
    block_on(async {
        let desk = Desk::open().await;
        let store = desk.store();
        store.get_one(&key("ORD-1")).await.unwrap();
        desk.emulator.refuse(1, 409, 0);
        let error = store
            .write_one(put("ORD-1", Expect::Any, &json!(1)))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.report());
        assert!(!error.is_ambiguous() && error.is_transient());
        assert!(error.report().contains("status 409"), "{}", error.report());
        assert!(store.get_one(&key("ORD-1")).await.unwrap().is_none());
    });
}

#[test]
fn refusals_say_what_to_do() {
    block_on(async {
        let mut desk = Desk::open().await;
        desk.config = desk
            .config
            .with_throttle_retries_max(0)
            .with_timeout_ms(5_000);
        let store = desk.store();
        store.get_one(&key("ORD-1")).await.unwrap();
        let expected = [
            (400, 0, ErrorKind::Invalid, false),
            (400, 1_001, ErrorKind::Misconfigured, false),
            (401, 0, ErrorKind::Denied, false),
            (403, 0, ErrorKind::Denied, false),
            (403, 1_014, ErrorKind::Exhausted, false),
            (404, 1_003, ErrorKind::Misconfigured, false),
            (413, 0, ErrorKind::TooLarge, false),
            (429, 3_200, ErrorKind::Throttled, false),
            (503, 0, ErrorKind::Unavailable, true),
            (500, 0, ErrorKind::Unavailable, true),
            (408, 0, ErrorKind::TimedOut, true),
        ];
        for (status, substatus, kind, is_open) in expected {
            desk.emulator.refuse(40, status, substatus);
            let error = store
                .write_one(put("ORD-1", Expect::Any, &json!(1)))
                .await
                .unwrap_err();
            desk.emulator.forget_refusals();
            assert_eq!(
                error.kind(),
                kind,
                "{status}/{substatus}: {}",
                error.report()
            );
            assert_eq!(error.is_ambiguous(), is_open, "{status}/{substatus}");
            assert!(
                error.report().contains(&format!("status {status}")),
                "{}",
                error.report()
            );
        }
        store
            .write_one(put("ORD-1", Expect::Absent, &json!(1)))
            .await
            .unwrap();
    });
}

#[test]
fn an_account_between_regions_is_not_there_and_did_nothing() {
    block_on(async {
        let mut desk = Desk::open().await;
        desk.config = desk.config.with_timeout_ms(2_000);
        let store = desk.store();
        store.get_one(&key("ORD-1")).await.unwrap();
        // Moves are waited for as long as there is time, and an attempt may be on its way then.
        let expected = [
            (403, 3, ErrorKind::TimedOut, true),
            (403, 1_008, ErrorKind::TimedOut, true),
            (404, 1_002, ErrorKind::Unavailable, false),
            (410, 0, ErrorKind::Unavailable, false),
        ];
        for (status, substatus, kind, is_open) in expected {
            desk.emulator.refuse(1_000, status, substatus);
            let read = store.get_one(&key("ORD-1")).await.unwrap_err();
            let write = put("ORD-1", Expect::Any, &json!(1));
            let written = store.write_one(write).await.unwrap_err();
            desk.emulator.forget_refusals();
            for error in [&read, &written] {
                let report = error.report();
                assert_eq!(error.kind(), kind, "{status}/{substatus}: {report}");
                assert!(error.is_transient(), "{status}/{substatus}: {report}");
            }
            assert_eq!(written.is_ambiguous(), is_open, "{status}/{substatus}");
            let found = store.get_one(&key("ORD-1")).await.unwrap();
            assert!(found.is_none(), "{status}/{substatus}");
        }
    });
}

#[test]
fn what_passes_is_repeated_by_one_layer() {
    block_on(async {
        let desk = Desk::open().await;
        let store = desk.store();
        store.get_one(&key("ORD-1")).await.unwrap();
        for (status, substatus) in [(429, 3_200), (449, 0), (503, 0), (410, 0)] {
            desk.emulator.refuse(1, status, substatus);
            let written = store.write_one(put("ORD-1", Expect::Any, &json!(1))).await;
            assert!(written.is_ok(), "{status}: {written:?}");
            desk.emulator.refuse(1, status, substatus);
            store.get_one(&key("ORD-1")).await.unwrap().unwrap();
        }
    });
}

#[test]
fn a_throttled_query_says_so() {
    block_on(async {
        let mut desk = Desk::open().await;
        desk.config = desk.config.with_throttle_retries_max(0);
        let store = desk.store();
        store.query(Query::all(ORDERS)).await.unwrap();
        desk.emulator.refuse(3, 429, 3_200);
        let error = store.query(Query::all(ORDERS)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Throttled);
    });
}

#[test]
fn tags_that_the_service_never_gave_match_nothing() {
    block_on(async {
        let desk = Desk::open().await;
        let store = desk.store();
        let created = tag(store
            .write_one(put("ORD-1", Expect::Absent, &json!(1)))
            .await
            .unwrap());
        let list = format!("{created}, {created}");
        for text in ["*", "\"*\", *", &list, "x", "\"é\"", "\"\"", "W/\"1\""] {
            let expect = Expect::Tag(ETag::new(text).unwrap());
            let put = store
                .write_one(put("ORD-1", expect.clone(), &json!(2)))
                .await
                .unwrap_err();
            let delete = store.write_one(delete("ORD-1", expect)).await.unwrap_err();
            assert_eq!(
                (put.kind(), delete.kind()),
                (ErrorKind::Conflict, ErrorKind::Conflict),
                "{text}"
            );
        }
        assert_eq!(
            store.get_one(&key("ORD-1")).await.unwrap().unwrap().etag,
            created
        );
    });
}

#[test]
fn without_an_account_nothing_happened() {
    block_on(async {
        let mut desk = Desk::open().await;
        let endpoint = desk.emulator.endpoint();
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        desk.config.endpoint = format!("http://{}", closed.local_addr().unwrap());
        drop(closed);
        assert_ne!(desk.config.endpoint, endpoint);
        let error = desk.store().get_one(&key("ORD-1")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.report());
        let write = put("ORD-1", Expect::Any, &json!(1));
        let error = desk.store().write_one(write).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.report());
        assert!(!error.is_ambiguous(), "{}", error.report());
    });
}
