//! A clock that stands still, and child processes that run one test of this binary.
#![allow(dead_code, reason = "which helpers are used depends on the features")]

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use omnisync_core::port::Clock;
use tokio::sync::watch;

/// Variable that tells a test that it is the child, and where to work.
const CHILD: &str = "OMNISYNC_TEST_CHILD_FOLDER";

/// Begins the lines that a child says; the test harness says others.
const MARK: &str = "child: ";

/// Time that passes when a test says so.
#[derive(Debug)]
pub(crate) struct ManualClock(watch::Sender<DateTime<Utc>>);

impl ManualClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(watch::Sender::new(DateTime::UNIX_EPOCH)))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.send_modify(|now| *now += by);
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.borrow()
    }

    async fn sleep_until(&self, instant: DateTime<Utc>) {
        self.0
            .subscribe()
            .wait_for(|now| *now >= instant)
            .await
            .unwrap();
    }
}

/// The folder to work in, when this process is a child.
pub(crate) fn child_folder() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

/// What a child tells its parent, at once.
pub(crate) fn say(text: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{MARK}{text}").unwrap();
    out.flush().unwrap();
}

/// Waits until the parent says a line.
pub(crate) fn wait_for_parent() {
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

/// A process that runs one test of this binary in `folder`.
pub(crate) struct ChildTest {
    process: Child,
    lines: Arc<Mutex<std::io::Lines<BufReader<ChildStdout>>>>,
}

impl ChildTest {
    pub(crate) fn start(test: &str, folder: &Path) -> Self {
        Self::spawn(Command::new(std::env::current_exe().unwrap()), test, folder)
    }

    /// As a user that permission bits bind, whoever runs the tests.
    #[cfg(unix)]
    pub(crate) fn start_unprivileged(test: &str, folder: &Path, program: &Path) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        use std::os::unix::process::CommandExt as _;
        const ROOT: u32 = 0;
        const NOBODY: u32 = 65_534;

        let mut command = Command::new(program);
        if std::fs::metadata(program).unwrap().uid() == ROOT {
            command.gid(NOBODY).uid(NOBODY);
        }
        Self::spawn(command, test, folder)
    }

    fn spawn(mut command: Command, test: &str, folder: impl AsRef<OsStr>) -> Self {
        let mut process = command
            .args([test, "--exact", "--nocapture", "--test-threads=1"])
            .env(CHILD, folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self {
            process,
            lines: Arc::new(Mutex::new(lines)),
        }
    }

    /// The next thing that the child says; `None` when it has ended.
    pub(crate) fn hear(&self) -> Option<String> {
        let mut lines = self.lines.lock().unwrap();
        lines
            .by_ref()
            .find_map(|line| Some(line.unwrap().strip_prefix(MARK)?.to_owned()))
    }

    /// Lets the child go on behind `wait_for_parent`.
    pub(crate) fn nod(&mut self) {
        self.process
            .stdin
            .as_mut()
            .unwrap()
            .write_all(b"go\n")
            .unwrap();
    }

    /// Kills the child where it is (SIGKILL).
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(crate) fn wait(mut self) {
        assert!(self.process.wait().unwrap().success(), "the child failed");
    }
}

/// Runs `test` in a folder that its process must not write to, and gives what it says.
#[cfg(unix)]
pub(crate) fn hear_in_read_only_folder(test: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;

    let temp = tempfile::tempdir().unwrap();
    let set = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    set(temp.path(), 0o755);
    let folder = temp.path().join("read-only");
    std::fs::create_dir(&folder).unwrap();
    set(&folder, 0o555);
    // The other user may not be let to where this binary lies.
    let program = temp.path().join("test");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    set(&program, 0o755);

    let child = ChildTest::start_unprivileged(test, &folder, &program);
    let said = child.hear().unwrap();
    child.wait();
    said
}
