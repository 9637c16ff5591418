//! The files under check.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::error::Error;

/// Folders of test data that a program wrote, or that has to keep its bytes.
const DATA_FOLDERS: &[&str] = &["generated", "golden", "proptest-regressions", "regressions"];

/// Folders of input for tests; code may live in a folder of that name as well.
const INPUT_FOLDERS: &[&str] = &["data", "fixture", "fixtures"];

/// Files whose text is not ours to change.
const GIVEN_FILES: &[&str] = &[
    "Cargo.lock",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "package-lock.json",
];

/// A file of the repository.
#[derive(Debug)]
pub(super) struct SourceFile {
    /// Relative to the root, with forward slashes.
    pub(super) path: String,
    /// Empty for a file that is not UTF-8 text.
    pub(super) text: String,
}

impl SourceFile {
    pub(super) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
        }
    }

    /// The lines with their numbers, counted from one.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }

    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// The folders on the way to the file.
    pub(super) fn folders(&self) -> impl Iterator<Item = &str> {
        self.path.rsplit('/').skip(1)
    }

    pub(super) fn is_rust(&self) -> bool {
        self.has_extension("rs")
    }

    pub(super) fn is_markdown(&self) -> bool {
        self.has_extension("md")
    }

    /// Whether people write this file, so that rules on form apply.
    pub(super) fn is_written_by_hand(&self) -> bool {
        let is_prose_or_code = self.is_rust() || self.is_markdown();
        let is_data = self.folders().any(|folder| {
            DATA_FOLDERS.contains(&folder) || (!is_prose_or_code && INPUT_FOLDERS.contains(&folder))
        });
        !is_data && !GIVEN_FILES.contains(&self.name())
    }

    fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|actual| actual == extension)
    }
}

/// Reads what git tracks or would track; without git, whatever lies in the folder.
pub(super) fn files(root: &Path) -> Result<Vec<SourceFile>, Error> {
    let mut paths = match git_files(root) {
        Some(paths) => paths,
        None => walk(root)?,
    };
    paths.sort();
    paths.dedup();
    // Git lists a file until its removal is staged.
    let present = paths.into_iter().filter(|path| root.join(path).is_file());
    present.map(|path| read(root, path)).collect()
}

fn git_files(root: &Path) -> Option<Vec<String>> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .output()
        .ok()?;
    let text = output
        .status
        .success()
        .then(|| String::from_utf8(output.stdout).ok())??;
    Some(text.split_terminator('\0').map(str::to_owned).collect())
}

fn walk(root: &Path) -> Result<Vec<String>, Error> {
    println!("git does not list the files; checking whatever lies here");
    let mut paths = Vec::new();
    let mut pending = vec![String::new()];
    while let Some(folder) = pending.pop() {
        let path = root.join(&folder);
        let unreadable = |source| Error::Read {
            path: path.clone(),
            source,
        };
        for entry in fs::read_dir(&path).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !entry.file_type().map_err(unreadable)?.is_dir() {
                paths.push(format!("{folder}{name}"));
            } else if name != ".git" && name != "target" {
                pending.push(format!("{folder}{name}/"));
            }
        }
    }
    Ok(paths)
}

fn read(root: &Path, path: String) -> Result<SourceFile, Error> {
    let absolute = root.join(&path);
    let bytes = fs::read(&absolute).map_err(|source| Error::Read {
        path: absolute,
        source,
    })?;
    let text = if bytes.contains(&0) {
        String::new()
    } else {
        text(bytes)
    };
    Ok(SourceFile::new(path, text))
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: bool) {
        assert_eq!(
            SourceFile::new(path, "").is_written_by_hand(),
            expected,
            "{path}"
        );
    }

    #[test]
    fn golden_files_and_given_files_keep_their_form() {
        check("omnisync-core/src/lib.rs", true);
        check("omnisync-testkit/src/fixture/order.rs", true);
        check("omnisync-core/tests/golden/package.csv", false);
        check("omnisync-core/tests/fixtures/order.json", false);
        check("LICENSE-APACHE", false);
    }

    #[test]
    fn without_git_the_folder_is_walked() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["src/deep", "target/debug", ".git"] {
            fs::create_dir_all(folder.path().join(path)).unwrap();
            fs::write(folder.path().join(path).join("file"), "text").unwrap();
        }

        assert_eq!(walk(folder.path()).unwrap(), ["src/deep/file"]);
    }

    #[test]
    fn a_file_that_is_not_text_reads_as_empty() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("binary"), b"a\0b").unwrap();
        fs::write(folder.path().join("latin"), b"\xe9").unwrap();

        for path in ["binary", "latin"] {
            assert_eq!(
                read(folder.path(), path.to_owned()).unwrap().text,
                "",
                "{path}"
            );
        }
    }
}
