use super::archive::Files;
use super::xml::{Node, parse};
use super::{contract, read};

fn node(text: &str) -> Result<Node, String> {
    parse(text.as_bytes())
}

#[test]
fn white_space_and_references_stay_in_text() {
    let read = node("<a>\n <b/>&lt;x&#10;&quot;<![CDATA[<y>]]>\n</a>").unwrap();

    assert_eq!(read.text, "\n <x\n\"<y>\n");
    assert_eq!(read.children.len(), 1);
}

#[test]
fn what_a_strict_reader_refuses_is_refused() {
    let long = format!("{}x{}", "<a>".repeat(40), "</a>".repeat(40));
    for text in [
        "",
        "<a>",
        "<a></b>",
        "<a/><b/>",
        "text",
        "<a>&unknown;</a>",
        "<p:a/>",
        "<!DOCTYPE a><a/>",
        "<?xml version=\"1.0\" encoding=\"utf-16\"?><a/>",
        &long,
    ] {
        assert!(node(text).is_err(), "{text}");
    }
    // UTF-16 of an odd length, and without its byte order mark.
    assert!(parse(&[0xFF, 0xFE, b'<']).is_err());
    assert!(parse(b"<\0a\0/\0>\0").is_err());
}

#[test]
fn members_of_another_namespace_are_none() {
    let text = "<DataManagementPackageManifest \
                xmlns=\"http://schemas.microsoft.com/dynamics/2015/01/DataManagement\" \
                xmlns:o=\"urn:other\"><o:DefinitionGroupName>A</o:DefinitionGroupName>\
                <DefinitionGroupName>B</DefinitionGroupName><Entities />\
                </DataManagementPackageManifest>";

    let manifest = contract::Manifest::read(&node(text).unwrap()).unwrap();

    assert_eq!(manifest.definition_group, "B");
    assert!(manifest.entities.is_empty());
}

#[test]
#[ignore = "needs OMNISYNC_SAMPLES"]
fn the_package_of_the_samples_is_read() {
    let folder = std::env::var_os("OMNISYNC_SAMPLES").unwrap();
    let folder = std::path::Path::new(&folder).join("dynamics/package-asset-major-types");
    let file = |name: &str| (name.to_owned(), std::fs::read(folder.join(name)).unwrap());
    let files = Files::from([file("Manifest.xml"), file("PackageHeader.xml")]);

    let manifest = read(files).unwrap().manifest;

    assert_eq!(manifest.definition_group, "Asset-Major-Types");
    assert_eq!(manifest.entities.len(), 1);
    let entity = &manifest.entities[0];
    assert_eq!(entity.label, "Fixed asset major type");
    assert_eq!(entity.file, "Fixed asset major type.xlsx");
    assert_eq!(entity.source_format, "EXCEL");
    assert_eq!(
        (entity.execution_unit, entity.level, entity.sequence),
        (1, 1, 1)
    );
    let maps: Vec<_> = entity
        .maps
        .iter()
        .map(|map| (map.column.as_str(), map.field.as_str()))
        .collect();
    let same = |name| (name, name);
    assert_eq!(maps, [same("DESCRIPTION"), same("MAJORTYPEID")]);
}
