use super::*;

const HEADERS: [(&str, &str); 5] = [
    ("ce-specversion", "1.0"),
    ("ce-type", "com.example.order.created"),
    ("ce-time", "2024-02-29T12:30:45Z"),
    ("ce-id", "1234-1234"),
    ("ce-source", "/orders/eu"),
];

fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    HEADERS.iter().chain(more).copied().collect()
}

fn binary(headers: &[(&str, &str)], body: &[u8]) -> CloudEvent {
    match decode_http(headers.iter().copied(), body) {
        Ok(Decoded::Binary(event)) => *event,
        other => panic!("expected an event in binary mode, got {other:?}"),
    }
}

fn refuse_http(headers: &[(&str, &str)], body: &[u8], reason: Reason, pointer: &str) {
    let error = decode_http(headers.iter().copied(), body).expect_err("an invalid message");
    assert_eq!(
        (error.reason(), error.pointer().as_str()),
        (reason, pointer),
        "{headers:?}"
    );
}

fn structured(content_type: &str) {
    let json = base_with(r#""datacontenttype":"application/x+json","data":{"a":1}"#);
    let headers = [("Content-Type", content_type), ("ce-id", "ignored")];
    let Ok(Decoded::Structured(event)) = decode_http(headers, json.as_bytes()) else {
        panic!("expected an event in structured mode");
    };
    assert_eq!(event.id(), "A234-1234-1234");
    assert_eq!(event.datacontenttype(), Some("application/x+json"));
    assert_eq!(event.data().as_json(), Some(r#"{"a":1}"#));
}

fn binary_json(content_type: &str) {
    let event = binary(
        &with(&[("Content-Type", content_type)]),
        br#" {"a": 1.50} "#,
    );
    assert_eq!(event.event_type(), "com.example.order.created");
    assert_eq!(event.id(), "1234-1234");
    assert_eq!(event.source(), "/orders/eu");
    assert_eq!(
        event.time().map(Timestamp::as_str),
        Some("2024-02-29T12:30:45Z")
    );
    assert_eq!(event.datacontenttype(), Some(content_type));
    assert_eq!(event.data().as_json(), Some(r#"{"a": 1.50}"#));
    assert!(event.extensions().is_empty());
}

#[test]
fn ce_h1_binary_json() {
    binary_json("application/json");
}

#[test]
fn ce_h2_binary_json_with_a_charset() {
    binary_json("application/json; charset=utf-8");
}

#[test]
fn ce_h3_structured_json() {
    structured("application/cloudevents+json");
}

#[test]
fn ce_h4_structured_json_with_a_charset() {
    structured("application/cloudevents+json; charset=utf-8");
}

#[test]
fn a_batch_is_recognised_before_a_structured_event() {
    let json = format!("[{},1]", base_with(""));
    let headers = [("content-TYPE", "Application/CloudEvents-Batch+JSON")];
    let decoded = decode_http(headers, json.as_bytes()).unwrap();
    let Decoded::Batched(events) = &decoded else {
        panic!("expected a batch")
    };
    assert!(events.len() == 2 && events[0].is_ok() && events[1].is_err());
    assert_eq!(decoded.into_events().unwrap_err().pointer().as_str(), "/1");
    let empty = decode_http(headers, b"[]").unwrap();
    assert_eq!(empty.into_each().len(), 0);
}

#[test]
fn header_names_have_any_case_and_values_are_decoded() {
    let event = binary(
        &[
            ("CE-SpecVersion", "1.0"),
            ("Ce-Id", "%41%20%e2%82%ac"),
            ("cE-source", "/a%2520b"),
            ("ce-Type", "\"a \\\"b\\\"\""),
            ("ce-ext", "7"),
            ("ce-other", ""),
            ("x-ce-id", "no"),
        ],
        b"",
    );
    assert_eq!(event.id(), "A €");
    assert_eq!(event.source(), "/a%20b");
    assert_eq!(event.event_type(), "a \"b\"");
    assert_eq!(event.extension("ext"), Some(&"7".into()));
    assert_eq!(event.extension("other"), Some(&"".into()));
    assert!(event.data().is_none() && event.datacontenttype().is_none());
}

#[test]
fn wrong_headers_are_refused() {
    for (name, value, reason, pointer) in [
        (
            "ce-datacontenttype",
            "text/plain",
            Reason::Forbidden,
            "/datacontenttype",
        ),
        (
            "CE-DataContentType",
            "text/plain",
            Reason::Forbidden,
            "/datacontenttype",
        ),
        ("ce-ID", "other", Reason::Repeated, "/id"),
        ("ce-x", "%C0%A0", Reason::BadEncoding, "/x"),
        ("ce-x", "é", Reason::BadEncoding, "/x"),
        ("ce-x", "%0A", Reason::BadCharacter, "/x"),
        ("ce-x-y", "1", Reason::BadName, "/x-y"),
        ("ce-data", "1", Reason::BadName, "/data"),
        ("ce-subject", "", Reason::Empty, "/subject"),
        (
            "content-type",
            "text",
            Reason::BadMediaType,
            "/datacontenttype",
        ),
    ] {
        refuse_http(&with(&[(name, value)]), b"", reason, pointer);
    }
    refuse_http(
        &with(&[("ce-a", "1"), ("ce-a", "1")]),
        b"",
        Reason::Repeated,
        "/a",
    );
    let twice = [
        ("content-type", "text/plain"),
        ("Content-Type", "text/plain"),
    ];
    refuse_http(&with(&twice), b"", Reason::Repeated, "/datacontenttype");
    refuse_http(&HEADERS[1..], b"", Reason::Missing, "/specversion");
}

#[test]
fn event_formats_other_than_json_are_refused() {
    for content_type in [
        "application/cloudevents",
        "application/cloudevents+avro",
        "application/cloudevents-batch+avro",
        "application/cloudevents+json; charset=iso-8859-1",
    ] {
        refuse_http(
            &[("content-type", content_type)],
            b"{}",
            Reason::UnsupportedFormat,
            "",
        );
    }
}

#[test]
fn the_body_is_read_by_its_media_type() {
    let body = |content_type: &str, body: &[u8]| {
        binary(&with(&[("content-type", content_type)]), body).into_data()
    };
    assert_eq!(
        body("text/plain", "é".as_bytes()),
        EventData::Text("é".into())
    );
    assert_eq!(
        body("text/plain; charset=latin1", b"x"),
        EventData::Binary(b"x".to_vec())
    );
    assert_eq!(body("text/plain", b"\xff"), EventData::Binary(vec![0xff]));
    assert_eq!(
        body("application/octet-stream", b"x"),
        EventData::Binary(b"x".to_vec())
    );
    assert_eq!(body("application/json", b"null").as_json(), Some("null"));
    assert_eq!(body("application/json", b""), EventData::None);
    assert_eq!(
        binary(&HEADERS, b"{}").into_data(),
        EventData::Binary(b"{}".to_vec())
    );
    let json = with(&[("content-type", "application/json")]);
    refuse_http(&json, b"{\"a\":[1,}", Reason::Json, "/data");
    refuse_http(
        &json,
        b"{\"a\":{\"b\":1,\"b\":2}}",
        Reason::Json,
        "/data/a/b",
    );
}

#[test]
fn headers_and_body_count_against_the_size_of_an_event() {
    let limits = EventLimits {
        event_bytes_max: 100,
        ..EventLimits::default()
    };
    let headers = with(&[("content-type", "text/plain")]);
    let error = decode_http_with(headers, &[b'x'; 40], &limits).unwrap_err();
    assert_eq!(error.reason(), Reason::TooLarge);
}

#[test]
fn binary_mode_encodes_attributes_and_names_the_media_type() {
    let event = accept(&base_with(
        r#""subject":"Euro € 100%","n":-1,"b":true,"data":[1]"#,
    ));
    let message = event.to_http_binary().unwrap();
    let headers: Vec<_> = message
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        headers,
        [
            ("content-type", "application/json"),
            ("ce-specversion", "1.0"),
            ("ce-id", "A234-1234-1234"),
            ("ce-source", "https://example.com/storage/tenant/container"),
            ("ce-type", "com.example.someevent"),
            ("ce-subject", "Euro%20%E2%82%AC%20100%25"),
            ("ce-b", "true"),
            ("ce-n", "-1"),
        ]
    );
    assert_eq!(message.body, b"[1]");
    let again = binary(&headers, &message.body);
    assert_eq!(again.subject(), event.subject());
    assert_eq!(
        again.extension("n").and_then(ExtensionValue::as_integer),
        Some(-1)
    );
}

#[test]
fn binary_mode_refuses_what_would_be_read_differently() {
    let nested = accept(&base_with(
        r#""datacontenttype":"application/cloudevents+json","data":{}"#,
    ));
    assert_eq!(
        nested.to_http_binary().unwrap_err().reason(),
        Reason::Forbidden
    );
    let latin = accept(&base_with(
        r#""datacontenttype":"text/plain;charset=latin1","data":"é""#,
    ));
    assert_eq!(
        latin.to_http_binary().unwrap_err().reason(),
        Reason::UnsupportedFormat
    );
    for event in [nested, latin] {
        let message = event.to_http_structured();
        let decoded = decode_http(message.headers, &message.body).unwrap();
        assert_eq!(decoded.into_events(), Ok(vec![event]));
    }
}
