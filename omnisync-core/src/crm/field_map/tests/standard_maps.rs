//! The maps that are built in.

use std::path::PathBuf;

use super::{compile, natives, number, system, text, values, words};
use crate::crm::field_map::FieldMap;
use crate::crm::standard::{self, SystemKind, dataverse, salesforce};
use crate::crm::{EntityDefinition, FieldName, Native, Value};

const KINDS: [SystemKind; 2] = [SystemKind::Salesforce, SystemKind::Dataverse];

fn all() -> Vec<(SystemKind, EntityDefinition, FieldMap)> {
    let mut all = Vec::new();
    for entity in standard::entities() {
        for kind in KINDS {
            if let Some(map) = standard::field_map(kind, entity.name.as_str()) {
                all.push((kind, entity.clone(), map));
            }
        }
    }
    all
}

#[test]
fn every_map_compiles_and_is_data() {
    assert_eq!(all().len(), 12);
    for (_, entity, map) in all() {
        let stored = serde_json::to_string(&map).unwrap();
        assert_eq!(serde_json::from_str::<FieldMap>(&stored).unwrap(), map);
        map.compile(&entity, &system()).unwrap();
    }
    for entity in standard::entities() {
        entity.check().unwrap();
        let stored = serde_json::to_string(&entity).unwrap();
        assert_eq!(
            serde_json::from_str::<EntityDefinition>(&stored).unwrap(),
            entity
        );
    }
}

#[test]
fn a_member_that_is_unknown_is_refused() {
    let misspelt = r#"{"entity":"A","object":"A","rules":[],"constant":[]}"#;
    assert!(serde_json::from_str::<FieldMap>(misspelt).is_err());
    let misspelt = r#"{"entity":"A","object":"A","rules":[{"field":"a","native":"A","lens":{"text":{"trimmed":true}}}]}"#;
    assert!(serde_json::from_str::<FieldMap>(misspelt).is_err());
}

/// `UPDATE_GOLDEN=1` rewrites the files.
#[track_caller]
fn check_golden(name: &str, map: &FieldMap) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "golden", "crm", name]
        .iter()
        .collect();
    let actual = serde_json::to_string_pretty(map).unwrap() + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; set UPDATE_GOLDEN=1", path.display()));
    assert_eq!(
        actual,
        expected,
        "{} differs; set UPDATE_GOLDEN=1",
        path.display()
    );
}

#[test]
fn the_stored_form_of_a_map_stays() {
    check_golden("dataverse_store.json", &dataverse::store());
    check_golden("salesforce_account.json", &salesforce::account());
}

#[test]
fn h27_state_and_country_stay_where_they_are() {
    let map = compile(dataverse::account(), &standard::account());
    let address = values([
        ("shippingState", words("Bavaria")),
        ("shippingCountry", words("Germany")),
    ]);
    let written = natives([
        ("address1_country", text("Germany")),
        ("address1_stateorprovince", text("Bavaria")),
    ]);
    assert_eq!(map.put(&address, &natives([])), Ok(written));
    let map = compile(salesforce::account(), &standard::account());
    let written = natives([
        ("ShippingCountry", text("Germany")),
        ("ShippingState", text("Bavaria")),
    ]);
    assert_eq!(map.put(&address, &natives([])), Ok(written));
}

#[test]
fn h27_units_have_their_own_numbers() {
    let map = compile(dataverse::product(), &standard::product());
    for (id, unit) in standard::SIZE_UNITS {
        let value = values([("sizeUnit", Some(Value::Choice(unit.into())))]);
        let written = natives([("omnisync_sizeunitofmeasure", number(&id.to_string()))]);
        assert_eq!(map.put(&value, &natives([])), Ok(written));
    }
    let ids: Vec<i64> = standard::SIZE_UNITS.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn h27_states_are_numbers_and_not_their_text() {
    let map = compile(dataverse::currency(), &standard::currency());
    let got = map.get(&natives([("statuscode", number("2"))]));
    assert_eq!(got.get("active"), Some(&Ok(Some(Value::Boolean(false)))));
    assert!(
        map.get(&natives([("statuscode", text("1"))]))
            .get("active")
            .unwrap()
            .is_err()
    );
}

#[test]
fn h25_quotes_are_text() {
    let map = compile(salesforce::product(), &standard::product());
    let name = "Adventure Works 20\" CRT TV E15 'Silver'";
    let written = map
        .put(&values([("name", words(name))]), &natives([]))
        .unwrap();
    assert_eq!(written, natives([("Name", text(name))]));
}

#[test]
fn h26_what_is_not_spoken_of_is_not_overwritten() {
    let map = compile(dataverse::account(), &standard::account());
    let written = map.put(
        &values([("phone", None)]),
        &natives([("telephone1", text("1"))]),
    );
    assert_eq!(written, Ok(natives([("telephone1", Native::Null)])));
}

#[test]
fn c13_constants_are_for_new_records() {
    let map = compile(salesforce::account(), &standard::account());
    assert_eq!(map.constants().get("Industry"), Some(&text("Retail")));
    let written = map
        .put(&values([("name", words("A"))]), &natives([]))
        .unwrap();
    assert_eq!(written, natives([("Name", text("A"))]));
}

#[test]
fn c7_the_sync_status_is_no_field() {
    for (kind, entity, map) in all() {
        let control = standard::sync_status_field(kind);
        let map = compile(map, &entity);
        assert!(!map.native_fields().contains(&control));
        assert!(
            !map.fields()
                .any(|field| map.natives_of(field.as_str()).any(|n| *n == control))
        );
        assert!(!map.constants().contains(control.as_str()));
    }
}

#[test]
fn a_map_is_changed_by_editing_it() {
    let map = salesforce::account()
        .edit()
        .without("fax")
        .without_constant("Industry")
        .rename("fax", "OtherFax__c")
        .build();
    let map = compile(map, &standard::account());
    let natives: Vec<_> = map.natives_of("fax").map(FieldName::as_str).collect();
    assert_eq!(natives, ["OtherFax__c"]);
    assert!(!map.constants().contains("Industry"));
}
