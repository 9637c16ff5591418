//! Every kind of lens by example.

use chrono::{DateTime, NaiveDate};

use super::{decimal, name, natives, number, single, system, text, values, words};
use crate::crm::field_map::{CompiledFieldMap, RefusalReason};
use crate::crm::{EntityName, ForeignId, LinkId, Native, Reference, ReferenceTarget, Value};

/// Put, and read back.
#[track_caller]
fn both(map: &CompiledFieldMap, value: Option<Value>, native: Native, back: Option<Value>) {
    assert_eq!(map.normal("value", &value).as_ref(), Ok(&back));
    let written = map.put(&values([("value", value)]), &natives([]));
    assert_eq!(written.unwrap().get("Value"), Some(&native));
    read(map, native, back);
}

#[track_caller]
fn read(map: &CompiledFieldMap, native: Native, value: Option<Value>) {
    let got = map.get(&natives([("Value", native)]));
    assert_eq!(got, [(name("value"), Ok(value))].into_iter().collect());
}

#[track_caller]
fn unreadable(map: &CompiledFieldMap, native: Native, reason: RefusalReason) {
    let got = map.get(&natives([("Value", native)]));
    let refusal = got.get("value").unwrap().clone().unwrap_err();
    assert_eq!((refusal.field, refusal.reason), (name("value"), reason));
}

#[track_caller]
fn unwritable(map: &CompiledFieldMap, value: Value, reason: RefusalReason) {
    let value = Some(value);
    assert_eq!(map.normal("value", &value).unwrap_err().reason, reason);
    let refusals = map
        .put(&values([("value", value)]), &natives([]))
        .unwrap_err();
    assert_eq!(refusals[0].reason, reason);
}

