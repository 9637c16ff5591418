//! Reading: lines, places and the checkpoint.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::poll_immediate;
use omnisync_adapters_local::{NdjsonConfig, NdjsonSource};
use omnisync_core::ErrorKind;
use omnisync_core::port::{Delivery, Disposition, EventSource};
use tempfile::TempDir;

use crate::support::ManualClock;

pub(crate) const WAIT: Duration = Duration::from_secs(1);

pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) clock: Arc<ManualClock>,
}

impl Bench {
    pub(crate) fn new(input: impl AsRef<[u8]>) -> Self {
        let bench = Self {
            folder: tempfile::tempdir().unwrap(),
            clock: ManualClock::new(),
        };
        fs::write(bench.path("in.ndjson"), input).unwrap();
        bench
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    pub(crate) fn clock(&self) -> Arc<ManualClock> {
        Arc::clone(&self.clock)
    }

    pub(crate) fn config(&self) -> NdjsonConfig {
        NdjsonConfig::new(self.path("in.ndjson"))
            .with_checkpoint_path(self.path("checkpoint.json"))
            .with_checkpoint_every(1)
            .with_dead_letter_path(self.path("dead.ndjson"))
    }

    pub(crate) fn open(&self) -> NdjsonSource {
        self.config().open(self.clock()).unwrap()
    }
}

pub(crate) async fn take(source: &NdjsonSource, max: usize) -> Vec<Delivery> {
    source.receive(max, WAIT).await.unwrap().deliveries
}

pub(crate) async fn complete(source: &NdjsonSource, delivery: &Delivery) {
    source
        .settle(delivery, Disposition::Complete)
        .await
        .unwrap();
}

pub(crate) async fn ended(source: &NdjsonSource) -> bool {
    let received = source.receive(9, Duration::ZERO).await.unwrap();
    assert!(received.deliveries.is_empty(), "{received:?}");
    received.ended
}

fn bodies(deliveries: &[Delivery]) -> Vec<&[u8]> {
    deliveries
        .iter()
        .map(|delivery| delivery.body.as_ref())
        .collect()
}

#[tokio::test]
async fn lines_arrive_as_the_bytes_they_are() {
    let bench = Bench::new(b"\xef\xbb\xbf{\"n\":1}\r\n\n  \r\n\xff\xfe\r\r\nnot json\n{\"n\":2");
    let source = bench.open();

    let taken = take(&source, 9).await;

    let expected: [&[u8]; 4] = [b"{\"n\":1}", b"\xff\xfe\r", b"not json", b"{\"n\":2"];
    assert_eq!(bodies(&taken), expected);
    let places: Vec<_> = taken
        .iter()
        .map(|d| (d.token.0.as_str(), d.cursor.as_str()))
        .collect();
    assert_eq!(
        places,
        [
            ("0", "line 1"),
            ("17", "line 4"),
            ("22", "line 5"),
            ("31", "line 6")
        ]
    );
    for delivery in &taken {
        assert_eq!(
            delivery.header("content-type"),
            Some("application/cloudevents+json")
        );
        assert_eq!((delivery.headers.len(), delivery.attempt), (1, 1));
    }
}

#[tokio::test]
async fn receive_gives_no_more_than_asked_for_and_ends_once_all_is_settled() {
    let bench = Bench::new("1\n2\n3\n");
    let source = bench.open();
    let first = take(&source, 2).await;
    assert_eq!(bodies(&first), [b"1", b"2"]);
    let second = take(&source, 2).await;
    assert_eq!(bodies(&second), [b"3"]);
    for delivery in first.iter().chain(&second) {
        assert!(
            !ended(&source).await,
            "a delivery that is held may come again"
        );
        complete(&source, delivery).await;
    }
    assert!(ended(&source).await);
    assert!(ended(&source).await);
}

#[tokio::test]
async fn a_line_over_the_limit_is_cut_and_said_to_be() {
    let long = "x".repeat(2 * 1_024 * 1_024);
    let bench = Bench::new(format!("1\n{long}\r\n3\n"));
    let source = bench.open();
    let mut taken = take(&source, 1).await;
    taken.extend(take(&source, 9).await);
    if taken.len() < 3 {
        taken.extend(take(&source, 9).await);
    }
    assert_eq!(taken[1].body.len(), 1_024 * 1_024);
    assert_eq!(taken[1].header("omnisync-truncated"), Some("true"));
    assert_eq!(
        taken[1].header("omnisync-truncated-from-bytes"),
        Some("2097152")
    );
    assert_eq!(
        (&taken[2].body[..], taken[2].cursor.as_str()),
        (&b"3"[..], "line 3")
    );
    assert_eq!(taken[2].header("omnisync-truncated"), None);
}

#[tokio::test]
async fn a_line_of_just_the_limit_is_whole() {
    let bench = Bench::new("\u{feff}1234\r\n12345\n");
    let source = bench
        .config()
        .with_line_bytes_max(4)
        .open(bench.clock())
        .unwrap();
    let taken = take(&source, 9).await;
    assert_eq!(bodies(&taken), [b"1234", b"1234"]);
    let cut: Vec<_> = taken
        .iter()
        .map(|d| d.header("omnisync-truncated-from-bytes"))
        .collect();
    assert_eq!(cut, [None, Some("5")]);
}

#[tokio::test]
async fn a_new_run_goes_on_behind_what_is_settled() {
    let bench = Bench::new("1\n2\n3\n4\n");
    let source = bench.open();
    let taken = take(&source, 9).await;
    for settled in [0, 1, 3] {
        complete(&source, &taken[settled]).await;
    }
    drop(source);

    let source = bench.open();
    let again = take(&source, 9).await;

    // The third was not settled; the fourth lies behind it and comes again with it.
    assert_eq!(bodies(&again), [b"3", b"4"]);
    assert_eq!(
        (again[0].token.0.as_str(), again[0].cursor.as_str()),
        ("4", "line 3")
    );
    for delivery in &again {
        complete(&source, delivery).await;
    }
    assert!(ended(&source).await);
    assert!(!bench.path("checkpoint.json").exists());
    drop(source);
    assert_eq!(
        take(&bench.open(), 9).await.len(),
        4,
        "a finished input is read anew"
    );
}

#[tokio::test]
async fn a_checkpoint_goes_with_an_input_that_grew_but_not_with_another() {
    let start = "x".repeat(100_000);
    let bench = Bench::new(format!("{start}\n2\n"));
    let source = bench.open();
    let taken = take(&source, 1).await;
    complete(&source, &taken[0]).await;
    drop(source);

    let mut file = fs::OpenOptions::new()
        .append(true)
        .open(bench.path("in.ndjson"))
        .unwrap();
    file.write_all(b"3\n").unwrap();
    assert_eq!(bodies(&take(&bench.open(), 9).await), [b"2", b"3"]);

    for other in [format!("y{start}\n2\n"), "x".repeat(70_000)] {
        fs::write(bench.path("in.ndjson"), &other).unwrap();
        let first = take(&bench.open(), 1).await;
        assert_eq!(first[0].cursor, "line 1");
        assert_eq!(first[0].body, other.lines().next().unwrap());
    }
}

#[tokio::test]
async fn a_stream_skips_what_is_settled_and_replays_when_it_is_another() {
    let bench = Bench::new("");
    let open = |text: &'static str| {
        bench
            .config()
            .open_reader(bench.clock(), text.as_bytes())
            .unwrap()
    };
    let source = open("1\n2\n3\n");
    let taken = take_all(&source, 3).await;
    complete(&source, &taken[0]).await;
    drop(source);
    assert_eq!(
        bodies(&take_all(&open("1\n2\n3\n4\n"), 3).await),
        [b"2", b"3", b"4"]
    );
    assert_eq!(
        bodies(&take_all(&open("9\n2\n3\n"), 3).await),
        [b"9", b"2", b"3"]
    );
}

