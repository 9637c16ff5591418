use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use omnisync_adapters_salesforce::cdc::{
    ChangeEvent, DecodeLimits, FieldState, FieldValue, InputError, PlainEvent, Received,
    read_events,
};
use omnisync_core::json::Limits;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::fixture::{ACCOUNT, Form, USER, account, draft, names, parse};

fn events(document: &Value) -> Vec<Result<Received, InputError>> {
    read_events(document.to_string().as_bytes(), &Limits::default()).unwrap()
}

fn one(document: &Value) -> Received {
    let mut events = events(document);
    assert_eq!(events.len(), 1);
    events.remove(0).unwrap()
}

fn plain(document: &Value) -> PlainEvent {
    match one(document) {
        Received::Plain(event) => *event,
        other => panic!("{other:?}"),
    }
}

fn refused(document: &Value) -> String {
    match events(document).remove(0) {
        Err(error) => error.to_string(),
        Ok(event) => panic!("{event:?}"),
    }
}

fn encoded(payload: &[u8]) -> Value {
    json!({
        "event": {"id": "e-1", "schemaId": "s-1", "payload": STANDARD.encode(payload)},
        "replayId": "AAAAAAAXkCkAAA==",
    })
}

/// An event as a client of the Pub/Sub API shows it.
fn of_client(kind: &str, header: &Value, fields: &Value) -> Value {
    let mut payload = json!({"ChangeEventHeader": {
        "entityName": "Account",
        "recordIds": ["001Dx00000AbCdE"],
        "changeType": kind,
        "changeOrigin": "com/salesforce/api/soap/66.0;client=OmniSync/",
        "transactionKey": "0003-0001",
        "sequenceNumber": 1,
        "commitTimestamp": 1_770_000_000_000_i64,
        "commitNumber": 0,
        "commitUser": USER,
        "nulledFields": [], "diffFields": [], "changedFields": [],
    }});
    merge(&mut payload["ChangeEventHeader"], header);
    merge(&mut payload, fields);
    json!({"id": "e-1", "schemaId": "s-1", "replayId": 1_544_233, "payload": payload})
}

fn merge(into: &mut Value, from: &Value) {
    for (name, value) in from.as_object().unwrap() {
        into[name] = value.clone();
    }
}

fn said(event: &ChangeEvent) -> Vec<&str> {
    names(event.fields().map(|(path, _)| path))
}

#[test]
fn a_capture_of_the_api_is_read_in_both_forms() {
    let payload = draft("UPDATE")
        .changed(&["0x10"])
        .write(&account(Form::Newer));
    let event = encoded(&payload);
    let answer = json!({
        "events": [event, event], "latestReplayId": "AAAAAAAXkCkAAA==", "rpcId": "r",
        "pendingNumRequested": 24,
    });
    for (document, count) in [(answer, 2), (json!([event]), 1), (event, 1)] {
        let events = events(&document);
        assert_eq!(events.len(), count);
        for event in events {
            let Ok(Received::Encoded(event)) = event else {
                panic!("{event:?}");
            };
            assert_eq!(event.schema_id, "s-1");
            assert_eq!(event.id.as_deref(), Some("e-1"));
            assert_eq!(
                event.replay_id.as_ref().unwrap().to_string(),
                "00000000001790290000"
            );
            let limits = DecodeLimits::default();
            let whole = event
                .decode(&parse(&account(Form::Newer)), &limits)
                .unwrap();
            assert_eq!(names(whole.changed()), ["Phone"]);
            assert_eq!(
                event.decode_header(&limits).unwrap().header,
                *whole.header()
            );
        }
    }
}

