use super::*;
use crate::json::{JsonError, JsonErrorKind};
use crate::port::DeadLetterReason;

fn refuse_json(json: &str, kind: JsonErrorKind, pointer: &str) -> EventError {
    let error = refuse(json, Reason::Json, pointer);
    assert_eq!(error.json_error().map(JsonError::kind), Some(kind));
    error
}

#[test]
fn a_duplicate_member_is_refused_at_every_depth() {
    refuse_json(
        &base_with(r#""id":"x""#),
        JsonErrorKind::DuplicateName,
        "/id",
    );
    refuse_json(
        &base_with(r#""data":[{"a":1,"\u0061":2}]"#),
        JsonErrorKind::DuplicateName,
        "/data/0/a",
    );
}

#[test]
fn an_integer_has_32_bits_and_neither_fraction_nor_exponent() {
    for (text, value) in [
        ("-2147483648", i32::MIN),
        ("2147483647", i32::MAX),
        ("-0", 0),
    ] {
        let event = accept(&base_with(&format!("\"ext\":{text}")));
        assert_eq!(
            event.extension("ext"),
            Some(&ExtensionValue::Integer(value))
        );
    }
    for text in [
        "2147483648",
        "-2147483649",
        "1e2",
        "1.0",
        "10000000000000000000000",
    ] {
        refuse_value("ext", text, Reason::NotAnInteger);
    }
}

#[test]
fn control_characters_and_noncharacters_are_refused_in_attributes() {
    for text in [
        r"\u0000",
        r"\n",
        r"\u001f",
        r"\u007f",
        r"\u009f",
        r"\ufdd0",
        r"\uffff",
        r"\ud83f\udffe",
    ] {
        for name in [
            "id",
            "type",
            "source",
            "subject",
            "ext",
            "dataschema",
            "datacontenttype",
        ] {
            refuse_value(name, &format!("\"x{text}\""), Reason::BadCharacter);
        }
    }
    let event = accept(&base_with(
        r#""subject":"é\u0020😀\u00a0\ufffd","data":"\u0000\uffff""#,
    ));
    assert_eq!(event.subject(), Some("é 😀\u{a0}\u{fffd}"));
}

#[test]
fn a_lone_surrogate_is_refused() {
    refuse_json(
        &base_with(r#""subject":"\ud800""#),
        JsonErrorKind::LoneSurrogate,
        "/subject",
    );
    refuse_json(
        &base_with(r#""data":{"a":"\udc00x"}"#),
        JsonErrorKind::LoneSurrogate,
        "/data/a",
    );
}

#[test]
fn bytes_arrive_in_base64() {
    let event = accept(&base_with(
        r#""datacontenttype":"image/png","data_base64":"+/8=""#,
    ));
    assert_eq!(event.data(), &EventData::Binary(vec![0xfb, 0xff]));
    for text in ["x", "+/8", "-_8=", "+/9=", "+/8=\\n"] {
        let json = base_with(&format!("\"data_base64\":\"{text}\""));
        refuse(&json, Reason::BadBase64, "/data_base64");
    }
    refuse(
        &base_with(r#""data_base64":{}"#),
        Reason::WrongType,
        "/data_base64",
    );
    refuse(
        &base_with(r#""data_base64":null"#),
        Reason::WrongType,
        "/data_base64",
    );
}

#[test]
fn null_data_differs_from_no_data() {
    let null = accept(&base_with(r#""data":null"#));
    assert_eq!(null.data().as_json(), Some("null"));
    assert_ne!(null, accept(&base_with("")));
}

#[test]
fn a_string_of_json_data_stays_a_string() {
    for media_type in [
        "null",
        "\"application/json\"",
        "\"application/x+json; charset=utf-8\"",
    ] {
        let json = base_with(&format!(
            r#""datacontenttype":{media_type},"data":"{{\"a\":1}}""#
        ));
        assert_eq!(accept(&json).data().as_json(), Some(r#""{\"a\":1}""#));
    }
}

#[test]
fn json_data_keeps_its_exact_text() {
    let event = accept(&base_with(r#""data": { "total" : 5000.00, "x":1e400 } "#));
    assert_eq!(
        event.data().as_json(),
        Some(r#"{ "total" : 5000.00, "x":1e400 }"#)
    );
}

#[test]
fn data_of_another_media_type_is_a_string() {
    for data in ["{}", "1", "null", "[\"x\"]"] {
        let json = base_with(&format!(r#""datacontenttype":"text/xml","data":{data}"#));
        refuse(&json, Reason::WrongType, "/data");
    }
}

#[test]
fn a_wrong_media_type_is_named_before_the_data_that_it_explains() {
    let json = base_with(r#""datacontenttype":"xml","data":{}"#);
    refuse(&json, Reason::BadMediaType, "/datacontenttype");
}

#[test]
fn a_long_extension_name_is_accepted() {
    let event = accept(&base_with(r#""abcdefghijklmnopqrst0":"""#));
    assert_eq!(event.extension("abcdefghijklmnopqrst0"), Some(&"".into()));
}

#[test]
fn a_wrong_name_is_refused_even_without_value() {
    refuse(&base_with(r#""Ext":null"#), Reason::BadName, "/Ext");
    refuse(&base_with(r#""":1"#), Reason::BadName, "/");
    refuse(&base_with(r#""é":1"#), Reason::BadName, "/é");
    refuse(&base_with(r#""data_":1"#), Reason::BadName, "/data_");
}

#[test]
fn an_extension_is_no_container() {
    refuse_value("ext", "[]", Reason::WrongType);
    refuse_value("ext", "{}", Reason::WrongType);
}

#[test]
fn a_null_required_attribute_is_missing() {
    for name in ["id", "source", "type", "specversion"] {
        refuse_value(name, "null", Reason::Missing);
    }
}

#[test]
fn another_version_is_named_before_its_other_differences() {
    let json = r#"{"specversion":"0.3","id":1,"schemaURL":"x"}"#;
    refuse(json, Reason::UnsupportedVersion, "/specversion");
}

#[test]
fn source_and_dataschema_are_uris() {
    refuse_value("source", r#""a b""#, Reason::BadUri);
    refuse_value("dataschema", r#""/relative""#, Reason::BadUri);
    assert!(
        accept(&base_with(r#""dataschema":"urn:x:y#z""#))
            .dataschema()
            .is_some()
    );
}

#[test]
fn lower_case_time_is_accepted_and_a_leap_second_is_the_next_month() {
    let time = |text: &str| {
        let event = accept(&base_with(&format!("\"time\":\"{text}\"")));
        event.time().unwrap().instant()
    };
    assert_eq!(time("2016-12-31t23:59:60z"), time("2017-01-01T00:00:00Z"));
    refuse_value("time", r#""2016-12-31T22:59:60Z""#, Reason::BadTimestamp);
}

#[test]
fn depth_counts_the_event_itself() {
    let nested = |depth| {
        base_with(&format!(
            "\"data\":{}{}",
            "[".repeat(depth),
            "]".repeat(depth)
        ))
    };
    accept(&nested(63));
    let pointer = format!("/data{}", "/0".repeat(63));
    let error = refuse_json(&nested(64), JsonErrorKind::TooDeep, &pointer);
    assert_eq!(error.dead_letter_reason(), DeadLetterReason::TooLarge);
}

#[test]
fn an_event_of_a_mebibyte_is_accepted_and_one_byte_more_is_not() {
    let frame = base_with(r#""data":"""#).len();
    let sized = |bytes: usize| base_with(&format!("\"data\":\"{}\"", "x".repeat(bytes - frame)));
    let largest = sized(1024 * 1024);
    assert_eq!(largest.len(), 1024 * 1024);
    accept(&largest);
    let error = refuse(&sized(1024 * 1024 + 1), Reason::TooLarge, "");
    assert_eq!(error.dead_letter_reason(), DeadLetterReason::TooLarge);
}

#[test]
fn the_number_of_attributes_is_limited() {
    let with = |extensions: usize| {
        let members: Vec<_> = (0..extensions).map(|n| format!("\"x{n}\":{n}")).collect();
        base_with(&members.join(","))
    };
    assert_eq!(accept(&with(124)).extensions().len(), 124);
    let error = refuse(&with(125), Reason::TooManyAttributes, "");
    assert_eq!(error.dead_letter_reason(), DeadLetterReason::TooLarge);
}

#[test]
fn batches_have_limits_of_their_own() {
    let limits = EventLimits {
        batch_events_max: 2,
        batch_bytes_max: 500,
        ..EventLimits::default()
    };
    let reason = |json: &str| {
        parse_batch_each_with(json.as_bytes(), &limits)
            .err()
            .map(|error| error.reason())
    };
    assert_eq!(reason("[1,2]"), None);
    assert_eq!(reason("[1,2,3]"), Some(Reason::TooManyEvents));
    assert_eq!(
        reason(&format!("[{}]", " ".repeat(499))),
        Some(Reason::TooLarge)
    );
    assert_eq!(reason("{}"), Some(Reason::WrongType));
    assert_eq!(reason("[1"), Some(Reason::Json));
}

#[test]
fn one_bad_event_of_a_batch_does_not_lose_the_others() {
    let large = base_with(&format!("\"data\":\"{}\"", "x".repeat(1024 * 1024)));
    let twice = base_with(r#""a":1,"a":2"#);
    let json = format!("[{},{large},{twice},3,{}]", base_with(""), base_with(""));
    let each = parse_batch_each(json.as_bytes()).unwrap();
    let found: Vec<_> = each
        .iter()
        .map(|event| {
            event
                .as_ref()
                .err()
                .map(|error| (error.reason(), error.pointer().to_string()))
        })
        .collect();
    assert_eq!(
        found,
        [
            None,
            Some((Reason::TooLarge, "/1".into())),
            Some((Reason::Json, "/2/a".into())),
            Some((Reason::WrongType, "/3".into())),
            None
        ]
    );
}

#[test]
fn an_error_says_under_which_word_the_event_is_set_aside() {
    let reason = |json: &str| {
        CloudEvent::from_json(json.as_bytes())
            .map_err(|error| error.dead_letter_reason())
            .err()
    };
    assert_eq!(reason("{"), Some(DeadLetterReason::JsonDeserialiseFailure));
    assert_eq!(reason("[]"), Some(DeadLetterReason::InvalidCloudEvent));
    assert_eq!(reason("{}"), Some(DeadLetterReason::InvalidCloudEvent));
    assert_eq!(
        reason(&base_with(r#""id":1"#)),
        Some(DeadLetterReason::JsonDeserialiseFailure)
    );
}

#[test]
fn errors_and_debug_forms_do_not_quote_the_payload() {
    let secret = "hunter2";
    for json in [
        base_with(r#""data":{"p":"hunter2","p":1}"#),
        base_with(r#""data":{"p":"hunter2\ud800"}"#),
        base_with(r#""data":{"p":hunter2}"#),
        base_but("time", r#""hunter2""#),
        base_but("source", r#""hunter2 ""#),
        base_but("datacontenttype", r#""hunter2""#),
        base_but("id", r#"{"p":"hunter2"}"#),
    ] {
        let error = CloudEvent::from_json(json.as_bytes()).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        let shown = format!("{error} {error:?} {source:?}");
        assert!(!shown.contains(secret), "{shown}");
    }
    let event = accept(&base_with(r#""data":{"p":"hunter2"}"#));
    let shown = format!("{event:?} {:?}", event.to_http_structured());
    assert!(!shown.contains(secret) && shown.contains("A234"), "{shown}");
}

#[test]
fn an_error_is_one_line_with_the_place() {
    let error = refuse(&base_but("time", "\"x\""), Reason::BadTimestamp, "/time");
    assert_eq!(error.to_string(), "invalid event: bad_timestamp at /time");
    let error = CloudEvent::from_json(b"").unwrap_err();
    assert_eq!(error.to_string(), "invalid event: json");
    let source = std::error::Error::source(&error).map(ToString::to_string);
    assert_eq!(
        source.as_deref(),
        Some("document ends too early (line 1, column 1, byte 0)")
    );
}
