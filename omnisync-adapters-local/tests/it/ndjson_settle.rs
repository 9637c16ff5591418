//! Settling: retries, dead letters and what is no longer held.

use std::fs;
use std::time::Duration;

use futures::future::{join_all, poll_immediate};
use omnisync_adapters_local::{NdjsonConfig, NdjsonSource};
use omnisync_core::ErrorKind;
use omnisync_core::id::Sha256;
use omnisync_core::port::{DeadLetterReason, Delivery, Disposition, EventSource, Settled};
use serde_json::{Value, json};

use crate::ndjson::{Bench, WAIT, complete, ended, take};
#[cfg(unix)]
use crate::support::hear_in_read_only_folder;
use crate::support::{ChildTest, ManualClock, child_folder, say};

const DELAY: Duration = Duration::from_secs(60);

fn dead() -> Disposition {
    Disposition::DeadLetter {
        reason: DeadLetterReason::JsonDeserialiseFailure,
        description: "not JSON at position 0".to_owned(),
    }
}

async fn bury(source: &NdjsonSource, delivery: &Delivery) -> Settled {
    source.settle(delivery, dead()).await.unwrap()
}

fn letters(bench: &Bench) -> Vec<Value> {
    let text = fs::read_to_string(bench.path("dead.ndjson")).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "{text:?}");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn a_returned_delivery_comes_again_no_earlier_than_asked() {
    let bench = Bench::new("1\n2\n");
    let source = bench.open();
    let first = take(&source, 1).await;
    let returned = source
        .settle(&first[0], Disposition::RetryAfter(DELAY))
        .await
        .unwrap();
    assert_eq!(returned, Settled::Returned);
    let second = take(&source, 9).await;
    assert_eq!(second[0].body, "2", "those behind it go on");
    complete(&source, &second[0]).await;

    bench.clock.advance(Duration::from_millis(59_999));
    assert!(!ended(&source).await);
    let mut waiting = std::pin::pin!(source.receive(9, WAIT));
    assert!(poll_immediate(waiting.as_mut()).await.is_none());
    bench.clock.advance(Duration::from_millis(1));

    let again = waiting.await.unwrap().deliveries;
    assert_eq!(
        (&again[0].body, &again[0].cursor),
        (&first[0].body, &first[0].cursor)
    );
    let stale = source
        .settle(&first[0], Disposition::Complete)
        .await
        .unwrap_err();
    assert_eq!(stale.kind(), ErrorKind::LockLost);
    complete(&source, &again[0]).await;
    assert!(ended(&source).await);
}

#[tokio::test]
async fn what_is_no_longer_held_cannot_be_settled() {
    let bench = Bench::new("1\n2\n");
    let source = bench.open();
    let taken = take(&source, 2).await;
    complete(&source, &taken[0]).await;
    source
        .settle(&taken[1], Disposition::RetryAfter(DELAY))
        .await
        .unwrap();
    for delivery in &taken {
        for disposition in [
            Disposition::Complete,
            Disposition::RetryAfter(DELAY),
            dead(),
        ] {
            let error = source.settle(delivery, disposition).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::LockLost);
        }
    }
    assert_eq!(
        source.extend(&taken[0]).await.unwrap_err().kind(),
        ErrorKind::Unsupported
    );
    assert!(letters(&bench).is_empty());
}

#[tokio::test]
async fn a_dead_letter_tells_where_why_and_what() {
    let bench = Bench::new(b"{}\nnot \xff\nnope\n");
    let source = bench.open();
    let taken = take(&source, 9).await;
    assert_eq!(bury(&source, &taken[1]).await, Settled::DeadLettered);
    assert_eq!(bury(&source, &taken[2]).await, Settled::DeadLettered);

    let letters = letters(&bench);

    assert_eq!(letters.len(), 2);
    assert_eq!(letters[0]["line"], 2);
    assert_eq!(letters[0]["offset"], 3);
    assert_eq!(letters[0]["reason"], "JsonDeserialiseFailure");
    assert_eq!(letters[0]["description"], "not JSON at position 0");
    assert_eq!(letters[0]["sha256"], Sha256::of(b"not \xff").to_string());
    assert_eq!(letters[0]["body_base64"], "bm90IP8=");
    assert_eq!(
        (&letters[1]["body"], letters[1].get("body_base64")),
        (&json!("nope"), None)
    );
}

#[tokio::test]
async fn a_dead_letter_is_written_once_however_often_the_input_is_read() {
    let bench = Bench::new("a\na\n");
    for run in 0..3 {
        let source = bench.open();
        let taken = take(&source, 9).await;
        let settled = join_all(taken.iter().map(|delivery| bury(&source, delivery))).await;
        let expected = if run == 0 {
            Settled::DeadLettered
        } else {
            Settled::AlreadyDeadLettered
        };
        assert_eq!(settled, [expected; 2], "run {run}");
        assert!(ended(&source).await);
    }
    assert_eq!(
        letters(&bench).len(),
        2,
        "equal lines at two places are two dead letters"
    );

    fs::write(bench.path("in.ndjson"), "a\nb\n").unwrap();
    let source = bench.open();
    let taken = take(&source, 9).await;
    assert_eq!(bury(&source, &taken[1]).await, Settled::DeadLettered);
}

