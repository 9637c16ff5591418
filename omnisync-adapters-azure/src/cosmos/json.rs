//! What JSON the service gives back as it was: it keeps numbers as doubles and parses every text.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Decimal digits that a double always gives back.
const DIGITS_MAX: usize = 15;
/// Largest power of ten, up or down, of a number that is kept as a number.
const EXPONENT_MAX: i64 = 290;
/// Integers up to here are doubles, whatever the number of their digits.
const INTEGER_MAX: u64 = 1 << 53;
/// The service nests 128 levels; some are for the envelope.
const DEPTH_MAX: usize = 100;

/// The members of an object in their order, unread.
pub(super) struct Members<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Each;

        impl<'de> Visitor<'de> for Each {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(name) = map.next_key::<Name<'de>>()? {
                    members.push((name.0, map.next_value()?));
                }
                Ok(Members(members))
            }
        }

        from.deserialize_map(Each)
    }
}

/// A name of a member, borrowed where it holds no escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }

        from.deserialize_str(Text)
    }
}

/// True when the service gives the value back as it is: no number that a double changes, no half
/// of a surrogate pair, no empty name, and nothing nested deeper than it takes.
pub(super) fn survives(json: &str) -> bool {
    let mut rest = json.as_bytes();
    let mut depth = 0_usize;
    while let Some((first, after)) = rest.split_first() {
        rest = match first {
            b'"' => match text(after) {
                Some(after) => after,
                None => return false,
            },
            b'-' | b'0'..=b'9' => {
                let end = rest.iter().position(|byte| !is_of_number(*byte));
                let (number, after) = rest.split_at(end.unwrap_or(rest.len()));
                if !number_survives(number) {
                    return false;
                }
                after
            }
            b'{' | b'[' => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return false;
                }
                after
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                after
            }
            _ => after,
        };
    }
    true
}

/// What follows a text; `None` when the text does not survive.
fn text(mut rest: &[u8]) -> Option<&[u8]> {
    let mut is_empty = true;
    loop {
        rest = match rest {
            [b'"', after @ ..] => {
                let next = after.iter().find(|byte| !byte.is_ascii_whitespace());
                let is_name = next == Some(&b':');
                return (!is_empty || !is_name).then_some(after);
            }
            [
                b'\\',
                b'u',
                b'd' | b'D',
                b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F',
                ..,
            ] => {
                return None;
            }
            [b'\\', _, after @ ..] | [_, after @ ..] => after,
            [] => return None,
        };
        is_empty = false;
    }
}

const fn is_of_number(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')
}

/// `number` is a number of JSON.
fn number_survives(number: &[u8]) -> bool {
    let end = number.iter().position(|byte| matches!(byte, b'e' | b'E'));
    let (mantissa, exponent) = match end {
        Some(end) => {
            let (mantissa, exponent) = number.split_at(end);
            (mantissa, exponent.get(1..).unwrap_or_default())
        }
        None => (number, &b"0"[..]),
    };
    let is_negative = mantissa.first() == Some(&b'-');
    let mut parts = mantissa.split(|byte| *byte == b'.');
    let whole = parts.next().unwrap_or_default();
    let fraction = parts.next().unwrap_or_default();
    let digits = whole.iter().chain(fraction).copied();
    let digits: Vec<u8> = digits.filter(u8::is_ascii_digit).collect();
    let Some(first) = digits.iter().position(|digit| *digit != b'0') else {
        // Zero without a sign is zero everywhere.
        return !is_negative;
    };
    let last = digits.iter().rposition(|digit| *digit != b'0');
    let significant = last.unwrap_or(first) - first + 1;
    if significant <= DIGITS_MAX {
        let exponent = std::str::from_utf8(exponent).ok();
        let exponent = exponent.and_then(|text| text.parse::<i64>().ok());
        let below = i64::try_from(first).unwrap_or(i64::MAX);
        let whole = i64::try_from(digits.len() - fraction.len()).unwrap_or(i64::MAX);
        let magnitude = exponent.and_then(|exponent| exponent.checked_add(whole - below - 1));
        return magnitude.is_some_and(|magnitude| magnitude.abs() <= EXPONENT_MAX);
    }
    let integer = std::str::from_utf8(number).ok();
    integer
        .and_then(|text| text.trim_start_matches('-').parse::<u64>().ok())
        .is_some_and(|integer| integer <= INTEGER_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_up_to_fifteen_digits_and_integers_up_to_two_to_the_53() {
        let kept = [
            "0",
            "-1",
            "0.1",
            "19.990",
            "1e15",
            "1.5E+3",
            "1e-7",
            "123456789012345",
            "0.000000123456789012345",
            "9007199254740992",
            "-9007199254740991",
            "100000000000000000000",
            "1e290",
            "[1, {\"a\": 2.5}]",
        ];
        for text in kept {
            assert!(survives(text), "{text}");
        }
        let changed = [
            "-0",
            "-0.0",
            "9007199254740993",
            "0.1234567890123456",
            "1e291",
            "1e400",
            "-1e-400",
            "18446744073709551615",
            "1e99999999999999999999",
            "[1, {\"a\": 3.141592653589793}]",
        ];
        for text in changed {
            assert!(!survives(text), "{text}");
        }
    }

    #[test]
    fn texts_survive_except_halves_of_pairs_and_empty_names() {
        let kept = [
            r#""-0""#,
            r#""\"1e999""#,
            r#""\\ud800""#,
            r#"["", "a"]"#,
            r#"{"a":""}"#,
            r#""\u0000\uffff""#,
        ];
        for text in kept {
            assert!(survives(text), "{text}");
        }
        for text in [
            r#""\ud800""#,
            r#""a\uDFFF""#,
            r#"{"":1}"#,
            r#"[{"a":{"" : 1}}]"#,
        ] {
            assert!(!survives(text), "{text}");
        }
        assert!(survives(&"[".repeat(DEPTH_MAX)));
        assert!(!survives(&"[".repeat(DEPTH_MAX + 1)));
    }
}
