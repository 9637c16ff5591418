//! The 43 JSON cases, modelled on the CloudEvents conformance suite (Apache-2.0, Copyright the
//! CloudEvents Authors). The fixtures are our own.

use super::*;

const INSTANT: i64 = 1_709_209_845;

fn instant_of(time: &str) -> i64 {
    let event = accept(&base_with(&format!("\"time\":\"{time}\"")));
    let found = event.time().expect("a time");
    assert_eq!(found.as_str(), time);
    found.instant().timestamp()
}

const ALL_CORE: &str = r#""datacontenttype":"text/plain","dataschema":"https://example.com/schema","subject":"mynewfile.jpg","time":"2024-02-29T12:30:45Z""#;

const ALL_EXTENSIONS: &str = r#""extinteger":2147483647,"extboolean":true,"extstring":"text","exturi":"https://example.com/x","exturiref":"//auth/x","exttime":"2024-02-29T12:30:45Z","extbinary":"AQID""#;

#[test]
fn ce_v01_required_attributes_only() {
    let event = accept(&base_with(""));
    assert_eq!(event.specversion(), "1.0");
    assert_eq!(event.id(), "A234-1234-1234");
    assert_eq!(event.event_type(), "com.example.someevent");
    assert_eq!(
        event.source(),
        "https://example.com/storage/tenant/container"
    );
    assert!(event.subject().is_none() && event.time().is_none() && event.dataschema().is_none());
    assert!(event.datacontenttype().is_none() && event.extensions().is_empty());
    assert!(event.data().is_none());
}

#[test]
fn ce_v02_null_attributes_are_absent() {
    let nulls = r#""datacontenttype":null,"dataschema":null,"subject":null,"time":null"#;
    assert_eq!(accept(&base_with(nulls)), accept(&base_with("")));
}

#[test]
fn ce_v03_all_core_attributes() {
    let event = accept(&base_with(ALL_CORE));
    assert_eq!(event.datacontenttype(), Some("text/plain"));
    assert_eq!(event.dataschema(), Some("https://example.com/schema"));
    assert_eq!(event.subject(), Some("mynewfile.jpg"));
    assert_eq!(
        event.time().map(|time| time.instant().timestamp()),
        Some(INSTANT)
    );
    assert!(event.data().is_none());
}

#[test]
fn ce_v04_time_in_utc() {
    assert_eq!(instant_of("2024-02-29T12:30:45Z"), INSTANT);
}

#[test]
fn ce_v05_time_with_nine_zero_digits() {
    assert_eq!(instant_of("2024-02-29T12:30:45.000000000Z"), INSTANT);
}

#[test]
fn ce_v06_time_with_a_positive_offset() {
    assert_eq!(instant_of("2024-02-29T13:30:45+01:00"), INSTANT);
}

#[test]
fn ce_v07_time_with_a_negative_offset() {
    assert_eq!(instant_of("2024-02-29T11:30:45-01:00"), INSTANT);
}