#[test]
fn other_spellings_of_proto_json_are_read() {
    let payload = draft("UPDATE").write(&account(Form::Newer));
    let document = json!([
        {"event": {"schema_id": "s-1", "payload": URL_SAFE_NO_PAD.encode(&payload)}, "replay_id": null},
        {"event": {"schemaId": "s-1", "payload": {"type": "Buffer", "data": payload}}},
    ]);
    for event in events(&document) {
        let Ok(Received::Encoded(event)) = event else {
            panic!("{event:?}");
        };
        assert_eq!(event.payload, payload);
        assert_eq!((event.id, event.replay_id), (None, None));
    }
}

#[test]
fn an_answer_that_only_keeps_the_stream_alive_has_no_events() {
    let document = json!({"latestReplayId": "AAAAAAAXkCkAAA==", "rpcId": "r"});
    assert!(events(&document).is_empty());
    assert!(events(&json!([])).is_empty());
}

#[test]
fn one_bad_event_takes_no_other_with_it() {
    let good = encoded(&draft("UPDATE").write(&account(Form::Newer)));
    let mut bad = good.clone();
    bad["event"]["payload"] = json!("?");
    let events = events(&json!([good, bad, 7, good]));
    let read: Vec<bool> = events.iter().map(Result::is_ok).collect();
    assert_eq!(read, [true, false, false, true]);
    let error = |index: usize| events[index].as_ref().unwrap_err().to_string();
    assert_eq!(error(1), "`/1/event/payload` is not bytes in base64");
    assert_eq!(
        error(2),
        "`/2` is not a change event in one of the forms that are read"
    );
}

#[test]
fn names_that_a_client_expanded_are_taken() {
    let header = json!({
        "changedFields": ["Phone", "ShippingAddress.Street", "ShippingAddress.City"],
        "nulledFields": ["Fax"],
    });
    let fields = json!({
        "Name": null, "Fax": null, "Phone": {"string": "1"}, "Industry": "Retail",
        "ShippingAddress": {"com.sforce.eventbus.Address": {"Street": "Ring 1", "City": null}},
    });

    let event = plain(&of_client("UPDATE", &header, &fields));

    assert_eq!(event.replay_id.unwrap().to_string(), "0000000000179029");
    let event = event.event;
    let changed = ["Phone", "ShippingAddress.Street", "ShippingAddress.City"];
    assert_eq!(names(event.changed()), changed);
    assert_eq!(
        *event.state("Phone"),
        FieldState::Changed(FieldValue::Text("1".to_owned()))
    );
    assert_eq!(*event.state("ShippingAddress.City"), FieldState::Nulled);
    assert_eq!(*event.state("Fax"), FieldState::Nulled);
    assert_eq!(*event.state("Name"), FieldState::Absent);
    assert_eq!(names(event.unlisted().map(|(path, _)| path)), ["Industry"]);
    assert_eq!(event.header().commit_number, None, "zeroed by the client");
    assert_eq!(event.header().record_ids[0].to_string(), ACCOUNT);
    assert_eq!(event.header().change_origin.client(), Some("OmniSync"));
}

#[test]
fn lists_that_a_client_lost_leave_every_value_open() {
    let fields = json!({"ShippingAddress": {"Latitude": 1.5, "Street": null}, "Phone": null});
    for list in [json!([]), json!(["3-0x08"])] {
        let header = json!({"changedFields": list});
        let event = plain(&of_client("UPDATE", &header, &fields)).event;
        assert!(!event.says_what_changed());
        assert_eq!(said(&event), ["ShippingAddress.Latitude"]);
        assert!(event.is_derived_only());
        assert!(event.hints()[0].fields.is_empty());
    }
}

#[test]
fn the_text_in_a_cloud_event_is_read() {
    let header = json!({"commitNumber": "9007199254740993"});
    let inner = of_client("CREATE", &header, &json!({"Name": "Acme", "Phone": null}));
    let message = serde_json::to_string_pretty(&inner).unwrap();
    let document = json!({
        "specversion": "1.0", "type": "AccountCreate", "subject": "Account", "id": "x",
        "source": "s", "data": {"message": message},
    });
    let event = plain(&document);
    assert_eq!(said(&event.event), ["Name"]);
    assert_eq!(
        event.event.header().commit_number,
        Some(9_007_199_254_740_993)
    );

    let broken = json!({"data": {"message": "{"}});
    assert_eq!(refused(&broken), "the text at `/data/message` is not json");
}

