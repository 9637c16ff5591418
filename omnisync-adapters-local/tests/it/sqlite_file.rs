//! What the SQLite store says about a file that it cannot use.

use std::fs;

use omnisync_adapters_local::SqliteConfig;
use omnisync_core::port::{Query, StateStore, StateStoreExt};
use omnisync_core::{ErrorKind, PortError};
use rusqlite::Connection;

use crate::sqlite::{ORDERS, config, create, key};
#[cfg(unix)]
use crate::support;

#[track_caller]
fn check(error: &PortError, kind: ErrorKind, advice: &str) {
    assert_eq!(error.kind(), kind, "{error}");
    let text = error.to_string();
    assert!(text.contains(advice), "{text:?} lacks {advice:?}");
    assert!(!text.contains('\n'), "{text:?}");
}

#[tokio::test]
async fn an_empty_file_becomes_a_store() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("state.db"), "").unwrap();
    let store = config(&folder).open().unwrap();
    store.write_one(create("A")).await.unwrap();
    store.check_integrity().await.unwrap();
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(config(&folder).open().unwrap());
    let raw = Connection::open(folder.path().join("state.db")).unwrap();
    raw.pragma_update(None, "user_version", 99).unwrap();

    let error = config(&folder).open().unwrap_err();

    check(&error, ErrorKind::Invalid, "upgrade the program");
    let version: i64 = raw
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    assert_eq!(version, 99);
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let raw = Connection::open(folder.path().join("state.db")).unwrap();
    raw.execute_batch("CREATE TABLE theirs (a)").unwrap();

    check(
        &config(&folder).open().unwrap_err(),
        ErrorKind::Invalid,
        "choose another path",
    );

    let tables: i64 = raw
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .unwrap();
    assert_eq!(tables, 1);
}

#[test]
fn a_file_that_is_no_database_is_corrupt() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("state.db"),
        "not a database ".repeat(1_000),
    )
    .unwrap();
    check(
        &config(&folder).open().unwrap_err(),
        ErrorKind::Corrupt,
        "restore it from a backup",
    );
}

#[tokio::test]
async fn damaged_pages_are_corrupt() {
    let folder = tempfile::tempdir().unwrap();
    let store = config(&folder).open().unwrap();
    store
        .write((0..500).map(|n| create(&format!("A{n}"))).collect())
        .await
        .unwrap();
    store.close().await.unwrap();
    let path = folder.path().join("state.db");
    let mut bytes = fs::read(&path).unwrap();
    assert!(bytes.len() > 3 * 16_384);
    bytes[2 * 16_384..].fill(0xff);
    fs::write(&path, bytes).unwrap();

    let store = config(&folder).open().unwrap();

    let read = store.query(Query::all(ORDERS)).await.unwrap_err();
    check(&read, ErrorKind::Corrupt, "restore it from a backup");
    let found = store.check_integrity().await.unwrap_err();
    assert_eq!(found.kind(), ErrorKind::Corrupt, "{found}");
}

#[test]
fn a_wrong_path_is_invalid() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [
        folder.path().join("missing/state.db"),
        file.join("state.db"),
    ] {
        let error = SqliteConfig::new(path).open().unwrap_err();
        check(&error, ErrorKind::Invalid, "its folder exists");
    }
    let error = SqliteConfig::new(folder.path()).open().unwrap_err();
    check(&error, ErrorKind::Invalid, "path is right");
}

#[cfg(unix)]
#[test]
fn a_read_only_folder_is_denied() {
    if let Some(folder) = support::child_folder() {
        let error = SqliteConfig::new(folder.join("state.db"))
            .open()
            .unwrap_err();
        check(&error, ErrorKind::Denied, "writable");
        support::say(error.kind());
        return;
    }
    let said = support::hear_in_read_only_folder("sqlite_file::a_read_only_folder_is_denied");
    assert_eq!(said, ErrorKind::Denied.to_string());
}

#[tokio::test]
async fn a_full_disk_is_exhausted_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = config(&folder)
        .with_file_bytes_max(256 * 1_024)
        .open()
        .unwrap();
    let mut stored = 0;
    let error = loop {
        match store.write_one(create(&format!("A{stored}"))).await {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
    };

    check(&error, ErrorKind::Exhausted, "free disk space");
    assert!(
        store
            .get_one(&key(&format!("A{stored}")))
            .await
            .unwrap()
            .is_none()
    );
    let all = store
        .query_all(Query::all(ORDERS), usize::MAX)
        .await
        .unwrap();
    assert_eq!(all.len(), stored);
    drop(store);
    let roomy = config(&folder).open().unwrap();
    roomy
        .write_one(create(&format!("A{stored}")))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_lock_that_is_held_too_long_is_unavailable_until_it_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let store = config(&folder).with_busy_timeout_ms(20).open().unwrap();
    let other = Connection::open(folder.path().join("state.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();

    let error = store.write_one(create("A")).await.unwrap_err();

    check(&error, ErrorKind::Unavailable, "try again");
    assert!(store.get_one(&key("A")).await.unwrap().is_none());
    other.execute_batch("COMMIT").unwrap();
    store.write_one(create("A")).await.unwrap();
}

#[test]
fn a_config_names_only_known_fields_and_fills_in_defaults() {
    let config: SqliteConfig = serde_json::from_str(r#"{"path":"a.db"}"#).unwrap();
    assert_eq!(config, SqliteConfig::new("a.db"));
    let wrong = serde_json::from_str::<SqliteConfig>(r#"{"path":"a.db","cache":1}"#);
    assert!(wrong.unwrap_err().to_string().contains("unknown field"));
    let error = SqliteConfig::new("a.db")
        .with_readers_max(0)
        .open()
        .unwrap_err();
    check(&error, ErrorKind::Invalid, "readers_max");
}
