mod property;

use super::*;

fn read(text: &str) -> Json<'_> {
    parse(text.as_bytes(), &Limits::default()).expect("acceptable JSON")
}

fn canonical(text: &str) -> String {
    let mut out = String::new();
    read(text).canonical(&mut out);
    out
}

/// Kind, pointer and byte offset of the error.
fn refuse_with(bytes: &[u8], limits: &Limits) -> (JsonErrorKind, String, Option<usize>) {
    let error = parse(bytes, limits).expect_err("unacceptable JSON");
    (
        error.kind(),
        error.pointer().to_string(),
        error.position().map(|position| position.offset),
    )
}

fn refuse(bytes: impl AsRef<[u8]>) -> (JsonErrorKind, String, Option<usize>) {
    refuse_with(bytes.as_ref(), &Limits::default())
}

fn kind(bytes: impl AsRef<[u8]>) -> JsonErrorKind {
    refuse(bytes).0
}

#[test]
fn values_keep_their_exact_text() {
    let json = read(
        " { \"n\" : 5000.00 , \"a\" : [ 1 , true ] , \"s\" : \"a\\u00e9\\n\" , \"z\": null } ",
    );
    assert_eq!(json.get("n").and_then(Json::as_number), Some("5000.00"));
    assert_eq!(json.get("a").map(|a| a.raw), Some("[ 1 , true ]"));
    assert_eq!(json.get("s").and_then(Json::as_str), Some("aé\n"));
    assert_eq!(json.get("s").map(|s| s.raw), Some("\"a\\u00e9\\n\""));
    assert!(json.get("z").is_some_and(Json::is_null));
    assert!(json.get("x").is_none());
    assert_eq!(json.raw.len(), json.raw.trim().len());
    let elements = json.get("a").and_then(Json::as_array).unwrap();
    assert_eq!(elements[1].as_bool(), Some(true));
    assert_eq!(elements[0].kind_name(), "number");
    assert_eq!(json.as_object().map(<[_]>::len), Some(4));
}

#[test]
fn a_number_keeps_digits_that_a_float_would_lose() {
    let text = "12345678901234567890.123456789012345678901";
    assert_eq!(read(text).as_number(), Some(text));
}

