//! What a package does to the tables.

use omnisync_testkit::rng::SplitMix64;

use super::packages::{
    Entity, HEADER_COLUMNS, HEADERS, LINE_COLUMNS, LINES, manifest, orders, package, utf16,
    with_manifest,
};
use super::place;

/// Imports one package and tells the word and all messages.
async fn import(package: &[u8]) -> (String, Vec<(String, String)>, usize) {
    let place = place(|_| ()).await;
    let word = place.client.import("E-1", package).await;
    let errors = place.client.errors("E-1").await;
    (word, errors, place.fno.headers().len())
}

#[tokio::test]
async fn orders_arrive_with_all_their_columns() {
    let place = place(|_| ()).await;

    let word = place.client.import("E-1", &orders()).await;

    assert_eq!(word, "Succeeded");
    let headers = place.fno.headers();
    assert_eq!(headers.len(), 2);
    assert_eq!(headers["SO-2"].get("CURRENCYCODE"), "EUR");
    assert_eq!(headers["SO-2"].imports, 1);
    let lines = place.fno.lines();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines["L-2"].get("ORDEREDSALESQUANTITY"), "1.50");
    assert_eq!(place.client.errors("E-1").await, []);
}

#[tokio::test]
async fn a_row_that_comes_again_overwrites_and_is_counted() {
    let place = place(|_| ()).await;
    place.client.import("E-1", &orders()).await;

    let again = package(&[Entity::headers(&["SO-1,C-9,C-9,USD,2026-03-01"])]);
    place.client.import("E-2", &again).await;

    assert_eq!(place.fno.imports_of("SO-1"), 2);
    assert_eq!(place.fno.imports_of("SO-2"), 1);
    let row = &place.fno.headers()["SO-1"];
    assert_eq!(row.get("INVOICECUSTOMERACCOUNTNUMBER"), "C-9");
}

#[tokio::test]
async fn lines_without_a_lot_id_are_doubled_by_another_import() {
    let place = place(|_| ()).await;
    place.client.import("E-1", &orders()).await;
    let package = package(&[Entity::lines(&[",SO-1,A-1,2,2026-03-01"])]);

    place.client.import("E-2", &package).await;
    place.client.import("E-3", &package).await;

    assert_eq!(place.fno.lines().len(), 5);
}

#[tokio::test]
async fn companies_have_tables_of_their_own() {
    let place = place(|options| options.companies.push("DEMF".to_owned())).await;
    let url = place.client.upload("p.zip", &orders()).await;
    let mut body = super::client::submission("E-1", &url);
    body["legalEntityId"] = "demf".into();

    place.client.action("ImportFromPackage", body).await.value();
    place.fno.finish("E-1");

    assert!(place.fno.headers().is_empty());
    assert_eq!(place.fno.table(HEADERS, "DEMF").len(), 2);
}

#[tokio::test]
async fn an_entity_without_maps_imports_nothing_and_says_nothing() {
    let mut entity = Entity::headers(&["SO-1,C-1,C-1,USD,2026-03-01"]);
    entity.maps = String::new();

    let (word, errors, rows) = import(&package(&[entity])).await;

    assert_eq!((word.as_str(), errors.len(), rows), ("Succeeded", 0, 0));
}

#[tokio::test]
async fn members_out_of_order_are_skipped_in_silence() {
    let entity = Entity::headers(&["SO-1,C-1,C-1,USD,2026-03-01"]);
    let text = manifest(std::slice::from_ref(&entity));
    // The list of maps comes after the label: the label is taken, the maps are not.
    let maps = format!("<EntityMapList>{}</EntityMapList>", entity.maps);
    let label = format!("<EntityName>{HEADERS}</EntityName>");
    let swapped = text
        .replace(&maps, "")
        .replace(&label, &format!("{label}{maps}"));

    let (word, errors, rows) = import(&with_manifest(&[entity], &utf16(&swapped))).await;

    assert_eq!((word.as_str(), errors.len(), rows), ("Succeeded", 0, 0));
}

#[tokio::test]
async fn a_manifest_in_utf_8_is_read_too() {
    let entities = [Entity::headers(&["SO-1,C-1,C-1,USD,2026-03-01"])];
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>{}",
        manifest(&entities)
    );

    let (word, _, rows) = import(&with_manifest(&entities, text.as_bytes())).await;

    assert_eq!((word.as_str(), rows), ("Succeeded", 1));
}

#[tokio::test]
async fn a_manifest_that_cannot_be_read_fails_the_execution() {
    let entities = [Entity::headers(&["SO-1,C-1,C-1,USD,2026-03-01"])];
    let text = manifest(&entities);
    let broken = [
        text.replace("2015/01", "2014/01"),
        text.replace("<Disable>false", "<Disable>never"),
        format!("<!DOCTYPE x>{text}"),
        text.replace("</PackageEntityList>", ""),
    ];
    for text in broken {
        let (word, errors, rows) = import(&with_manifest(&entities, &utf16(&text))).await;

        assert_eq!((word.as_str(), rows), ("Failed", 0), "{text}");
        assert!(errors[0].1.contains("Manifest.xml") || errors[0].1.contains("deserializing"));
    }
}

