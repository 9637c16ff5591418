//! The reader beside `apache-avro`: what that writes is read alike, and whatever is accepted here is
//! what it reads.

use std::collections::HashMap;
use std::sync::LazyLock;

use apache_avro::Schema as Theirs;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use omnisync_core::json::Limits;
use proptest::prelude::*;

use super::{AvroProblem, Datum, DecodeLimits, Reader, Schema};
use crate::cdc::error::DecodeError;

/// Every type, nested in every other that holds one.
const EVERYTHING: &str = r#"{"type": "record", "name": "All", "namespace": "a.b", "fields": [
    {"name": "flag", "type": "boolean"},
    {"name": "int", "type": "int"},
    {"name": "long", "type": {"type": "long", "logicalType": "timestamp-of-nobody"}},
    {"name": "float", "type": "float"},
    {"name": "double", "type": "double"},
    {"name": "bytes", "type": "bytes"},
    {"name": "text", "type": ["null", "string"]},
    {"name": "fixed", "type": {"type": "fixed", "name": "Four", "size": 4}},
    {"name": "kind", "type": {"type": "enum", "name": "Kind", "namespace": "", "symbols": ["A", "B", "C"]}},
    {"name": "texts", "type": {"type": "array", "items": "string"}},
    {"name": "map", "type": {"type": "map", "values": ["null", "int"]}},
    {"name": "inner", "type": ["null", "string", {"type": "record", "name": "Inner", "fields": [
        {"name": "of", "type": {"type": "array", "items": ["null", "Inner", "Four"]}},
        {"name": "end", "type": ["null", "double"]}
    ]}]},
    {"name": "again", "type": ["null", "a.b.Inner", "boolean"]}
]}"#;

static THEIRS: LazyLock<Theirs> = LazyLock::new(|| Theirs::parse_str(EVERYTHING).unwrap());

fn ours(bytes: &[u8]) -> Result<Datum, DecodeError> {
    let limits = DecodeLimits::default();
    let schema = Schema::parse(EVERYTHING.as_bytes(), &Limits::default()).unwrap();
    let mut reader = Reader::new(bytes, &limits)?;
    let datum = reader.datum(&schema)?;
    match reader.left() {
        0 => Ok(datum),
        left => Err(DecodeError::LeftOver {
            offset: bytes.len() - left,
            bytes: left,
        }),
    }
}

/// What the other reader says, with the bytes it left over.
fn theirs(schema: &Theirs, mut bytes: &[u8]) -> Option<(Value, usize)> {
    let reader = GenericDatumReader::builder(schema).build().unwrap();
    let value = reader.read_value(&mut bytes).ok()?;
    Some((value, bytes.len()))
}

fn same(ours: &Datum, theirs: &Value) -> bool {
    match (ours, theirs) {
        (ours, Value::Union(_, theirs)) => same(ours, theirs),
        (Datum::Null, Value::Null) => true,
        (Datum::Boolean(ours), Value::Boolean(theirs)) => ours == theirs,
        (Datum::Integer(ours), Value::Int(theirs)) => *ours == i64::from(*theirs),
        (Datum::Integer(ours), Value::Long(theirs)) => ours == theirs,
        (Datum::Double(ours), Value::Float(theirs)) => {
            ours.to_bits() == f64::from(*theirs).to_bits() || theirs.is_nan()
        }
        (Datum::Double(ours), Value::Double(theirs)) => ours.to_bits() == theirs.to_bits(),
        (Datum::Text(ours), Value::String(theirs) | Value::Enum(_, theirs)) => ours == theirs,
        (Datum::Bytes(ours), Value::Bytes(theirs) | Value::Fixed(_, theirs)) => ours == theirs,
        (Datum::List(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| same(a, b))
        }
        // Names can come twice, and theirs keeps the last.
        (Datum::Map(ours), Value::Map(theirs)) => {
            let last: HashMap<_, _> = ours.iter().map(|(name, value)| (name, value)).collect();
            last.len() == theirs.len()
                && last.iter().all(|(name, value)| same(value, &theirs[*name]))
        }
        (Datum::Record(ours), Value::Record(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, (_, b))| same(a, b))
        }
        _ => false,
    }
}

fn union(index: u32, value: Value) -> Value {
    Value::Union(index, Box::new(value))
}

fn inner() -> impl Strategy<Value = Value> {
    let end = prop_oneof![
        Just(union(0, Value::Null)),
        any::<f64>().prop_map(|value| union(1, Value::Double(value))),
    ];
    let record = |of: Vec<Value>, end: Value| {
        Value::Record(vec![
            ("of".to_owned(), Value::Array(of)),
            ("end".to_owned(), end),
        ])
    };
    let leaf = end.clone().prop_map(move |end| record(Vec::new(), end));
    leaf.prop_recursive(4, 16, 3, move |deeper| {
        let item = prop_oneof![
            Just(union(0, Value::Null)),
            deeper.prop_map(|record| union(1, record)),
            any::<[u8; 4]>().prop_map(|bytes| union(2, Value::Fixed(4, bytes.to_vec()))),
        ];
        (prop::collection::vec(item, 0..4), end.clone()).prop_map(move |(of, end)| record(of, end))
    })
}

