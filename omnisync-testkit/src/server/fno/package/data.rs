//! Data files in the source format `CSV-Unicode`.

use csv::{ReaderBuilder, Terminator};

use super::xml::utf16le;

/// A table out of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FileError {
    /// The field of the first line cannot be found, since the lines cannot be told apart.
    Mapping,
    /// With the service's code or text.
    Text(String),
}

/// Reads UTF-16LE with byte order mark and CRLF line ends.
pub(crate) fn read_csv_unicode(bytes: &[u8]) -> Result<Table, FileError> {
    let text = bytes
        .strip_prefix(&[0xFF, 0xFE])
        .and_then(utf16le)
        .ok_or_else(|| FileError::Text("Selected file is not Unicode".to_owned()))?;
    if text.is_empty() {
        return Err(FileError::Text("DMF2053: the file is empty".to_owned()));
    }
    check_lines(&text)?;
    let mut reader = ReaderBuilder::new()
        .flexible(true)
        .has_headers(false)
        .terminator(Terminator::CRLF)
        .from_reader(text.as_bytes());
    let mut records = reader.records().map(|record| {
        record
            .map(|record| record.iter().map(str::to_owned).collect::<Vec<_>>())
            .map_err(|error| FileError::Text(format!("DMF2018: bad column data: {error}")))
    });
    let columns = records.next().unwrap_or_else(|| Ok(Vec::new()))?;
    let rows = records.collect::<Result<_, _>>()?;
    Ok(Table { columns, rows })
}

/// Every line ends with CRLF, none is blank, and quotes are closed.
fn check_lines(text: &str) -> Result<(), FileError> {
    let mut quoted = false;
    let mut line = 0_u64;
    let mut length = 0_u64;
    let mut before = None;
    for character in text.chars() {
        match character {
            '"' => {
                quoted = !quoted;
                length += 1;
            }
            '\n' if !quoted => {
                if before != Some('\r') {
                    return Err(FileError::Mapping);
                }
                if length == 0 {
                    return Err(FileError::Text(if line == 0 {
                        "FF004: the header row is missing, the first line is blank".to_owned()
                    } else {
                        "DMF2050: rows were skipped, a line is blank".to_owned()
                    }));
                }
                line += 1;
                length = 0;
            }
            '\r' if !quoted => {}
            _ => length += 1,
        }
        if before == Some('\r') && character != '\n' && !quoted {
            return Err(FileError::Mapping);
        }
        before = (!quoted).then_some(character);
    }
    if quoted {
        return Err(FileError::Text(
            "DMF2018: bad column data, a text qualifier is not closed".to_owned(),
        ));
    }
    Ok(())
}
