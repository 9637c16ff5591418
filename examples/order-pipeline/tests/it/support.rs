//! The binary, its work folder, events to feed it, and what it leaves behind.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use omnisync_adapters_local::{SqliteConfig, SqliteStateStore};
use omnisync_core::order::ORDERS;
use omnisync_core::port::{Query, StateStoreExt as _};
use omnisync_testkit::fake::{ErpTables, FakeErp, FakeErpOptions};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder of its own for every test, with the binary to work in it.
pub(crate) struct Host {
    temp: TempDir,
}

impl Host {
    pub(crate) fn new() -> Self {
        Self {
            temp: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.path("work")
    }

    /// Writes the input that [`Host::run`] reads.
    pub(crate) fn write_orders(&self, bytes: impl AsRef<[u8]>) {
        fs::write(self.orders(), bytes).unwrap();
    }

    pub(crate) fn orders(&self) -> PathBuf {
        self.path("orders.ndjson")
    }

    /// `order-pipeline run` over the written orders, not started yet.
    pub(crate) fn run_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command("run");
        command.arg("--orders").arg(self.orders()).args(arguments);
        command
    }

    /// A command of the binary in the work folder.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = binary([name]);
        command.arg("--work").arg(self.work());
        command
    }

    /// Runs the written orders and gives the JSON result of a run that has to succeed.
    pub(crate) fn run(&self, arguments: &[&str]) -> Value {
        let output = self.run_command(arguments).arg("--json").output().unwrap();
        report(&output)
    }

    /// Runs the written orders in the form for people.
    pub(crate) fn run_for_people(&self, arguments: &[&str]) -> String {
        let output = self.run_command(arguments).output().unwrap();
        stdout_of_success(&output)
    }

    /// Runs the written orders, which has to fail, and gives what it says.
    pub(crate) fn run_fails(&self, arguments: &[&str]) -> String {
        fails(&self.run_command(arguments).output().unwrap())
    }

    /// The same for arguments that make no sense.
    pub(crate) fn run_fails_with(&self, arguments: &[&str]) -> String {
        let output = self.run_command(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        stderr(&output)
    }

    pub(crate) fn status(&self) -> String {
        stdout_of_success(&self.command("status").output().unwrap())
    }

    pub(crate) fn explain(&self, order: &str) -> String {
        stdout_of_success(&self.command("explain").arg(order).output().unwrap())
    }

    /// Package files by name.
    pub(crate) fn packages(&self) -> BTreeMap<String, Vec<u8>> {
        let mut packages = BTreeMap::new();
        for entry in fs::read_dir(self.work().join("packages")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension() == Some(OsStr::new("zip")) {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                packages.insert(name, fs::read(path).unwrap());
            }
        }
        packages
    }

    pub(crate) fn package_path(&self, name: &str) -> PathBuf {
        self.work().join("packages").join(name)
    }

    pub(crate) fn dead_letter_path(&self) -> PathBuf {
        self.work().join("dead-letters.ndjson")
    }

    pub(crate) fn dead_letters(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.dead_letter_path()).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    pub(crate) fn open_store(&self) -> SqliteStateStore {
        SqliteConfig::new(self.work().join("state.db"))
            .open()
            .unwrap()
    }

    /// The stored orders as they are.
    pub(crate) fn documents(&self) -> BTreeMap<String, Value> {
        let store = self.open_store();
        let documents = block_on(store.query_all(Query::all(ORDERS), usize::MAX)).unwrap();
        block_on(store.close()).unwrap();
        documents
            .into_iter()
            .map(|document| {
                let body: Value = document.parse().unwrap();
                (document.key.id, body)
            })
            .collect()
    }

    pub(crate) fn states(&self) -> BTreeMap<String, String> {
        let name = |body: &Value| body["state"]["name"].as_str().map(str::to_owned);
        self.documents()
            .into_iter()
            .map(|(order, body)| {
                let state = name(&body).unwrap_or_else(|| panic!("{body}"));
                (order, state)
            })
            .collect()
    }

    pub(crate) fn erp(&self) -> ErpTables {
        FakeErp::open(self.work().join("erp"), FakeErpOptions::default())
            .unwrap()
            .tables()
    }

    /// Everything that has to be the same however often a run was interrupted.
    pub(crate) fn end_state(&self) -> EndState {
        let kept = [
            "state",
            "revision",
            "contentHash",
            "omsEvent",
            "batchId",
            "blobReference",
            "retryCount",
            "claimGeneration",
            "waitingSince",
            "queued",
        ];
        let orders = self
            .documents()
            .into_iter()
            .map(|(order, body)| {
                let facts = kept.map(|member| body[member].to_string());
                (order, facts.join(" "))
            })
            .collect();
        let tables = self.erp();
        let imports = |of: BTreeMap<&str, u32>| {
            of.into_iter()
                .map(|(key, count)| (key.to_owned(), count))
                .collect()
        };
        EndState {
            orders,
            packages: self.packages(),
            dead_letters: fs::read_to_string(self.dead_letter_path()).unwrap(),
            status: self.status(),
            erp_orders: imports(tables.imports()),
            erp_lines: imports(tables.line_imports()),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EndState {
    pub(crate) orders: BTreeMap<String, String>,
    pub(crate) packages: BTreeMap<String, Vec<u8>>,
    pub(crate) dead_letters: String,
    pub(crate) status: String,
    pub(crate) erp_orders: BTreeMap<String, u32>,
    pub(crate) erp_lines: BTreeMap<String, u32>,
}

impl EndState {
    /// Fails with the first difference instead of with everything.
    pub(crate) fn assert_same(&self, other: &Self, context: &str) {
        assert_eq!(self.status, other.status, "{context}");
        assert_eq!(self.dead_letters, other.dead_letters, "{context}");
        for (order, facts) in &self.orders {
            assert_eq!(Some(facts), other.orders.get(order), "{context}: {order}");
        }
        let names = |state: &Self| state.packages.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(self), names(other), "{context}");
        assert!(self == other, "{context}: packages or ERP tables differ");
    }
}

pub(crate) fn binary<const N: usize>(arguments: [&str; N]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_order-pipeline"));
    command.args(arguments).env_remove("RUST_LOG");
    command
}

/// Runs `command` with `input` on its standard input.
pub(crate) fn with_input(mut command: Command, input: &[u8]) -> Output {
    let mut child = piped(&mut command).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

pub(crate) fn piped(command: &mut Command) -> &mut Command {
    command.stdout(Stdio::piped()).stderr(Stdio::piped())
}

/// A process that does not outlive its test.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

pub(crate) fn stderr(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!text.contains("panicked"), "{text}");
    text
}

pub(crate) fn stdout_of_success(output: &Output) -> String {
    let errors = stderr(output);
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success(), "{}: {errors}{text}", output.status);
    text
}

/// The one JSON object of a run that succeeded.
pub(crate) fn report(output: &Output) -> Value {
    serde_json::from_str(&stdout_of_success(output)).unwrap()
}

/// What a command says that has to fail with exit code 1.
pub(crate) fn fails(output: &Output) -> String {
    let errors = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.starts_with("error: "), "{errors}");
    errors
}

