//! Which code ran.

use std::path::Path;
use std::process::Command;

use crate::error::Error;

/// The state of the working tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Revision {
    /// The commit that is checked out.
    pub(crate) commit: String,
    /// Whether something differs from it.
    pub(crate) is_dirty: bool,
}

impl Revision {
    /// Asks git, which takes no account of the file `ledger`: a tier that was entered there does
    /// not change what the next one runs.
    pub(crate) fn read(root: &Path, ledger: &str) -> Result<Self, Error> {
        let all_but_ledger = format!(":(exclude){ledger}");
        let status = ["status", "--porcelain", "--", ".", &all_but_ledger];
        Ok(Self {
            commit: git(root, &["rev-parse", "HEAD"])?,
            is_dirty: !git(root, &status)?.is_empty(),
        })
    }
}

fn git(root: &Path, arguments: &[&str]) -> Result<String, Error> {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(root)
        .output();
    let output = output.map_err(|source| Error::Git {
        arguments: arguments.join(" "),
        source,
    })?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(Error::GitFailed {
            arguments: arguments.join(" "),
            message: text(&output.stderr),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const LEDGER: &str = "kept/ledger.json";

    fn check(root: &Path, is_dirty: bool) {
        let revision = Revision::read(root, LEDGER).unwrap();
        assert_eq!(revision.commit.len(), 40, "{revision:?}");
        assert_eq!(revision.is_dirty, is_dirty);
    }

    #[test]
    fn a_change_makes_a_tree_dirty_and_an_entry_in_the_ledger_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir(root.join("kept")).unwrap();
        fs::write(root.join(LEDGER), "[]").unwrap();
        fs::write(root.join("code"), "1").unwrap();
        git(root, &["init", "--quiet"]).unwrap();
        git(root, &["add", "."]).unwrap();
        let author = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
        let commit = ["commit", "--quiet", "--message", "All", "--no-gpg-sign"];
        git(root, &[&author[..], &commit].concat()).unwrap();
        check(root, false);

        fs::write(root.join(LEDGER), "[{}]").unwrap();
        check(root, false);

        fs::write(root.join("code"), "2").unwrap();
        check(root, true);
    }

    #[test]
    fn a_folder_without_a_repository_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = git(folder.path(), &["rev-parse", "--verify", "no-such"]).unwrap_err();
        assert!(error.to_string().contains("--no-ledger"), "{error}");
    }
}
