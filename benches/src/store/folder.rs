//! Folders to work in.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The folder `name` of `work`, with nothing in it.
pub(crate) fn emptied(work: &Path, name: &str) -> Result<PathBuf, Error> {
    let folder = work.join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(Error::file(&folder))?;
    }
    fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
    Ok(folder)
}
