use omnisync_core::port::Collection;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const ORDERS: Collection = Collection::new("orders");

fn place(partition_key: &str) -> Place {
    Place {
        container: "oms-orders".to_owned(),
        partition_key: partition_key.to_owned(),
        is_shared: false,
    }
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn content(body: &str) -> Content {
    Content {
        state: "Pending".to_owned(),
        due_at: Some(at("2026-03-14T08:00:15Z")),
        expires_at: None,
        body: RawValue::from_string(body.to_owned()).unwrap(),
    }
}

fn encoded(place: &Place, content: &Content) -> Box<RawValue> {
    let key = DocumentKey::new(ORDERS, "ORD-1");
    let address = place.address(&key).unwrap();
    encode(
        &key,
        place,
        &address,
        content,
        "w1",
        at("2026-03-14T08:00:15Z"),
    )
    .unwrap()
}

/// As the service gives it back: numbers as doubles, members of its own.
fn served(item: &RawValue) -> String {
    let mut item: Value = serde_json::from_str(item.get()).unwrap();
    for name in ["_rid", "_self", "_etag", "_attachments"] {
        item[name] = json!("\"tag\"");
    }
    item["_ts"] = json!(1_773_475_215);
    item.to_string()
}

fn back(place: &Place, content: &Content) -> Document {
    let json = served(&encoded(place, content));
    let (id, etag) = marks(&json).unwrap();
    assert_eq!(place.document_id(&id).as_deref(), Some("ORD-1"));
    decode(&json, place, DocumentKey::new(ORDERS, "ORD-1"), etag).unwrap()
}

#[track_caller]
fn comes_back(body: &str) {
    for place in [place("orderId"), place("id")] {
        let content = content(body);
        let found = back(&place, &content);
        let got: Value = serde_json::from_str(found.body.unwrap().get()).unwrap();
        assert_eq!(got, serde_json::from_str::<Value>(body).unwrap());
        assert_eq!(
            (found.state, found.due_at, found.expires_at),
            (content.state, content.due_at, None)
        );
    }
}

#[test]
fn an_order_shows_what_dashboards_read() {
    let body = json!({
        "id": "ORD-1", "orderId": "ORD-1", "processingStatus": "Processed",
        "omsEvent": { "data": { "totalAmount": 12_500.5 } }, "ingestedAt": "2026-03-14T08:00:15Z",
        "pickedUpAt": null, "ttl": 2_592_000
    });
    let mut content = content(&body.to_string());
    content.expires_at = Some(at("2026-03-14T08:00:45.5Z"));
    let item: Value = serde_json::from_str(encoded(&place("orderId"), &content).get()).unwrap();
    let want = json!({
        "id": "ORD-1", "orderId": "ORD-1", "processingStatus": "Processed",
        "omsEvent": { "data": { "totalAmount": 12_500.5 } }, "ingestedAt": "2026-03-14T08:00:15Z",
        "pickedUpAt": null, "ttl": 31,
        "omnisync": {
            "v": 1, "collection": "orders", "state": "Pending", "write": "w1",
            "dueAt": "2026-03-14T08:00:15.000000000Z", "expiresAt": "2026-03-14T08:00:45.500000000Z",
            "kept": { "id": "ORD-1", "orderId": "ORD-1", "ttl": 2_592_000 }
        }
    });
    assert_eq!(item, want);
    let found = back(&place("orderId"), &content);
    assert_eq!(
        serde_json::from_str::<Value>(found.body.unwrap().get()).unwrap(),
        body
    );
    assert_eq!(found.expires_at, content.expires_at);
}

#[test]
fn names_that_the_top_level_needs_are_kept() {
    comes_back(
        r#"{"id":[1],"ttl":null,"orderId":7,"_etag":"mine","_x":1,"omnisync":{"v":2},"a":1}"#,
    );
    comes_back(r#"{"$ref":true,"a b":{"ü.x":[[],{}]},"é":"e"}"#);
}

#[test]
fn numbers_beyond_a_double_come_back_to_the_last_digit() {
    let text =
        r#"{"amount":12345678901234567890.123456789,"huge":1e400,"zero":-0.0,"plain":19.90}"#;
    for body in [text.to_owned(), format!("[{text}]")] {
        let found = back(&place("orderId"), &content(&body));
        let got = found.body.unwrap();
        for number in ["12345678901234567890.123456789", "1e400", "-0.0"] {
            assert!(got.get().contains(number), "{got}");
        }
    }
}

#[test]
fn bodies_that_are_no_objects_or_odd_ones_come_back() {
    for body in [
        "null",
        "true",
        "7",
        "\"\\u0000\"",
        "[]",
        "{}",
        r#"{"":1}"#,
        r#"{"a":{"":[]}}"#,
    ] {
        comes_back(body);
    }
    // The later of two members of the same name counts, for every reader.
    comes_back(r#"{"a":1,"a":2}"#);
    let halves = back(&place("id"), &content(r#"{"a":"\ud800","b":1}"#))
        .body
        .unwrap();
    assert!(halves.get().contains(r"\ud800"), "{halves}");
}

#[test]
fn what_is_not_ours_is_named() {
    let key = || DocumentKey::new(ORDERS, "ORD-1");
    let tag = || ETag::new("\"t\"").unwrap();
    let wrong = |json: &str| decode(json, &place("id"), key(), tag()).unwrap_err();
    for (json, want) in [
        ("[]", "no object"),
        (
            "{\"id\":\"a\"}",
            "no member `omnisync`: another program wrote it",
        ),
        ("{\"omnisync\":7}", UNREADABLE),
        (
            "{\"omnisync\":{\"v\":1,\"collection\":\"orders\"}}",
            UNREADABLE,
        ),
        (
            "{\"omnisync\":{\"v\":2,\"collection\":\"orders\",\"state\":\"a\"}}",
            "a layout that this version does not know",
        ),
        (
            "{\"omnisync\":{\"v\":1,\"collection\":\"o\",\"state\":\"a\"}}",
            "a document of another collection",
        ),
        (
            "{\"omnisync\":{\"v\":1,\"collection\":\"orders\",\"state\":\"a\",\"dueAt\":\"x\"}}",
            "an instant that cannot be read",
        ),
        (
            "{\"omnisync\":{\"v\":1,\"collection\":\"orders\",\"state\":\"a\",\"text\":\"{\"}}",
            "a body that is not JSON",
        ),
    ] {
        assert_eq!(wrong(json), want, "{json}");
    }
    assert!(marks("{\"id\":1}").is_err());
}

#[test]
fn what_cannot_be_read_is_no_document_of_any_type() {
    let found = |json: &str, bodies| {
        let tag = ETag::new("\"t\"").unwrap();
        unreadable(json, DocumentKey::new(ORDERS, "ORD-1"), tag, bodies)
    };
    // All but one instant of it could be read.
    let item = r#"{"id":"ORD-1","a":1,"omnisync":{"state":"Pending","dueAt":"soon"}}"#;
    let whole = found(item, true);
    assert_eq!(whole.state, "Pending");
    assert!(whole.parse::<BTreeMap<String, Value>>().is_err());
    assert_eq!(whole.parse::<String>().unwrap(), item);
    let head = found(r#"{"id":"ORD-1","state":"Done","v":7}"#, false);
    assert_eq!((head.state.as_str(), head.body.is_none()), ("Done", true));
    for odd in [
        "",
        "[]",
        "7",
        r#"{"omnisync":7}"#,
        r#"{"omnisync":{"state":7}}"#,
    ] {
        assert_eq!(found(odd, true).state, "", "{odd}");
    }
}

#[test]
fn ttl_counts_whole_seconds_up_and_is_never_less_than_one() {
    let now = at("2026-01-01T00:00:00Z");
    let after = |milliseconds| ttl(now + TimeDelta::milliseconds(milliseconds), now);
    assert_eq!(after(-5_000), Some(1));
    assert_eq!(after(0), Some(1));
    assert_eq!(after(1), Some(1));
    assert_eq!(after(1_001), Some(2));
    assert_eq!(after(2_000), Some(2));
    assert_eq!(
        ttl(now + TimeDelta::seconds(TTL_S_MAX), now),
        Some(TTL_S_MAX)
    );
    assert_eq!(ttl(now + TimeDelta::seconds(TTL_S_MAX + 1), now), None);
}

#[test]
fn instants_keep_their_order_as_texts() {
    let instants = [
        DateTime::<Utc>::MIN_UTC,
        at("0000-01-01T00:00:00Z"),
        at("2026-03-14T08:00:15Z"),
        at("2026-03-14T08:00:15.000000001Z"),
        at("2026-03-14T08:00:15.1Z"),
        at("9999-12-31T23:59:59Z"),
        DateTime::<Utc>::MAX_UTC,
    ];
    let limits = instants.map(limit);
    assert!(limits.is_sorted(), "{limits:?}");
    assert_eq!(stamp(DateTime::<Utc>::MAX_UTC), Err(Unstorable::Instant));
    assert_eq!(stamp(DateTime::<Utc>::MIN_UTC), Err(Unstorable::Instant));
}

fn any_json() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        "[a-z]{1,4}",
        Just("id".to_owned()),
        Just("ttl".to_owned()),
        Just("_ts".to_owned()),
        Just("omnisync".to_owned()),
        Just("orderId".to_owned()),
        Just(String::new()),
        ".{0,6}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(name.clone(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_comes_back(body in any_json()) {
        for place in [place("orderId"), place("id")] {
            let found = back(&place, &content(&body.to_string()));
            let got: Value = serde_json::from_str(found.body.unwrap().get()).unwrap();
            prop_assert_eq!(&got, &body);
        }
    }

    #[test]
    fn no_item_makes_the_reader_panic(json in ".{0,200}") {
        let tag = ETag::new("t").unwrap();
        decode(&json, &place("id"), DocumentKey::new(ORDERS, "a"), tag).err();
        marks(&json).err();
    }
}