/// A stream may hand over its lines one by one; the clock stands still, so this waits for them.
async fn take_all(source: &NdjsonSource, count: usize) -> Vec<Delivery> {
    let mut taken = Vec::new();
    while taken.len() < count {
        taken.extend(take(source, count - taken.len()).await);
    }
    taken
}

#[tokio::test]
async fn an_unreadable_checkpoint_says_what_to_do() {
    let bench = Bench::new("1\n");
    fs::write(bench.path("checkpoint.json"), "{").unwrap();
    let error = bench.config().open(bench.clock()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("remove it"), "{error}");
}

#[tokio::test]
async fn a_silent_stream_gives_an_empty_list_and_loses_nothing_when_dropped() {
    let bench = Bench::new("");
    let (reader, mut writer) = std::io::pipe().unwrap();
    let source = bench.config().open_reader(bench.clock(), reader).unwrap();

    assert!(!ended(&source).await);
    let mut waiting = std::pin::pin!(source.receive(9, WAIT));
    assert!(poll_immediate(waiting.as_mut()).await.is_none());
    bench.clock.advance(WAIT);
    assert!(waiting.await.unwrap().deliveries.is_empty());

    assert!(poll_immediate(source.receive(9, WAIT)).await.is_none());
    writer.write_all(b"1\n").unwrap();
    assert_eq!(bodies(&take(&source, 9).await), [b"1"]);
    writer.write_all(b"2").unwrap();
    drop(writer);
    assert_eq!(bodies(&take(&source, 9).await), [b"2"]);
}

#[tokio::test]
async fn no_new_lines_are_handed_out_beyond_the_unsettled_limit() {
    let bench = Bench::new("1\n2\n3\n");
    let config = bench.config().with_unsettled_bytes_max(1);
    let source = config.open(bench.clock()).unwrap();
    let first = take(&source, 9).await;
    assert_eq!(bodies(&first), [b"1"]);
    let mut waiting = std::pin::pin!(source.receive(9, WAIT));
    assert!(poll_immediate(waiting.as_mut()).await.is_none());

    complete(&source, &first[0]).await;

    assert_eq!(bodies(&waiting.await.unwrap().deliveries), [b"2"]);
}

#[tokio::test]
async fn a_missing_input_or_folder_is_invalid() {
    let bench = Bench::new("");
    let clock = || bench.clock();
    let missing = bench.path("missing/file");
    for config in [
        NdjsonConfig::new(&missing),
        NdjsonConfig::new(bench.folder.path()),
        bench.config().with_dead_letter_path(&missing),
        bench
            .config()
            .with_dead_letter_path(bench.path("in.ndjson")),
        bench.config().with_line_bytes_max(0),
    ] {
        assert_eq!(config.open(clock()).unwrap_err().kind(), ErrorKind::Invalid);
    }
}
