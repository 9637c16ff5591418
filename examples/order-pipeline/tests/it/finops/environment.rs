//! An environment on a loopback port of the test, and the binary that delivers into it.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use omnisync_adapters_local::SystemClock;
use omnisync_core::port::RepeatedExecution;
use omnisync_testkit::server::fno::{Fno, FnoOptions, FnoServer};
use serde_json::Value;
use std::sync::Arc;
use tokio::runtime::Runtime;

use crate::support::{Host, fails, piped, report};

pub(super) const HEADERS: &str = "Sales order headers V2";
pub(super) const LINES: &str = "Sales order lines V2";

/// How the file describes the environment.
const SETTINGS: &str = r#"
project = "Sales orders"

[environment]
base_url = "${FNO_URL}"
legal_entity = "USMF"
submit_seconds_max = 2
visible_after_seconds = 3
error_file_poll_ms = 1

[credentials]
kind = "client-secret"
tenant = "${FNO_TENANT}"
client_id = "${FNO_CLIENT}"
client_secret = { env = "FNO_SECRET" }
authority = "${FNO_URL}"

[deliver]
poll_ms = 5
lease_seconds = 5

[deliver.retry]
base_ms = 5
cap_ms = 50
attempts_max = 10

[http]
timeout_ms = 2000
retry_percent_max = 100

[http.retry]
base_ms = 1
cap_ms = 5
attempts_max = 3
"#;

pub(super) struct Environment {
    pub(super) host: Host,
    server: FnoServer,
    variables: BTreeMap<&'static str, String>,
    /// The server runs on it.
    _runtime: Runtime,
}

impl Environment {
    pub(super) fn start(change: impl FnOnce(&mut FnoOptions)) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let mut options = FnoOptions::new(Arc::new(SystemClock));
        options.repeated_execution = RepeatedExecution::RunsAgain;
        change(&mut options);
        let access = options.access.clone();
        let server = runtime.block_on(FnoServer::start(options)).unwrap();
        let environment = Self {
            host: Host::new(),
            variables: BTreeMap::from([
                ("FNO_URL", server.base_url().to_owned()),
                ("FNO_TENANT", access.tenant),
                ("FNO_CLIENT", access.client_id),
                ("FNO_SECRET", access.client_secret),
                ("FNO_WRONG_SECRET", "not-the-secret".to_owned()),
            ]),
            server,
            _runtime: runtime,
        };
        environment.configure(|text| text);
        environment
    }

    pub(super) fn fno(&self) -> &Fno {
        self.server.fno()
    }

    /// Writes the file that describes the environment, after `change`.
    pub(super) fn configure(&self, change: impl FnOnce(String) -> String) {
        let text = change(SETTINGS.to_owned());
        fs::write(self.host.path("fno.toml"), text).unwrap();
    }

    /// Delivers by a recurring data job from now on.
    pub(super) fn recurring(&self) {
        let mode =
            "\nmode = { recurring = { activity_id = \"6a1c9f3e-0d8e-4c2f-9b57-2f1f7d3b8a10\" } }";
        let at = "legal_entity = \"USMF\"";
        self.configure(|text| text.replace(at, &format!("{at}{mode}")));
    }

    /// Writes events, one a line.
    pub(super) fn write(&self, events: &[Value]) {
        let lines: Vec<String> = events.iter().map(Value::to_string).collect();
        self.host.write_orders(lines.join("\n"));
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.host.run_command(arguments);
        command
            .args(["--json", "--erp", "finops", "--erp-config"])
            .arg(self.host.path("fno.toml"))
            .envs(&self.variables);
        command
    }

    /// The result of a run that has to succeed.
    pub(super) fn run(&self, arguments: &[&str]) -> Value {
        report(&self.command(arguments).output().unwrap())
    }

    /// The result of a run, or what it says.
    pub(super) fn try_run(&self, arguments: &[&str]) -> Result<Value, String> {
        let output = self.command(arguments).output().unwrap();
        if output.status.success() {
            Ok(report(&output))
        } else {
            Err(fails(&output))
        }
    }

    /// Runs until somebody was told something, and ends the run.
    pub(super) fn run_for_a_while(&self) -> String {
        use std::io::{BufRead as _, BufReader};

        let mut child = piped(&mut self.command(&[])).spawn().unwrap();
        let mut said = String::new();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        for line in lines.by_ref().map_while(Result::ok) {
            said.push_str(&line);
            said.push('\n');
            if line.starts_with("notice: ") || line.starts_with("waiting for ") {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        said
    }

    /// Which order a line of a package belongs to, by its lot.
    pub(super) fn lines_by_lot(&self) -> BTreeMap<String, String> {
        let mut lots = BTreeMap::new();
        for package in self.host.packages().into_values() {
            let file = std::io::Cursor::new(package);
            let limits = omnisync_core::dixf::ReadLimits::default();
            let mut package = omnisync_core::dixf::Package::open(file, limits).unwrap();
            for row in package.rows(LINES).unwrap() {
                let row = row.unwrap();
                let value = |column| row.get(column).unwrap().to_owned();
                lots.insert(value("INVENTORYLOTID"), value("SALESORDERNUMBER"));
            }
        }
        lots
    }
}
