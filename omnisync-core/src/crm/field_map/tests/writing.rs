//! What a map writes, and what it leaves alone.

use super::{compile, natives, reasons, text, texts, values, words};
use crate::crm::Native;
use crate::crm::field_map::{
    CompiledFieldMap, FieldMap, Join, Lens, RefusalReason, Rule, TextLens,
};

fn trimmed(field: &str, native: &str) -> Rule {
    Rule::new(field, native).with_lens(Lens::Text(TextLens::trimmed()))
}

fn address() -> CompiledFieldMap {
    let join = serde_json::from_str::<Join>(
        r#"{"fields":["street","city","country"],"native":"Address","separator":", ","trim":true,"charsMax":20}"#,
    );
    let map = FieldMap::builder("Thing", "Thing__c")
        .rename("code", "Code")
        .join(join.unwrap())
        .build();
    compile(map, &texts(&["code", "street", "city", "country"]))
}

#[test]
fn only_what_differs_is_written() {
    let map = FieldMap::builder("Thing", "Thing__c")
        .rule(trimmed("code", "Code"))
        .rule(trimmed("name", "Name"))
        .build();
    let map = compile(map, &texts(&["code", "name"]));
    let held = natives([
        ("Code", text(" c ")),
        ("Name", text("n")),
        ("Own", text("o")),
    ]);
    let same = values([("code", words("c  ")), ("name", words("n"))]);
    assert_eq!(map.put(&same, &held), Ok(natives([])));
    let other = values([("name", None)]);
    assert_eq!(
        map.put(&other, &held),
        Ok(natives([("Name", Native::Null)]))
    );
    assert_eq!(
        map.put(&same, &natives([])),
        Ok(natives([("Code", text("c")), ("Name", text("n"))]))
    );
}

#[test]
fn mirrors_are_written_with_their_field_and_never_alone() {
    let map = FieldMap::builder("Thing", "Thing__c")
        .rename("code", "Code")
        .rule(Rule::new("code", "Copy").write_only())
        .build();
    let map = compile(map, &texts(&["code"]));
    let held = natives([("Code", text("a")), ("Copy", text("x"))]);
    assert_eq!(
        map.put(&values([("code", words("a"))]), &held),
        Ok(natives([]))
    );
    let both = natives([("Code", text("b")), ("Copy", text("b"))]);
    assert_eq!(map.put(&values([("code", words("b"))]), &held), Ok(both));
}

#[test]
fn what_is_read_only_or_unknown_is_refused_with_everything_else() {
    let map = FieldMap::builder("Thing", "Thing__c")
        .rename("code", "Code")
        .rule(Rule::new("name", "Name").read_only())
        .build();
    let map = compile(map, &texts(&["code", "name"]));
    let all = values([
        ("code", words("c")),
        ("gone", words("g")),
        ("name", words("n")),
    ]);
    let expected = [RefusalReason::NotMapped, RefusalReason::ReadOnly];
    assert_eq!(reasons(map.put(&all, &natives([]))), expected);
    assert_eq!(
        map.normal("name", &None).unwrap_err().reason,
        RefusalReason::ReadOnly
    );
    assert_eq!(
        map.normal("no name", &None).unwrap_err().reason,
        RefusalReason::NotMapped
    );
}

#[test]
fn a_part_is_written_among_the_others() {
    let map = address();
    let held = natives([("Address", text("Main St 1,  Bern , CH"))]);
    let read = map.get(&held);
    assert_eq!(read.get("city"), Some(&Ok(words("Bern"))));
    let put = |field, value| map.put(&values([(field, value)]), &held);
    assert_eq!(put("city", words(" Bern ")), Ok(natives([])));
    assert_eq!(
        put("city", words("Thun")),
        Ok(natives([("Address", text("Main St 1, Thun, CH"))]))
    );
    assert_eq!(
        put("city", None),
        Ok(natives([("Address", text("Main St 1, , CH"))]))
    );
    assert_eq!(
        put("country", None),
        Ok(natives([("Address", text("Main St 1, Bern"))]))
    );
    let gone = values([("street", None), ("city", None), ("country", None)]);
    assert_eq!(
        map.put(&gone, &held),
        Ok(natives([("Address", Native::Null)]))
    );
    let alone = map.put(&values([("country", words("CH"))]), &natives([]));
    assert_eq!(alone, Ok(natives([("Address", text(", , CH"))])));
}

#[test]
fn a_part_that_would_be_taken_for_two_is_refused() {
    let map = address();
    let put = |value| reasons(map.put(&values([("city", words(value))]), &natives([])));
    assert_eq!(put("Bern, CH"), [RefusalReason::HoldsSeparator]);
    assert_eq!(
        put("far too long for this"),
        [RefusalReason::TooLong { chars_max: 20 }]
    );
    let held = natives([("Address", text("fifteen letters, , CH"))]);
    let more = map.put(&values([("city", words("Bern"))]), &held);
    assert_eq!(reasons(more), [RefusalReason::TooLong { chars_max: 20 }]);
}

#[test]
fn parts_that_cannot_be_read_are_not_destroyed() {
    let map = address();
    let held = natives([("Address", text("a, b, c, d"))]);
    let read = map.get(&held);
    let refusal = read.get("city").unwrap().clone().unwrap_err();
    assert_eq!(refusal.reason, RefusalReason::TooManyParts);
    let one = map.put(&values([("city", words("B"))]), &held);
    assert_eq!(reasons(one), [RefusalReason::OtherPartsUnknown]);
    let all = values([
        ("street", words("A")),
        ("city", words("B")),
        ("country", None),
    ]);
    assert_eq!(
        map.put(&all, &held),
        Ok(natives([("Address", text("A, B"))]))
    );
}
