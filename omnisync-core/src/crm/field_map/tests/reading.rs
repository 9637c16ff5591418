//! What a map reads, and the natural key.

use super::{compile, name, natives, text, texts, values, words};
use crate::crm::field_map::{Case, FieldMap, Lens, Rule, TextLens};
use crate::crm::standard::{sales_order_line, salesforce};
use crate::crm::{FieldName, LinkId, Native, Reference, ReferenceTarget, SystemName, Value};

#[test]
fn what_was_not_asked_for_is_not_there() {
    let map = FieldMap::builder("Thing", "Thing__c")
        .rename("code", "Code")
        .rule(Rule::new("name", "Name").write_only())
        .checked_constant("Kind", text("thing"))
        .constant("Other", text("thing"))
        .build();
    let map = compile(map, &texts(&["code", "name", "unmapped"]));
    assert_eq!(map.native_fields(), [name("Code"), name("Kind")]);
    let fields: Vec<&str> = map.fields().map(FieldName::as_str).collect();
    assert_eq!(fields, ["code", "name"]);
    assert!(map.readable("code") && map.writable("code") && map.reads_back("code"));
    assert!(!map.readable("name") && map.writable("name") && !map.reads_back("name"));
    assert!(!map.readable("unmapped") && !map.writable("unmapped"));

    assert!(map.get(&natives([("Name", text("x"))])).is_empty());
    let got = map.get(&natives([("Code", Native::Null), ("Name", text("x"))]));
    assert_eq!(got.len(), 1);
    assert_eq!(got.get("code"), Some(&Ok(None)));

    assert_eq!(map.constants().len(), 2);
    assert!(
        map.departures(&natives([("Kind", text("thing")), ("Other", text("x"))]))
            .is_empty()
    );
    assert_eq!(
        map.departures(&natives([("Kind", text("x"))])),
        [name("Kind")]
    );
}

#[test]
fn the_key_is_the_same_text_in_every_spelling() {
    let map = FieldMap::builder("Thing", "Thing__c")
        .rule(Rule::new("code", "Code").with_lens(Lens::Text(TextLens::trimmed())))
        .key_case(Case::Upper)
        .build();
    let map = compile(map, &texts(&["code"]));
    let key = |value| map.key_of(&values([("code", value)]));
    assert_eq!(key(words(" ab|c ")), Some("AB|C".to_owned()));
    assert_eq!(key(words("  ")), None);
    assert_eq!(key(None), None);
    assert_eq!(map.key_of(&values([])), None);
}

#[test]
fn a_key_of_several_parts_cannot_be_taken_for_another() {
    let system = SystemName::new("salesforce").unwrap();
    let map = salesforce::sales_order_line()
        .compile(&sales_order_line(), &system)
        .unwrap();
    let key = |target| {
        let order = Value::from(Reference {
            entity: "SalesOrder".parse().unwrap(),
            target,
        });
        map.key_of(&values([
            ("order", Some(order)),
            ("lineNumber", Some(Value::Integer(3))),
        ]))
    };
    assert_eq!(
        key(ReferenceTarget::Key("a|b~".into())),
        Some("A~|B~~|3".to_owned())
    );
    let link = LinkId::from_bytes([1; 16]);
    let expected = format!("{link}|3").to_uppercase();
    assert_eq!(key(ReferenceTarget::Link(link)), Some(expected));
    let id = "801".parse().unwrap();
    assert_eq!(key(ReferenceTarget::Foreign { system, id }), None);
}

#[test]
fn a_refusal_names_the_field_and_never_what_it_holds() {
    let map = compile(salesforce::store(), &crate::crm::standard::store());
    let got = map.get(&natives([("StoreType__c", text("canary"))]));
    let refusal = got.get("storeType").unwrap().clone().unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "storeType in alpha: the table of the map has no such value"
    );
    assert!(!format!("{refusal:?} {got:?}").contains("canary"));
    let stored = serde_json::to_string(&refusal).unwrap();
    assert_eq!(
        stored,
        r#"{"field":"storeType","system":"alpha","reason":{"kind":"unknownChoice"}}"#
    );
    assert_eq!(
        serde_json::from_str::<crate::crm::field_map::FieldRefusal>(&stored).unwrap(),
        refusal
    );
}
