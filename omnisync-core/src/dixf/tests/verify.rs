//! What the verifier finds, one kind at a time.

use std::io::Cursor;

use super::super::{Package, ProblemKind, ReadError, ReadLimits, XmlError};
use super::{dmf, entries, read, sample_orders, seed, text_of, utf16, with_entry, written};

const HEADERS: &str = "Sales order headers V2.csv";
const LINES: &str = "Sales order lines V2.csv";
const FIRST: &str = "ORD-20260314-001";

fn package() -> Vec<u8> {
    written(&dmf(), &sample_orders()).0
}

fn file(package: &[u8], name: &str) -> String {
    text_of(
        &entries(package)
            .into_iter()
            .find(|(found, _)| found == name)
            .unwrap()
            .1,
    )
}

/// Findings, as text, in a package with one file altered.
fn findings(name: &str, alter: impl Fn(&str) -> String) -> Vec<String> {
    let package = package();
    let altered = alter(&file(&package, name));
    let report = read(&with_entry(&package, name, &utf16(&altered))).unwrap();
    assert_eq!(
        report.problems_total,
        u64::try_from(report.problems.len()).unwrap()
    );
    report.problems.iter().map(ToString::to_string).collect()
}

fn check(name: &str, alter: impl Fn(&str) -> String, expected: &[&str]) {
    assert_eq!(findings(name, alter), expected);
}

#[test]
fn a_written_package_is_clean_and_its_totals_agree() {
    for map in [dmf(), seed()] {
        let (bytes, totals) = written(&map, &sample_orders());
        let report = read(&bytes).unwrap();
        assert_eq!(report.problems, []);
        assert!(report.is_clean());
        assert_eq!(report.layout, map.layout());
        assert_eq!((report.orders, report.lines), (totals.orders, totals.lines));
        assert_eq!(
            (report.amounts, report.bytes),
            (totals.amounts, totals.bytes)
        );
        assert_eq!(report.entities[0].rows, 3);
        let columns: Vec<&str> = report.entities[1]
            .columns
            .iter()
            .map(String::as_str)
            .collect();
        assert_eq!(columns, map.line_columns().collect::<Vec<_>>());
    }
}

#[test]
fn rows_are_read_one_by_one_and_again() {
    let bytes = package();
    let mut package = Package::open(Cursor::new(&bytes), ReadLimits::default()).unwrap();
    assert_eq!(package.definition_group(), Some("OMS orders"));
    let names: Vec<String> = package.entities().iter().map(|e| e.name.clone()).collect();
    for _ in 0..2 {
        let rows: Vec<_> = package
            .rows(&names[0])
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(rows.len(), 3);
        assert_eq!((rows[1].number(), rows[1].problem()), (2, None));
        assert_eq!(
            rows[1].get("DELIVERYADDRESSNAME"),
            Some("Zoë \"Z\" & Sons, <Ltd> 😀")
        );
        assert_eq!(
            rows[1].get("DELIVERYADDRESSSTREET"),
            Some("1 Main St\r\nBack door\nleft")
        );
        assert_eq!(rows[2].get("DELIVERYADDRESSZIPCODE"), Some(""));
        assert_eq!(rows[0].get("NOSUCHCOLUMN"), None);
        assert_eq!(rows[0].iter().next(), Some(("SALESORDERNUMBER", FIRST)));
    }
    assert!(matches!(package.rows("nothing"), Err(ReadError::NoEntity)));
}

#[test]
fn keys_that_are_there_twice_are_named() {
    check(
        HEADERS,
        |text| text.replace("ORD-20260314-003,VINET", "ORD-20260314-001,VINET"),
        &[
            "entity \"Sales order headers V2\", row 3, key \"ORD-20260314-001\", \
             key is there twice",
            "entity \"Sales order lines V2\", row 4, key \"ORD-20260314-003\", line has no header",
        ],
    );
    let found = findings(LINES, |text| {
        let row = text
            .lines()
            .find(|line| line.contains(",NW-042,"))
            .unwrap()
            .to_owned();
        format!("{text}{row}\r\n")
    });
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("entity \"Sales order lines V2\", row 5, key \"L"),
        "{found:?}"
    );
    assert!(found[0].ends_with("key is there twice"), "{found:?}");
}

#[test]
fn headers_and_lines_must_agree() {
    check(
        LINES,
        |text| {
            let kept: Vec<&str> = text
                .lines()
                .filter(|line| !line.contains("ORD-20260314-003"))
                .collect();
            kept.join("\r\n") + "\r\n"
        },
        &[
            "entity \"Sales order headers V2\", row 3, key \"ORD-20260314-003\", \
           header has no lines",
        ],
    );
}

