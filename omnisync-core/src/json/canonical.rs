use std::borrow::Cow;

use super::{Json, Value};
use crate::id::Sha256;

/// Numbers from this many integer digits on are written with an exponent (as in RFC 8785).
const INTEGER_DIGITS_MAX: i64 = 21;

/// Fractions with more leading zeros than this are written with an exponent (as in RFC 8785).
const FRACTION_ZEROS_MAX: i64 = 5;

impl Json<'_> {
    /// Appends the canonical form to `out`.
    ///
    /// Members are sorted by the code points of their names, there is no white space, strings
    /// escape only what must be escaped, and a number is written as the shortest decimal of the
    /// same value: `5000.00`, `5000` and `5e3` all give `5000`, and `-0` gives `0`. The form is
    /// JSON again and means the same. Exponents beyond 64 bits are kept as they were written.
    pub fn canonical(&self, out: &mut String) {
        match &self.value {
            Value::Null => out.push_str("null"),
            Value::Bool(true) => out.push_str("true"),
            Value::Bool(false) => out.push_str("false"),
            Value::Number(text) => write_number(out, text),
            Value::String(text) => write_string(out, text),
            Value::Array(elements) => {
                out.push('[');
                for (position, element) in elements.iter().enumerate() {
                    if position > 0 {
                        out.push(',');
                    }
                    element.canonical(out);
                }
                out.push(']');
            }
            Value::Object(members) => write_members(out, members.iter()),
        }
    }

    /// Hash of the canonical form: equal for equal content, however it was spelled.
    pub fn content_hash(&self) -> Sha256 {
        let mut out = String::with_capacity(self.raw.len());
        self.canonical(&mut out);
        Sha256::of(out.as_bytes())
    }
}

/// Appends the canonical form of an object of these members to `out`.
pub(crate) fn write_members<'m, 'a: 'm>(
    out: &mut String,
    members: impl Iterator<Item = &'m (Cow<'a, str>, Json<'a>)>,
) {
    let mut sorted: Vec<_> = members.collect();
    sorted.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    out.push('{');
    for (position, (name, member)) in sorted.into_iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        write_string(out, name);
        out.push(':');
        member.canonical(out);
    }
    out.push('}');
}

/// Appends `text` to `out` as a JSON string, escaping only what must be escaped.
pub fn write_string(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(needs_escape)
        && let Some((plain, tail)) = rest.split_at_checked(at)
    {
        out.push_str(plain);
        let mut tail = tail.chars();
        if let Some(c) = tail.next() {
            write_escape(out, c);
        }
        rest = tail.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

const fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Escapes an ASCII character that [`needs_escape`].
fn write_escape(out: &mut String, c: char) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\u{8}' => out.push_str("\\b"),
        '\t' => out.push_str("\\t"),
        '\n' => out.push_str("\\n"),
        '\u{c}' => out.push_str("\\f"),
        '\r' => out.push_str("\\r"),
        c => {
            let code = u32::from(c);
            out.push_str("\\u00");
            out.extend(
                [code >> 4, code & 0x0f]
                    .into_iter()
                    .filter_map(|d| char::from_digit(d, 16)),
            );
        }
    }
}

/// Appends the number `text`, which follows the JSON grammar, in canonical form.
fn write_number(out: &mut String, text: &str) {
    let (negative, unsigned) = text
        .strip_prefix('-')
        .map_or((false, text), |unsigned| (true, unsigned));
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));

    let mut digits = String::with_capacity(integer.len() + fraction.len());
    digits.push_str(integer);
    digits.push_str(fraction);
    let without_leading = digits.trim_start_matches('0');
    let leading = digits.len() - without_leading.len();
    let significant = without_leading.trim_end_matches('0');
    if significant.is_empty() {
        out.push('0');
        return;
    }

    let Some(point) = point_position(integer.len(), leading, exponent) else {
        out.push_str(text);
        return;
    };
    if negative {
        out.push('-');
    }
    write_decimal(out, significant, point);
}

/// Where the decimal point stands, counted from the first significant digit. `None` when the
/// exponent does not fit 64 bits.
fn point_position(integer_digits: usize, leading_zeros: usize, exponent: &str) -> Option<i64> {
    let exponent: i64 = exponent
        .strip_prefix('+')
        .unwrap_or(exponent)
        .parse()
        .ok()?;
    exponent
        .checked_add(i64::try_from(integer_digits).ok()?)?
        .checked_sub(i64::try_from(leading_zeros).ok()?)
}

/// Appends `0.digits × 10^point`.
fn write_decimal(out: &mut String, digits: &str, point: i64) {
    if (1..=INTEGER_DIGITS_MAX).contains(&point) {
        let point = usize::try_from(point).unwrap_or_default();
        if let Some((integer, fraction)) = digits.split_at_checked(point) {
            out.push_str(integer);
            if !fraction.is_empty() {
                out.push('.');
                out.push_str(fraction);
            }
        } else {
            out.push_str(digits);
            out.extend(std::iter::repeat_n('0', point - digits.len()));
        }
    } else if (-FRACTION_ZEROS_MAX..=0).contains(&point) {
        out.push_str("0.");
        out.extend((point..0).map(|_| '0'));
        out.push_str(digits);
    } else {
        let mut tail = digits.chars();
        out.extend(tail.next());
        if !tail.as_str().is_empty() {
            out.push('.');
            out.push_str(tail.as_str());
        }
        out.push('e');
        out.push_str(&(i128::from(point) - 1).to_string());
    }
}
