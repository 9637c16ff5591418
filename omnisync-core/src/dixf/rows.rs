//! The rows of an entity, one at a time.

use std::io::Read;
use std::sync::Arc;

use zip::read::ZipFile;

use super::csv_read::CsvReader;
use super::error::ReadError;
use super::field_map::Layout;
use super::json_read::JsonReader;
use super::problem::ProblemKind;
use super::record_text::{Flaw, Record, RowLimits, TextError};
use super::zip_guard::{Counted, classify};

/// A row of a data file.
#[derive(Debug, Clone)]
pub struct Row {
    number: u64,
    columns: Arc<[String]>,
    record: Record,
    problem: Option<ProblemKind>,
}

impl Row {
    /// Number of the row, counted from 1 behind the column names.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Value of a column, blank when the row has none. `None` when the file has no such column
    /// or the row ends before it.
    pub fn get(&self, column: &str) -> Option<&str> {
        let index = self.columns.iter().position(|name| name == column)?;
        self.record.get(index)
    }

    /// Columns with their values, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.columns
            .iter()
            .map(String::as_str)
            .zip(self.record.iter())
    }

    /// What is wrong with the form of the row.
    pub fn problem(&self) -> Option<&ProblemKind> {
        self.problem.as_ref()
    }
}

/// Iterator over the rows of an entity. It holds one row and one chunk of the file; after an
/// error it ends.
pub struct Rows<'p, R: Read> {
    input: Input<Counted<'p, ZipFile<'p, R>>>,
    entry: usize,
    limits: RowLimits,
    columns: Arc<[String]>,
    pub(super) record: Record,
    pub(super) problem: Option<ProblemKind>,
    /// What is wrong with the row of column names.
    pub(super) names_problem: Option<ProblemKind>,
    pub(super) number: u64,
    number_max: u64,
    is_finished: bool,
}

impl<R: Read> std::fmt::Debug for Rows<'_, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows")
            .field("columns", &self.columns)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

enum Input<R> {
    Csv(CsvReader<R>),
    Json {
        reader: JsonReader<R>,
        /// The first object, read ahead to learn the columns.
        first: Option<super::json_read::Members>,
    },
}

impl<'p, R: Read> Rows<'p, R> {
    pub(super) fn new(
        layout: Layout,
        file: Counted<'p, ZipFile<'p, R>>,
        entry: usize,
        limits: RowLimits,
        rows_max: u64,
    ) -> Result<Self, ReadError> {
        let mut names_problem = None;
        let started = match layout {
            Layout::Dmf => CsvReader::new(file, limits).and_then(|mut reader| {
                let mut names = Record::default();
                if !reader.read(&mut names)? || names.flaw == Some(Flaw::Blank) {
                    return Err(TextError::Empty);
                }
                names_problem = names.flaw.map(kind_of);
                Ok((
                    Input::Csv(reader),
                    names.iter().map(str::to_owned).collect(),
                ))
            }),
            Layout::Seed => JsonReader::new(file, limits).and_then(|mut reader| {
                let first = reader.read_members()?.ok_or(TextError::Empty)?;
                let names = first.0.iter().map(|(name, _)| name.clone()).collect();
                Ok((
                    Input::Json {
                        reader,
                        first: Some(first),
                    },
                    names,
                ))
            }),
        };
        let (input, columns) = started.map_err(|error| read_error(entry, &limits, error))?;
        Ok(Self {
            input,
            entry,
            limits,
            columns,
            record: Record::default(),
            problem: None,
            names_problem,
            number: 0,
            number_max: rows_max,
            is_finished: false,
        })
    }

    /// Columns of the file, in order.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Goes to the next row. Returns false at the end.
    pub(super) fn advance(&mut self) -> Result<bool, ReadError> {
        if self.is_finished {
            return Ok(false);
        }
        let result = self.read();
        self.is_finished = !matches!(result, Ok(true));
        if matches!(result, Ok(true)) {
            self.number += 1;
            if self.number > self.number_max {
                self.is_finished = true;
                return Err(ReadError::Limit {
                    limit: "rows_max",
                    max: self.number_max,
                });
            }
        }
        result.map_err(|error| read_error(self.entry, &self.limits, error))
    }

    fn read(&mut self) -> Result<bool, TextError> {
        let expected = self.columns.len();
        let found = match &mut self.input {
            Input::Csv(reader) => {
                if !reader.read(&mut self.record)? {
                    return Ok(false);
                }
                Some(self.record.len()).filter(|found| *found != expected)
            }
            Input::Json { reader, first } => {
                let members = match first.take() {
                    Some(first) => first,
                    None => match reader.read_members()? {
                        Some(members) => members,
                        None => return Ok(false),
                    },
                };
                members.fill(&self.columns, &mut self.record, &self.limits)?
            }
        };
        self.problem = match (self.record.flaw, found) {
            (Some(Flaw::Blank), _) if expected == 1 => Some(ProblemKind::BlankLine),
            (Some(flaw @ (Flaw::Blank | Flaw::Quoting)), _) => Some(kind_of(flaw)),
            (_, Some(found)) => Some(ProblemKind::UnevenColumns { expected, found }),
            (flaw, None) => flaw.map(kind_of),
        };
        Ok(true)
    }
}

impl<R: Read> Iterator for Rows<'_, R> {
    type Item = Result<Row, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.advance() {
            Ok(true) => Some(Ok(Row {
                number: self.number,
                columns: Arc::clone(&self.columns),
                record: std::mem::take(&mut self.record),
                problem: self.problem.take(),
            })),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

fn kind_of(flaw: Flaw) -> ProblemKind {
    match flaw {
        Flaw::Blank => ProblemKind::BlankLine,
        Flaw::LineEnd => ProblemKind::LineEnd,
        Flaw::Quoting => ProblemKind::Quoting,
    }
}

fn read_error(entry: usize, limits: &RowLimits, error: TextError) -> ReadError {
    let limit = |limit, max: usize| ReadError::Limit {
        limit,
        max: u64::try_from(max).unwrap_or(u64::MAX),
    };
    match error {
        TextError::Io(error) => classify(entry, error),
        TextError::Empty => ReadError::Content(ProblemKind::Empty),
        TextError::NotUnicode => ReadError::Content(ProblemKind::NotUnicode),
        TextError::Json => ReadError::Content(ProblemKind::Json),
        TextError::RowTooLong => limit("row_bytes_max", limits.row_bytes_max),
        TextError::TooManyColumns => limit("columns_max", limits.columns_max),
    }
}
