//! Reads data packages by the service's rules. It shares nothing with the writer of
//! `omnisync-core`, so that a misunderstanding of one shows in the other.

pub(crate) mod archive;
pub(crate) mod contract;
pub(crate) mod data;
pub(crate) mod xml;

#[cfg(test)]
mod tests;

use contract::{Header, Manifest};

/// A package whose manifest was read; data files are read when they are imported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) manifest: Manifest,
    pub(crate) files: archive::Files,
}

/// Reads manifest and header out of the files of a package.
pub(crate) fn read(files: archive::Files) -> Result<Package, String> {
    let manifest = member(&files, "Manifest.xml")?;
    let header = member(&files, "PackageHeader.xml")?;
    Header::read(&xml::parse(header).map_err(|error| unreadable("PackageHeader.xml", &error))?)?;
    let manifest = xml::parse(manifest).map_err(|error| unreadable("Manifest.xml", &error))?;
    Ok(Package {
        manifest: Manifest::read(&manifest)?,
        files,
    })
}

fn member<'f>(files: &'f archive::Files, name: &str) -> Result<&'f [u8], String> {
    files
        .get(name)
        .map(Vec::as_slice)
        .ok_or_else(|| format!("the package has no file {name}"))
}

fn unreadable(name: &str, error: &str) -> String {
    format!("{name} cannot be read: {error}")
}
