//! Reads an array of flat JSON objects, object by object.

use std::fmt;
use std::io::{self, Read};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::record_text::{Record, RowLimits, TextError};
use super::unicode::BOM_UTF8;

/// Bytes that are read at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// A reader of objects. It holds one chunk and one object.
pub(super) struct JsonReader<R> {
    input: R,
    chunk: Box<[u8]>,
    start: usize,
    end: usize,
    object: Vec<u8>,
    is_started: bool,
    is_finished: bool,
    limits: RowLimits,
}

/// Members in the order of the object. Absent text stands for null.
pub(super) struct Members(pub(super) Vec<(String, Option<String>)>);

impl<R: Read> JsonReader<R> {
    /// Reads the byte order mark, if there is one, and the start of the array.
    pub(super) fn new(input: R, limits: RowLimits) -> Result<Self, TextError> {
        let mut reader = Self {
            input,
            chunk: vec![0; CHUNK_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
            object: Vec::new(),
            is_started: false,
            is_finished: false,
            limits,
        };
        let mut first = reader.next_byte()?.ok_or(TextError::Empty)?;
        if first == BOM_UTF8[0] {
            for expected in BOM_UTF8.iter().skip(1) {
                if reader.next_byte()? != Some(*expected) {
                    return Err(TextError::NotUnicode);
                }
            }
            first = reader.next_byte()?.ok_or(TextError::Empty)?;
        }
        while first.is_ascii_whitespace() {
            first = reader.next_byte()?.ok_or(TextError::Empty)?;
        }
        if first == b'[' {
            Ok(reader)
        } else {
            Err(TextError::Json)
        }
    }

    /// Reads an object. `None` at the end of the array.
    pub(super) fn read_members(&mut self) -> Result<Option<Members>, TextError> {
        if self.is_finished {
            return Ok(None);
        }
        let mut byte = self.next_mark()?;
        if byte == b']' {
            return self.finish();
        }
        if self.is_started {
            if byte != b',' {
                return Err(TextError::Json);
            }
            byte = self.next_mark()?;
        }
        if byte != b'{' {
            return Err(TextError::Json);
        }
        self.is_started = true;
        self.read_object()?;
        let members: Members = serde_json::from_slice(&self.object).map_err(|_| {
            match std::str::from_utf8(&self.object) {
                Ok(_) => TextError::Json,
                Err(_) => TextError::NotUnicode,
            }
        })?;
        if members.0.len() > self.limits.columns_max {
            return Err(TextError::TooManyColumns);
        }
        Ok(Some(members))
    }

    /// Copies an object up to its closing brace. Rows are flat: a nested one is refused.
    fn read_object(&mut self) -> Result<(), TextError> {
        self.object.clear();
        self.object.push(b'{');
        let (mut in_string, mut is_escaped) = (false, false);
        loop {
            let byte = self.next_byte()?.ok_or(TextError::Json)?;
            if self.object.len() >= self.limits.row_bytes_max {
                return Err(TextError::RowTooLong);
            }
            self.object.push(byte);
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' if in_string => is_escaped = true,
                b'"' => in_string = !in_string,
                _ if in_string => {}
                b'}' => return Ok(()),
                b'{' | b'[' => return Err(TextError::Json),
                _ => {}
            }
        }
    }

    fn finish(&mut self) -> Result<Option<Members>, TextError> {
        self.is_finished = true;
        while let Some(byte) = self.next_byte()? {
            if !byte.is_ascii_whitespace() {
                return Err(TextError::Json);
            }
        }
        Ok(None)
    }

    fn next_mark(&mut self) -> Result<u8, TextError> {
        loop {
            let byte = self.next_byte()?.ok_or(TextError::Json)?;
            if !byte.is_ascii_whitespace() {
                return Ok(byte);
            }
        }
    }

    fn next_byte(&mut self) -> Result<Option<u8>, TextError> {
        if self.start == self.end {
            self.start = 0;
            self.end = loop {
                match self.input.read(&mut self.chunk) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    result => break result?,
                }
            };
            if self.end == 0 {
                return Ok(None);
            }
        }
        let byte = self.chunk.get(self.start).copied();
        self.start += 1;
        Ok(byte)
    }
}

impl Members {
    /// Fills `record` with the values of `columns` in their order. Returns the number of members
    /// when they are not exactly these columns.
    pub(super) fn fill(
        &self,
        columns: &[String],
        record: &mut Record,
        limits: &RowLimits,
    ) -> Result<Option<usize>, TextError> {
        record.clear();
        let mut is_even = self.0.len() == columns.len();
        for (index, column) in columns.iter().enumerate() {
            // Writers keep the order, so the member is nearly always at the column's position.
            let at_position = self.0.get(index).filter(|(name, _)| name == column);
            let member = at_position.or_else(|| self.0.iter().find(|(name, _)| name == column));
            is_even &= member.is_some();
            let text = member
                .and_then(|(_, text)| text.as_deref())
                .unwrap_or_default();
            record.push_field(text, limits)?;
        }
        Ok(if is_even { None } else { Some(self.0.len()) })
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a flat object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    let json: &RawValue = map.next_value()?;
                    members.push((name, scalar(json.get()).map_err(serde::de::Error::custom)?));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}

/// Text of a scalar: strings without escapes, numbers digit by digit, nothing for null.
fn scalar(json: &str) -> Result<Option<String>, serde_json::Error> {
    match json.as_bytes().first() {
        Some(b'"') => serde_json::from_str(json).map(Some),
        Some(b'n') => Ok(None),
        _ => Ok(Some(json.to_owned())),
    }
}
