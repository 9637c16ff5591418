use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Json, JsonError, JsonErrorKind, Pointer, Position, Value};

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Objects with more members than this are searched for duplicate names by sorting.
const PAIRWISE_MEMBERS_MAX: usize = 16;

/// What [`parse`] accepts at most. The default is made for one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the document, including a byte-order mark. Default 1 MiB.
    pub bytes_max: usize,
    /// Objects and arrays around a value, itself included. Default 64; never more than
    /// [`Limits::DEPTH_CEILING`].
    pub depth_max: usize,
    /// Values of the document, containers included: a value takes up to forty times the memory
    /// of its text. Default 200,000.
    pub values_max: usize,
}

impl Limits {
    /// Deepest nesting whatever `depth_max` says: reading takes stack space for each level.
    pub const DEPTH_CEILING: usize = 128;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes_max: 1024 * 1024,
            depth_max: 64,
            values_max: 200_000,
        }
    }
}

/// Reads one JSON document.
///
/// A leading byte-order mark and white space around the document are accepted.
///
/// # Errors
/// See [`JsonErrorKind`]. Names are compared without their escapes, so `"a"` and `"\u0061"` are
/// duplicates.
pub fn parse<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Json<'a>, JsonError> {
    let text = decode(bytes, limits.bytes_max)?;
    let document = whole(bytes, text)?;
    Reader::new(bytes, document, limits).value(0)
}

/// Reads a document whose grammar was checked when it was taken in.
///
/// # Errors
/// As [`parse`], the grammar excepted.
pub(crate) fn parse_checked<'a>(
    document: &'a RawValue,
    limits: &Limits,
) -> Result<Json<'a>, JsonError> {
    let text = document.get();
    if text.len() > limits.bytes_max {
        return Err(JsonError::new(JsonErrorKind::TooLarge, None));
    }
    Reader::new(text.as_bytes(), text, limits).value(0)
}

/// The texts of the elements of a top-level array, without reading into them; `None` when the
/// document is something else.
///
/// # Errors
/// Too large, not UTF-8, against the grammar.
pub(crate) fn split_array(bytes: &[u8], bytes_max: usize) -> Result<Option<Vec<&str>>, JsonError> {
    let document = whole(bytes, decode(bytes, bytes_max)?)?;
    if !document.starts_with('[') {
        return Ok(None);
    }
    let elements: Vec<&RawValue> =
        serde_json::from_str(document).map_err(|error| surrogate(bytes, document, &error))?;
    Ok(Some(elements.into_iter().map(RawValue::get).collect()))
}

fn decode(bytes: &[u8], bytes_max: usize) -> Result<&str, JsonError> {
    if bytes.len() > bytes_max {
        return Err(JsonError::new(JsonErrorKind::TooLarge, None));
    }
    let body = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    std::str::from_utf8(body).map_err(|error| {
        let offset = bytes.len() - body.len() + error.valid_up_to();
        JsonError::new(
            JsonErrorKind::InvalidUtf8,
            Some(Position::of(bytes, offset)),
        )
    })
}

/// Checks the grammar of the whole document and takes the white space off.
fn whole<'a>(bytes: &'a [u8], text: &'a str) -> Result<&'a str, JsonError> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let document = <&RawValue>::deserialize(&mut reader).map_err(|error| {
        let kind = if error.is_eof() {
            JsonErrorKind::Truncated
        } else {
            JsonErrorKind::Syntax
        };
        JsonError::new(kind, Some(position_of_error(bytes, text, &error)))
    })?;
    reader.end().map_err(|error| {
        let position = position_of_error(bytes, text, &error);
        JsonError::new(JsonErrorKind::TrailingText, Some(position))
    })?;
    Ok(document.get())
}

/// Turns line and column within `part`, which lies in `bytes`, into a place in `bytes`.
fn position_of_error(bytes: &[u8], part: &str, error: &serde_json::Error) -> Position {
    let within = if error.is_eof() {
        part.len()
    } else {
        let lines = part
            .split_inclusive('\n')
            .take(error.line().saturating_sub(1));
        lines.map(str::len).sum::<usize>() + error.column().saturating_sub(1)
    };
    Position::of(bytes, offset_in(bytes, part) + within)
}

/// Bytes before `part`, which lies in `bytes`.
fn offset_in(bytes: &[u8], part: &str) -> usize {
    part.as_ptr().addr().saturating_sub(bytes.as_ptr().addr())
}

/// The grammar was checked, and it has nothing to say about surrogates: they are all that is left
/// to be wrong with `part`, which lies in `bytes`.
fn surrogate(bytes: &[u8], part: &str, error: &serde_json::Error) -> JsonError {
    let position = position_of_error(bytes, part, error);
    JsonError::new(JsonErrorKind::LoneSurrogate, Some(position))
}

