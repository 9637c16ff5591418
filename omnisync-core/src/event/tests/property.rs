use proptest::prelude::*;

use super::*;

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{1,12}", "\\PC{1,8}"].prop_filter("no noncharacters", |text| {
        ExtensionValue::from(text.as_str()).check().is_ok()
    })
}

fn extension() -> impl Strategy<Value = ExtensionValue> {
    prop_oneof![
        any::<bool>().prop_map(ExtensionValue::from),
        any::<i32>().prop_map(ExtensionValue::from),
        text().prop_map(ExtensionValue::from),
        any::<Vec<u8>>().prop_map(|bytes| ExtensionValue::from(bytes.as_slice())),
    ]
}

fn time() -> impl Strategy<Value = Timestamp> {
    let parts = (
        0..10_000_u32,
        1..13_u32,
        1..29_u32,
        0..24_u32,
        0..60_u32,
        0..60_u32,
    );
    (
        parts,
        "(\\.[0-9]{1,12})?([Zz]|[+-](0[0-9]|1[0-9]|2[0-3]):[0-5][0-9])",
    )
        .prop_map(|((year, month, day, hour, minute, second), rest)| {
            let text =
                format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{rest}");
            Timestamp::parse(&text).expect("a time")
        })
}

/// Data with the media type that goes with it.
fn data() -> impl Strategy<Value = (Option<&'static str>, EventData)> {
    let json = prop_oneof![
        Just("null".to_owned()),
        any::<i64>().prop_map(|n| format!("{n}.50e+3")),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        prop::collection::btree_map(any::<String>(), any::<Vec<u8>>(), 0..4)
            .prop_map(|map| serde_json::to_string_pretty(&map).unwrap()),
    ];
    let json = (
        prop_oneof![
            Just(None),
            Just(Some("application/json")),
            Just(Some("text/x+json; a=b"))
        ],
        json,
    )
        .prop_map(|(media_type, text)| {
            (
                media_type,
                EventData::Json(serde_json::value::RawValue::from_string(text).unwrap()),
            )
        });
    prop_oneof![
        Just((None, EventData::None)),
        Just((Some("application/xml"), EventData::None)),
        json,
        any::<String>().prop_map(|text| (Some("text/plain"), EventData::Text(text))),
        any::<Vec<u8>>().prop_map(|bytes| (Some("image/png"), EventData::Binary(bytes))),
        any::<Vec<u8>>().prop_map(|bytes| (None, EventData::Binary(bytes))),
    ]
}

fn event() -> impl Strategy<Value = CloudEvent> {
    let source = prop_oneof![
        "[a-z]{1,5}:[a-z0-9/]{0,8}",
        "/[a-z%]{0,0}[a-z/]{0,6}(#[a-z]{0,3})?",
        "#[a-z]{1,4}"
    ];
    let extensions = prop::collection::btree_map("x[a-z0-9]{0,22}", extension(), 0..5);
    (
        (text(), source, text()),
        prop::option::of(text()),
        prop::option::of(time()),
        prop::option::of("urn:[a-z]{1,5}"),
        extensions,
        data(),
    )
        .prop_map(
            |((id, source, ty), subject, time, schema, extensions, (media_type, data))| {
                let mut builder = CloudEvent::builder(id, source, ty).with_data(data);
                if let Some(subject) = subject {
                    builder = builder.with_subject(subject);
                }
                if let Some(time) = time {
                    builder = builder.with_time(&time);
                }
                if let Some(schema) = schema {
                    builder = builder.with_dataschema(schema);
                }
                if let Some(media_type) = media_type {
                    builder = builder.with_datacontenttype(media_type);
                }
                for (name, value) in extensions {
                    builder = builder.with_extension(name, value);
                }
                builder.build().expect("a valid event")
            },
        )
}

/// What binary mode makes of an event: extensions become texts, JSON gets its media type, and no
/// bytes are no data.
fn as_sent_in_binary_mode(event: &CloudEvent) -> CloudEvent {
    let mut sent = event.clone();
    for value in sent.extensions.values_mut() {
        *value = ExtensionValue::String(value.to_string());
    }
    if event.data().as_bytes().is_empty() {
        sent.data = EventData::None;
    }
    if matches!(event.data(), EventData::Json(_)) && event.datacontenttype().is_none() {
        sent.datacontenttype = Some(media_type::JSON.to_owned());
    }
    sent
}

/// Blanks at the ends of a header value are not part of it, so they have to be encoded.
#[test]
fn blanks_at_the_ends_of_an_attribute_survive_binary_mode() {
    let event = CloudEvent::builder(" 1 ", "/s", "t").build().unwrap();
    let message = event.to_http_binary().unwrap();
    let decoded = decode_http(message.headers, &message.body).unwrap();
    assert_eq!(decoded.into_events(), Ok(vec![event]));
}

proptest! {
    #[test]
    fn any_event_survives_json(event in event()) {
        let again = CloudEvent::from_json(event.to_json().as_bytes());
        prop_assert_eq!(again.as_ref(), Ok(&event));
        let written = again.map(|again| again.to_json());
        prop_assert_eq!(written, Ok(event.to_json()));
    }

    #[test]
    fn any_batch_survives_json_and_http(events in prop::collection::vec(event(), 0..4)) {
        let json = batch_to_json(&events);
        let again = parse_batch(json.as_bytes());
        prop_assert_eq!(again.as_ref(), Ok(&events));
        let message = batch_to_http(&events);
        let decoded = decode_http(message.headers, &message.body).and_then(Decoded::into_events);
        prop_assert_eq!(decoded, Ok(events));
    }

    #[test]
    fn any_event_survives_http(event in event()) {
        let message = event.to_http_structured();
        let decoded = decode_http(message.headers, &message.body).and_then(Decoded::into_events);
        prop_assert_eq!(decoded, Ok(vec![event.clone()]));

        let message = event.to_http_binary().unwrap();
        let decoded = decode_http(message.headers, &message.body).and_then(Decoded::into_events);
        prop_assert_eq!(decoded, Ok(vec![as_sent_in_binary_mode(&event)]));
    }

    #[test]
    fn reading_never_panics_on_arbitrary_bytes(bytes: Vec<u8>) {
        drop(CloudEvent::from_json(&bytes));
        drop(parse_batch_each(&bytes));
        for content_type in [media_type::EVENT_JSON, media_type::BATCH_JSON, media_type::JSON] {
            drop(decode_http([("content-type", content_type)], &bytes));
        }
        drop(decode_http([("ce-id", &bytes), ("content-type", &bytes)], &bytes));
    }

    #[test]
    fn reading_never_panics_on_broken_events(
        event in event(), at in any::<prop::sample::Index>(), byte: u8,
    ) {
        let mut bytes = event.to_json().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(event) = CloudEvent::from_json(&bytes) {
            prop_assert_eq!(CloudEvent::from_json(event.to_json().as_bytes()), Ok(event));
        }
        bytes.truncate(at);
        prop_assert!(CloudEvent::from_json(&bytes).is_err());
    }

    #[test]
    fn parsers_of_attributes_never_panic(text in "\\PC{0,40}|[0-9TZ:.+-]{0,30}|[a-z/;=\" \\\\]{0,20}") {
        drop(Timestamp::parse(&text));
        let value = ExtensionValue::from(text.as_str());
        drop((value.as_uri(), value.as_uri_reference(), value.to_binary(), media_type::is_media_type(&text)));
        if let Some(parent) = TraceParent::parse(&text) {
            prop_assert_eq!(TraceParent::parse(&parent.to_string()).map(TraceParent::trace_id), Some(parent.trace_id()));
        }
    }
}
