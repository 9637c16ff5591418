use std::io::{self, Write};
use std::num::NonZero;

use super::super::{
    Column, FieldMap, PackageWriter, ReadLimits, Source, WriteError, WriteOptions, line_key,
};
use super::{decimal, dmf, entries, info, order, sample_orders, seed, written};
use crate::id::OrderId;

#[test]
fn the_same_orders_make_the_same_bytes() {
    let orders = sample_orders();
    for map in [dmf(), seed()] {
        assert_eq!(written(&map, &orders), written(&map, &orders));
        let mapped: Vec<_> = orders.iter().map(|order| map.map(order).unwrap()).collect();
        let mut writer = PackageWriter::new(Vec::new(), &map, info()).unwrap();
        for order in &mapped {
            writer.append_mapped(order).unwrap();
        }
        assert_eq!(writer.finish().unwrap(), written(&map, &orders));
    }
}

#[test]
fn totals_add_up_by_currency() {
    let (_, totals) = written(&dmf(), &sample_orders());
    assert_eq!((totals.orders, totals.lines), (3, 4));
    let amounts: Vec<String> = totals
        .amounts
        .iter()
        .map(|(currency, amount)| format!("{currency} {amount}"))
        .collect();
    assert_eq!(amounts, ["EUR 19.39", "JPY 1500", "USD 266.00"]);
}

#[test]
fn entries_have_no_time_no_descriptor_and_no_attributes() {
    let (bytes, _) = written(&dmf(), &sample_orders());
    let zip = zip::ZipArchive::new(io::Cursor::new(&bytes)).unwrap();
    for index in 0..zip.len() {
        let entry = zip.by_index_data(index).unwrap();
        assert_eq!(entry.last_modified(), Some(zip::DateTime::DEFAULT));
        assert_eq!(entry.system(), zip::System::Dos);
        assert_eq!(entry.external_attributes(), 0);
        assert_eq!(entry.compression(), zip::CompressionMethod::Deflated);
    }
    let local = bytes
        .windows(4)
        .filter(|window| *window == b"PK\x03\x04")
        .count();
    let descriptors = bytes
        .windows(4)
        .filter(|window| *window == b"PK\x07\x08")
        .count();
    assert_eq!((local, descriptors), (4, 0));
}

#[test]
fn an_order_that_cannot_be_mapped_leaves_no_trace() {
    let map = dmf();
    let mut bad = order("BAD");
    bad.customer_id = " ".to_owned();
    bad.shipping_address.country = crate::order::Country::parse("ZZ").unwrap();
    bad.line_items[1].product_code = String::new();
    let mut writer = PackageWriter::new(Vec::new(), &map, info()).unwrap();
    let Err(WriteError::Map(error)) = writer.append(&bad) else {
        panic!("a bad order was taken");
    };
    assert_eq!(
        error.to_string(),
        "order BAD cannot be mapped: ORDERINGCUSTOMERACCOUNTNUMBER (missing), \
         INVOICECUSTOMERACCOUNTNUMBER (missing), \
         DELIVERYADDRESSCOUNTRYREGIONID (unassigned country), ITEMNUMBER of line 2 (missing)"
    );
    for order in &sample_orders() {
        writer.append(order).unwrap();
    }
    assert_eq!(writer.finish().unwrap(), written(&map, &sample_orders()));
}

#[test]
fn an_order_is_taken_once() {
    let map = dmf();
    let mut writer = PackageWriter::new(Vec::new(), &map, info()).unwrap();
    writer.append(&order("A")).unwrap();
    assert!(matches!(
        writer.append(&order("A")),
        Err(WriteError::DuplicateOrder { .. })
    ));
    let (_, totals) = writer.finish().unwrap();
    assert_eq!(totals.orders, 1);
}

#[test]
fn an_order_mapped_for_other_columns_is_refused() {
    let map = dmf();
    let mapped = seed().map(&order("A")).unwrap();
    let mut writer = PackageWriter::new(Vec::new(), &map, info()).unwrap();
    assert!(matches!(
        writer.append_mapped(&mapped),
        Err(WriteError::OtherMap { .. })
    ));
}