#[test]
fn texts_without_escapes_borrow_from_the_input() {
    let json = read(r#"{"plain":"text","esc\u0061ped":"te\txt"}"#);
    let members = json.as_object().unwrap();
    assert!(matches!(
        &members[0],
        (
            std::borrow::Cow::Borrowed("plain"),
            Json {
                value: Value::String(std::borrow::Cow::Borrowed("text")),
                ..
            }
        )
    ));
    assert_eq!(members[1].0, "escaped");
}

#[test]
fn a_leading_byte_order_mark_is_accepted_once() {
    assert!(parse(b"\xEF\xBB\xBF{}", &Limits::default()).is_ok());
    assert_eq!(kind(b"\xEF\xBB\xBF\xEF\xBB\xBF{}"), JsonErrorKind::Syntax);
}

#[test]
fn the_debug_form_shows_no_content() {
    let json = read(r#"{"secret":["hunter2",7]}"#);
    let shown = format!(
        "{json:?} {:?} {:?}",
        json.value,
        json.get("secret").unwrap().value
    );
    assert!(
        !shown.contains("hunter2") && !shown.contains("secret"),
        "{shown}"
    );
}

#[test]
fn a_duplicate_name_is_refused_at_every_depth() {
    assert_eq!(
        refuse(r#"{"a":1,"b":2,"a":3}"#),
        (JsonErrorKind::DuplicateName, "/a".into(), Some(17))
    );
    assert_eq!(
        refuse(r#"{"a":[0,{"b":{"c":1,"c":1}}]}"#),
        (JsonErrorKind::DuplicateName, "/a/1/b/c".into(), Some(24))
    );
}

#[test]
fn names_that_are_equal_after_unescaping_are_duplicates() {
    assert_eq!(kind(r#"{"a":1,"\u0061":2}"#), JsonErrorKind::DuplicateName);
    assert!(parse(br#"{"a":1,"A":2}"#, &Limits::default()).is_ok());
}

#[test]
fn a_duplicate_among_many_names_is_refused() {
    let mut members: Vec<_> = (0..100).map(|n| format!("\"k{n}\":{n}")).collect();
    assert!(
        parse(
            format!("{{{}}}", members.join(",")).as_bytes(),
            &Limits::default()
        )
        .is_ok()
    );
    members.push("\"k7\":true".into());
    let text = format!("{{{}}}", members.join(","));
    assert_eq!(
        refuse(&text),
        (
            JsonErrorKind::DuplicateName,
            "/k7".into(),
            text.rfind("true")
        )
    );
}

#[test]
fn depth_counts_containers_around_a_value() {
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let limits = Limits {
        depth_max: 3,
        ..Limits::default()
    };
    assert!(parse(nested(3).as_bytes(), &limits).is_ok());
    assert_eq!(
        refuse_with(nested(4).as_bytes(), &limits),
        (JsonErrorKind::TooDeep, "/0/0/0".into(), Some(3))
    );
    assert!(parse(nested(64).as_bytes(), &Limits::default()).is_ok());
    assert_eq!(kind(nested(65)), JsonErrorKind::TooDeep);
    let unlimited = Limits {
        depth_max: usize::MAX,
        ..Limits::default()
    };
    assert_eq!(
        refuse_with(nested(100_000).as_bytes(), &unlimited).0,
        JsonErrorKind::TooDeep
    );
    assert_eq!(kind("[".repeat(500_000)), JsonErrorKind::Truncated);
    let objects = format!("{}1{}", r#"{"a":"#.repeat(65), "}".repeat(65));
    assert_eq!(kind(objects), JsonErrorKind::TooDeep);
}

#[test]
fn the_size_limit_counts_bytes() {
    let limits = Limits {
        bytes_max: 4,
        ..Limits::default()
    };
    assert!(parse(b"1234", &limits).is_ok());
    assert_eq!(
        refuse_with(b"12345", &limits),
        (JsonErrorKind::TooLarge, String::new(), None)
    );
}

#[test]
fn the_number_of_values_is_limited() {
    let limits = Limits {
        values_max: 4,
        ..Limits::default()
    };
    assert!(parse(b"[1,2,3]", &limits).is_ok());
    assert_eq!(
        refuse_with(b"[1,2,3,4]", &limits),
        (JsonErrorKind::TooManyValues, "/3".into(), Some(7))
    );
}

#[test]
fn text_outside_the_grammar_is_refused() {
    for text in [
        "nul",
        "tru",
        "{a:1}",
        "{'a':1}",
        "[1,]",
        "{\"a\":1,}",
        "01",
        "+1",
        ".5",
        "1.",
        "1e",
        "-",
        "NaN",
        "Infinity",
        "\"\t\"",
        "\"\\x\"",
        "// c\n1",
        "[1 2]",
        "{\"a\" 1}",
        "{1:2}",
        "\u{feff}\u{a0}1",
    ] {
        let kind = kind(text);
        assert!(
            matches!(kind, JsonErrorKind::Syntax | JsonErrorKind::Truncated),
            "{text}: {kind}"
        );
    }
}

#[test]
fn a_text_that_ends_too_early_is_truncated() {
    for text in [
        "", " ", "{", "[1,", "\"abc", "{\"a\":", "\"\\u00", "tr", "\u{feff}",
    ] {
        let (kind, _, offset) = refuse(text);
        assert_eq!(
            (kind, offset),
            (JsonErrorKind::Truncated, Some(text.len())),
            "{text:?}"
        );
    }
}

#[test]
fn text_after_the_document_is_refused() {
    for text in ["{} x", "1 2", "[]]", "null\0"] {
        assert_eq!(kind(text), JsonErrorKind::TrailingText, "{text:?}");
    }
    assert!(parse(b"{}\r\n\t ", &Limits::default()).is_ok());
}

#[test]
fn lone_surrogates_are_refused_in_names_and_strings() {
    for text in [
        r#"{"s":"\ud800"}"#,
        r#"{"s":"\udc00"}"#,
        r#"{"s":"\ud800\ud800"}"#,
        r#"{"s":"\ud800x"}"#,
        r#"{"s":"\ud800\n"}"#,
        r#"{"\ud800":1}"#,
        r#"[{"\udfff":1}]"#,
    ] {
        assert_eq!(kind(text), JsonErrorKind::LoneSurrogate, "{text}");
    }
    assert_eq!(read(r#""\ud83d\ude00""#).as_str(), Some("😀"));
}

#[test]
fn bytes_that_are_not_utf8_are_refused() {
    assert_eq!(
        refuse(b"[\"a\xff\"]"),
        (JsonErrorKind::InvalidUtf8, String::new(), Some(3))
    );
    assert_eq!(kind(b"\"\xC0\xA0\""), JsonErrorKind::InvalidUtf8);
    assert_eq!(kind(b"\"\xED\xA0\x80\""), JsonErrorKind::InvalidUtf8);
    assert_eq!(refuse(b"\xEF\xBB\xBF\xff").2, Some(3));
}

#[test]
fn an_error_names_line_column_and_byte() {
    let error = parse(b"{\n \"a\": 1,\n \"b\": x\n}", &Limits::default()).unwrap_err();
    assert_eq!(
        error.position(),
        Some(Position {
            offset: 17,
            line: 3,
            column: 7
        })
    );
    assert_eq!(
        error.to_string(),
        "syntax error (line 3, column 7, byte 17)"
    );
    let error = parse(b"{\"a\":[\n{\"b\":1,\"b\":1}]}", &Limits::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "member name occurs twice at /a/0/b (line 2, column 12, byte 18)"
    );
}

#[test]
fn an_error_is_one_short_line_whatever_the_names() {
    let name = format!("x\\n{}", "y".repeat(5_000));
    let error = parse(
        format!("{{\"{name}\":[\"\\ud800\"]}}").as_bytes(),
        &Limits::default(),
    )
    .unwrap_err();
    let shown = error.to_string();
    assert_eq!(error.kind(), JsonErrorKind::LoneSurrogate);
    assert!(shown.len() < 200 && !shown.contains('\n'), "{shown}");
}

#[test]
fn an_array_splits_into_the_texts_of_its_elements() {
    let split = |text: &'static str| split_array(text.as_bytes(), 100);
    assert_eq!(
        split(" [ 1 , {\"a\":[]} ] "),
        Ok(Some(vec!["1", "{\"a\":[]}"]))
    );
    assert_eq!(split("[]"), Ok(Some(vec![])));
    assert_eq!(split("{}"), Ok(None));
    assert_eq!(split("[1").unwrap_err().kind(), JsonErrorKind::Truncated);
}

#[test]
fn a_pointer_escapes_names_and_moves_up_again() {
    let mut pointer = Pointer::root().child("a/b").child("m~n").index(7).child("");
    assert_eq!(pointer.as_str(), "/a~1b/m~0n/7/");
    assert!(pointer.pop() && pointer.pop() && pointer.pop());
    assert_eq!(pointer.as_str(), "/a~1b");
    assert!(pointer.pop());
    assert!(!pointer.pop() && pointer.is_root());
    assert_eq!(
        Pointer::root()
            .index(1)
            .within(&Pointer::root().child("x"))
            .as_str(),
        "/x/1"
    );
}

#[test]
fn numbers_of_equal_value_have_one_canonical_form() {
    for (form, spellings) in [
        (
            "0",
            &[
                "0",
                "-0",
                "0.0",
                "0e5",
                "-0.00e-7",
                "0e99999999999999999999999",
            ][..],
        ),
        (
            "5000",
            &[
                "5000",
                "5000.00",
                "5e3",
                "5E+3",
                "0.5e4",
                "50000e-1",
                "5.000e0003",
            ],
        ),
        ("-1.5", &["-1.5", "-1.50", "-15e-1", "-0.15E1"]),
        ("0.000001", &["0.000001", "1e-6", "10E-7"]),
        ("1e-7", &["0.0000001", "1e-7", "100e-9"]),
        (
            "100000000000000000000",
            &["1e20", "100000000000000000000.0"],
        ),
        ("1e21", &["1e21", "1000000000000000000000", "0.1e22"]),
        ("1.2345e400", &["1.2345e400", "12345e396"]),
        ("1e-9223372036854775808", &["1e-9223372036854775808"]),
        ("12345678901234567890.1", &["12345678901234567890.10"]),
    ] {
        for spelling in spellings {
            assert_eq!(canonical(spelling), form, "{spelling}");
        }
    }
    assert_ne!(
        canonical("5000.01"),
        canonical("5000.010000000000000000000001")
    );
}

#[test]
fn an_absurd_exponent_costs_no_memory() {
    for text in [
        "1e999999999999",
        "1e-999999999999",
        "1E99999999999999999999999999",
        "-7e-9999999999999999999999",
    ] {
        assert!(canonical(text).len() <= text.len(), "{text}");
    }
}

#[test]
fn the_canonical_form_sorts_names_by_code_point() {
    assert_eq!(
        canonical(
            r#" { "b" : 1.0 , "\ud83d\ude00" : [ ] , "a" : { "z" : null , "\ufffd" : "\u0041\/\u001f\"" } } "#
        ),
        "{\"a\":{\"z\":null,\"\u{fffd}\":\"A/\\u001f\\\"\"},\"b\":1,\"😀\":[]}"
    );
}

#[test]
fn strings_are_escaped_only_where_they_must_be() {
    let mut out = String::new();
    write_string(
        &mut out,
        "\u{0}\u{8}\t\n\u{b}\u{c}\r\u{1f} \"\\/\u{7f}é😀\u{2028}",
    );
    assert_eq!(
        out,
        "\"\\u0000\\b\\t\\n\\u000b\\f\\r\\u001f \\\"\\\\/\u{7f}é😀\u{2028}\""
    );
}
