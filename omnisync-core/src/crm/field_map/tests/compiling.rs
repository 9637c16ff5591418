//! Everything that a map can have wrong.

use super::{entity_of, system, texts};
use crate::crm::field_map::{
    BooleanLens, ChoiceEntry, ChoiceLens, ChoicesLens, DateForm, DateLens, DecimalLens, FieldMap,
    FieldMapBuilder, IntegerLens, Join, Lens, ListForm, MapError, Rule, TableProblem, TextLens,
};
use crate::crm::{EntityDefinition, Native};

fn thing() -> FieldMapBuilder {
    FieldMap::builder("Thing", "Thing__c")
}

#[track_caller]
fn refused(map: FieldMapBuilder, entity: &EntityDefinition, message: &str) {
    let errors = map.build().compile(entity, &system()).unwrap_err();
    let messages: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(messages, [message]);
}

#[track_caller]
fn lens_refused(kind: &str, lens: Lens, message: &str) {
    let map = thing().rule(Rule::new("value", "Value").with_lens(lens));
    refused(map, &entity_of(kind), message);
}

#[test]
fn names_have_to_be_names() {
    let entity = texts(&["code"]);
    let map = thing()
        .rename("code", "Code")
        .constant("no name", Native::Null);
    refused(
        map,
        &entity,
        "\"no name\" is no name: use letters, digits, `_`, `-` and `.`",
    );
    let map = FieldMap::builder("Other", "Thing__c").rename("code", "Code");
    refused(map, &entity, "the map is of Other, and the entity is Thing");
    let map = FieldMap::builder("Thing", " ").rename("code", "Code");
    refused(map, &entity, "the object has no name");
    let map = thing().rename("code", "Code").rename("codes", "Codes");
    refused(map, &entity, "the entity has no field codes");
    let mut broken = texts(&["code"]);
    broken.natural_key.clear();
    broken.natural_key.push(super::name("gone"));
    let map = thing().rename("code", "Code").build();
    let errors = map.compile(&broken, &system()).unwrap_err();
    assert!(
        matches!(
            errors[..],
            [MapError::Entity(_), MapError::KeyOneWay { .. }]
        ),
        "{errors:?}"
    );
}

#[test]
fn a_native_field_belongs_to_one_rule() {
    let entity = texts(&["code", "name"]);
    let map = || thing().rename("code", "Code");
    refused(
        map().rename("name", "Code"),
        &entity,
        "Code is written twice",
    );
    refused(
        map().constant("Code", Native::Null),
        &entity,
        "Code is written twice",
    );
    let shared = map().rule(Rule::new("name", "Code").read_only());
    refused(
        shared,
        &entity,
        "Code is written by one rule and read by another",
    );
    let twice = map().rule(Rule::new("code", "Other").read_only());
    let message = "code is read twice: let one rule read it and the others only write";
    refused(twice, &entity, message);
    let mirrored = map().rule(Rule::new("code", "Other").write_only()).build();
    mirrored.compile(&entity, &system()).unwrap();
}

#[test]
fn the_natural_key_goes_both_ways_and_stays_whole() {
    let entity = texts(&["code", "name"]);
    let message = "code is part of the natural key and must be both read and written";
    refused(thing().rename("name", "Name"), &entity, message);
    refused(
        thing().rule(Rule::new("code", "Code").read_only()),
        &entity,
        message,
    );
    let lens = Lens::Text(TextLens::default().with_chars_max(5).truncated());
    let cut = thing().rule(Rule::new("code", "Code").with_lens(lens));
    refused(
        cut,
        &entity,
        "code is part of the natural key and must not be cut",
    );
}

#[test]
fn a_lens_fits_the_kind_of_its_field() {
    let lens = Lens::Integer(IntegerLens::default());
    lens_refused(
        r#""text""#,
        lens,
        "the lens of value does not fit values of kind Text",
    );
}