#[test]
fn a_package_without_orders_is_refused() {
    let map = dmf();
    let writer = PackageWriter::new(Vec::new(), &map, info()).unwrap();
    assert!(matches!(writer.finish(), Err(WriteError::Empty)));
}

#[test]
fn a_full_package_refuses_the_next_order_and_can_be_finished() {
    let map = dmf();
    let base = WriteOptions::default();
    for limits in [
        WriteOptions {
            orders_max: 2,
            ..base
        },
        WriteOptions {
            entry_bytes_max: 9_000,
            ..base
        },
        WriteOptions {
            package_bytes_max: 10_000,
            ..base
        },
    ] {
        let mut writer = PackageWriter::with_options(Vec::new(), &map, info(), limits).unwrap();
        let mut taken = 0;
        let error = loop {
            match writer.append(&order(&format!("ORD-{taken}"))) {
                Ok(()) => taken += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, WriteError::Full { .. }), "{error}");
        assert!(taken > 0, "{error}");
        let (bytes, totals) = writer.finish().unwrap();
        assert_eq!(totals.orders, taken);
        assert!(u64::try_from(bytes.len()).unwrap() <= limits.package_bytes_max);
    }
}

#[test]
fn the_limit_of_a_package_is_one_of_compressed_bytes_with_any_number_of_threads() {
    let map = dmf();
    let filled = |threads| {
        let limits = WriteOptions {
            package_bytes_max: 2 << 20,
            threads: NonZero::new(threads).unwrap(),
            ..WriteOptions::default()
        };
        let mut writer = PackageWriter::with_options(Vec::new(), &map, info(), limits).unwrap();
        for number in 0..4_000 {
            writer.append(&order(&format!("ORD-{number}"))).unwrap();
        }
        writer.finish().unwrap()
    };
    let (alone, totals) = filled(1);
    let rows: usize = entries(&alone).iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(rows > 2 << 20, "{rows}");
    assert_eq!(totals.orders, 4_000);
    assert!(filled(3).0 == alone);
}

#[test]
fn a_scratch_file_changes_where_bytes_wait_and_nothing_else() {
    for map in [dmf(), seed()] {
        let packed = |has_scratch| {
            let mut writer = PackageWriter::new(Vec::new(), &map, info()).unwrap();
            if has_scratch {
                let used_before = io::Cursor::new(vec![7; 100]);
                writer = writer.with_scratch(used_before);
            }
            for number in 0..2_000 {
                writer.append(&order(&format!("ORD-{number}"))).unwrap();
            }
            writer.finish().unwrap()
        };
        assert!(packed(true) == packed(false));
    }
}

