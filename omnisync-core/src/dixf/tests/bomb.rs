//! Archives that are made to do harm.

use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::super::{ReadError, ReadLimits, Refusal, read_package};
use super::{archive, dmf, read, sample_orders, utf16, with_entry, written};

fn refusal(bytes: &[u8]) -> Refusal {
    match read(bytes) {
        Err(ReadError::Refused { reason, .. }) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

fn limit(bytes: &[u8], limits: ReadLimits) -> &'static str {
    match read_package(Cursor::new(bytes), limits) {
        Err(ReadError::Limit { limit, .. }) => limit,
        other => panic!("no limit: {other:?}"),
    }
}

#[test]
fn a_bomb_is_refused_by_what_comes_out_of_it() {
    let (package, _) = written(&dmf(), &sample_orders());
    let mut csv = utf16("INVENTORYLOTID,SALESORDERNUMBER\r\n");
    csv.resize(40 << 20, b'A');
    let bomb = with_entry(&package, "Sales order lines V2.csv", &csv);
    let base = ReadLimits::default();
    let rows = ReadLimits {
        row_bytes_max: usize::MAX,
        ..base
    };
    assert_eq!(limit(&bomb, rows), "ratio_max");
    assert_eq!(limit(&bomb, base), "row_bytes_max");
    assert_eq!(
        limit(
            &bomb,
            ReadLimits {
                entry_bytes_max: 1 << 20,
                ..rows
            }
        ),
        "entry_bytes_max"
    );
    assert_eq!(
        limit(
            &bomb,
            ReadLimits {
                total_bytes_max: 1 << 20,
                ..rows
            }
        ),
        "total_bytes_max"
    );
    assert_eq!(
        limit(
            &package,
            ReadLimits {
                package_bytes_max: 100,
                ..base
            }
        ),
        "package_bytes_max"
    );
    assert_eq!(
        limit(
            &package,
            ReadLimits {
                rows_max: 2,
                ..base
            }
        ),
        "rows_max"
    );
}

#[test]
fn a_manifest_bomb_is_refused() {
    let (package, _) = written(&dmf(), &sample_orders());
    let huge = vec![b' '; 17 << 20];
    let bomb = with_entry(&package, "Manifest.xml", &huge);
    assert!(matches!(read(&bomb), Err(ReadError::Limit { .. })));
}

#[test]
fn a_claim_of_many_entries_takes_no_memory() {
    let mut bytes = vec![0_u8; 4 << 20];
    let start = u32::try_from(bytes.len()).unwrap();
    bytes.extend_from_slice(b"PK\x05\x06\0\0\0\0\xff\xff\xff\xff\0\0\0\0");
    bytes.extend_from_slice(&start.to_le_bytes());
    bytes.extend_from_slice(b"\0\0");
    assert_eq!(limit(&bytes, ReadLimits::default()), "entries_max");
    let names: Vec<String> = (0..65).map(|index| format!("{index}.csv")).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    assert_eq!(limit(&archive(&many), ReadLimits::default()), "entries_max");
}

#[test]
fn folders_links_and_nested_archives_are_refused() {
    assert_eq!(
        refusal(&archive(&[("a/Manifest.xml", b"")])),
        Refusal::Folder
    );
    assert_eq!(
        refusal(&archive(&[("..\\Manifest.xml", b"")])),
        Refusal::Folder
    );
    assert_eq!(
        refusal(&archive(&[("../Manifest.xml", b"")])),
        Refusal::Folder
    );
    assert_eq!(refusal(&archive(&[("inner.ZIP", b"")])), Refusal::Nested);
    let inner = archive(&[("x", b"x")]);
    assert_eq!(
        refusal(&archive(&[("Manifest.xml", b""), ("x.xlsx", &inner)])),
        Refusal::Nested
    );
    assert_eq!(refusal(&archive(&[("C:evil", b"")])), Refusal::Name);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.add_directory("folder", SimpleFileOptions::default())
        .unwrap();
    assert_eq!(
        refusal(&zip.finish().unwrap().into_inner()),
        Refusal::Folder
    );
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.add_symlink("Manifest.xml", "target", SimpleFileOptions::default())
        .unwrap();
    assert_eq!(
        refusal(&zip.finish().unwrap().into_inner()),
        Refusal::Symlink
    );
}

#[test]
fn encryption_and_unknown_compression_are_refused() {
    let mut bytes = archive(&[("Manifest.xml", b"x")]);
    let directory = bytes
        .windows(4)
        .position(|window| window == b"PK\x01\x02")
        .unwrap();
    bytes[directory + 8] |= 1;
    bytes[6] |= 1;
    assert_eq!(refusal(&bytes), Refusal::Encrypted);
    let mut bytes = archive(&[("Manifest.xml", b"x")]);
    bytes[directory + 10] = 12;
    bytes[8] = 12;
    assert_eq!(refusal(&bytes), Refusal::Compression);
}

#[test]
fn names_that_differ_in_case_alone_are_refused() {
    let bytes = archive(&[("Manifest.xml", b"a"), ("MANIFEST.xml", b"b")]);
    assert!(matches!(read(&bytes), Err(ReadError::DuplicateName)));
    let mut bytes = archive(&[("a.csv", b"a"), ("b.csv", b"b")]);
    let places: Vec<usize> = (0..bytes.len() - 5)
        .filter(|&at| &bytes[at..at + 5] == b"b.csv")
        .collect();
    for place in places {
        bytes[place] = b'a';
    }
    assert!(matches!(read(&bytes), Err(ReadError::DuplicateName)));
}

#[test]
fn altered_content_is_corrupt() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    zip.start_file("Manifest.xml", stored).unwrap();
    zip.write_all(b"content").unwrap();
    let mut bytes = zip.finish().unwrap().into_inner();
    let place = bytes
        .windows(7)
        .position(|window| window == b"content")
        .unwrap();
    bytes[place + 4] ^= 1;
    assert!(
        matches!(read(&bytes), Err(ReadError::Corrupt { entry: 0, .. })),
        "{:?}",
        read(&bytes)
    );
}

#[test]
fn what_is_no_package_is_refused() {
    assert!(matches!(read(b""), Err(ReadError::NotZip(_))));
    assert!(matches!(read(b"PK\x05\x06"), Err(ReadError::NotZip(_))));
    assert!(matches!(read(&vec![0; 100_000]), Err(ReadError::NotZip(_))));
    assert!(matches!(
        read(&archive(&[("a.txt", b"a")])),
        Err(ReadError::NotPackage)
    ));
    let mut trailing = archive(&[("Manifest.xml", b"a")]);
    trailing.push(0);
    assert!(matches!(read(&trailing), Err(ReadError::NotZip(_))));
}
