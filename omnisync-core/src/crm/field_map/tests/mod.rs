mod compiling;
mod lenses;
mod reading;
mod standard_maps;
mod writing;

use rust_decimal::Decimal;

use super::{CompiledFieldMap, FieldMap, FieldRefusal, RefusalReason, Rule};
use crate::crm::{EntityDefinition, FieldName, Fields, Native, SystemName, Value};

fn system() -> SystemName {
    SystemName::new("alpha").unwrap()
}

fn name(text: &str) -> FieldName {
    FieldName::new(text).unwrap()
}

fn text(text: &str) -> Native {
    Native::Text(text.to_owned())
}

fn number(text: &str) -> Native {
    Native::Number(decimal(text))
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "fields hold options")]
fn words(text: &str) -> Option<Value> {
    Some(Value::Text(text.into()))
}

fn natives<const N: usize>(all: [(&str, Native); N]) -> Fields<Native> {
    all.map(|(field, native)| (name(field), native))
        .into_iter()
        .collect()
}

fn values<const N: usize>(all: [(&str, Option<Value>); N]) -> Fields<Option<Value>> {
    all.map(|(field, value)| (name(field), value))
        .into_iter()
        .collect()
}

/// An entity with one field `value` of the kind that the JSON says.
fn entity_of(kind: &str) -> EntityDefinition {
    let json = format!(r#"{{ "name": "Thing", "fields": {{ "value": {{ "kind": {kind} }} }} }}"#);
    serde_json::from_str(&json).unwrap()
}

/// An entity with these text fields, of which the first is the key.
fn texts(fields: &[&str]) -> EntityDefinition {
    let key = fields[0];
    let fields: Vec<String> = fields
        .iter()
        .map(|field| format!(r#""{field}": {{ "kind": "text", "required": true }}"#))
        .collect();
    let json = format!(
        r#"{{ "name": "Thing", "naturalKey": ["{key}"], "fields": {{ {} }} }}"#,
        fields.join(",")
    );
    serde_json::from_str(&json).unwrap()
}

fn compile(map: FieldMap, entity: &EntityDefinition) -> CompiledFieldMap {
    map.compile(entity, &system()).unwrap()
}

/// A map of the one field of [`entity_of`].
fn single(kind: &str, lens: &str) -> CompiledFieldMap {
    let rule = Rule::new("value", "Value").with_lens(serde_json::from_str(lens).unwrap());
    let map = FieldMap::builder("Thing", "Thing__c").rule(rule).build();
    compile(map, &entity_of(kind))
}

fn reasons<T: std::fmt::Debug>(outcome: Result<T, Vec<FieldRefusal>>) -> Vec<RefusalReason> {
    let refusals = outcome.unwrap_err();
    refusals.into_iter().map(|refusal| refusal.reason).collect()
}
