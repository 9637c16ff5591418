//! The fields of an event in JSON.

use omnisync_core::json::{Json, Value};

use crate::cdc::event::{FieldPath, FieldValue, Leaf};
use crate::cdc::header::HEADER;

/// Names by which an Avro library for JavaScript says which branch of a union a value is.
const BRANCHES: &[&str] = &[
    "boolean", "bytes", "double", "float", "int", "long", "string",
];

/// The values of a payload that have no children, in its order.
pub(super) fn leaves(payload: &Json<'_>) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    for (name, value) in payload.as_object().unwrap_or_default() {
        if name != HEADER {
            take_apart(&FieldPath::new(name), unwrapped(value), &mut leaves);
        }
    }
    leaves
}

fn take_apart(path: &FieldPath, value: &Json<'_>, leaves: &mut Vec<Leaf>) {
    let Some(members) = value.as_object() else {
        leaves.push(Leaf::new(path.clone(), plain(value)));
        return;
    };
    for (name, value) in members {
        let child = FieldPath::of_text(&format!("{path}.{name}"));
        take_apart(&child, unwrapped(value), leaves);
    }
}

/// The value within `{"string": …}` or `{"com.sforce.eventbus.Address": …}`.
fn unwrapped<'j, 'a>(value: &'j Json<'a>) -> &'j Json<'a> {
    match value.as_object() {
        Some([(branch, inner)]) if BRANCHES.contains(&&**branch) || branch.contains('.') => inner,
        _ => value,
    }
}

fn plain(value: &Json<'_>) -> Option<FieldValue> {
    Some(match &value.value {
        Value::Null | Value::Object(_) => return None,
        Value::Bool(value) => FieldValue::Boolean(*value),
        Value::Number(text) => match text.parse() {
            Ok(whole) => FieldValue::Integer(whole),
            Err(_) => FieldValue::Double(text.parse().ok()?),
        },
        Value::String(text) => FieldValue::Text(text.clone().into_owned()),
        Value::Array(items) => FieldValue::List(items.iter().map(plain).collect()),
    })
}
