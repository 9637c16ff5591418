use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
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
    let mut reader = Reader {
        bytes,
        depth_max: limits.depth_max.min(Limits::DEPTH_CEILING),
        values_left: limits.values_max,
    };
    reader.value(document, 0)
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
    let reader = Reader {
        bytes,
        depth_max: 1,
        values_left: 0,
    };
    let elements = reader.elements(document)?;
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

/// Builds values from texts whose grammar was checked: what can still fail is escapes, names and
/// limits.
struct Reader<'a> {
    bytes: &'a [u8],
    depth_max: usize,
    values_left: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, raw: &'a str, depth: usize) -> Result<Json<'a>, JsonError> {
        self.values_left = self
            .values_left
            .checked_sub(1)
            .ok_or_else(|| self.error(JsonErrorKind::TooManyValues, raw))?;
        let value = match raw.as_bytes().first() {
            Some(b'{') => self.object(raw, depth + 1)?,
            Some(b'[') => self.array(raw, depth + 1)?,
            Some(b'"') => Value::String(self.string(raw)?),
            Some(b't') => Value::Bool(true),
            Some(b'f') => Value::Bool(false),
            Some(b'n') => Value::Null,
            _ => Value::Number(raw),
        };
        Ok(Json { raw, value })
    }

    fn string(&self, raw: &'a str) -> Result<Cow<'a, str>, JsonError> {
        if raw.as_bytes().contains(&b'\\') {
            let text = serde_json::from_str(raw).map_err(|error| self.surrogate(raw, &error))?;
            return Ok(Cow::Owned(text));
        }
        let text = raw
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'));
        Ok(Cow::Borrowed(text.unwrap_or(raw)))
    }

    fn array(&mut self, raw: &'a str, depth: usize) -> Result<Value<'a>, JsonError> {
        self.check_depth(raw, depth)?;
        let elements = self.elements(raw)?;
        let values = elements.into_iter().enumerate().map(|(index, element)| {
            self.value(element.get(), depth)
                .map_err(|error| error.within(&Pointer::root().index(index)))
        });
        values.collect::<Result<_, _>>().map(Value::Array)
    }

    fn elements(&self, raw: &'a str) -> Result<Vec<&'a RawValue>, JsonError> {
        serde_json::from_str(raw).map_err(|error| self.surrogate(raw, &error))
    }

    fn object(&mut self, raw: &'a str, depth: usize) -> Result<Value<'a>, JsonError> {
        self.check_depth(raw, depth)?;
        let Members(members) =
            serde_json::from_str(raw).map_err(|error| self.surrogate(raw, &error))?;
        if let Some((name, second)) = find_duplicate(&members) {
            return Err(self
                .error(JsonErrorKind::DuplicateName, second.get())
                .within(&Pointer::root().child(name)));
        }
        let values =
            members
                .into_iter()
                .map(|(name, member)| match self.value(member.get(), depth) {
                    Ok(value) => Ok((name, value)),
                    Err(error) => Err(error.within(&Pointer::root().child(&name))),
                });
        values.collect::<Result<_, _>>().map(Value::Object)
    }

    fn check_depth(&self, raw: &str, depth: usize) -> Result<(), JsonError> {
        if depth > self.depth_max {
            return Err(self.error(JsonErrorKind::TooDeep, raw));
        }
        Ok(())
    }

    fn error(&self, kind: JsonErrorKind, raw: &str) -> JsonError {
        let position = Position::of(self.bytes, offset_in(self.bytes, raw));
        JsonError::new(kind, Some(position))
    }

    /// The grammar was checked, and it has nothing to say about surrogates: they are all that is
    /// left to be wrong.
    fn surrogate(&self, raw: &str, error: &serde_json::Error) -> JsonError {
        let position = position_of_error(self.bytes, raw, error);
        JsonError::new(JsonErrorKind::LoneSurrogate, Some(position))
    }
}

type Member<'a> = (Cow<'a, str>, &'a RawValue);

/// The second member of the first name that occurs twice.
fn find_duplicate<'m, 'a>(members: &'m [Member<'a>]) -> Option<(&'m str, &'a RawValue)> {
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
    second.map(|(name, value)| (name.as_ref(), *value))
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

struct Members<'a>(Vec<Member<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(8);
        while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
            members.push((name, value));
        }
        Ok(Members(members))
    }
}
