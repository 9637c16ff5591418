//! Changes to files that hold across a crash.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use crate::file::FileError;

/// Makes the entries of the folder of `path` durable. Only Unix can and needs to.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        File::open(folder)?.sync_all()
    }
    #[cfg(not(unix))]
    {
        _ = path;
        Ok(())
    }
}

/// Replaces the file at `path` by `content`: a reader and a crash see the old or the new.
pub(crate) fn replace(path: &Path, staged: &Path, content: &[u8]) -> Result<(), FileError> {
    let mut file = File::create(staged).map_err(FileError::at("create", staged))?;
    file.write_all(content)
        .and_then(|()| file.sync_all())
        .map_err(FileError::at("write", staged))?;
    drop(file);
    fs::rename(staged, path).map_err(FileError::at("replace", path))?;
    sync_folder_of(path).map_err(FileError::at("sync the folder of", path))
}

/// Removes the file at `path` if there is one, and says whether there was.
pub(crate) fn remove(path: &Path) -> Result<bool, FileError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(FileError::at("remove", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacing_leaves_the_new_content_and_no_staged_file() {
        let folder = tempfile::tempdir().unwrap();
        let (path, staged) = (folder.path().join("a"), folder.path().join("a.tmp"));
        for content in ["old", "new"] {
            replace(&path, &staged, content.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
        assert!(!staged.exists());
        assert!(remove(&path).unwrap());
        assert!(!remove(&path).unwrap());
    }
}