fn streaming(kind: &str, fields: &Value) -> Value {
    let inner = of_client(kind, &json!({}), fields);
    let data = json!({"schema": "s-1", "payload": inner["payload"], "event": {"replayId": 7}});
    json!({"channel": "/data/AccountChangeEvent", "data": data})
}

#[test]
fn the_streaming_api_leaves_out_what_did_not_change() {
    let fields = json!({
        "Phone": null, "Name": "Acme", "ShippingAddress": {"Street": "Ring 1", "City": null},
        "LastModifiedDate": "2026-01-05T06:00:00.000Z",
    });

    let event = plain(&json!([streaming("UPDATE", &fields)]));

    assert_eq!(event.schema_id.as_deref(), Some("s-1"));
    assert_eq!(event.replay_id.unwrap().to_string(), "0000000000000007");
    let event = event.event;
    // Members of a JSON object have no order here.
    let mut changed = names(event.changed());
    changed.sort_unstable();
    assert_eq!(
        changed,
        ["LastModifiedDate", "Name", "ShippingAddress.Street"]
    );
    assert_eq!(names(event.nulled()), ["Phone", "ShippingAddress.City"]);
    assert_eq!(*event.state("Phone"), FieldState::Nulled);
    assert_eq!(*event.state("Fax"), FieldState::Absent);
}

#[test]
fn a_new_or_deleted_record_of_the_streaming_api_has_no_lists() {
    let fields = json!({"Name": "Acme", "Phone": null});
    let event = plain(&streaming("CREATE", &fields)).event;
    assert_eq!(said(&event), ["Name"]);
    assert!(event.changed().is_empty() && event.nulled().is_empty());
    assert_eq!(
        said(&plain(&streaming("DELETE", &json!({}))).event),
        [""; 0]
    );
}

#[test]
fn a_member_that_is_something_else_is_named() {
    let of = |header: Value| refused(&of_client("UPDATE", &header, &json!({})));
    let place = "`/payload/ChangeEventHeader";
    assert_eq!(
        of(json!({"recordIds": "x"})),
        format!("{place}/recordIds` is not a list of texts")
    );
    assert_eq!(
        of(json!({"commitNumber": 1.5})),
        format!("{place}/commitNumber` is not a whole number")
    );
    assert_eq!(
        of(json!({"entityName": 5})),
        "the event at `` has no usable header"
    );
    let headless = refused(&json!({"payload": {}}));
    assert_eq!(
        headless,
        format!("{place}` is not the header of a change event")
    );
    let no_replay = json!({"event": {"schemaId": "s", "payload": ""}, "replayId": "?"});
    assert_eq!(refused(&no_replay), "`/replayId` is not a replay id");
}

proptest! {
    #[test]
    fn any_text_is_taken_without_a_panic(text in any::<String>()) {
        drop(read_events(text.as_bytes(), &Limits::default()));
    }

    #[test]
    fn any_member_may_be_anything(
        member in prop::sample::select(vec!["recordIds", "changeType", "commitTimestamp", "changedFields", "sequenceNumber"]),
        value in prop_oneof![
            any::<i64>().prop_map(|number| json!(number)),
            any::<String>().prop_map(|text| json!(text)),
            prop::collection::vec(any::<String>(), 0..3).prop_map(|texts| json!(texts)),
            Just(json!({"a": [null, 1.5]})),
        ],
    ) {
        let document = of_client("UPDATE", &json!({ member: value }), &json!({"A": {"B": {"C": [1, null]}}}));
        for event in events(&document).into_iter().flatten() {
            if let Received::Plain(event) = event {
                drop(event.event.hints());
            }
        }
    }
}
