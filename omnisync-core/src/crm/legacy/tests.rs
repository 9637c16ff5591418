use proptest::prelude::*;

use super::*;

fn read(body: &str) -> Result<LegacyEnvelope, LegacyError> {
    LegacyEnvelope::read(body.as_bytes())
}

/// An envelope whose `Values` are this text.
fn around(values: &str) -> String {
    let mut body = String::from(r#"{"Operation":"Update","Entity":"Customer","Values":"#);
    json::write_string(&mut body, values);
    body.push('}');
    body
}

#[test]
fn blanks_are_nothing_and_every_field_is_optional() {
    let body = around(r#"{"SalesForceId":"001A","CompanyName":"","AddressLine1":"    "}"#);
    let values = read(&body).unwrap().values;
    assert_eq!(values.len(), 3);
    assert_eq!(values.text("CompanyName"), None);
    assert_eq!(values.text("AddressLine1"), None);
    assert_eq!(values.text("Phone"), None);
    assert_eq!(
        values.get("AddressLine1"),
        Some(&LegacyValue::Text("    ".to_owned()))
    );
    assert_eq!(values.source(), Some(LegacySource::Salesforce("001A")));
    assert_eq!(values.date("CreatedDate"), Ok(None));
    assert!(read(&around("{}")).unwrap().values.is_empty());
}

#[test]
fn a_mapping_names_both_systems_and_so_no_sender() {
    let body = around(r#"{"SalesForceId":"a","D365Id":"b"}"#);
    assert_eq!(read(&body).unwrap().values.source(), None);
    let body = around(r#"{"D365Id":" b "}"#);
    let values = read(&body).unwrap().values;
    assert_eq!(values.source(), Some(LegacySource::Dynamics("b")));
}

#[test]
fn whole_numbers_stay_bare() {
    let body = around(r#"{"ClassID":-1,"SizeUnitMeasureID":4,"ColorID":"7","Weight":0.5}"#);
    let envelope = read(&body).unwrap();
    let values = &envelope.values;
    assert_eq!(values.integer("ClassID"), None);
    assert_eq!(values.get("ClassID"), Some(&LegacyValue::Integer(-1)));
    assert_eq!(values.integer("SizeUnitMeasureID"), Some(4));
    assert_eq!(values.integer("ColorID"), Some(7));
    assert_eq!(values.text("Weight"), Some("0.5"));
    assert!(envelope.to_json().contains(r#"\"ClassID\":-1,"#));
}

#[test]
fn operations_and_entities_are_read_in_every_known_spelling() {
    for (word, operation) in [
        ("CREATE", LegacyOperation::Create),
        ("update", LegacyOperation::Update),
        ("Delete", LegacyOperation::Delete),
    ] {
        let body = around("{}").replace("Update", word);
        assert_eq!(read(&body).unwrap().operation, operation);
    }
    let body = around("{}").replace("Customer", "Products");
    let envelope = read(&body).unwrap();
    assert_eq!(envelope.entity, LegacyEntity::Product);
    assert!(envelope.to_json().contains(r#""Entity":"Product""#));
    let gap = around("{}").replace("Update", "GAP_CREATE");
    assert_eq!(read(&gap), Err(LegacyError::Operation));
    let other = around("{}").replace("Customer", "Invoice");
    assert_eq!(read(&other), Err(LegacyError::Entity));
}

#[test]
fn tabs_and_line_ends_between_members_are_white_space() {
    let body = "{\r\n\t\"Operation\":\"Create\",\r\n\t\"Entity\":\"Store\",\r\n\t\"Values\":\"{\r\n\
                \t\\\"StoreName\\\":\t\\\"Main\\\\\\\"s\\\",\r\n\t\\\"StoreFax\\\":\\\"\\\"\r\n}\"\r\n}";
    let envelope = read(body).unwrap();
    assert_eq!(envelope.values.text("StoreName"), Some("Main\"s"));
    assert_eq!(envelope.values.len(), 2);
}

#[test]
fn broken_text_is_refused_and_not_quoted() {
    let canary = "CANARY";
    let quote = around(&format!(r#"{{"ProductName":"{canary} 20" CRT"}}"#));
    assert!(matches!(read(&quote), Err(LegacyError::Values(_))));
    let line = around(&format!("{{\"ProductName\":\"{canary}\n\"}}"));
    assert!(matches!(read(&line), Err(LegacyError::Values(_))));
    let outer = format!(r#"{{"Operation":"Create","Values":"{{"a":"{canary}"}}"}}"#);
    assert!(matches!(read(&outer), Err(LegacyError::Json(_))));
    let nested = around(&format!(r#"{{"a":{{"b":"{canary}"}}}}"#));
    assert!(matches!(read(&nested), Err(LegacyError::Unexpected { .. })));
    let date = around(&format!(r#"{{"CreatedDate":"{canary}"}}"#));
    let date = read(&date).unwrap();
    assert!(date.values.date("CreatedDate").is_err());
    for body in [&quote, &line, &outer, &nested] {
        let error = read(body).unwrap_err();
        let mut source: Option<&dyn std::error::Error> = Some(&error);
        while let Some(error) = source {
            assert!(!format!("{error} {error:?}").contains(canary));
            source = error.source();
        }
    }
    assert!(!format!("{date:?}").contains(canary));
}

#[test]
fn members_that_have_to_be_there_are_missed_by_name() {
    assert_eq!(read("{}"), Err(LegacyError::Missing("Operation")));
    let body = r#"{"Operation":"Create","Entity":"Store","Values":null}"#;
    assert_eq!(read(body), Err(LegacyError::Missing("Values")));
    let body = r#"{"Operation":"Create","Entity":"Store","Values":{}}"#;
    let error = read(body).unwrap_err().to_string();
    assert_eq!(error, "expected a string at \"/Values\" of the envelope");
    assert!(read("[]").is_err());
}

#[test]
fn dates_of_the_envelope_and_of_an_event_stream_are_read() {
    let body = r#"{"Operation":"Create","Entity":"Currency","Values":"{\"CreatedDate\":\"1721816905786\"}",
        "CreatedDate":"2024-07-24T10:28:25.1234567Z","UpdatedDate":"","PartitionId":1,
        "EventProcessedUtcTime":"2024-07-24T10:28:26Z"}"#;
    let envelope = read(body).unwrap();
    let instant = |text: &str| Some(text.parse::<DateTime<Utc>>().unwrap());
    assert_eq!(envelope.created, instant("2024-07-24T10:28:25.1234567Z"));
    assert_eq!(envelope.updated, None);
    assert_eq!(
        envelope.values.date("CreatedDate"),
        Ok(instant("2024-07-24T10:28:25.786Z"))
    );
    let body = body.replace(r#""UpdatedDate":"""#, r#""UpdatedDate":"soon""#);
    assert!(matches!(read(&body), Err(LegacyError::Date { .. })));
}

#[test]
fn what_is_written_has_the_members_in_the_known_order() {
    let envelope = LegacyEnvelope {
        operation: LegacyOperation::Create,
        entity: LegacyEntity::Product,
        values: LegacyValues::new()
            .with_text("ProductName", "CRT 20\"\t\r\n")
            .with_integer("ClassID", 3),
        created: "2026-03-14T08:00:00Z".parse().ok(),
        updated: None,
    };
    assert_eq!(
        envelope.to_json(),
        concat!(
            r#"{"Operation":"Create","Entity":"Product","#,
            r#""Values":"{\"ProductName\":\"CRT 20\\\"\\t\\r\\n\",\"ClassID\":3}","#,
            r#""CreatedDate":"2026-03-14T08:00:00Z"}"#
        )
    );
}

fn envelopes() -> impl Strategy<Value = LegacyEnvelope> {
    use LegacyEntity::{Currency, Customer, MasterDataMapping, Product, SalesOrders, Store};
    let value = prop_oneof![
        any::<String>().prop_map(LegacyValue::Text),
        any::<i64>().prop_map(LegacyValue::Integer),
    ];
    let values = proptest::collection::vec((any::<String>(), value), 0..8).prop_map(|fields| {
        let mut values = LegacyValues::new();
        for (name, value) in fields {
            values.insert(name, value);
        }
        values
    });
    let date = proptest::option::of(0..253_402_300_799_999_i64)
        .prop_map(|ms| ms.and_then(DateTime::from_timestamp_millis));
    let operation = proptest::sample::select(vec![
        LegacyOperation::Create,
        LegacyOperation::Update,
        LegacyOperation::Delete,
    ]);
    let entities = vec![
        Customer,
        Product,
        Store,
        SalesOrders,
        Currency,
        MasterDataMapping,
    ];
    let entity = proptest::sample::select(entities);
    (operation, entity, values, date.clone(), date).prop_map(
        |(operation, entity, values, created, updated)| LegacyEnvelope {
            operation,
            entity,
            values,
            created,
            updated,
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_strict_json_and_reads_back(envelope in envelopes()) {
        let text = envelope.to_json();
        let strict: serde_json::Value = serde_json::from_str(&text).unwrap();
        let inner = strict["Values"].as_str().unwrap();
        prop_assert!(serde_json::from_str::<serde_json::Value>(inner).unwrap().is_object());
        prop_assert_eq!(read(&text), Ok(envelope));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>()) {
        if let Ok(envelope) = LegacyEnvelope::read(&bytes) {
            prop_assert_eq!(read(&envelope.to_json()), Ok(envelope));
        }
    }

    #[test]
    fn no_change_of_an_envelope_makes_it_panic(
        envelope in envelopes(), at in any::<proptest::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = envelope.to_json().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(envelope) = LegacyEnvelope::read(&bytes) {
            prop_assert_eq!(read(&envelope.to_json()), Ok(envelope));
        }
    }
}