#[test]
fn ce_v08_relative_source() {
    let event = accept(&base_but("source", r##""#fragment-only""##));
    assert_eq!(event.source(), "#fragment-only");
}

#[test]
fn ce_v09_text_data() {
    let event = accept(&base_with(
        r#""datacontenttype":"text/plain","data":"{\"not\":\"json\"}""#,
    ));
    assert_eq!(
        event.data(),
        &EventData::Text(r#"{"not":"json"}"#.to_owned())
    );
}

#[test]
fn ce_v10_extensions_of_every_type() {
    let event = accept(&base_with(ALL_EXTENSIONS));
    let get = |name| event.extension(name).expect("the extension");
    assert_eq!(event.extensions().len(), 7);
    assert_eq!(get("extinteger"), &ExtensionValue::Integer(i32::MAX));
    assert_eq!(get("extboolean"), &ExtensionValue::Boolean(true));
    assert_eq!(get("extstring"), &ExtensionValue::String("text".to_owned()));
    assert_eq!(get("exturi").as_uri(), Some("https://example.com/x"));
    assert_eq!(get("exturiref").as_uri_reference(), Some("//auth/x"));
    assert_eq!(get("exturiref").as_uri(), None);
    let time = get("exttime").to_timestamp().expect("a time");
    assert_eq!(time.instant().timestamp(), INSTANT);
    assert_eq!(get("extbinary").to_binary(), Some(vec![1, 2, 3]));
}

#[test]
fn ce_n01_no_specversion() {
    refuse(
        &base_without("specversion"),
        Reason::Missing,
        "/specversion",
    );
}

#[test]
fn ce_n02_no_id() {
    refuse(&base_without("id"), Reason::Missing, "/id");
}

#[test]
fn ce_n03_no_type() {
    refuse(&base_without("type"), Reason::Missing, "/type");
}

#[test]
fn ce_n04_no_source() {
    refuse(&base_without("source"), Reason::Missing, "/source");
}

#[test]
fn ce_n05_time_is_a_word() {
    refuse_value("time", r#""tomorrow""#, Reason::BadTimestamp);
}

#[test]
fn ce_n06_time_without_seconds() {
    refuse_value("time", r#""2024-02-29T12:30Z""#, Reason::BadTimestamp);
}

#[test]
fn ce_n07_time_with_another_letter_than_z() {
    refuse_value("time", r#""2024-02-29T12:30:45Q""#, Reason::BadOffset);
}

#[test]
fn ce_n08_time_offset_out_of_range() {
    refuse_value(
        "time",
        r#""2024-02-29T12:30:45+25:00""#,
        Reason::OffsetOutOfRange,
    );
}

#[test]
fn ce_n09_time_offset_with_letters() {
    refuse_value("time", r#""2024-02-29T12:30:45+aa:00""#, Reason::BadOffset);
}

#[test]
fn ce_n10_time_offset_of_hours_only() {
    refuse_value("time", r#""2024-02-29T12:30:45+05""#, Reason::BadOffset);
}

#[test]
fn ce_n11_empty_id() {
    refuse_value("id", r#""""#, Reason::Empty);
}

#[test]
fn ce_n12_empty_type() {
    refuse_value("type", r#""""#, Reason::Empty);
}

#[test]
fn ce_n13_empty_source() {
    refuse_value("source", r#""""#, Reason::Empty);
}

#[test]
fn ce_n14_empty_specversion() {
    refuse_value("specversion", r#""""#, Reason::Empty);
}

#[test]
fn ce_n15_older_specversion() {
    refuse_value("specversion", r#""0.9""#, Reason::UnsupportedVersion);
}

#[test]
fn ce_n16_datacontenttype_without_a_slash() {
    refuse_value("datacontenttype", r#""text""#, Reason::BadMediaType);
}

#[test]
fn ce_n17_empty_datacontenttype() {
    refuse_value("datacontenttype", r#""""#, Reason::Empty);
}

#[test]
fn ce_n18_empty_dataschema() {
    refuse_value("dataschema", r#""""#, Reason::Empty);
}

#[test]
fn ce_n19_empty_subject() {
    refuse_value("subject", r#""""#, Reason::Empty);
}

#[test]
fn ce_n20_id_is_a_number() {
    refuse_value("id", "10", Reason::WrongType);
}

#[test]
fn ce_n21_id_is_an_object() {
    refuse_value("id", r#"{"a":"b"}"#, Reason::WrongType);
}

#[test]
fn ce_n22_extension_name_with_capitals() {
    let error = refuse(&base_with(r#""badName":"x""#), Reason::BadName, "/badName");
    assert_eq!(error.attribute(), None);
}

#[test]
fn ce_n23_extension_name_with_a_dot() {
    refuse(
        &base_with(r#""bad.name":"x""#),
        Reason::BadName,
        "/bad.name",
    );
}

#[test]
fn ce_n24_extension_value_is_a_fraction() {
    refuse_value("ext", "10.5", Reason::NotAnInteger);
}

#[test]
fn ce_n25_data_and_data_base64() {
    let json = base_with(r#""data":"x","data_base64":"eA==""#);
    refuse(&json, Reason::MutuallyExclusive, "/data");
}

/// Reads a batch both ways and checks that both agree.
fn accept_batch(events: &[String]) -> Vec<CloudEvent> {
    let json = format!("[{}]", events.join(" , "));
    let batch = parse_batch(json.as_bytes()).expect("a valid batch");
    let each: Result<Vec<_>, _> = parse_batch_each(json.as_bytes())
        .unwrap()
        .into_iter()
        .collect();
    assert_eq!(each.as_ref(), Ok(&batch));
    assert_eq!(
        parse_batch(batch_to_json(&batch).as_bytes()).as_ref(),
        Ok(&batch)
    );
    batch
}

/// Checks that a batch is wrong as a whole, at `pointer`, and that only the events at `wrong`
/// are wrong one by one.
fn refuse_batch(events: &[String], reason: Reason, pointer: &str, wrong: &[usize]) {
    let json = format!("[{}]", events.join(","));
    let error = parse_batch(json.as_bytes()).expect_err("an invalid batch");
    assert_eq!(
        (error.reason(), error.pointer().as_str()),
        (reason, pointer)
    );
    let each = parse_batch_each(json.as_bytes()).expect("events one by one");
    let found: Vec<_> = (0..each.len())
        .filter(|index| each[*index].is_err())
        .collect();
    assert_eq!((each.len(), found.as_slice()), (events.len(), wrong));
}

#[test]
fn ce_bv1_empty_batch() {
    assert_eq!(accept_batch(&[]), vec![]);
}

#[test]
fn ce_bv2_batch_of_one() {
    assert_eq!(accept_batch(&[base_with("")]).len(), 1);
}

#[test]
fn ce_bv3_the_same_event_twice() {
    let batch = accept_batch(&[base_with(""), base_with("")]);
    assert_eq!(batch.len(), 2);
    assert_eq!(batch[0], batch[1]);
}

#[test]
fn ce_bv4_minimal_and_all_core_attributes() {
    let batch = accept_batch(&[base_with(""), base_with(ALL_CORE)]);
    assert_eq!(
        batch,
        [accept(&base_with("")), accept(&base_with(ALL_CORE))]
    );
}

#[test]
fn ce_bv5_minimal_and_all_extension_types() {
    let batch = accept_batch(&[base_with(""), base_with(ALL_EXTENSIONS)]);
    assert_eq!(
        batch,
        [accept(&base_with("")), accept(&base_with(ALL_EXTENSIONS))]
    );
}

#[test]
fn ce_bn1_different_specversions() {
    let events = [base_with(""), base_but("specversion", "\"0.9\"")];
    refuse_batch(&events, Reason::UnsupportedVersion, "/1/specversion", &[1]);
}

#[test]
fn ce_bn2_one_event_without_id() {
    let events = [base_without("id"), base_with("")];
    refuse_batch(&events, Reason::Missing, "/0/id", &[0]);
}

#[test]
fn ce_bn3_a_string_among_the_events() {
    let events = [base_with(""), "\"event\"".to_owned(), base_with("")];
    refuse_batch(&events, Reason::WrongType, "/1", &[1]);
}
