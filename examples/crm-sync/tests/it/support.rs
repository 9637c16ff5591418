//! The binary, its folder, and records to feed it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Accounts and products that tests begin with.
const ACCOUNTS: usize = 12;
const PRODUCTS: usize = 8;

/// A folder of its own for every test, with the binary to work in it.
pub(crate) struct Host {
    temp: TempDir,
}

impl Host {
    pub(crate) fn new() -> Self {
        let host = Self {
            temp: tempfile::tempdir().unwrap(),
        };
        host.write_records();
        host
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Few records, so that a run is short.
    fn write_records(&self) {
        let customers = (1..=ACCOUNTS).map(|at| {
            json!({
                "accountNumber": format!("TEST{at}"),
                "name": format!("Customer {at} with a name that is too long for one"),
                "contactName": "Ann", "contactTitle": null,
                "street": format!("Long  Street {at}"), "city": "Bern", "region": null,
                "postalCode": "03011", "country": "Switzerland",
                "phone": format!("031 {at}"), "fax": null,
            })
            .to_string()
        });
        self.write("northwind-customers.ndjson", lines(customers));
        let products = (1..=PRODUCTS).map(|at| {
            json!({
                "productCode": format!("T-{at}"), "name": format!("Product {at}"),
                "category": "Tools", "quantityPerUnit": "1", "unitPrice": 1.5,
                "discontinued": false,
            })
            .to_string()
        });
        self.write("northwind-products.ndjson", lines(products));
    }

    /// A command of the binary on the folder `data`.
    pub(crate) fn output(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_crm-sync"));
        command.args(arguments);
        command.arg("--data").arg(self.path("data"));
        command.output().unwrap()
    }

    /// A run over the written records.
    pub(crate) fn run_output(&self, arguments: &[&str]) -> Output {
        let records = self.path("");
        let mut all = vec!["run", "--records", records.to_str().unwrap()];
        all.extend(arguments);
        self.output(&all)
    }

    /// The JSON result of a run that has to succeed.
    pub(crate) fn run(&self, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.push("--json");
        let text = said(&self.run_output(&all));
        assert_eq!(text.lines().count(), 1, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// What a command says that has to succeed.
    pub(crate) fn says(&self, arguments: &[&str]) -> String {
        said(&self.output(arguments))
    }

    /// What a command complains of that has to fail.
    pub(crate) fn fails(&self, arguments: &[&str]) -> String {
        complaint(&self.output(arguments), 1)
    }
}

pub(crate) fn said(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success(), "{errors}{text}");
    assert!(errors.is_empty(), "{errors}");
    text
}

pub(crate) fn complaint(output: &Output, code: i32) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.map(|line| line + "\n").collect()
}