#[tokio::test]
async fn a_package_without_its_xml_files_fails_the_execution() {
    let whole = utf16(&manifest(&[]));
    for (name, content) in [
        ("Manifest.xml", whole.as_slice()),
        ("PackageHeader.xml", b""),
    ] {
        let (word, errors, _) = import(&super::packages::zip(&[(name, content)])).await;

        assert_eq!(word, "Failed");
        assert!(errors[0].1.contains("has no file"), "{errors:?}");
    }
}

/// Imports headers with a data file of the test's own.
async fn import_file(data: Vec<u8>) -> (String, Vec<(String, String)>, usize) {
    let mut entity = Entity::headers(&[]);
    entity.data = data;
    import(&package(&[entity])).await
}

#[tokio::test]
async fn a_file_that_is_not_unicode_is_refused() {
    let text = format!("{HEADER_COLUMNS}\r\nSO-1,C-1,C-1,USD,2026-03-01\r\n");
    let (word, errors, rows) = import_file(text.into_bytes()).await;

    assert_eq!((word.as_str(), rows), ("Failed", 0));
    assert_eq!(errors[0].1, "Selected file is not Unicode");
}

#[tokio::test]
async fn line_feeds_alone_make_the_mapping_incorrect() {
    let text = format!("{HEADER_COLUMNS}\nSO-1,C-1,C-1,USD,2026-03-01\n");
    let (word, errors, rows) = import_file(utf16(&text)).await;

    assert_eq!((word.as_str(), rows), ("Failed", 0));
    let expected = format!("the mapping is incorrect for entity {HEADERS} and field {{");
    assert!(errors[0].1.starts_with(&expected), "{errors:?}");
}

#[tokio::test]
async fn line_breaks_within_quotes_are_text() {
    let columns = "SALESORDERNUMBER,ORDERINGCUSTOMERACCOUNTNUMBER,INVOICECUSTOMERACCOUNTNUMBER,REQUESTEDSHIPPINGDATE,DELIVERYADDRESSSTREET";
    let row = "SO-1,C-1,C-1,2026-03-01,\"1, \"\"High\"\" St\nRear\r\"";
    let entity = Entity::new(HEADERS, 10, columns, &[row]);
    let place = place(|_| ()).await;

    let word = place.client.import("E-1", &package(&[entity])).await;

    assert_eq!(word, "Succeeded");
    let street = place.fno.headers()["SO-1"]
        .get("DELIVERYADDRESSSTREET")
        .to_owned();
    assert_eq!(street, "1, \"High\" St\nRear\r");
}

#[tokio::test]
async fn an_empty_file_and_blank_lines_are_refused() {
    let cases = [
        (utf16(""), "DMF2053"),
        (utf16("\r\nSALESORDERNUMBER\r\n"), "FF004"),
        (utf16(&format!("{HEADER_COLUMNS}\r\n\r\n")), "DMF2050"),
    ];
    for (data, code) in cases {
        let (word, errors, _) = import_file(data).await;

        assert_eq!(word, "Failed");
        assert!(errors[0].1.starts_with(code), "{errors:?}");
    }
}

#[tokio::test]
async fn columns_that_are_mapped_and_columns_of_the_file_are_the_same() {
    let row = "SO-1,C-1,C-1,USD,2026-03-01";
    let mut missing = Entity::headers(&[row]);
    missing.maps += &super::packages::maps("REQUESTEDRECEIPTDATE");
    let mut unmapped = Entity::headers(&[row]);
    unmapped.maps = super::packages::maps("SALESORDERNUMBER");
    for entity in [missing, unmapped] {
        let (word, errors, rows) = import(&package(&[entity])).await;

        assert_eq!((word.as_str(), rows), ("Failed", 0));
        assert!(errors[0].1.starts_with("DMF1966"), "{errors:?}");
    }
}

#[tokio::test]
async fn a_field_that_an_entity_does_not_have_makes_the_mapping_incorrect() {
    let entity = Entity::new(HEADERS, 10, "SalesOrderNumber", &["SO-1"]);

    let (word, errors, _) = import(&package(&[entity])).await;

    assert_eq!(word, "Failed");
    assert!(errors[0].1.contains("field SalesOrderNumber"), "{errors:?}");
}

#[tokio::test]
async fn a_workbook_is_listed_and_not_read() {
    let mut entity = Entity::headers(&[]);
    entity.format = "EXCEL";

    let (word, errors, _) = import(&package(&[entity])).await;

    assert_eq!(word, "Failed");
    assert!(errors[0].1.contains("workbook"), "{errors:?}");
}

#[tokio::test]
async fn rows_of_one_key_refuse_each_other() {
    let (word, errors, rows) = import(&package(&[Entity::headers(&[
        "SO-1,C-1,C-1,USD,2026-03-01",
        "SO-1,C-2,C-2,USD,2026-03-01",
        "SO-2,C-2,C-2,USD,2026-03-01",
    ])]))
    .await;

    assert_eq!((word.as_str(), rows), ("PartiallySucceeded", 1));
    assert_eq!(errors.len(), 2);
    assert!(
        errors
            .iter()
            .all(|(key, text)| key == "SO-1" && text.starts_with("DMF1959"))
    );
}

