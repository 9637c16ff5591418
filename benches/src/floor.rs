//! The least that anybody who deflates these bytes has to do.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use libdeflater::{CompressionLvl, Compressor};
use zip::ZipArchive;

use crate::error::Error;
use crate::line::Line;
use crate::rows::{HEADERS, LINES};
use crate::stopwatch::timed;

const LEVEL: i32 = 6;

/// Deflates the data files of `package`, each in one go. Their bytes are in memory before.
pub(crate) fn run(package: &Path) -> Result<Line, Error> {
    let failed = Error::file(package);
    let not_a_package = |source| Error::NotAPackage {
        path: package.to_owned(),
        source,
    };
    let file = File::open(package).map_err(&failed)?;
    let mut archive = ZipArchive::new(file).map_err(not_a_package)?;
    let mut files = Vec::new();
    for name in [HEADERS, LINES] {
        let mut bytes = Vec::new();
        let mut entry = archive.by_name(name).map_err(not_a_package)?;
        entry.read_to_end(&mut bytes).map_err(&failed)?;
        files.push(bytes);
    }
    let (bytes_out, took) = timed(|| files.iter().map(|bytes| deflated(bytes)).sum::<usize>());
    Ok(Line {
        measure: "m1".to_owned(),
        peer: "libdeflate-6".to_owned(),
        n: None,
        wall_s: took.as_secs_f64(),
        bytes_out: u64::try_from(bytes_out).unwrap_or_default(),
        sha: String::new(),
        ..Line::default()
    })
}

fn deflated(bytes: &[u8]) -> usize {
    let level = CompressionLvl::new(LEVEL).unwrap_or_default();
    let mut compressor = Compressor::new(level);
    let mut out = vec![0; compressor.deflate_compress_bound(bytes.len())];
    compressor
        .deflate_compress(bytes, &mut out)
        .unwrap_or_default()
}
