//! Files: what the operating system refused, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use omnisync_core::ErrorKind;
#[cfg(any(feature = "folder", feature = "ndjson"))]
use omnisync_core::PortError;
use thiserror::Error;

/// A step on a file that failed.
#[derive(Debug, Error)]
#[error("cannot {step} {}; {}", path.display(), advice(kind_of(source)))]
pub(crate) struct FileError {
    step: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl FileError {
    /// For `map_err`: names the step, as in `create`, and the file.
    pub(crate) fn at(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self {
            step,
            path: path.to_path_buf(),
            source,
        }
    }

    /// What the caller can do.
    pub(crate) fn kind(&self) -> ErrorKind {
        kind_of(&self.source)
    }

    /// As the error of a port operation.
    #[cfg(any(feature = "folder", feature = "ndjson"))]
    pub(crate) fn port(self, operation: &'static str) -> PortError {
        PortError::new(self.kind(), operation)
            .with_detail(self.to_string())
            .with_source(self.source)
    }
}

/// Sorts an error of the operating system.
pub(crate) fn kind_of(error: &io::Error) -> ErrorKind {
    // Running out of file handles has no `io::ErrorKind` of its own: ENFILE and EMFILE.
    #[cfg(unix)]
    if matches!(error.raw_os_error(), Some(23 | 24)) {
        return ErrorKind::Exhausted;
    }
    match error.kind() {
        io::ErrorKind::StorageFull
        | io::ErrorKind::QuotaExceeded
        | io::ErrorKind::FileTooLarge
        | io::ErrorKind::OutOfMemory => ErrorKind::Exhausted,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Denied,
        io::ErrorKind::NotFound
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::InvalidFilename => ErrorKind::Invalid,
        io::ErrorKind::TimedOut => ErrorKind::TimedOut,
        io::ErrorKind::Unsupported => ErrorKind::Unsupported,
        _ => ErrorKind::Unavailable,
    }
}

pub(crate) fn advice(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Exhausted => "free disk space, quota or file handles, then start again",
        ErrorKind::Denied => "make the file and its folder writable for this user",
        ErrorKind::Invalid => "check that the path is right and that its folder exists",
        ErrorKind::Unsupported => "use a local file system that offers this",
        _ => "check the disk, then try again",
    }
}

/// `path` with `suffix` behind its last segment.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_refuses_is_sorted_and_says_what_to_do() {
        let cases = [
            (
                io::ErrorKind::StorageFull,
                ErrorKind::Exhausted,
                "free disk space",
            ),
            (
                io::ErrorKind::ReadOnlyFilesystem,
                ErrorKind::Denied,
                "writable",
            ),
            (
                io::ErrorKind::PermissionDenied,
                ErrorKind::Denied,
                "writable",
            ),
            (
                io::ErrorKind::NotFound,
                ErrorKind::Invalid,
                "its folder exists",
            ),
            (
                io::ErrorKind::Unsupported,
                ErrorKind::Unsupported,
                "local file system",
            ),
            (
                io::ErrorKind::Other,
                ErrorKind::Unavailable,
                "check the disk",
            ),
        ];
        for (refusal, kind, advice) in cases {
            let error = FileError::at("write", Path::new("a.db"))(refusal.into());
            assert_eq!(error.kind(), kind);
            let text = error.to_string();
            assert!(
                text.contains("cannot write a.db") && text.contains(advice),
                "{text}"
            );
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_full_device_and_missing_handles_are_exhausted() {
        use std::io::Write as _;

        let mut full = std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        assert_eq!(
            kind_of(&full.write_all(b"x").unwrap_err()),
            ErrorKind::Exhausted
        );
        assert_eq!(
            kind_of(&io::Error::from_raw_os_error(24)),
            ErrorKind::Exhausted
        );
    }
}