#[tokio::test]
async fn sources_that_share_a_dead_letter_file_know_of_each_other() {
    let bench = Bench::new("a\n");
    let open = || {
        let mut config = bench.config();
        config.checkpoint_path = None;
        config.open(bench.clock()).unwrap()
    };
    let (one, two) = (open(), open());
    let (from_one, from_two) = (take(&one, 1).await, take(&two, 1).await);
    assert_eq!(bury(&one, &from_one[0]).await, Settled::DeadLettered);
    assert_eq!(bury(&two, &from_two[0]).await, Settled::AlreadyDeadLettered);
}

#[tokio::test]
async fn a_torn_last_line_is_cut_off_and_its_letter_written_again() {
    for torn in [1, 10, 60] {
        let bench = Bench::new("a\nb\n");
        let source = bench.open();
        let taken = take(&source, 9).await;
        for delivery in &taken {
            bury(&source, delivery).await;
        }
        assert!(ended(&source).await);
        drop(source);
        let mut bytes = fs::read(bench.path("dead.ndjson")).unwrap();
        bytes.truncate(bytes.len() - torn);
        fs::write(bench.path("dead.ndjson"), bytes).unwrap();

        let source = bench.open();
        let taken = take(&source, 9).await;

        assert_eq!(bury(&source, &taken[0]).await, Settled::AlreadyDeadLettered);
        // Only the line end was torn off: the letter is whole.
        let expected = if torn == 1 {
            Settled::AlreadyDeadLettered
        } else {
            Settled::DeadLettered
        };
        assert_eq!(bury(&source, &taken[1]).await, expected);
        assert_eq!(letters(&bench).len(), 2);
    }
}

#[tokio::test]
async fn dead_letters_may_be_moved_away_while_the_source_runs() {
    let bench = Bench::new("a\nb\n");
    let source = bench.open();
    let taken = take(&source, 9).await;
    bury(&source, &taken[0]).await;
    fs::rename(bench.path("dead.ndjson"), bench.path("moved.ndjson")).unwrap();
    bury(&source, &taken[1]).await;
    assert_eq!(letters(&bench)[0]["line"], 2);
}

#[tokio::test]
async fn without_a_file_for_dead_letters_they_are_unsupported_and_nothing_is_settled() {
    let bench = Bench::new("a\n");
    let source = NdjsonConfig::new(bench.path("in.ndjson"))
        .open(bench.clock())
        .unwrap();
    assert!(!source.capability().dead_letter);
    let taken = take(&source, 9).await;
    let error = source.settle(&taken[0], dead()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    complete(&source, &taken[0]).await;
}

#[tokio::test]
async fn the_letter_of_a_cut_line_names_its_length() {
    let bench = Bench::new("123456\n");
    let source = bench
        .config()
        .with_line_bytes_max(3)
        .open(bench.clock())
        .unwrap();
    let taken = take(&source, 9).await;
    bury(&source, &taken[0]).await;
    let letter = &letters(&bench)[0];
    assert_eq!(
        (&letter["body"], &letter["truncated_from_bytes"]),
        (&json!("123"), &json!(6))
    );
}

#[tokio::test]
async fn a_dead_letter_survives_a_kill_and_is_not_written_twice() {
    const TEST: &str = "ndjson_settle::a_dead_letter_survives_a_kill_and_is_not_written_twice";
    if let Some(folder) = child_folder() {
        let source = NdjsonConfig::new(folder.join("in.ndjson"))
            .with_checkpoint_path(folder.join("checkpoint.json"))
            .with_dead_letter_path(folder.join("dead.ndjson"))
            .open(ManualClock::new())
            .unwrap();
        let taken = take(&source, 9).await;
        say(format!("{:?}", bury(&source, &taken[1]).await));
        std::future::pending::<()>().await;
    }
    let bench = Bench::new("1\nbad\n3\n");
    let child = ChildTest::start(TEST, bench.folder.path());
    assert_eq!(child.hear().as_deref(), Some("DeadLettered"));
    child.kill();

    let source = bench.open();
    let taken = take(&source, 9).await;

    assert_eq!(taken.len(), 3);
    assert_eq!(bury(&source, &taken[1]).await, Settled::AlreadyDeadLettered);
    assert_eq!(letters(&bench).len(), 1);
}

#[cfg(unix)]
#[test]
fn a_device_is_no_place_for_dead_letters() {
    let bench = Bench::new("a\n");
    let error = bench
        .config()
        .with_dead_letter_path("/dev/full")
        .open(bench.clock())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
}

#[cfg(unix)]
#[test]
fn a_read_only_folder_is_denied() {
    if let Some(folder) = child_folder() {
        let config = NdjsonConfig::new("/dev/null").with_dead_letter_path(folder.join("dead"));
        let error = config.open(ManualClock::new()).unwrap_err();
        assert!(error.to_string().contains("writable"), "{error}");
        say(error.kind());
        return;
    }
    let said = hear_in_read_only_folder("ndjson_settle::a_read_only_folder_is_denied");
    assert_eq!(said, ErrorKind::Denied.to_string());
}
