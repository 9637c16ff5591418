use super::*;

#[test]
fn attributes_are_written_in_a_stable_order() {
    let json = r#" { "zz":true, "data":{"b":1,"a":2}, "time":"2024-01-01T00:00:00Z", "aa":-7,
        "dataschema":"urn:x", "type":"t", "subject":"\"s\"", "source":"/s",
        "datacontenttype":"application/json", "id":"i", "specversion":"1.0" } "#;
    assert_eq!(
        accept(json).to_json(),
        concat!(
            r#"{"specversion":"1.0","id":"i","source":"/s","type":"t","subject":"\"s\"","#,
            r#""time":"2024-01-01T00:00:00Z","datacontenttype":"application/json","#,
            r#""dataschema":"urn:x","aa":-7,"zz":true,"data":{"b":1,"a":2}}"#
        )
    );
}

#[test]
fn the_builder_checks_what_the_reader_checks() {
    let builder = || CloudEvent::builder("1", "/orders", "com.example.created");
    let raw = |text: &str| EventData::Json(serde_json::from_str(text).unwrap());
    let reason = |builder: EventBuilder| builder.build().map_err(|error| error.reason()).err();
    assert_eq!(reason(builder().with_data(raw("null"))), None);
    assert_eq!(
        reason(CloudEvent::builder("", "/", "t")),
        Some(Reason::Empty)
    );
    assert_eq!(
        reason(builder().with_extension("Ext", 1)),
        Some(Reason::BadName)
    );
    assert_eq!(
        reason(builder().with_extension("id", "2")),
        Some(Reason::BadName)
    );
    assert_eq!(
        reason(builder().with_extension("data", "2")),
        Some(Reason::BadName)
    );
    assert_eq!(
        reason(builder().with_extension("a", "\n")),
        Some(Reason::BadCharacter)
    );
    assert_eq!(
        reason(builder().with_extension("a", 1).with_extension("a", true)),
        Some(Reason::Repeated)
    );
    assert_eq!(
        reason(builder().with_data(raw(r#"{"a":1,"a":1}"#))),
        Some(Reason::Json)
    );
    assert_eq!(
        reason(builder().with_data(EventData::Text("x".into()))),
        Some(Reason::WrongType)
    );
    assert_eq!(
        reason(
            builder()
                .with_datacontenttype("text/plain")
                .with_data(raw("1"))
        ),
        Some(Reason::WrongType)
    );
}

#[test]
fn a_built_event_reads_back_equal() {
    let time = Timestamp::parse("2024-02-29T12:30:45+01:00").unwrap();
    let event = CloudEvent::builder("1", "/orders", "com.example.created")
        .with_subject("A-1")
        .with_time(&time)
        .with_datacontenttype("text/csv")
        .with_dataschema("https://example.com/csv")
        .with_extension("bytes", &[1_u8, 2][..])
        .with_extension("at", &time)
        .with_extension("flag", false)
        .with_data(EventData::Text("a;b\r\n".into()))
        .build()
        .unwrap();
    assert_eq!(accept(&event.to_json()), event);
    assert_eq!(
        event.extension("bytes").and_then(ExtensionValue::to_binary),
        Some(vec![1, 2])
    );
    assert_eq!(event.into_data().as_text(), Some("a;b\r\n"));
}

#[test]
fn the_starting_trace_is_an_extension() {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let event = accept(&base_with(&format!(
        r#""traceparent":"{parent}","tracestate":"a=b""#
    )));
    assert_eq!(
        event
            .traceparent()
            .map(|found| found.to_string())
            .as_deref(),
        Some(parent)
    );
    assert_eq!(event.tracestate(), Some("a=b"));
    let event = accept(&base_with(r#""traceparent":"00-x","tracestate":"a=b""#));
    assert_eq!((event.traceparent(), event.tracestate()), (None, None));
}

#[test]
fn extensions_convert_from_their_texts() {
    let value = |text: &str| ExtensionValue::from(text);
    assert_eq!(value("42").as_integer(), Some(42));
    assert_eq!(value("+42").as_integer(), None);
    assert_eq!(value("true").as_boolean(), Some(true));
    assert_eq!(value("True").as_boolean(), None);
    assert_eq!(ExtensionValue::from(7).as_integer(), Some(7));
    assert_eq!(ExtensionValue::from(true).as_boolean(), Some(true));
    assert_eq!(ExtensionValue::from(7).as_str(), None);
    assert_eq!(value("soon").to_timestamp(), None);
    assert_eq!(value("?").to_binary(), None);
}
