//! File names and the sidecar of a blob.

use omnisync_core::id::{BlobName, Sha256};
use omnisync_core::port::BlobReceipt;
use serde::{Deserialize, Serialize};

/// Ends the names of sidecars.
const SIDECAR_SUFFIX: &str = ".meta.json";

/// Marks names that would otherwise mean something to the folder. Blob names do not hold it.
const ESCAPE: char = '=';

/// What a sidecar says about its blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sidecar {
    pub(super) name: BlobName,
    pub(super) bytes: u64,
    pub(super) sha256: Sha256,
}

impl From<Sidecar> for BlobReceipt {
    fn from(sidecar: Sidecar) -> Self {
        Self {
            name: sidecar.name,
            bytes: sidecar.bytes,
            sha256: sidecar.sha256,
        }
    }
}

/// Name of the file that holds the content of `name`: the name itself, except where it would be
/// hidden, a relative folder or a sidecar.
pub(super) fn content_file(name: &BlobName) -> String {
    let mut file = String::with_capacity(name.as_str().len() + 2);
    if name.as_str().starts_with('.') {
        file.push(ESCAPE);
    }
    file.push_str(name.as_str());
    if name.as_str().ends_with(SIDECAR_SUFFIX) {
        file.push(ESCAPE);
    }
    file
}

/// Name of the sidecar of `name`.
pub(super) fn sidecar_file(name: &BlobName) -> String {
    format!("{}{SIDECAR_SUFFIX}", content_file(name))
}

/// The blob whose sidecar is called `file`; `None` for every other file.
pub(super) fn name_of_sidecar(file: &str) -> Option<BlobName> {
    let content = file.strip_suffix(SIDECAR_SUFFIX)?;
    let name = content.strip_prefix(ESCAPE).unwrap_or(content);
    let name = BlobName::new(name.strip_suffix(ESCAPE).unwrap_or(name)).ok()?;
    (sidecar_file(&name) == file).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_blob_name_has_files_of_its_own_and_reads_back() {
        let names = [
            "a",
            "a.zip",
            ".",
            "..",
            ".omnisync",
            ".meta.json",
            "a.meta.json",
            "-",
        ];
        let mut files = Vec::new();
        for text in names {
            let name = BlobName::new(text).unwrap();
            assert_eq!(
                name_of_sidecar(&sidecar_file(&name)),
                Some(name.clone()),
                "{text}"
            );
            files.extend([content_file(&name), sidecar_file(&name)]);
        }
        assert!(files.iter().all(|file| !file.starts_with('.')), "{files:?}");
        files.sort_unstable();
        files.dedup();
        assert_eq!(files.len(), names.len() * 2);
    }

    #[test]
    fn other_files_are_no_sidecars() {
        for file in [
            "a.zip",
            "=a.meta.json",
            "a=.meta.json",
            "a b.meta.json",
            ".meta.json",
        ] {
            assert_eq!(name_of_sidecar(file), None, "{file}");
        }
    }
}
