//! A record of a data file as text, whatever the file's form.

use std::io;

/// What a record may cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowLimits {
    pub(super) row_bytes_max: usize,
    pub(super) columns_max: usize,
}

/// Why no further record can be read.
#[derive(Debug)]
pub(super) enum TextError {
    Io(io::Error),
    Empty,
    NotUnicode,
    Json,
    RowTooLong,
    TooManyColumns,
}

impl From<io::Error> for TextError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What is wrong with a record that could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    Blank,
    LineEnd,
    Quoting,
}

/// One record.
#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    text: String,
    ends: Vec<usize>,
    pub(super) flaw: Option<Flaw>,
}

impl Record {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.flaw = None;
    }

    pub(super) fn push(&mut self, c: char, limits: &RowLimits) -> Result<(), TextError> {
        if self.text.len() >= limits.row_bytes_max {
            return Err(TextError::RowTooLong);
        }
        self.text.push(c);
        Ok(())
    }

    pub(super) fn push_field(&mut self, text: &str, limits: &RowLimits) -> Result<(), TextError> {
        if self.text.len() + text.len() > limits.row_bytes_max {
            return Err(TextError::RowTooLong);
        }
        self.text.push_str(text);
        self.end_field(limits)
    }

    pub(super) fn end_field(&mut self, limits: &RowLimits) -> Result<(), TextError> {
        if self.ends.len() >= limits.columns_max {
            return Err(TextError::TooManyColumns);
        }
        self.ends.push(self.text.len());
        Ok(())
    }

    /// True for a single field without text.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty() && self.ends.len() <= 1
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)?;
        let start = match index.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.text.get(start..end)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}