#[test]
fn a_scratch_file_that_forgets_is_reported() {
    /// Takes everything and keeps nothing.
    struct Hole;

    impl Write for Hole {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl io::Read for Hole {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Ok(0)
        }
    }

    impl io::Seek for Hole {
        fn seek(&mut self, _: io::SeekFrom) -> io::Result<u64> {
            Ok(0)
        }
    }

    let map = dmf();
    let mut writer = PackageWriter::new(Vec::new(), &map, info())
        .unwrap()
        .with_scratch(Hole);
    writer.append(&order("A")).unwrap();
    let Err(WriteError::Io(error)) = writer.finish() else {
        panic!("nothing was reported");
    };
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn sorted_orders_are_told_from_others() {
    let map = dmf();
    let options = WriteOptions {
        is_sorted: true,
        ..WriteOptions::default()
    };
    let mut writer = PackageWriter::with_options(Vec::new(), &map, info(), options).unwrap();
    writer.append(&order("A")).unwrap();
    writer.append(&order("C")).unwrap();
    let mut refused = |id| writer.append(&order(id)).unwrap_err();
    assert!(matches!(refused("C"), WriteError::DuplicateOrder { .. }));
    assert!(matches!(refused("B"), WriteError::NotSorted { .. }));
    assert!(matches!(refused("A"), WriteError::NotSorted { .. }));
    writer.append(&order("D")).unwrap();
    let (bytes, totals) = writer.finish().unwrap();
    assert_eq!(totals.orders, 3);
    let ids = ["A", "C", "D"].map(order);
    assert!(bytes == written(&map, &ids).0);
}

#[test]
fn a_description_that_xml_cannot_carry_is_refused_at_the_start() {
    let map = dmf();
    let mut info = info();
    info.description = "\u{1}".to_owned();
    let result = PackageWriter::new(Vec::new(), &map, info);
    assert!(matches!(result, Err(WriteError::Manifest(_))));
}

#[test]
fn a_failing_output_is_reported() {
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.0);
            self.0 -= taken;
            if taken == 0 {
                Err(io::ErrorKind::StorageFull.into())
            } else {
                Ok(taken)
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let map = dmf();
    let (whole, _) = written(&map, &sample_orders());
    for room in [0, 1, 100, whole.len() - 1] {
        let mut writer = PackageWriter::new(Full(room), &map, info()).unwrap();
        writer.append(&order("A")).unwrap();
        for order in &sample_orders() {
            writer.append(order).unwrap();
        }
        assert!(matches!(writer.finish(), Err(WriteError::Io(_))), "{room}");
    }
}

#[test]
fn a_line_key_depends_on_the_line_alone() {
    let order = OrderId::new("ORD-20260314-001").unwrap();
    let key = line_key(&order, 1);
    assert_eq!(key, line_key(&order, 1));
    assert_eq!((key.len(), key.as_bytes()[0]), (20, b'L'));
    // SHA-256 of the number, a zero byte and 00000001, leading 95 bits in RFC 4648 base 32.
    assert_eq!(key, "L66T5IXWK6QR5INWGFZA");
    let other = OrderId::new("ORD-20260314-0011").unwrap();
    let keys = [
        key,
        line_key(&order, 2),
        line_key(&other, 1),
        line_key(&order, 11),
    ];
    let distinct: std::collections::HashSet<&String> = keys.iter().collect();
    assert_eq!(distinct.len(), keys.len());
}

#[test]
fn a_writer_with_defaults_stays_within_the_defaults_of_the_reader() {
    let (write, read) = (WriteOptions::default(), ReadLimits::default());
    assert!(write.package_bytes_max <= read.package_bytes_max);
    assert!(write.entry_bytes_max <= read.entry_bytes_max);
    assert!(write.entry_bytes_max * 2 <= read.total_bytes_max);
}

#[test]
fn amounts_out_of_range_are_refused_without_a_panic() {
    let map = FieldMap::dmf()
        .with_headers(|h| h.with_column(Column::new("TOTAL", Source::TotalAmount)))
        .compile()
        .unwrap();
    let mut huge = order("HUGE");
    huge.line_items[0].quantity = decimal("79228162514264337593543950335");
    huge.line_items[0].unit_price = decimal("2");
    assert!(map.map(&huge).is_err());
    huge.line_items[0].unit_price = decimal("1");
    huge.line_items[1].quantity = decimal("79228162514264337593543950335");
    huge.line_items[1].unit_price = decimal("1");
    assert!(map.map(&huge).is_err());
}

#[test]
fn the_compression_level_changes_the_bytes_and_not_the_content() {
    let map = dmf();
    let package = |compression_level| {
        let options = WriteOptions {
            compression_level,
            ..WriteOptions::default()
        };
        let mut writer = PackageWriter::with_options(Vec::new(), &map, info(), options)?;
        for order in &sample_orders() {
            writer.append(order)?;
        }
        Ok::<_, WriteError>(writer.finish()?.0)
    };
    let (fast, small) = (package(1).unwrap(), package(9).unwrap());
    assert_ne!(fast, small);
    assert_eq!(entries(&fast), entries(&small));
    assert!(matches!(package(10), Err(WriteError::Io(_))));
}

#[test]
fn a_writer_can_move_to_another_thread() {
    fn check<T: Send>(_: &T) {}
    let map = dmf();
    check(&PackageWriter::new(Vec::new(), &map, info()).unwrap());
}