fn everything() -> impl Strategy<Value = Value> {
    let numbers = (
        any::<bool>(),
        any::<i32>(),
        any::<i64>(),
        any::<f32>(),
        any::<f64>(),
    );
    let kind = (0..3_u32).prop_map(|index| {
        Value::Enum(
            index,
            ["A", "B", "C"][usize::try_from(index).unwrap()].to_owned(),
        )
    });
    let text = prop_oneof![
        Just(union(0, Value::Null)),
        any::<String>().prop_map(|text| union(1, Value::String(text))),
    ];
    let switch = prop_oneof![
        Just(union(0, Value::Null)),
        any::<String>().prop_map(|text| union(1, Value::String(text))),
        inner().prop_map(|record| union(2, record)),
    ];
    let again = prop_oneof![
        inner().prop_map(|record| union(1, record)),
        any::<bool>().prop_map(|value| union(2, Value::Boolean(value))),
    ];
    let map = prop::collection::hash_map(any::<String>(), any::<i32>(), 0..4);
    let rest = (
        prop::collection::vec(any::<u8>(), 0..8),
        any::<[u8; 4]>(),
        prop::collection::vec(any::<String>(), 0..4),
        map,
    );
    (numbers, kind, text, switch, again, rest).prop_map(
        |(numbers, kind, text, inner, again, rest)| {
            let (bytes, fixed, texts, map) = rest;
            let map = map
                .into_iter()
                .map(|(name, value)| (name, union(1, Value::Int(value))));
            let fields = [
                ("flag", Value::Boolean(numbers.0)),
                ("int", Value::Int(numbers.1)),
                ("long", Value::Long(numbers.2)),
                ("float", Value::Float(numbers.3)),
                ("double", Value::Double(numbers.4)),
                ("bytes", Value::Bytes(bytes)),
                ("text", text),
                ("fixed", Value::Fixed(4, fixed.to_vec())),
                ("kind", kind),
                (
                    "texts",
                    Value::Array(texts.into_iter().map(Value::String).collect()),
                ),
                ("map", Value::Map(map.collect())),
                ("inner", inner),
                ("again", again),
            ];
            Value::Record(fields.map(|(name, value)| (name.to_owned(), value)).into())
        },
    )
}

fn written(value: Value) -> Vec<u8> {
    let writer = GenericDatumWriter::builder(&THEIRS).build().unwrap();
    writer.write_value_to_vec(value).unwrap()
}

/// Whatever is accepted here is what the other reader reads.
fn check_accepted(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(ours) = ours(bytes) {
        let (theirs, left) = theirs(&THEIRS, bytes).expect("the other reader refuses it");
        prop_assert_eq!(left, 0);
        prop_assert!(same(&ours, &theirs));
    }
    Ok(())
}

proptest! {
    #[test]
    fn what_is_written_is_read_alike(value in everything()) {
        let bytes = written(value);
        prop_assert!(ours(&bytes).is_ok());
        check_accepted(&bytes)?;
    }

    #[test]
    fn no_piece_of_it_is_accepted(value in everything(), cut in any::<prop::sample::Index>()) {
        let bytes = written(value);
        prop_assert!(ours(&bytes[..cut.index(bytes.len())]).is_err());
        let longer = ours(&[bytes.as_slice(), &[0]].concat());
        let is_left_over = matches!(longer, Err(DecodeError::LeftOver { bytes: 1, .. }));
        prop_assert!(is_left_over);
    }

    #[test]
    fn nothing_is_accepted_that_the_other_reader_reads_otherwise(
        value in everything(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = written(value);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        check_accepted(&bytes)?;
    }

    #[test]
    fn any_bytes_are_taken_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check_accepted(&bytes)?;
    }
}

/// Reads `bytes` as one value of `schema`.
fn read(schema: &str, bytes: &[u8], limits: &DecodeLimits) -> Result<Datum, AvroProblem> {
    let schema = Schema::parse(schema.as_bytes(), &Limits::default()).unwrap();
    let datum = Reader::new(bytes, limits).and_then(|mut reader| reader.datum(&schema));
    datum.map_err(|error| match error {
        DecodeError::Payload { problem, .. } => problem,
        other => panic!("{other}"),
    })
}

fn check_refused(schema: &str, bytes: &[u8], expected: AvroProblem) {
    let problem = read(schema, bytes, &DecodeLimits::default()).err();
    assert_eq!(problem, Some(expected), "{schema} {bytes:?}");
}