#[test]
fn limits_make_sense() {
    let decimal = r#"{"decimal":{"scale":2}}"#;
    let of = |lens: DecimalLens| Lens::Decimal(lens);
    let deep = DecimalLens {
        scale: Some(29),
        ..DecimalLens::default()
    };
    lens_refused(decimal, of(deep), "the scale of value is above 28");
    let message = "the factor of value is not above zero";
    lens_refused(
        decimal,
        of(DecimalLens::default().with_factor(0.into())),
        message,
    );
    let range = DecimalLens::default().with_range(2.into(), 1.into());
    lens_refused(decimal, of(range), "the range of value is empty");
    let range = Lens::Integer(IntegerLens::ranged(2, 1));
    lens_refused(r#""integer""#, range, "the range of value is empty");
    let message = "the longest text of value is missing or zero";
    for lens in [
        TextLens::default().truncated(),
        TextLens::default().with_chars_max(0),
    ] {
        lens_refused(r#""text""#, Lens::Text(lens), message);
    }
    let far = DateLens::new(DateForm::EpochMs {
        offset_minutes: 1_081,
    });
    let message = "the offset of value is beyond 1080 minutes";
    lens_refused(r#""date""#, Lens::Date(far), message);
}

#[test]
fn spellings_differ() {
    let yes = || Native::Text("1".to_owned());
    let message = "the spellings of yes and no of value are missing, ambiguous or no single values";
    let none = BooleanLens {
        yes: Vec::new(),
        ..BooleanLens::default()
    };
    for lens in [
        none,
        BooleanLens::spelled(yes(), yes()),
        BooleanLens::spelled(yes(), Native::Null),
    ] {
        lens_refused(r#""boolean""#, Lens::Boolean(lens), message);
    }
}

#[track_caller]
fn table_refused(kind: &str, lens: Lens, problem: &TableProblem) {
    lens_refused(kind, lens, &format!("the table of value {problem}"));
}

#[test]
fn a_table_is_total_and_injective() {
    let kind = r#"{"choice":{"options":["a","b"]}}"#;
    let option = || "b".to_owned();
    let table = |numbers: Vec<(i64, &str)>| Lens::Choice(ChoiceLens::by_number(numbers));
    let missing = TableProblem::Missing { option: option() };
    table_refused(kind, table(vec![(1, "a")]), &missing);
    let ambiguous = TableProblem::Ambiguous { option: option() };
    table_refused(kind, table(vec![(1, "a"), (1, "b")]), &ambiguous);
    let repeated = TableProblem::Repeated { option: option() };
    table_refused(kind, table(vec![(1, "a"), (2, "b"), (3, "b")]), &repeated);
    let unknown = TableProblem::Unknown {
        option: "c".to_owned(),
    };
    table_refused(kind, table(vec![(1, "a"), (2, "b"), (3, "c")]), &unknown);
    let mut empty = ChoiceLens::by_name(["a", "b"]);
    empty.table[1].native = Native::Text(String::new());
    let unreadable = TableProblem::Unreadable { option: option() };
    table_refused(kind, Lens::Choice(empty), &unreadable);
}

#[test]
fn elements_of_a_joined_list_can_be_told_apart() {
    let kind = r#"{"choices":{"options":["a","b"]}}"#;
    let entries = |native: Native| ChoicesLens {
        table: vec![
            ChoiceEntry {
                option: "a".to_owned(),
                native: Native::Number(1.into()),
            },
            ChoiceEntry {
                option: "b".to_owned(),
                native,
            },
        ],
        form: ListForm::default(),
    };
    let text = |text: &str| Native::Text(text.to_owned());
    let unreadable = TableProblem::Unreadable {
        option: "b".to_owned(),
    };
    for native in [text("x;y"), text(" x"), Native::Boolean(true)] {
        table_refused(kind, Lens::Choices(entries(native)), &unreadable);
    }
    let ambiguous = TableProblem::Ambiguous {
        option: "b".to_owned(),
    };
    table_refused(kind, Lens::Choices(entries(text("1"))), &ambiguous);
}

#[test]
fn a_join_can_be_taken_apart() {
    let entity = texts(&["code", "left", "right"]);
    let join = |fields: &[&str], separator: &str, chars_max: Option<u32>| {
        thing().rename("code", "Code").join(Join {
            fields: fields.iter().map(|field| super::name(field)).collect(),
            native: super::name("Both"),
            separator: separator.to_owned(),
            trim: false,
            chars_max,
            direction: crate::crm::field_map::Direction::Both,
        })
    };
    let both = ["left", "right"];
    let message = "the separator of Both is empty or ends as it begins";
    for separator in ["", "aa", " - ", "éxé"] {
        refused(join(&both, separator, None), &entity, message);
    }
    let message = "Both does not join two or more different fields";
    refused(join(&["left"], ",", None), &entity, message);
    refused(
        join(&both, ",", Some(0)),
        &entity,
        "the longest text of Both is missing or zero",
    );
    refused(
        join(&["left", "gone"], ",", None),
        &entity,
        "the entity has no field gone",
    );
    join(&both, ", ", None)
        .build()
        .compile(&entity, &system())
        .unwrap();
}

#[test]
fn everything_is_said_at_once() {
    let map = thing().rename("x", "A").rename("y", "A").build();
    let errors = map.compile(&texts(&["code"]), &system()).unwrap_err();
    assert_eq!(errors.len(), 4, "{errors:?}");
}
