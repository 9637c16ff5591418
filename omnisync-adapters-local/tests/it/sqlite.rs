//! What is specific to the SQLite store while its file is sound.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::{join_all, poll_immediate};
use omnisync_adapters_local::{SqliteConfig, SqliteStateStore};
use omnisync_core::ErrorKind;
use omnisync_core::id::ETag;
use omnisync_core::port::{
    Action, Collection, Content, DocumentKey, Expect, Query, StateStore, StateStoreExt, Write,
    Written,
};
use rusqlite::Connection;
use serde_json::value::RawValue;
use tempfile::TempDir;

pub(crate) const ORDERS: Collection = Collection::new("orders");

pub(crate) fn content(state: &str, body: &str) -> Content {
    Content {
        state: state.to_owned(),
        due_at: None,
        expires_at: None,
        body: RawValue::from_string(body.to_owned()).unwrap(),
    }
}

pub(crate) fn put(id: &str, expect: Expect, content: Content) -> Write {
    Write {
        key: key(id),
        expect,
        action: Action::Put(content),
    }
}

pub(crate) fn create(id: &str) -> Write {
    put(id, Expect::Absent, content("New", r#"{"a":1}"#))
}

pub(crate) fn key(id: &str) -> DocumentKey {
    DocumentKey::new(ORDERS, id)
}

pub(crate) fn config(folder: &TempDir) -> SqliteConfig {
    SqliteConfig::new(folder.path().join("state.db"))
}

fn store() -> (TempDir, SqliteStateStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = config(&folder).open().unwrap();
    (folder, store)
}

async fn tag(store: &SqliteStateStore, write: Write) -> ETag {
    match store.write_one(write).await.unwrap() {
        Written::Put(tag) => tag,
        Written::Deleted => panic!("deleted"),
    }
}

fn instant(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap()
}

#[tokio::test]
async fn a_document_is_the_same_after_the_store_was_closed_and_opened() {
    let (folder, store) = store();
    let mut document = content("Pending", r#"{"n":0.1,"text":"ä\u0000𝄞"}"#);
    document.due_at = Some(instant(1_800_000_000_123_456));
    document.expires_at = Some(instant(-7));
    let etag = tag(&store, put("A ü", Expect::Absent, document.clone())).await;
    store.close().await.unwrap();

    let store = config(&folder).open().unwrap();
    let read = store.get_one(&key("A ü")).await.unwrap().unwrap();

    assert_eq!((read.key, read.etag), (key("A ü"), etag));
    assert_eq!(read.state, "Pending");
    assert_eq!(
        (read.due_at, read.expires_at),
        (document.due_at, document.expires_at)
    );
    assert_eq!(read.body.unwrap().get(), document.body.get());
}

#[tokio::test]
async fn tags_never_return_not_even_after_delete_and_restart() {
    let (folder, mut store) = store();
    let mut seen = HashSet::new();
    for _ in 0..3 {
        assert!(seen.insert(tag(&store, create("A")).await));
        let remove = Write {
            key: key("A"),
            expect: Expect::Any,
            action: Action::Delete,
        };
        store.write_one(remove).await.unwrap();
        store.close().await.unwrap();
        store = config(&folder).open().unwrap();
    }
}

#[tokio::test]
async fn writers_that_wait_share_a_commit() {
    let (folder, store) = store();
    let other = Connection::open(folder.path().join("state.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let ids: Vec<String> = (0..50).map(|n| format!("A{n}")).collect();
    let mut writes = std::pin::pin!(join_all(ids.iter().map(|id| store.write_one(create(id)))));

    // All are queued; some may be in the group that waits for the other connection already.
    assert!(poll_immediate(writes.as_mut()).await.is_none());
    other.execute_batch("COMMIT").unwrap();

    assert!(writes.await.iter().all(Result::is_ok));
    assert!(store.commits() <= 2, "{} commits", store.commits());
}

#[tokio::test]
async fn a_refused_item_undoes_neither_its_neighbours_nor_other_callers() {
    let (_folder, store) = store();
    let old = tag(&store, create("A")).await;
    tag(
        &store,
        put("A", Expect::Tag(old.clone()), content("B", "2")),
    )
    .await;
    let writes = vec![
        create("B"),
        create("A"),
        put("A", Expect::Tag(old), content("C", "3")),
        put(
            "A",
            Expect::Tag(ETag::new("another store's").unwrap()),
            content("C", "3"),
        ),
        create("C"),
    ];

    let (results, other) = tokio::join!(store.write(writes), store.write_one(create("D")));

    let kinds: Vec<_> = results
        .unwrap()
        .into_iter()
        .map(|result| result.err().map(|e| e.kind()))
        .collect();
    let (exists, conflict) = (Some(ErrorKind::AlreadyExists), Some(ErrorKind::Conflict));
    assert_eq!(kinds, [None, exists, conflict, conflict, None]);
    assert!(other.is_ok());
    let found = store.get(&["A", "B", "C", "D"].map(key)).await.unwrap();
    assert!(found.iter().all(Option::is_some));
}

#[tokio::test]
async fn a_document_that_changes_between_pages_comes_once() {
    let (_folder, store) = store();
    let writes = (0..10).map(|n| {
        let mut new = content("Pending", "{}");
        new.due_at = Some(instant(n));
        put(&format!("A{n}"), Expect::Absent, new)
    });
    store.write(writes.collect()).await.unwrap();
    let mut query = Query::all(ORDERS)
        .in_state("Pending")
        .due_before(instant(100))
        .with_page_items_max(3);
    let mut seen = Vec::new();
    loop {
        let page = store.query(query.clone()).await.unwrap();
        for document in &page.documents {
            // Away and back again, and due later than everything else.
            let id = document.key.id.as_str();
            store
                .write_one(put(id, Expect::Any, content("Other", "{}")))
                .await
                .unwrap();
            let mut later = content("Pending", "{}");
            later.due_at = Some(instant(99));
            store.write_one(put(id, Expect::Any, later)).await.unwrap();
            seen.push(id.to_owned());
        }
        query.continuation = page.continuation;
        if query.continuation.is_none() {
            break;
        }
    }
    assert_eq!(seen, (0..10).map(|n| format!("A{n}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn few_and_many_due_documents_are_found_alike() {
    // More than the store sorts by time, so that both ways of finding them are taken.
    const DOCUMENTS: i64 = 12_000;
    let (_folder, store) = store();
    let writes = (0..DOCUMENTS).map(|n| {
        let mut new = content("Pending", "{}");
        new.due_at = Some(instant(n));
        // Ids run against time.
        put(&format!("{:06}", DOCUMENTS - n), Expect::Absent, new)
    });
    store.write(writes.collect()).await.unwrap();
    for due in [0, 1, 5_000, DOCUMENTS - 1, DOCUMENTS] {
        let query = Query::all(ORDERS).in_state("Pending").without_bodies();
        let fine = instant(due) - TimeDelta::nanoseconds(1);
        let found = store
            .query_all(query.due_before(fine), usize::MAX)
            .await
            .unwrap();
        assert_eq!(
            found.len(),
            usize::try_from(due).unwrap(),
            "due before {due}"
        );
        assert!(found.is_sorted_by(|a, b| a.key.id < b.key.id));
        assert!(found.iter().all(|document| document.body.is_none()));
    }
    let all = Query::all(ORDERS).due_before(instant(5));
    assert_eq!(store.query_all(all, usize::MAX).await.unwrap().len(), 5);
}

#[tokio::test]
async fn a_continuation_of_another_query_is_refused() {
    let (_folder, store) = store();
    store.write(vec![create("A"), create("B")]).await.unwrap();
    let page = store
        .query(Query::all(ORDERS).with_page_items_max(1))
        .await
        .unwrap();
    for (mut query, continuation) in [
        (
            Query::all(ORDERS).in_state("New"),
            page.continuation.clone().unwrap(),
        ),
        (
            Query::all(Collection::new("other")),
            page.continuation.unwrap(),
        ),
        (Query::all(ORDERS), "A".to_owned()),
    ] {
        query.continuation = Some(continuation);
        assert_eq!(
            store.query(query).await.unwrap_err().kind(),
            ErrorKind::Invalid
        );
    }
}

#[tokio::test]
async fn a_page_of_no_items_goes_on_where_it_was() {
    let (_folder, store) = store();
    store.write(vec![create(""), create("B")]).await.unwrap();
    let mut query = Query::all(ORDERS).with_page_items_max(0);
    query.continuation = store.query(query.clone()).await.unwrap().continuation;
    query.page_items_max = 1;
    let page = store.query(query.clone()).await.unwrap();
    assert_eq!(page.documents[0].key.id, "");
    query.continuation = page.continuation;
    assert_eq!(store.query(query).await.unwrap().documents[0].key.id, "B");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = config(&folder).with_body_bytes_max(10).open().unwrap();
    let long = put("A", Expect::Any, content("New", r#""1234567890""#));
    let results = store.write(vec![long, create("B")]).await.unwrap();
    assert_eq!(results[0].as_ref().unwrap_err().kind(), ErrorKind::TooLarge);
    assert!(results[1].is_ok());
}

#[tokio::test]
async fn purging_removes_what_expired_and_nothing_else() {
    let (_folder, store) = store();
    let writes = (0..10).map(|n| {
        let mut new = content("Done", "{}");
        new.expires_at = (n < 8).then(|| instant(n));
        put(&format!("A{n}"), Expect::Absent, new)
    });
    store.write(writes.collect()).await.unwrap();

    assert_eq!(store.purge_expired(instant(5), 4).await.unwrap(), 4);
    assert_eq!(store.purge_expired(instant(5), 4).await.unwrap(), 2);
    assert_eq!(store.purge_expired(instant(5), 4).await.unwrap(), 0);

    let left = store.query_all(Query::all(ORDERS), 100).await.unwrap();
    let ids: Vec<_> = left
        .iter()
        .map(|document| document.key.id.as_str())
        .collect();
    assert_eq!(ids, ["A6", "A7", "A8", "A9"]);
}

#[test]
fn the_store_works_without_a_tokio_runtime() {
    let (_folder, store) = store();
    let store: Arc<dyn StateStore> = Arc::new(store);
    futures::executor::block_on(async {
        store.write_one(create("A")).await.unwrap();
        assert!(store.get_one(&key("A")).await.unwrap().is_some());
    });
}

#[tokio::test]
async fn bodies_are_read_however_they_were_kept() {
    let folder = tempfile::tempdir().unwrap();
    let long = |id: &str| {
        let mut write = create(id);
        if let Action::Put(content) = &mut write.action {
            let text = format!("{{\"lines\":\"{}\"}}", "0123456789".repeat(100));
            content.body = RawValue::from_string(text).unwrap();
        }
        write
    };
    for (id, bytes_min) in [("text", usize::MAX), ("packed", 512)] {
        let store = config(&folder).with_compress_bytes_min(bytes_min).open();
        store.unwrap().write_one(long(id)).await.unwrap();
    }

    let store = config(&folder).open().unwrap();
    let found = store.get(&[key("text"), key("packed")]).await.unwrap();
    let found: [_; 2] = found.try_into().unwrap();
    let bodies = found.map(|document| document.unwrap().body.unwrap());
    assert_eq!(bodies[0].get(), bodies[1].get());
    store.close().await.unwrap();

    let raw = Connection::open(folder.path().join("state.db")).unwrap();
    let bytes = |id: &str| {
        let sql = "SELECT length(body) FROM documents WHERE id = ?1";
        raw.query_row(sql, [id], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    assert!(bytes("packed") * 4 < bytes("text"));
    raw.execute(
        "UPDATE documents SET body = x'0100' WHERE id = 'packed'",
        [],
    )
    .unwrap();
    drop(raw);
    let store = config(&folder).open().unwrap();
    let error = store.get(&[key("packed")]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(store.get(&[key("text")]).await.unwrap()[0].is_some());
}