#[test]
fn empty_text_is_no_value_everywhere() {
    for kind in [
        r#""text""#,
        r#""integer""#,
        r#""date""#,
        r#""instant""#,
        r#"{"decimal":{"scale":2}}"#,
        r#"{"choice":{"options":["a"]}}"#,
        r#"{"choices":{"options":["a"]}}"#,
        r#"{"reference":{"entity":"Other"}}"#,
    ] {
        let map = single(kind, r#""plain""#);
        read(&map, text(""), None);
        both(&map, None, Native::Null, None);
    }
}

#[test]
fn text_is_trimmed_folded_and_measured_in_code_units() {
    let map = single(
        r#""text""#,
        r#"{"text":{"trim":true,"case":"upper","charsMax":4}}"#,
    );
    both(&map, words("  ab "), text("AB"), words("AB"));
    both(&map, words(" \t "), Native::Null, None);
    both(&map, words("😀😀"), text("😀😀"), words("😀😀"));
    let too_long = RefusalReason::TooLong { chars_max: 4 };
    unwritable(&map, words("😀😀a").unwrap(), too_long);
    unwritable(&map, words("ßßß").unwrap(), too_long);
    read(&map, text("longer than four"), words("LONGER THAN FOUR"));
    unreadable(&map, Native::Boolean(true), RefusalReason::WrongNative);
}

#[test]
fn text_is_cut_only_where_the_map_says_so_and_never_within_a_character() {
    let map = single(
        r#""text""#,
        r#"{"text":{"trim":true,"charsMax":3,"truncate":true}}"#,
    );
    both(&map, words("ab cd"), text("ab"), words("ab"));
    both(&map, words("ab😀"), text("ab"), words("ab"));
}

#[test]
fn decimals_are_rounded_to_the_native_scale() {
    let kind = r#"{"decimal":{"scale":4}}"#;
    let some = |text: &str| Some(Value::Decimal(decimal(text)));
    let even = single(kind, r#"{"decimal":{"scale":2}}"#);
    both(&even, some("1.005"), number("1"), some("1"));
    both(&even, some("-1.015"), number("-1.02"), some("-1.02"));
    let up = single(kind, r#"{"decimal":{"scale":2,"rounding":"halfUp"}}"#);
    both(&up, some("1.005"), number("1.01"), some("1.01"));
    both(&up, some("-1.005"), number("-1.01"), some("-1.01"));
    both(&up, some("-0.001"), number("0"), some("0"));
    let as_text = single(kind, r#"{"decimal":{"form":"text","min":"0","max":"9"}}"#);
    both(&as_text, some("1.50"), text("1.5"), some("1.5"));
    read(&as_text, text(" +01.500 "), some("1.5"));
    unwritable(&as_text, some("9.0001").unwrap(), RefusalReason::OutOfRange);
    for not_plain in ["1e5", "1_000", "1,5", "one"] {
        unreadable(&as_text, text(not_plain), RefusalReason::Malformed);
    }
}

#[test]
fn a_factor_is_exact_and_comes_back() {
    let some = |text: &str| Some(Value::Decimal(decimal(text)));
    let kind = r#"{"decimal":{"scale":3}}"#;
    let percent = single(kind, r#"{"decimal":{"factor":"100","scale":0}}"#);
    both(&percent, some("0.125"), number("12"), some("0.12"));
    let inches = single(kind, r#"{"decimal":{"factor":"39.3701","scale":1}}"#);
    both(&inches, some("1.8"), number("70.9"), some("1.801"));
    both(&inches, some("1.801"), number("70.9"), some("1.801"));
    let large = Value::Decimal(rust_decimal::Decimal::MAX);
    unwritable(&inches, large, RefusalReason::OutOfRange);
}

#[test]
fn integers_are_whole() {
    let map = single(r#""integer""#, r#"{"integer":{"min":0,"max":10}}"#);
    both(
        &map,
        Some(Value::Integer(10)),
        number("10"),
        Some(Value::Integer(10)),
    );
    read(&map, number("7.00"), Some(Value::Integer(7)));
    unreadable(&map, number("7.5"), RefusalReason::Malformed);
    unreadable(
        &map,
        number("9223372036854775808"),
        RefusalReason::OutOfRange,
    );
    unwritable(&map, Value::Integer(11), RefusalReason::OutOfRange);
    unwritable(&map, Value::Boolean(true), RefusalReason::WrongKind);
}

#[test]
fn yes_and_no_have_spellings() {
    let lens = r#"{"boolean":{"yes":[{"text":"On"},{"number":"1"}],"no":[{"text":"Off"}],"default":false}}"#;
    let map = single(r#""boolean""#, lens);
    both(
        &map,
        Some(Value::Boolean(true)),
        text("On"),
        Some(Value::Boolean(true)),
    );
    both(&map, None, text("Off"), Some(Value::Boolean(false)));
    read(&map, number("1.0"), Some(Value::Boolean(true)));
    read(&map, Native::Null, Some(Value::Boolean(false)));
    unreadable(&map, text("on"), RefusalReason::UnknownChoice);
}

#[test]
fn a_choice_goes_through_its_table() {
    let kind = r#"{"choice":{"options":["low","high"]}}"#;
    let map = single(
        kind,
        r#"{"choice":{"table":[{"option":"low","native":{"number":"1"}},{"option":"high","native":{"text":"H"}}]}}"#,
    );
    let low = Value::Choice("low".into());
    both(&map, Some(low.clone()), number("1"), Some(low));
    unreadable(&map, text("1"), RefusalReason::UnknownChoice);
    unreadable(&map, text("h"), RefusalReason::UnknownChoice);
    unwritable(
        &map,
        Value::Choice("none".into()),
        RefusalReason::UnknownChoice,
    );
}

#[test]
fn several_choices_are_a_set() {
    let kind = r#"{"choices":{"options":["red","green"]}}"#;
    let set = |options: &[&str]| {
        Some(Value::Choices(
            options.iter().map(|option| (*option).to_owned()).collect(),
        ))
    };
    let separated = single(kind, r#""plain""#);
    both(
        &separated,
        set(&["green", "red"]),
        text("red;green"),
        set(&["red", "green"]),
    );
    both(&separated, set(&[]), Native::Null, None);
    read(&separated, text(" green ; green;"), set(&["green"]));
    unreadable(&separated, text("green;blue"), RefusalReason::UnknownChoice);
    let lens = r#"{"choices":{"form":"list","table":[{"option":"red","native":{"number":"2"}},{"option":"green","native":{"number":"1"}}]}}"#;
    let list = single(kind, lens);
    let natives = Native::List(vec![number("2"), number("1")]);
    both(
        &list,
        set(&["green", "red"]),
        natives,
        set(&["red", "green"]),
    );
    unreadable(&list, text("2"), RefusalReason::WrongNative);
    unreadable(
        &list,
        Native::List(vec![Native::Null]),
        RefusalReason::UnknownChoice,
    );
}

#[test]
fn a_day_is_the_same_day_in_every_form() {
    let day = |text: &str| Some(Value::Date(text.parse().unwrap()));
    let iso = single(r#""date""#, r#""plain""#);
    both(
        &iso,
        day("2026-03-14"),
        text("2026-03-14"),
        day("2026-03-14"),
    );
    for odd in [
        "2026-3-14",
        "+2026-03-14",
        "2026-02-30",
        "0000-01-01",
        "2026-03-14T00:00:00Z",
    ] {
        unreadable(&iso, text(odd), RefusalReason::Malformed);
    }
    unwritable(&iso, Value::Date(NaiveDate::MAX), RefusalReason::OutOfRange);
    let epoch = single(
        r#""date""#,
        r#"{"date":{"form":{"epochMs":{"offsetMinutes":60}}}}"#,
    );
    both(
        &epoch,
        day("1970-01-02"),
        number("82800000"),
        day("1970-01-02"),
    );
    read(&epoch, number("0"), day("1970-01-01"));
    unreadable(&epoch, number("0.5"), RefusalReason::Malformed);
    let zoned = single(
        r#""date""#,
        r#"{"date":{"form":{"dateTime":{"offsetMinutes":-480}}}}"#,
    );
    both(
        &zoned,
        day("2026-03-14"),
        text("2026-03-14T08:00:00Z"),
        day("2026-03-14"),
    );
    read(&zoned, text("2026-03-14T07:59:59Z"), day("2026-03-13"));
}

#[test]
fn a_point_in_time_is_cut_to_what_the_system_keeps() {
    let at = |text: &str| Some(Value::Instant(text.parse().unwrap()));
    let millis = single(r#""instant""#, r#""plain""#);
    let written = text("2026-03-14T08:00:00.123Z");
    both(
        &millis,
        at("2026-03-14T08:00:00.123999Z"),
        written,
        at("2026-03-14T08:00:00.123Z"),
    );
    read(
        &millis,
        text("2026-03-14T10:00:00.000+0200"),
        at("2026-03-14T08:00:00Z"),
    );
    unreadable(
        &millis,
        text("2026-03-14T10:00:00"),
        RefusalReason::Malformed,
    );
    let seconds = single(
        r#""instant""#,
        r#"{"instant":{"form":"epochMs","precision":"seconds"}}"#,
    );
    both(
        &seconds,
        at("1969-12-31T23:59:59.5Z"),
        number("-1000"),
        at("1969-12-31T23:59:59Z"),
    );
    unreadable(&seconds, text("0"), RefusalReason::WrongNative);
    unwritable(
        &millis,
        Value::Instant(DateTime::<chrono::Utc>::MAX_UTC),
        RefusalReason::OutOfRange,
    );
}

#[test]
fn a_reference_is_written_as_this_system_names_the_record() {
    let to = |entity: &str, target: ReferenceTarget| {
        Value::from(Reference {
            entity: EntityName::new(entity).unwrap(),
            target,
        })
    };
    let foreign = |system: &str, id: &str| ReferenceTarget::Foreign {
        system: system.parse().unwrap(),
        id: ForeignId::new(id).unwrap(),
    };
    let key = |text: &str| ReferenceTarget::Key(text.into());
    let kind = r#"{"reference":{"entity":"Account"}}"#;
    let by_id = single(kind, r#""plain""#);
    let own = to("Account", foreign(system().as_str(), "001A"));
    both(&by_id, Some(own.clone()), text("001A"), Some(own));
    unwritable(
        &by_id,
        to("Account", foreign("beta", "9")),
        RefusalReason::Unresolved,
    );
    unwritable(&by_id, to("Account", key("A")), RefusalReason::Unresolved);
    unwritable(&by_id, to("Store", key("A")), RefusalReason::WrongEntity);
    unreadable(&by_id, text("a/b"), RefusalReason::Malformed);
    let by_key = single(kind, r#"{"reference":{"by":"key","case":"upper"}}"#);
    both(
        &by_key,
        Some(to("Account", key(" eur "))),
        text("EUR"),
        Some(to("Account", key("EUR"))),
    );
    unwritable(
        &by_key,
        to("Account", foreign("alpha", "9")),
        RefusalReason::Unresolved,
    );

    let link = Some(to(
        "Account",
        ReferenceTarget::Link(LinkId::from_bytes([7; 16])),
    ));
    assert_eq!(by_id.normal("value", &link), Ok(link.clone()));
    assert!(by_id.put(&values([("value", link)]), &natives([])).is_err());
}
