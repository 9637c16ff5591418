//! Several processes on one file, and a process that is killed.

use std::sync::mpsc;
use std::thread;

use omnisync_adapters_local::SqliteConfig;
use omnisync_core::port::{Query, StateStoreExt};

use crate::sqlite::{ORDERS, create, key};
use crate::support::{ChildTest, child_folder, say, wait_for_parent};

#[tokio::test]
async fn acknowledged_documents_survive_a_kill() {
    const ACKNOWLEDGED: usize = 20;
    if let Some(folder) = child_folder() {
        let store = SqliteConfig::new(folder.join("state.db")).open().unwrap();
        for n in 0_u64.. {
            store.write_one(create(&format!("A{n}"))).await.unwrap();
            say(n);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let child = ChildTest::start(
        "sqlite_processes::acknowledged_documents_survive_a_kill",
        folder.path(),
    );
    let said: Vec<String> = (0..ACKNOWLEDGED).map(|_| child.hear().unwrap()).collect();
    child.kill();

    let store = SqliteConfig::new(folder.path().join("state.db"))
        .open()
        .unwrap();

    for n in said {
        assert!(
            store
                .get_one(&key(&format!("A{n}")))
                .await
                .unwrap()
                .is_some(),
            "A{n}"
        );
    }
    store.check_integrity().await.unwrap();
    store.write_one(create("after")).await.unwrap();
}

#[tokio::test]
async fn processes_take_turns_and_none_starves() {
    const PROCESSES: usize = 4;
    const WRITES: usize = 60;
    if let Some(folder) = child_folder() {
        let store = SqliteConfig::new(folder.join("state.db")).open().unwrap();
        say("ready");
        wait_for_parent();
        for n in 0..WRITES {
            let id = format!("{}-{n}", std::process::id());
            store.write_one(create(&id)).await.unwrap();
            say(n);
        }
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // All open the absent file at once: one creates it, the others wait.
    let mut children: Vec<ChildTest> = (0..PROCESSES)
        .map(|_| {
            let test = "sqlite_processes::processes_take_turns_and_none_starves";
            ChildTest::start(test, folder.path())
        })
        .collect();
    for child in &children {
        assert_eq!(child.hear().as_deref(), Some("ready"));
    }
    children.iter_mut().for_each(ChildTest::nod);
    let (sender, heard) = mpsc::channel();
    thread::scope(|scope| {
        for (process, child) in children.iter().enumerate() {
            let sender = sender.clone();
            scope
                .spawn(move || while child.hear().is_some_and(|_| sender.send(process).is_ok()) {});
        }
    });
    drop(sender);

    let mut written = [0; PROCESSES];
    for process in heard {
        written[process] += 1;
        if written[process] == WRITES {
            break;
        }
    }
    // Luck decides who goes next, so the counts differ, but nobody stands still.
    assert!(
        written.iter().all(|count| *count >= WRITES / 6),
        "{written:?}"
    );
    children.into_iter().for_each(ChildTest::wait);
    let store = SqliteConfig::new(folder.path().join("state.db"))
        .open()
        .unwrap();
    let all = store
        .query_all(Query::all(ORDERS), usize::MAX)
        .await
        .unwrap();
    assert_eq!(all.len(), PROCESSES * WRITES);
}
