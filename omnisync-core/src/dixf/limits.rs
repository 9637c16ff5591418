//! Limits of reading.

use super::xml::XmlLimits;

/// What a package may cost to read. The defaults take every package that a writer with its
/// defaults makes, short of one whose rows repeat so much that it looks like a bomb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimits {
    /// Largest package in bytes. Default 256 MiB.
    pub package_bytes_max: u64,
    /// Largest number of entries. Default 64.
    pub entries_max: usize,
    /// Largest entry in bytes as it comes out, whatever it claims. Default 1 GiB: entries are
    /// streamed, so this bounds time and not memory.
    pub entry_bytes_max: u64,
    /// Largest sum of all entries in bytes as they come out. Default 2 GiB.
    pub total_bytes_max: u64,
    /// Largest ratio of unpacked to packed bytes over the whole package. Default 100.
    /// Text in UTF-16 packs well, so do not set it near that of ordinary archives.
    pub ratio_max: u64,
    /// Below this many unpacked bytes the ratio does not matter. Default 16 MiB.
    pub ratio_floor_bytes: u64,
    /// Largest number of rows of an entity. Default 5,000,000. Checking keys
    /// takes memory for every row.
    pub rows_max: u64,
    /// Longest row in bytes as UTF-8. Default 4 MiB.
    pub row_bytes_max: usize,
    /// Largest number of problems that a report lists; more are counted. Default 1,000.
    pub problems_max: usize,
    /// Limits of `Manifest.xml` and `PackageHeader.xml`.
    pub xml: XmlLimits,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self {
            package_bytes_max: 256 << 20,
            entries_max: 64,
            entry_bytes_max: 1 << 30,
            total_bytes_max: 2 << 30,
            ratio_max: 100,
            ratio_floor_bytes: 16 << 20,
            rows_max: 5_000_000,
            row_bytes_max: 4 << 20,
            problems_max: 1_000,
            xml: XmlLimits::default(),
        }
    }
}