#[test]
fn bytes_that_no_writer_writes_are_refused_by_name() {
    check_refused(r#""boolean""#, &[2], AvroProblem::Boolean);
    check_refused(
        r#""int""#,
        &[0xfe, 0xff, 0xff, 0xff, 0x1f],
        AvroProblem::Range,
    );
    check_refused(r#""long""#, &[0x80, 0x00], AvroProblem::Number);
    check_refused(r#""long""#, &[0xff; 10], AvroProblem::Number);
    check_refused(r#""long""#, &[0x80], AvroProblem::EndOfPayload);
    check_refused(r#""string""#, &[1], AvroProblem::Length);
    check_refused(r#""string""#, &[4, 0xc3, 0x28], AvroProblem::Utf8);
    check_refused(r#""string""#, &[4, b'a'], AvroProblem::EndOfPayload);
    check_refused(r#"["null", "int"]"#, &[4], AvroProblem::UnionIndex);
    check_refused(r#"["null", "int"]"#, &[1], AvroProblem::UnionIndex);
    check_refused(r#"["null", "int"]"#, &[], AvroProblem::EndOfPayload);
    let kind = r#"{"type": "enum", "name": "K", "symbols": ["A"]}"#;
    check_refused(kind, &[2], AvroProblem::EnumIndex);
    let list = r#"{"type": "array", "items": "null"}"#;
    check_refused(list, &[1, 2, 0], AvroProblem::BlockSize);
    let long_minimum = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0, 0,
    ];
    check_refused(list, &long_minimum, AvroProblem::TooManyItems);
}

#[test]
fn the_other_reader_takes_an_early_end_for_null() {
    let schema = r#"{"type": "record", "name": "R", "fields": [
        {"name": "a", "type": ["null", "string"]}, {"name": "b", "type": ["null", "string"]}]}"#;
    let theirs = theirs(&Theirs::parse_str(schema).unwrap(), &[]);
    assert!(theirs.is_some());
    check_refused(schema, &[], AvroProblem::EndOfPayload);
}

#[test]
fn every_limit_is_kept() {
    let limits = DecodeLimits {
        bytes_max: 8,
        items_max: 3,
        depth_max: 4,
        values_max: 6,
    };
    let check = |schema, bytes: &[u8], expected| {
        assert_eq!(
            read(schema, bytes, &limits).err(),
            expected,
            "{schema} {bytes:?}"
        );
    };
    let list = r#"{"type": "array", "items": "null"}"#;
    check(list, &[6, 0], None);
    check(list, &[8, 0], Some(AvroProblem::TooManyItems));
    check(list, &[2, 2, 2, 2, 0], Some(AvroProblem::TooManyItems));
    check(r#""bytes""#, &[0; 9], Some(AvroProblem::TooLarge));
    let tree =
        r#"{"type": "record", "name": "T", "fields": [{"name": "of", "type": ["null", "T"]}]}"#;
    check(tree, &[2, 0], None);
    check(tree, &[2, 2, 2, 0], Some(AvroProblem::TooDeep));
    let endless = r#"{"type": "record", "name": "T", "fields": [{"name": "of", "type": "T"}]}"#;
    check(endless, &[], Some(AvroProblem::TooDeep));
    let wide = r#"{"type": "array", "items": {"type": "array", "items": "null"}}"#;
    check(
        wide,
        &[6, 6, 0, 6, 0, 6, 0, 0],
        Some(AvroProblem::TooManyValues),
    );
}

#[test]
fn what_is_no_schema_is_refused_with_its_place() {
    let check = |schema: &str, expected: &str| {
        let error = Schema::parse(schema.as_bytes(), &Limits::default()).unwrap_err();
        assert_eq!(error.to_string(), expected, "{schema}");
    };
    check("{", "the schema is not json");
    check(
        "1",
        "the schema at `` is wrong: a schema is a text, a list or an object",
    );
    check(
        r#""Nobody""#,
        "the schema at `` is wrong: the name is not defined before",
    );
    check("[]", "the schema at `` is wrong: a union has no branch");
    check(
        r#"["int", ["null"]]"#,
        "the schema at `/1` is wrong: a union within a union",
    );
    check(
        r#"{"type": "record", "fields": []}"#,
        "the schema at `` is wrong: `name` is missing",
    );
    let twice = r#"["null", {"type": "fixed", "name": "F", "size": 1}, {"type": "fixed", "name": "F", "size": 2}]"#;
    check(
        twice,
        "the schema at `/2` is wrong: the name is defined twice",
    );
    let field = r#"{"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}, {"name": "a", "type": "int"}]}"#;
    check(
        field,
        "the schema at `/fields/1` is wrong: the record has two fields of that name",
    );
    check(
        r#"{"type": "enum", "name": "E", "symbols": [1]}"#,
        "the schema at `/symbols` is wrong: a symbol is not a text",
    );
    check(
        r#"{"type": "fixed", "name": "F", "size": -1}"#,
        "the schema at `` is wrong: `size` is not a number of bytes",
    );
    check(
        r#"{"type": "array"}"#,
        "the schema at `` is wrong: `items` is missing",
    );
}