#[test]
fn form_errors_are_named_by_row() {
    let lines = "entity \"Sales order lines V2\"";
    let blank = format!("{lines}, row 5, line is blank");
    check(LINES, |text| format!("{text}\r\n"), &[&blank]);
    let uneven = format!("{lines}, row 5, row has 1 values instead of 11");
    let found = findings(LINES, |text| format!("{text}x\r\n"));
    assert_eq!(found[0], uneven);
    let line_end = "entity \"Sales order headers V2\", row 0, row does not end in cr lf";
    let found = findings(HEADERS, |text| text.replace("\r\n", "\n"));
    assert_eq!(found[0], line_end);
    assert_eq!(found.len(), 2, "{found:?}");
    let quoting = "entity \"Sales order headers V2\", row 1, quotes are out of place";
    check(
        HEADERS,
        |text| text.replace(",Reims,,51100", ",Re\"ims,,51100"),
        &[quoting],
    );
}

#[test]
fn values_of_the_wrong_type_are_named_by_column() {
    for amount in ["266,00", "1e3", "x", "", ".5", "5.", "+5"] {
        let quoted = format!(",NW-011,12,ea,14.00,\"{amount}\",");
        check(
            LINES,
            |text| text.replace(",NW-011,12,ea,14.00,168.00,", &quoted),
            &[
                "entity \"Sales order lines V2\", row 1, key \"ORD-20260314-001\", \
               column \"LINEAMOUNT\", value is malformed",
            ],
        );
    }
    check(
        HEADERS,
        |text| text.replace(",JPY,", ",jpy,"),
        &[
            "entity \"Sales order headers V2\", row 3, key \"ORD-20260314-003\", \
           column \"CURRENCYCODE\", value is malformed",
        ],
    );
    check(
        HEADERS,
        |text| text.replace("ORD-20260314-003,VINET", ",VINET"),
        &[
            "entity \"Sales order headers V2\", row 3, column \"SALESORDERNUMBER\", key is blank",
            "entity \"Sales order lines V2\", row 4, key \"ORD-20260314-003\", line has no header",
        ],
    );
}

#[test]
fn columns_must_match_the_field_maps() {
    check(
        HEADERS,
        |text| text.replace("DELIVERYADDRESSCITY", "DELIVERYADDRESSTOWN"),
        &[
            "entity \"Sales order headers V2\", column \"DELIVERYADDRESSCITY\", \
             mapped column is not in the file",
            "entity \"Sales order headers V2\", column \"DELIVERYADDRESSTOWN\", \
             column is not mapped",
        ],
    );
    let found = findings(HEADERS, |text| {
        text.replace("DELIVERYADDRESSCITY", "DELIVERYADDRESSNAME")
    });
    assert!(found[0].ends_with("column \"DELIVERYADDRESSNAME\", column is there twice"));
}

#[test]
fn a_file_that_is_not_unicode_is_a_problem_of_its_entity() {
    let package = package();
    for content in [
        &b"SALESORDERNUMBER\r\nx\r\n"[..],
        b"\xef\xbb\xbfA\r\n",
        b"\xfe\xff\0A",
    ] {
        let report = read(&with_entry(&package, HEADERS, content)).unwrap();
        assert_eq!(report.problems[0].kind, ProblemKind::NotUnicode);
        assert_eq!(
            report.problems[0].entity.as_deref(),
            Some("Sales order headers V2")
        );
    }
    let mut odd = utf16(&file(&package, HEADERS));
    odd.push(0);
    let report = read(&with_entry(&package, HEADERS, &odd)).unwrap();
    assert_eq!(report.problems[0].kind, ProblemKind::NotUnicode);
    let mut lone = utf16(&file(&package, LINES));
    lone.extend_from_slice(&[0x00, 0xd8]);
    let report = read(&with_entry(&package, LINES, &lone)).unwrap();
    assert_eq!(
        (report.problems[0].kind.clone(), report.lines),
        (ProblemKind::NotUnicode, 4)
    );
    for content in [&b""[..], b"\xff\xfe", b"\xff\xfe\r\0\n\0"] {
        let report = read(&with_entry(&package, LINES, content)).unwrap();
        assert_eq!(report.problems[0].kind, ProblemKind::Empty);
    }
}

