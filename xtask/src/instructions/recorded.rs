use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::tools::Tools;
use crate::error::Error;

/// What the repository remembers.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recorded {
    pub(super) tools: Tools,
    /// By workload.
    pub(super) instructions: BTreeMap<String, u64>,
}

impl Recorded {
    pub(super) fn load(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
        serde_json::from_str(&text).map_err(|source| Error::Recorded {
            path: path.to_owned(),
            source,
        })
    }

    pub(super) fn save(&self, path: &Path) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(self).map_err(|source| Error::Recorded {
            path: path.to_owned(),
            source,
        })?;
        fs::write(path, text + "\n").map_err(|source| Error::Write {
            path: path.to_owned(),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tools::tests::tools;
    use super::*;

    #[test]
    fn what_is_recorded_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("instructions.json");
        let recorded = Recorded {
            tools: tools("1.95.0"),
            instructions: [("parser".to_owned(), 42)].into(),
        };

        recorded.save(&path).unwrap();

        assert_eq!(Recorded::load(&path).unwrap(), recorded);
    }

    #[test]
    fn a_file_that_says_something_else_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("instructions.json");
        fs::write(&path, "{}").unwrap();

        let error = Recorded::load(&path).unwrap_err();

        assert!(error.to_string().contains("instructions.json"), "{error}");
    }
}
