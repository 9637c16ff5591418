//! The ledger: what the long tiers ran, commit by commit.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::error::Error;

/// Where it is kept, below the root of the workspace.
pub(crate) const LEDGER: &str = "reliability/ledger.json";

/// What one run of a tier adds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Entry {
    /// The commit that ran.
    pub(crate) commit: String,
    /// Whether something differed from it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) dirty: bool,
    pub(crate) tier: &'static str,
    /// The day in UTC.
    pub(crate) date: String,
    pub(crate) seeds: u64,
    /// Where the seeds began: two entries that begin alike made the same runs.
    pub(crate) first_seed: u64,
    pub(crate) runs: u64,
    pub(crate) port_calls: u64,
    pub(crate) faults: u64,
    pub(crate) simulated_ms: u64,
    pub(crate) violations: usize,
    pub(crate) seconds: f64,
}

/// Adds an entry. The file is replaced as a whole, so that it is never seen half written, and
/// earlier entries keep their text.
pub(crate) fn append(path: &Path, entry: &Entry) -> Result<(), Error> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => "[]".to_owned(),
        Err(source) => {
            let path = path.to_owned();
            return Err(Error::ReadLedger { path, source });
        }
    };
    let not_a_ledger = |source| Error::NotALedger {
        path: path.to_owned(),
        source,
    };
    let mut entries: Vec<Box<RawValue>> = serde_json::from_str(&text).map_err(not_a_ledger)?;
    entries.push(to_raw_value(entry).map_err(Error::Json)?);
    let lines: Vec<&str> = entries.iter().map(|entry| entry.get()).collect();
    replace(path, &format!("[\n{}\n]\n", lines.join(",\n"))).map_err(|source| {
        let path = path.to_owned();
        Error::WriteLedger { path, source }
    })
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".ledger-")
        .tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    if let Ok(replaced) = fs::metadata(path) {
        file.as_file().set_permissions(replaced.permissions())?;
    }
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn entry(dirty: bool) -> Entry {
        Entry {
            commit: "c0ffee".to_owned(),
            dirty,
            tier: "t2",
            date: "2026-01-31".to_owned(),
            seeds: 5,
            first_seed: 0,
            runs: 8,
            port_calls: 90,
            faults: 7,
            simulated_ms: 60_000,
            violations: 0,
            seconds: 1.5,
        }
    }

    #[test]
    fn an_entry_is_appended_and_earlier_ones_keep_their_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.json");
        fs::write(&path, "[\n{\"tier\":  \"t9\", \"more\": 1e3}\n]\n").unwrap();

        append(&path, &entry(false)).unwrap();
        append(&path, &entry(true)).unwrap();

        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("[\n{\"tier\":  \"t9\", \"more\": 1e3},\n{"),
            "{text}"
        );
        let entries: Vec<Value> = serde_json::from_str(&text).unwrap();
        assert_eq!(
            entries[1],
            json!({
                "commit": "c0ffee", "tier": "t2", "date": "2026-01-31", "seeds": 5,
                "first_seed": 0, "runs": 8, "port_calls": 90, "faults": 7,
                "simulated_ms": 60_000, "violations": 0, "seconds": 1.5,
            })
        );
        assert_eq!(entries[2]["dirty"], true);
        // Nothing is left beside it.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_ledger_begins_with_its_first_entry() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.json");

        append(&path, &entry(false)).unwrap();

        let entries: Vec<Value> =
            serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(entries.len(), 1);
    }

    #[test]
    fn a_file_that_is_no_ledger_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.json");
        fs::write(&path, "{}").unwrap();

        let error = append(&path, &entry(false)).unwrap_err();

        assert!(matches!(error, Error::NotALedger { .. }), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "{}");
    }
}
