//! Real captures, where they are at hand.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use omnisync_adapters_salesforce::cdc::{
    ChangeEvent, ChangeType, DecodeLimits, EncodedEvent, EventSchema, FieldState, FieldValue,
    Received, read_events,
};
use omnisync_core::json::Limits;

use super::fixture::names;

fn folder() -> PathBuf {
    PathBuf::from(std::env::var_os("OMNISYNC_SAMPLES").unwrap()).join("salesforce")
}

fn schemas() -> BTreeMap<String, EventSchema> {
    let mut schemas = BTreeMap::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "avsc")
        {
            let id = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let schema = EventSchema::parse(&fs::read(&path).unwrap()).unwrap();
            schemas.insert(id, schema);
        }
    }
    schemas
}

fn captured() -> Vec<EncodedEvent> {
    let mut captured = Vec::new();
    for name in ["account-creation-events.json", "account-update-events.json"] {
        let document = fs::read(folder().join(name)).unwrap();
        for event in read_events(&document, &Limits::default()).unwrap() {
            let Ok(Received::Encoded(event)) = event else {
                panic!("{event:?}");
            };
            captured.push(event);
        }
    }
    captured
}

fn decoded() -> Vec<ChangeEvent> {
    let schemas = schemas();
    let decode = |event: EncodedEvent| {
        event
            .decode(&schemas[&event.schema_id], &DecodeLimits::default())
            .unwrap()
    };
    captured().into_iter().map(decode).collect()
}

#[test]
#[ignore = "needs OMNISYNC_SAMPLES"]
fn samples_decode_to_the_last_byte_with_their_own_schema() {
    let events = decoded();

    let kinds: Vec<&ChangeType> = events
        .iter()
        .map(|event| &event.header().change_type)
        .collect();
    let (create, update) = (&ChangeType::Create, &ChangeType::Update);
    assert_eq!(kinds, [create, create, create, update]);
    for event in &events {
        assert_eq!(event.unlisted().len(), 0, "{event:?}");
        assert!(event.header().commit_user.is_some());
        assert_eq!(event.hints().len(), 1);
    }
    let numbers: Vec<_> = events
        .iter()
        .map(|event| event.header().sequence_number)
        .collect();
    assert_eq!(numbers, [Some(1), Some(2), Some(3), Some(1)]);
}

#[test]
#[ignore = "needs OMNISYNC_SAMPLES"]
fn samples_say_what_changed() {
    let events = decoded();
    let name = FieldState::Changed(FieldValue::Text("Bulk Acc1".to_owned()));
    assert_eq!(*events[0].state("Name"), name);
    assert!(events[0].changed().is_empty());
    assert_eq!(
        events[0].header().change_origin.client(),
        Some("devconsole")
    );
    assert!(matches!(
        events[0].state("BillingAddress.Country"),
        FieldState::Changed(_)
    ));

    let update = &events[3];
    assert_eq!(update.changed().len(), 2);
    assert_eq!(names(update.changed())[0], "LastModifiedDate");
    assert_eq!(update.fields().len(), 2, "both have values");
    assert_eq!(*update.state("LastModifiedById"), FieldState::Absent);
    assert_eq!(
        update.header().change_origin.client(),
        Some("SfdcInternalAPI")
    );
}

#[test]
#[ignore = "needs OMNISYNC_SAMPLES"]
fn samples_show_nearly_every_wrong_schema() {
    let schemas = schemas();
    let mut unseen = Vec::new();
    let mut seen = 0;
    for event in captured() {
        for (id, schema) in schemas.iter().filter(|(id, _)| **id != event.schema_id) {
            match event.decode(schema, &DecodeLimits::default()) {
                Ok(wrong) => unseen.push((event.schema_id.clone(), id.clone(), wrong)),
                Err(_) => seen += 1,
            }
        }
    }
    assert_eq!(seen, 7);
    // The two have the same fields in the same order, and differ within records that are null here.
    let [(own, other, wrong)] = unseen.as_slice() else {
        panic!("{unseen:?}");
    };
    assert_eq!(
        (own.as_str(), other.as_str()),
        ("i8wgJwwM-AVcDbFkbRl5Nw", "4egfTTaxua4Y39nYlBXfNg")
    );
    assert_eq!(
        names(wrong.changed()),
        ["LastModifiedDate", "Amount_Owed__c"]
    );
}

#[test]
#[ignore = "needs OMNISYNC_SAMPLES"]
fn samples_have_headers_without_a_schema() {
    for (encoded, whole) in captured().iter().zip(decoded()) {
        let header = encoded.decode_header(&DecodeLimits::default()).unwrap();
        assert_eq!(header.header, *whole.header());
    }
}
