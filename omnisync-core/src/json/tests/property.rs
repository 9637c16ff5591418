use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

/// A JSON value and, for each number in it, how to spell it.
#[derive(Debug, Clone)]
enum Tree {
    Null,
    Bool(bool),
    Number { digits: i64, exponent: i8 },
    String(String),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        Just(Tree::Null),
        any::<bool>().prop_map(Tree::Bool),
        (any::<i64>(), any::<i8>())
            .prop_map(|(digits, exponent)| Tree::Number { digits, exponent }),
        ".{0,8}".prop_map(Tree::String),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Tree::Array),
            prop::collection::btree_map(".{0,4}", inner, 0..6)
                .prop_map(|members| Tree::Object(members.into_iter().collect())),
        ]
    })
}

impl Tree {
    /// The plain spelling, or one with members reversed, numbers shifted and strings escaped.
    fn write(&self, out: &mut String, odd: bool) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(&value.to_string()),
            Self::Number { digits, exponent } if odd => {
                write!(out, "{digits}.000E{exponent:+04}").unwrap();
            }
            Self::Number { digits, exponent } => {
                write!(out, "{digits}00e{}", i32::from(*exponent) - 2).unwrap();
            }
            Self::String(text) => write_text(out, text, odd),
            Self::Array(elements) => {
                out.push_str(if odd { "[ " } else { "[" });
                for (position, element) in elements.iter().enumerate() {
                    out.push_str(if position > 0 { "," } else { "" });
                    element.write(out, odd);
                }
                out.push(']');
            }
            Self::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                if odd {
                    members.reverse();
                }
                out.push('{');
                for (position, (name, member)) in members.into_iter().enumerate() {
                    out.push_str(if position > 0 { "," } else { "" });
                    write_text(out, name, odd);
                    out.push_str(if odd { " : " } else { ":" });
                    member.write(out, odd);
                }
                out.push('}');
            }
        }
    }
}

fn write_text(out: &mut String, text: &str, odd: bool) {
    if odd {
        out.push('"');
        for unit in text.encode_utf16() {
            write!(out, "\\u{unit:04X}").unwrap();
        }
        out.push('"');
    } else {
        write_string(out, text);
    }
}

/// The same value as `serde_json` has it. Every value is made from its own text alone, so the
/// texts have to be right as well.
fn as_serde(json: &Json<'_>) -> serde_json::Value {
    use serde_json::Value as Theirs;
    match &json.value {
        Value::Null => Theirs::Null,
        Value::Bool(value) => Theirs::Bool(*value),
        Value::Number(text) => serde_json::from_str(text).unwrap(),
        Value::String(text) => Theirs::String(text.clone().into_owned()),
        Value::Array(elements) => {
            assert!(json.raw.starts_with('[') && json.raw.ends_with(']'));
            Theirs::Array(elements.iter().map(as_serde).collect())
        }
        Value::Object(members) => {
            assert!(json.raw.starts_with('{') && json.raw.ends_with('}'));
            let members = members.iter();
            let members = members.map(|(name, value)| (name.to_string(), as_serde(value)));
            Theirs::Object(members.collect())
        }
    }
}

proptest! {
    #[test]
    fn the_reader_never_panics_on_arbitrary_bytes(bytes: Vec<u8>) {
        drop(parse(&bytes, &Limits::default()));
    }

    #[test]
    fn the_reader_agrees_with_serde_json_on_what_json_is(
        text in r#"([\[\]{},:" \\u0-9eE.+-]|"[a-b]"|true|null|\\ud8|00){0,12}"#,
    ) {
        let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        match parse(text.as_bytes(), &Limits::default()) {
            Ok(_) => prop_assert!(theirs),
            Err(error) if matches!(error.kind(), JsonErrorKind::DuplicateName | JsonErrorKind::LoneSurrogate) => {
                prop_assert!(theirs);
            }
            Err(_) => prop_assert!(!theirs),
        }
    }

    #[test]
    fn the_reader_agrees_with_serde_json_on_what_values_are(tree in tree(), odd: bool) {
        let mut text = String::new();
        tree.write(&mut text, odd);
        let theirs: serde_json::Value = serde_json::from_str(&text)?;
        let ours = read(&text);
        prop_assert_eq!(as_serde(&ours), theirs);
        prop_assert_eq!(ours.raw, text.trim());
    }

    #[test]
    fn the_canonical_form_is_independent_of_spelling(tree in tree()) {
        let (mut plain, mut odd) = (String::new(), String::new());
        tree.write(&mut plain, false);
        tree.write(&mut odd, true);
        let form = canonical(&plain);
        prop_assert_eq!(&form, &canonical(&odd));
        prop_assert_eq!(&form, &canonical(&form));
        prop_assert_eq!(read(&plain).content_hash(), read(&odd).content_hash());
    }

    #[test]
    fn a_written_string_reads_back(text: String) {
        let mut out = String::new();
        write_string(&mut out, &text);
        let json = read(&out);
        prop_assert_eq!(json.as_str(), Some(text.as_str()));
    }
}