#[tokio::test]
async fn rows_that_do_not_fit_are_refused_one_by_one() {
    let (word, errors, rows) = import(&package(&[Entity::headers(&[
        "SO-1,,C-1,USD,2026-03-01",
        "SO-2,C-2,C-2,USD,01.03.2026",
        "SO-3,C-2,C-2,USD",
        "SO-4,C-2,C-2,USD,2026-03-01",
    ])]))
    .await;

    assert_eq!((word.as_str(), rows), ("PartiallySucceeded", 1));
    let expected = [
        ("SO-1", "Field 'ORDERINGCUSTOMERACCOUNTNUMBER' must be"),
        ("SO-2", "DMF2016"),
        ("SO-3", "DMF2050"),
    ];
    assert_eq!(errors.len(), expected.len());
    for ((key, text), (expected_key, start)) in errors.iter().zip(expected) {
        assert!(key == expected_key && text.starts_with(start), "{errors:?}");
    }
}

#[tokio::test]
async fn lines_need_their_header_and_levels_bring_it_first() {
    let header = Entity::headers(&["SO-1,C-1,C-1,USD,2026-03-01"]);
    let lines = Entity::lines(&["L-1,SO-1,A-1,2,2026-03-01", "L-2,SO-9,A-1,2,2026-03-01"]);
    let place = place(|_| ()).await;

    // In the manifest the lines come first; the level decides.
    let package = package(&[lines.clone(), header.clone()]);
    let word = place.client.import("E-1", &package).await;

    assert_eq!(word, "PartiallySucceeded");
    assert_eq!(place.fno.lines().into_keys().collect::<Vec<_>>(), ["L-1"]);
    assert_eq!(place.client.errors("E-1").await[0].0, "L-2");

    let late = Entity {
        level: 30,
        ..Entity::headers(&["SO-2,C-1,C-1,USD,2026-03-01"])
    };
    let early = Entity::lines(&["L-3,SO-2,A-1,2,2026-03-01"]);
    place
        .client
        .import("E-2", &super::packages::package(&[late, early]))
        .await;
    assert!(!place.fno.lines().contains_key("L-3"));
}

#[tokio::test]
async fn the_documented_location_of_lines_is_required_on_demand() {
    let place = place(|options| options.requires_location = true).await;

    let word = place.client.import("E-1", &orders()).await;

    assert_eq!(word, "PartiallySucceeded");
    assert_eq!(place.client.errors("E-1").await.len(), 3);
    let columns = format!("{LINE_COLUMNS},DELIVERYADDRESSLOCATIONID");
    let located = Entity::new(LINES, 20, &columns, &["L-1,SO-1,A-1,2,2026-03-01,000042"]);
    assert_eq!(
        place.client.import("E-2", &package(&[located])).await,
        "Succeeded"
    );
}

#[tokio::test]
async fn altered_bytes_never_break_the_server() {
    let place = place(|options| options.polls_to_end = Some(0)).await;
    let entities = [
        Entity::headers(&["SO-1,C-1,C-1,USD,2026-03-01"]),
        Entity::lines(&["L-1,SO-1,A-1,2,2026-03-01"]),
    ];
    let manifest = utf16(&manifest(&entities));
    let archive = orders();
    let mut rng = SplitMix64::new(11);
    let mut alter = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        let position = usize::try_from(rng.next_u64() % bytes.len() as u64).unwrap();
        bytes[position] = u8::try_from(rng.next_u64() % 256).unwrap();
        bytes
    };
    for round in 0..200 {
        let mut spoiled = entities.clone();
        spoiled[0].data = alter(&spoiled[0].data);
        let packages = [
            alter(&archive),
            with_manifest(&entities, &alter(&manifest)),
            package(&spoiled),
        ];
        for (kind, package) in packages.iter().enumerate() {
            let reply = place
                .client
                .submit(&format!("E-{round}-{kind}"), package)
                .await;
            assert!(matches!(reply.status, 200 | 400), "{}", reply.text());
        }
    }
}

#[tokio::test]
async fn a_level_that_may_not_fail_keeps_the_next_one_from_running() {
    let entities = [
        Entity::headers(&["SO-1,C-1,C-1,USD,2026-03-01", "SO-2,,C-1,USD,2026-03-01"]),
        Entity::lines(&["L-1,SO-1,A-1,2,2026-03-01"]),
    ];
    for (flag, lines) in [
        ("Nothing", 1),
        ("FailLevelOnError", 0),
        ("FailExecutionUnitOnError", 0),
    ] {
        let place = place(|_| ()).await;
        let (no, yes) = (format!("<{flag}>false"), format!("<{flag}>true"));
        let manifest = manifest(&entities).replace(&no, &yes);

        let package = with_manifest(&entities, &utf16(&manifest));
        let word = place.client.import("E-1", &package).await;

        assert_eq!(word, "PartiallySucceeded", "{flag}");
        assert_eq!(place.fno.headers().len(), 1, "{flag}");
        assert_eq!(place.fno.lines().len(), lines, "{flag}");
    }
}
