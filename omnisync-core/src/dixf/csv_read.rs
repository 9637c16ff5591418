//! Reads delimited text in UTF-16LE, record by record.

use std::io::{self, Read};

use super::record_text::{Flaw, Record, RowLimits, TextError};
use super::unicode::BOM_UTF16LE;

/// Bytes that are read at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// A reader of records. It holds one chunk and one record.
pub(super) struct CsvReader<R> {
    input: R,
    chunk: Box<[u8]>,
    start: usize,
    end: usize,
    peeked: Option<char>,
    limits: RowLimits,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    FieldStart,
    Plain,
    Quoted,
    AfterQuote,
}

impl<R: Read> CsvReader<R> {
    /// Reads the byte order mark.
    pub(super) fn new(input: R, limits: RowLimits) -> Result<Self, TextError> {
        let chunk = vec![0; CHUNK_BYTES].into_boxed_slice();
        let mut reader = Self {
            input,
            chunk,
            start: 0,
            end: 0,
            peeked: None,
            limits,
        };
        match reader.next_unit()? {
            Some(unit) if unit.to_le_bytes() == BOM_UTF16LE => Ok(reader),
            Some(_) => Err(TextError::NotUnicode),
            None => Err(TextError::Empty),
        }
    }

    /// Reads a record. Returns false at the end.
    pub(super) fn read(&mut self, record: &mut Record) -> Result<bool, TextError> {
        record.clear();
        let mut state = State::FieldStart;
        let mut was_quoted = false;
        let mut is_first = true;
        loop {
            let Some(c) = self.next_char()? else {
                if is_first {
                    return Ok(false);
                }
                if state == State::Quoted {
                    record.flaw.get_or_insert(Flaw::Quoting);
                }
                return self.finish(record, was_quoted);
            };
            is_first = false;
            state = match (state, c) {
                (State::Quoted, '"') => State::AfterQuote,
                (State::Quoted, c) => self.push(record, c, State::Quoted)?,
                (State::FieldStart, '"') => {
                    was_quoted = true;
                    State::Quoted
                }
                (State::AfterQuote, '"') => self.push(record, '"', State::Quoted)?,
                (_, ',') => {
                    record.end_field(&self.limits)?;
                    State::FieldStart
                }
                (_, '\r') if self.peek()? == Some('\n') => {
                    self.peeked = None;
                    return self.finish(record, was_quoted);
                }
                (_, '\r' | '\n') => {
                    record.flaw.get_or_insert(Flaw::LineEnd);
                    return self.finish(record, was_quoted);
                }
                (before, c) => {
                    if before == State::AfterQuote || c == '"' {
                        record.flaw.get_or_insert(Flaw::Quoting);
                    }
                    self.push(record, c, State::Plain)?
                }
            };
        }
    }

    fn push(&self, record: &mut Record, c: char, next: State) -> Result<State, TextError> {
        record.push(c, &self.limits)?;
        Ok(next)
    }

    fn finish(&self, record: &mut Record, was_quoted: bool) -> Result<bool, TextError> {
        record.end_field(&self.limits)?;
        if record.is_empty() && !was_quoted {
            record.flaw = Some(Flaw::Blank);
        }
        Ok(true)
    }

    fn peek(&mut self) -> Result<Option<char>, TextError> {
        if self.peeked.is_none() {
            self.peeked = self.next_char()?;
        }
        Ok(self.peeked)
    }

    fn next_char(&mut self) -> Result<Option<char>, TextError> {
        if let Some(c) = self.peeked.take() {
            return Ok(Some(c));
        }
        let Some(unit) = self.next_unit()? else {
            return Ok(None);
        };
        if let Some(c) = char::from_u32(unit.into()) {
            return Ok(Some(c));
        }
        let low = self.next_unit()?.ok_or(TextError::NotUnicode)?;
        match char::decode_utf16([unit, low]).next() {
            Some(Ok(c)) => Ok(Some(c)),
            _ => Err(TextError::NotUnicode),
        }
    }

    fn next_unit(&mut self) -> Result<Option<u16>, TextError> {
        if self.end - self.start < 2 {
            self.fill()?;
        }
        match self.chunk.get(self.start..self.end) {
            Some([low, high, ..]) => {
                self.start += 2;
                Ok(Some(u16::from_le_bytes([*low, *high])))
            }
            Some([_]) => Err(TextError::NotUnicode),
            _ => Ok(None),
        }
    }

    /// Moves what is left to the front and reads until two bytes are there or the end is.
    fn fill(&mut self) -> Result<(), TextError> {
        self.chunk.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        while self.end < 2 {
            let Some(free) = self.chunk.get_mut(self.end..) else {
                return Err(TextError::NotUnicode);
            };
            match self.input.read(free) {
                Ok(0) => return Ok(()),
                Ok(count) => self.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
