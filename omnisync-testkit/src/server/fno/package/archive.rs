//! The zip archive around a package.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

use zip::ZipArchive;

/// More than any package of a test holds, and little enough to stop a bomb.
const UNPACKED_BYTES_MAX: u64 = 1 << 30;

/// Files of an archive by name.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// Opens an archive whose files all stand at its root, transforms in `Resources` aside.
pub(crate) fn open(bytes: &[u8]) -> Result<Files, String> {
    let mut archive = ZipArchive::new(Cursor::new(bytes))
        .map_err(|error| format!("the package is no archive: {error}"))?;
    let mut files = Files::new();
    let mut left = UNPACKED_BYTES_MAX;
    for index in 0..archive.len() {
        let file = archive
            .by_index(index)
            .map_err(|error| format!("an entry of the package cannot be read: {error}"))?;
        let name = file
            .name()
            .map_err(|error| format!("an entry of the package has no name: {error}"))?
            .into_owned();
        if name.contains(['/', '\\']) && !name.starts_with("Resources/") {
            return Err(format!(
                "the package has a folder, '{name}': its files stand at the root"
            ));
        }
        let mut content = Vec::new();
        let read = file
            .take(left + 1)
            .read_to_end(&mut content)
            .map_err(|error| format!("the entry '{name}' cannot be read: {error}"))?;
        left = match left.checked_sub(u64::try_from(read).unwrap_or(u64::MAX)) {
            Some(left) => left,
            None => return Err("the package is too large".to_owned()),
        };
        if files.insert(name.clone(), content).is_some() {
            return Err(format!("the package has '{name}' twice"));
        }
    }
    Ok(files)
}
