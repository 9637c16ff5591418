use apache_avro::types::Value;
use omnisync_adapters_salesforce::cdc::{
    AvroProblem, ChangeEvent, DecodeError, DecodeLimits, EventSchema, HeaderOnly, SchemaError,
};
use proptest::prelude::*;

use super::fixture::{
    Draft, Form, account, address_of, branch, custom, draft, parse, some, text, try_read,
};

/// Reads with one schema what was written with another.
fn cross(draft: &Draft, written: &str, read: &str) -> Result<ChangeEvent, DecodeError> {
    parse(read).decode(&draft.write(written), &DecodeLimits::default())
}

#[test]
fn another_form_of_an_address_shows() {
    let address = address_of(&[("Street", text("Ring 1")), ("GeocodeAccuracy", text("Zip"))]);
    let update = draft("UPDATE")
        .field("ShippingAddress", address)
        .changed(&["3-0x21"]);

    let error = cross(&update, &account(Form::Newer), &account(Form::Older)).unwrap_err();

    let place = |error: &DecodeError| matches!(error, DecodeError::Payload { field, .. } if !field.is_empty());
    assert!(place(&error), "{error}");
}

#[test]
fn an_event_that_leaves_out_the_difference_fits_both() {
    let update = draft("UPDATE")
        .changed(&["0x80"])
        .field("LastModifiedDate", some(Value::Long(1)));

    let read = |form| cross(&update, &account(Form::Newer), &account(form)).unwrap();

    assert_eq!(read(Form::Older), read(Form::Newer));
}

#[test]
fn another_object_shows() {
    let mut other = draft("UPDATE");
    other.entity = "Contact";
    assert_eq!(
        try_read(&other, &account(Form::Newer)),
        Err(DecodeError::Entity {
            entity: "Contact".to_owned(),
            schema: "AccountChangeEvent".to_owned(),
        })
    );
    let error = cross(&draft("UPDATE"), &account(Form::Newer), &custom()).unwrap_err();
    assert!(matches!(error, DecodeError::LeftOver { .. }), "{error}");
}

#[test]
fn a_change_type_beyond_the_schema_shows() {
    let error = cross(
        &draft("SNAPSHOT"),
        &account(Form::Newer),
        &account(Form::Older),
    )
    .unwrap_err();
    assert!(matches!(
        &error,
        DecodeError::Payload { problem: AvroProblem::EnumIndex, field, .. }
            if field == "ChangeEventHeader.changeType"
    ));
    assert_eq!(
        error.to_string(),
        "the payload does not fit the schema at byte 29 in ChangeEventHeader.changeType: \
         an enum has no such symbol"
    );
}

#[test]
fn a_nulled_field_with_a_value_shows() {
    let update = draft("UPDATE")
        .nulled(&["0x10"])
        .field("Phone", some(text("1")));
    let expected = DecodeError::NulledWithValue {
        field: "Phone".to_owned(),
    };
    assert_eq!(try_read(&update, &account(Form::Newer)), Err(expected));
}

#[test]
fn left_over_bytes_are_counted() {
    let mut payload = draft("UPDATE").write(&account(Form::Newer));
    let offset = payload.len();
    payload.extend([0, 0, 0]);
    let read = parse(&account(Form::Newer)).decode(&payload, &DecodeLimits::default());
    assert_eq!(read, Err(DecodeError::LeftOver { offset, bytes: 3 }));
}

#[test]
fn errors_do_not_quote_the_event() {
    let canary = "canary-4711";
    let update = draft("UPDATE")
        .field("Phone", some(text(canary)))
        .nulled(&["0x10"]);
    let error = try_read(&update, &account(Form::Newer)).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(canary));
    let error = cross(&update, &account(Form::Newer), &custom()).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(canary));
}

#[test]
fn a_schema_of_something_else_is_refused() {
    let refused = |schema: &str| match EventSchema::parse(schema.as_bytes()) {
        Err(SchemaError::NotAChangeEvent(problem)) => problem,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(r#""string""#), "it is not a record");
    let platform_event = r#"{"type": "record", "name": "X__e", "fields": [
        {"name": "CreatedDate", "type": "long"}]}"#;
    assert_eq!(
        refused(platform_event),
        "its first field is not a `ChangeEventHeader`"
    );
    let flat = r#"{"type": "record", "name": "X", "fields": [
        {"name": "ChangeEventHeader", "type": "string"}]}"#;
    assert_eq!(
        refused(flat),
        "its first field is not a `ChangeEventHeader`"
    );
}

fn full() -> Draft {
    draft("UPDATE")
        .changed(&["0x90", "3-0x1"])
        .nulled(&["0x40"])
        .field("Name", branch(1, text("Acme")))
        .field("ShippingAddress", address_of(&[("Street", text("Ring 1"))]))
        .field("Phone", some(text("1")))
        .field("LastModifiedDate", some(Value::Long(1_770_000_000_000)))
}

#[test]
fn no_piece_of_an_event_is_one() {
    let payload = full().write(&account(Form::Newer));
    let schema = parse(&account(Form::Newer));
    assert!(schema.decode(&payload, &DecodeLimits::default()).is_ok());
    for length in 0..payload.len() {
        let read = schema.decode(&payload[..length], &DecodeLimits::default());
        assert!(read.is_err(), "{length} of {} bytes", payload.len());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_taken_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let limits = DecodeLimits::default();
        drop(parse(&account(Form::Older)).decode(&bytes, &limits));
        drop(HeaderOnly::decode(&bytes, &limits));
        drop(EventSchema::parse(&bytes));
    }

    #[test]
    fn damage_brings_no_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let mut payload = full().write(&account(Form::Newer));
        for (at, byte) in changes {
            let at = at.index(payload.len());
            payload[at] = byte;
        }
        let limits = DecodeLimits::default();
        if let Ok(event) = parse(&account(Form::Newer)).decode(&payload, &limits) {
            drop(event.hints());
            drop(format!("{event:?}"));
        }
        drop(HeaderOnly::decode(&payload, &limits));
    }

    #[test]
    fn a_damaged_schema_brings_no_panic(
        cut in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut schema = account(Form::Newer).into_bytes();
        let at = cut.index(schema.len());
        schema[at] = byte;
        if let Ok(schema) = EventSchema::parse(&schema) {
            drop(schema.decode(&full().write(&account(Form::Newer)), &DecodeLimits::default()));
        }
    }
}
