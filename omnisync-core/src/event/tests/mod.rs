mod builder;
mod cases;
mod extra;
mod http;
mod property;

use super::*;

/// The base event of the cases: four attributes and nothing else.
const BASE: &str = r#""specversion":"1.0","id":"A234-1234-1234","type":"com.example.someevent","source":"https://example.com/storage/tenant/container""#;

/// The base event with more members.
fn base_with(members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    format!("{{{BASE}{comma}{members}}}")
}

/// The base event without the member `name`.
fn base_without(name: &str) -> String {
    let members: Vec<_> = BASE
        .split(',')
        .filter(|member| !member.starts_with(&format!("\"{name}\"")))
        .collect();
    format!("{{{}}}", members.join(","))
}

/// The base event with another value for the member `name`.
fn base_but(name: &str, value: &str) -> String {
    let mut event = base_without(name);
    event.insert_str(1, &format!("\"{name}\":{value},"));
    event
}

/// Reads an event and checks that writing and reading again gives an equal one.
fn accept(json: &str) -> CloudEvent {
    let event = CloudEvent::from_json(json.as_bytes()).expect("a valid event");
    let again = CloudEvent::from_json(event.to_json().as_bytes());
    assert_eq!(again.as_ref(), Ok(&event));
    assert_eq!(event.to_raw_value().unwrap().get(), event.to_json());
    event
}

/// Checks why an event is refused, and where.
fn refuse(json: &str, reason: Reason, pointer: &str) -> EventError {
    let error = CloudEvent::from_json(json.as_bytes()).expect_err("an invalid event");
    assert_eq!(
        (error.reason(), error.pointer().as_str()),
        (reason, pointer),
        "{json}"
    );
    error
}

/// Checks that attribute `name` of the base event is refused with `value` in it.
fn refuse_value(name: &str, value: &str, reason: Reason) {
    let json = base_but(name, value);
    let error = refuse(&json, reason, &format!("/{name}"));
    assert_eq!(error.attribute(), Some(name));
}