#[test]
fn a_manifest_that_the_erp_would_ignore_is_a_problem() {
    let manifest = |alter: &dyn Fn(&str) -> String| {
        let package = package();
        let text = alter(&file(&package, "Manifest.xml"));
        let report = read(&with_entry(&package, "Manifest.xml", &utf16(&text))).unwrap();
        report
            .problems
            .into_iter()
            .map(|problem| problem.kind)
            .collect::<Vec<_>>()
    };
    let swapped = manifest(&|text| {
        text.replace(
            "<DefaultRefreshType>FullPush</DefaultRefreshType><Disable>false</Disable>",
            "<Disable>false</Disable><DefaultRefreshType>FullPush</DefaultRefreshType>",
        )
    });
    let order = XmlError::MemberOrder {
        element: "DefaultRefreshType".to_owned(),
    };
    assert_eq!(swapped[0], ProblemKind::Manifest(order));
    assert!(swapped.contains(&ProblemKind::NoEntities));
    let other = manifest(&|text| text.replace("2015/01", "2016/01"));
    assert!(matches!(
        other[0],
        ProblemKind::Manifest(XmlError::Unexpected { .. })
    ));
    let renamed = manifest(&|text| text.replace(HEADERS, "other.csv"));
    assert!(renamed.contains(&ProblemKind::FileMissing));
    assert!(renamed.contains(&ProblemKind::FileNotListed { entry: 0 }));
    let excel = manifest(&|text| text.replace("CSV-Unicode", "EXCEL"));
    assert_eq!(
        excel,
        [ProblemKind::SourceFormat, ProblemKind::SourceFormat]
    );
    let entities = manifest(&|text| text.replace("PackageEntityList", "Entities"));
    assert!(
        matches!(
            entities[0],
            ProblemKind::Manifest(XmlError::MemberOrder { .. })
        ) || entities.contains(&ProblemKind::NoEntities),
        "{entities:?}"
    );
}

#[test]
fn a_package_header_is_required() {
    let entries = entries(&package());
    let borrowed: Vec<(&str, &[u8])> = entries[..3]
        .iter()
        .map(|(name, content)| (name.as_str(), content.as_slice()))
        .collect();
    let report = read(&super::archive(&borrowed)).unwrap();
    assert_eq!(report.problems[0].kind, ProblemKind::PackageHeaderMissing);
    let package = package();
    let text = file(&package, "PackageHeader.xml").replace("DefinitionGroup", "Something");
    let report = read(&with_entry(&package, "PackageHeader.xml", &utf16(&text))).unwrap();
    assert_eq!(report.problems[0].kind, ProblemKind::PackageType);
}

#[test]
fn a_seed_package_is_checked_as_well() {
    let (package, _) = written(&seed(), &sample_orders());
    let altered = |name: &str, alter: &dyn Fn(&str) -> String| {
        let text = alter(&file(&package, name));
        let report = read(&with_entry(&package, name, text.as_bytes())).unwrap();
        report
            .problems
            .into_iter()
            .map(|problem| problem.kind)
            .collect::<Vec<_>>()
    };
    assert_eq!(altered("sales_orders.json", &str::to_owned), []);
    assert_eq!(
        altered("header.json", &|text| text.replace(": 3", ": 4")),
        [ProblemKind::BatchSize { listed: 4 }]
    );
    assert_eq!(
        altered("header.json", &|_| "{".to_owned()),
        [ProblemKind::BatchHeader]
    );
    assert_eq!(
        altered("sales_order_lines.json", &|text| text
            .replace("168.00", "\"x\"")),
        [ProblemKind::Value]
    );
    assert_eq!(
        altered("sales_order_lines.json", &|text| text
            .replacen("quantity", "menge", 1))[0],
        ProblemKind::UnevenColumns {
            expected: 6,
            found: 6
        }
    );
    for broken in [
        "",
        "[",
        "{}",
        "[{]",
        "[{}",
        "[1]",
        "[{\"a\":[]}]",
        "[{\"a\":1},]",
        "[{} {}]",
    ] {
        let kinds = altered("sales_order_lines.json", &|_| broken.to_owned());
        assert!(
            matches!(kinds[0], ProblemKind::Json | ProblemKind::Empty),
            "{broken} {kinds:?}"
        );
    }
    let printed = "Name: OMS-D365-Integration\nEntities:\n - name: SalesOrderHeadersV2\n \
        file: sales_orders.json\n - name: SalesOrderLinesV2\n file: sales_order_lines.json\n";
    assert_eq!(altered("package.yaml", &|_| printed.to_owned()), []);
    assert!(altered("package.yaml", &|_| "x".to_owned()).contains(&ProblemKind::EntityList));
}

#[test]
fn problems_are_counted_beyond_the_limit() {
    let (package, _) = written(&dmf(), &sample_orders());
    let text = file(&package, LINES) + &"\r\n".repeat(20);
    let bytes = with_entry(&package, LINES, &utf16(&text));
    let limits = ReadLimits {
        problems_max: 5,
        ..ReadLimits::default()
    };
    let report = super::super::read_package(Cursor::new(bytes), limits).unwrap();
    assert_eq!((report.problems.len(), report.problems_total), (5, 20));
    assert!(!report.is_clean());
}
