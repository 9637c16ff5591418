//! The file source, which lives by a clock that moves when it is waited for.

use std::fs;
use std::mem;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use omnisync_adapters_local::{NdjsonConfig, NdjsonSource};
use omnisync_core::port::EventSource;
use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::contract::EventSourceFixture;
use omnisync_testkit::fake::{DeadLetter, Message};
use serde_json::Value;
use tempfile::TempDir;

use super::block_on;

/// How a source leaves before it is opened anew.
#[derive(Clone, Copy)]
enum Leaves {
    /// It is dropped, and stores its place.
    InOrder,
    /// It does nothing more.
    Killed,
}

struct Ndjson {
    folder: TempDir,
    clock: ManualClock,
    configure: fn(NdjsonConfig, &TempDir) -> NdjsonConfig,
    leaves: Leaves,
    source: Mutex<Option<Arc<NdjsonSource>>>,
}

impl Ndjson {
    fn new(leaves: Leaves, configure: fn(NdjsonConfig, &TempDir) -> NdjsonConfig) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: ManualClock::default().auto(),
            configure,
            leaves,
            source: Mutex::default(),
        }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn open(&self) -> Arc<NdjsonSource> {
        let open = || {
            let config = NdjsonConfig::new(self.path("events.ndjson"))
                .with_checkpoint_path(self.path("checkpoint.json"));
            let config = (self.configure)(config, &self.folder);
            Arc::new(config.open(Arc::new(self.clock.clone())).unwrap())
        };
        Arc::clone(self.source.lock().unwrap().get_or_insert_with(open))
    }
}

#[async_trait]
impl EventSourceFixture for Ndjson {
    async fn publish(&self, messages: Vec<Message>) {
        let mut lines = Vec::new();
        for message in messages {
            lines.extend_from_slice(&message.body);
            lines.push(b'\n');
        }
        fs::write(self.path("events.ndjson"), lines).unwrap();
    }

    async fn source(&self) -> Arc<dyn EventSource> {
        self.open()
    }

    async fn restart(&self) -> Arc<dyn EventSource> {
        let source = self.source.lock().unwrap().take();
        let source = source.map(|source| Arc::into_inner(source).unwrap());
        match self.leaves {
            Leaves::InOrder => drop(source),
            Leaves::Killed => mem::forget(source),
        }
        self.open()
    }

    async fn pass(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn lock(&self) -> Option<Duration> {
        None
    }

    async fn dead_letters(&self) -> Vec<DeadLetter> {
        let text = fs::read_to_string(self.path("dead.ndjson")).unwrap_or_default();
        text.lines()
            .map(|line| {
                let line: Value = serde_json::from_str(line).unwrap();
                let field = |name: &str| line[name].as_str().unwrap().to_owned();
                DeadLetter {
                    message: Message::new(field("body")),
                    reason: field("reason"),
                    description: field("description"),
                }
            })
            .collect()
    }

    fn finite(&self) -> bool {
        true
    }

    fn carries_headers(&self) -> bool {
        false
    }

    fn carries_any_bytes(&self) -> bool {
        false
    }
}

fn with_dead_letters(config: NdjsonConfig, folder: &TempDir) -> NdjsonConfig {
    config.with_dead_letter_path(folder.path().join("dead.ndjson"))
}

mod stopped_in_order {
    use super::*;

    omnisync_testkit::event_source_contract!(
        fixture = Ndjson::new(Leaves::InOrder, with_dead_letters),
        run = block_on,
    );
}

mod killed_with_a_checkpoint_at_every_settlement {
    use super::*;

    omnisync_testkit::event_source_contract!(
        fixture = Ndjson::new(Leaves::Killed, |config, folder| {
            with_dead_letters(config, folder).with_checkpoint_every(1)
        }),
        run = block_on,
    );
}

mod without_dead_letters {
    use super::*;

    omnisync_testkit::event_source_contract!(
        fixture = Ndjson::new(Leaves::InOrder, |config, _| config),
        run = block_on,
    );
}