/// Asserts some counts of a report.
pub(crate) fn check_counts(report: &Value, expected: &[(&str, usize)]) {
    for (name, count) in expected {
        assert_eq!(report[*name], json!(count), "{name} in {report}");
    }
}

/// Counts of a run that found everything known.
pub(crate) const NO_CHANGE: &[(&str, usize)] = &[
    ("accepted", 0),
    ("updated", 0),
    ("cancelled", 0),
    ("outdated", 0),
    ("dead_lettered", 0),
    ("packages", 0),
    ("imported", 0),
    ("rejected", 0),
    ("quarantined", 0),
    ("pending", 0),
];

/// A valid order event: `quantity` pieces for 12.50 each.
pub(crate) fn order(number: u32, quantity: u32) -> Value {
    let cents = quantity * 1_250;
    let total: Value =
        serde_json::from_str(&format!("{}.{:02}", cents / 100, cents % 100)).unwrap();
    json!({
        "specversion": "1.0",
        "type": "OMS.Order.Created",
        "source": "https://oms.example/orders",
        "id": format!("event-{number}"),
        "time": format!("2026-01-05T06:{:02}:{:02}Z", number / 60 % 60, number % 60),
        "datacontenttype": "application/json",
        "data": {
            "orderId": order_id(number),
            "customerId": "CUST-000042",
            "orderDate": "2026-01-05",
            "totalAmount": total,
            "currency": "EUR",
            "lineItems": [
                {"itemNumber": 1, "productCode": "P-1", "quantity": quantity, "unitPrice": 12.5}
            ],
            "shippingAddress": {
                "name": "Ada", "street": "Ringstraße 1", "city": "Zürich", "zip": "08001",
                "country": "CH"
            }
        }
    })
}

pub(crate) fn order_id(number: u32) -> String {
    format!("T-{number:05}")
}

/// Orders `numbers`, one a line.
pub(crate) fn orders(numbers: impl IntoIterator<Item = u32>) -> String {
    let mut lines = String::new();
    for number in numbers {
        lines.push_str(&order(number, number % 7 + 1).to_string());
        lines.push('\n');
    }
    lines
}

/// The recorded orders of the samples, one a line.
pub(crate) fn recorded_orders() -> String {
    let samples = PathBuf::from(std::env::var_os("OMNISYNC_SAMPLES").unwrap());
    fs::read_to_string(samples.join("orders/northwind-orders.ndjson")).unwrap()
}

/// An amount in ten-thousandths, exactly.
pub(crate) fn exact(amount: &str) -> i128 {
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    assert!(fraction.len() <= 4, "{amount}");
    format!("{whole}{fraction:0<4}").parse().unwrap()
}

/// Totals of a package by currency, as `verify` prints them for a clean one.
pub(crate) fn verified_totals(package: &Path) -> BTreeMap<String, i128> {
    let output = binary(["verify"]).arg(package).output().unwrap();
    let text = stdout_of_success(&output);
    assert!(text.contains("problems   0"), "{text}");
    text.lines()
        .filter_map(|line| line.strip_prefix("total"))
        .map(|total| {
            let (amount, currency) = total.trim().split_once(' ').unwrap();
            (currency.to_owned(), exact(amount))
        })
        .collect()
}

/// Totals of all packages by currency.
pub(crate) fn package_totals(report: &Value) -> BTreeMap<String, i128> {
    let mut totals = BTreeMap::new();
    for file in report["package_files"].as_array().unwrap() {
        for (currency, amount) in verified_totals(Path::new(file.as_str().unwrap())) {
            *totals.entry(currency).or_default() += amount;
        }
    }
    totals
}

/// Totals that the events of an input claim, by currency.
pub(crate) fn input_totals<'a>(
    events: impl IntoIterator<Item = &'a Value>,
) -> BTreeMap<String, i128> {
    let mut totals = BTreeMap::new();
    for event in events {
        let data = &event["data"];
        let currency = data["currency"].as_str().unwrap().to_owned();
        *totals.entry(currency).or_default() += exact(&data["totalAmount"].to_string());
    }
    totals
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}
