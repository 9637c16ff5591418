//! The services on loopback ports, and the binary that works on them.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::Arc;

use omnisync_adapters_local::SystemClock;
use omnisync_conformance::stack::{AzureStack, SETTINGS, SUBSCRIPTION, TOPIC};
use omnisync_testkit::server::fno::Fno;
use omnisync_testkit::server::service_bus::NewMessage;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::support::{binary, stdout_of_success};

pub(super) struct Stack {
    services: AzureStack,
    folder: TempDir,
    /// The services run on it.
    runtime: Runtime,
}

impl Stack {
    /// Starts the services, and provisions them by the binary.
    pub(super) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let services = AzureStack::start(Arc::new(SystemClock));
        let stack = Self {
            services: runtime.block_on(services).unwrap(),
            folder: tempfile::tempdir().unwrap(),
            runtime,
        };
        fs::write(stack.folder.path().join("azure.toml"), SETTINGS).unwrap();
        stdout_of_success(&stack.command(&["provision"]).output().unwrap());
        stack
    }

    /// A command of the binary that works by the file.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = binary([]);
        command
            .args(words)
            .arg("--config")
            .arg(self.folder.path().join("azure.toml"))
            .envs(self.services.variables())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(super) fn run(&self) -> Command {
        self.command(&["run", "--json"])
    }

    pub(super) fn serve(&self) -> Command {
        self.command(&["serve"])
    }

    pub(super) fn status(&self) -> String {
        stdout_of_success(&self.command(&["status"]).output().unwrap())
    }

    pub(super) fn explain(&self, order: &str) -> String {
        stdout_of_success(&self.command(&["explain", order]).output().unwrap())
    }

    pub(super) fn fno(&self) -> &Fno {
        self.services.fno()
    }

    /// Sends events as Event Grid forwards them: the envelope is the body.
    pub(super) fn publish(&self, events: &[Value]) {
        let _inside = self.runtime.enter();
        for event in events {
            let message = NewMessage::new(event.to_string())
                .with_content_type("application/cloudevents+json");
            assert!(self.services.service_bus().send(TOPIC, message).unwrap());
        }
    }

    /// Messages that were completed so far.
    pub(super) fn completed(&self) -> u64 {
        self.services.service_bus().counters().completed
    }

    /// How many messages wait, and how many were set aside.
    pub(super) fn messages(&self) -> (usize, usize) {
        let bus = self.services.service_bus();
        let aside = bus.dead_letters(SUBSCRIPTION).len();
        (bus.backlog(SUBSCRIPTION), aside)
    }

    pub(super) fn dead_letter_reasons(&self) -> Vec<String> {
        let letters = self.services.service_bus().dead_letters(SUBSCRIPTION);
        let reasons = letters.into_iter().map(|letter| letter.dead_letter_reason);
        reasons.map(Option::unwrap_or_default).collect()
    }
}