/// Builds values from a text whose grammar was checked: what can still fail is escapes, names and
/// limits. It goes through the text once, and trusts every mark that it meets.
struct Reader<'a> {
    /// What positions count in.
    bytes: &'a [u8],
    text: &'a str,
    /// Bytes of the text that were read.
    at: usize,
    depth_max: usize,
    values_left: usize,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8], text: &'a str, limits: &Limits) -> Self {
        Self {
            bytes,
            text,
            at: 0,
            depth_max: limits.depth_max.min(Limits::DEPTH_CEILING),
            values_left: limits.values_max,
        }
    }

    /// Reads the value that begins here.
    fn value(&mut self, depth: usize) -> Result<Json<'a>, JsonError> {
        let start = self.at;
        self.values_left = self
            .values_left
            .checked_sub(1)
            .ok_or_else(|| self.error(JsonErrorKind::TooManyValues, start))?;
        let value = match self.peek() {
            Some(b'{') => self.object(depth + 1)?,
            Some(b'[') => self.array(depth + 1)?,
            Some(b'"') => Value::String(self.string()?),
            Some(b't') => self.word(Value::Bool(true), "true"),
            Some(b'f') => self.word(Value::Bool(false), "false"),
            Some(b'n') => self.word(Value::Null, "null"),
            _ => self.number(),
        };
        let raw = self.since(start);
        Ok(Json { raw, value })
    }

    fn word(&mut self, value: Value<'a>, word: &str) -> Value<'a> {
        self.at += word.len();
        value
    }

    fn number(&mut self) -> Value<'a> {
        let start = self.at;
        let in_number =
            |byte: &&u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
        self.at += self.rest().iter().take_while(in_number).count();
        Value::Number(self.since(start))
    }

    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        let start = self.at;
        let mut escapes = false;
        self.at += 1;
        while let Some(step) = self.rest().iter().position(|b| matches!(b, b'"' | b'\\')) {
            self.at += step;
            if self.peek() == Some(b'"') {
                break;
            }
            escapes = true;
            self.at += 2;
        }
        let inside = self.since(start + 1);
        self.at += 1;
        if escapes {
            let raw = self.since(start);
            let text =
                serde_json::from_str(raw).map_err(|error| surrogate(self.bytes, raw, &error))?;
            return Ok(Cow::Owned(text));
        }
        Ok(Cow::Borrowed(inside))
    }

    fn array(&mut self, depth: usize) -> Result<Value<'a>, JsonError> {
        self.check_depth(depth)?;
        let mut elements = Vec::new();
        let mut more = self.enters(b']');
        while more {
            let element = self.value(depth).map_err(|error| {
                let place = Pointer::root().index(elements.len());
                error.within(&place)
            })?;
            elements.push(element);
            more = self.goes_on();
        }
        Ok(Value::Array(elements))
    }

    fn object(&mut self, depth: usize) -> Result<Value<'a>, JsonError> {
        self.check_depth(depth)?;
        let mut members: Vec<Member<'a>> = Vec::new();
        let mut more = self.enters(b'}');
        while more {
            let name = self.string()?;
            // Over the colon.
            self.skip_space();
            self.at += 1;
            self.skip_space();
            match self.value(depth) {
                Ok(value) => members.push((name, value)),
                Err(error) => return Err(error.within(&Pointer::root().child(&name))),
            }
            more = self.goes_on();
        }
        if let Some((name, second)) = find_duplicate(&members) {
            return Err(self
                .error(
                    JsonErrorKind::DuplicateName,
                    offset_in(self.text.as_bytes(), second.raw),
                )
                .within(&Pointer::root().child(name)));
        }
        Ok(Value::Object(members))
    }

    /// Goes into a container; false when it `ends` at once.
    fn enters(&mut self, end: u8) -> bool {
        self.at += 1;
        self.skip_space();
        let is_empty = self.peek() == Some(end);
        self.at += usize::from(is_empty);
        !is_empty
    }

    /// Goes over the comma to the next item of a container, or over its end.
    fn goes_on(&mut self) -> bool {
        self.skip_space();
        let more = self.peek() == Some(b',');
        self.at += 1;
        if more {
            self.skip_space();
        }
        more
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn check_depth(&self, depth: usize) -> Result<(), JsonError> {
        if depth > self.depth_max {
            return Err(self.error(JsonErrorKind::TooDeep, self.at));
        }
        Ok(())
    }

    /// An error at a place of the text.
    fn error(&self, kind: JsonErrorKind, at: usize) -> JsonError {
        let position = Position::of(self.bytes, offset_in(self.bytes, self.text) + at);
        JsonError::new(kind, Some(position))
    }
}

type Member<'a> = (Cow<'a, str>, Json<'a>);

/// The second member of the first name that occurs twice.
fn find_duplicate<'m, 'a>(members: &'m [Member<'a>]) -> Option<(&'m str, &'m Json<'a>)> {
    let second = if members.len() <= PAIRWISE_MEMBERS_MAX {
        members.iter().enumerate().find_map(|(position, member)| {
            let mut earlier = members.iter().take(position);
            earlier.any(|(name, _)| *name == member.0).then_some(member)
        })
    } else {
        let mut sorted: Vec<_> = members.iter().collect();
        sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut pairs = sorted.iter().zip(sorted.iter().skip(1));
        pairs
            .find(|((a, _), (b, _))| a == b)
            .map(|(_, second)| *second)
    };
    second.map(|(name, value)| (name.as_ref(), value))
}
