//! Files that name the records of an import which failed.

use thiserror::Error;

use super::config::EntityConfig;
use crate::shared::text::decoded;

/// Why a file is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum FileProblem {
    #[error("the file is neither UTF-8 nor UTF-16")]
    Encoding,
    #[error("line {line} of the file has {found} fields where {wanted} belong")]
    Fields {
        line: u64,
        found: usize,
        wanted: usize,
    },
    #[error("the file ends in the middle of a line")]
    CutOff,
    #[error("the file has no column of the key; name the key columns in the configuration")]
    NoKey,
    #[error("the file names more than {0} records")]
    TooMany(usize),
}

/// The key of a record, in the order of the configured columns.
pub(super) type Key = Vec<(String, String)>;

/// The keys in a file of CSV, with or without a line of column names. Other columns are left out.
pub(super) fn keys(
    bytes: &[u8],
    entity: &EntityConfig,
    records_max: usize,
) -> Result<Vec<Key>, FileProblem> {
    let text = decoded(bytes).ok_or(FileProblem::Encoding)?;
    if text.matches('"').count() % 2 == 1 {
        return Err(FileProblem::CutOff);
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut places: Option<Vec<usize>> = None;
    let mut width = 0;
    let mut keys = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|_| FileProblem::Encoding)?;
        let Some(places) = &places else {
            width = record.len();
            let names: Vec<&str> = record.iter().map(str::trim).collect();
            if let Some(found) = columns(&names, entity)? {
                places = Some(found);
                continue;
            }
            let all: Vec<usize> = (0..entity.key.len()).collect();
            keys.push(key(&record, &all, entity, width)?);
            places = Some(all);
            continue;
        };
        if keys.len() >= records_max {
            return Err(FileProblem::TooMany(records_max));
        }
        keys.push(key(&record, places, entity, width)?);
    }
    Ok(keys)
}

/// Where the key columns are, when the first line names columns; `None` when it is a record.
fn columns(first: &[&str], entity: &EntityConfig) -> Result<Option<Vec<usize>>, FileProblem> {
    let place = |name: &String| {
        first
            .iter()
            .position(|found| found.eq_ignore_ascii_case(name))
    };
    let places: Option<Vec<usize>> = entity.key.iter().map(place).collect();
    match places {
        Some(places) => Ok(Some(places)),
        None if first.len() == entity.key.len() => Ok(None),
        None => Err(FileProblem::NoKey),
    }
}

fn key(
    record: &csv::StringRecord,
    places: &[usize],
    entity: &EntityConfig,
    width: usize,
) -> Result<Key, FileProblem> {
    let wrong = || FileProblem::Fields {
        line: record.position().map_or(0, csv::Position::line),
        found: record.len(),
        wanted: width,
    };
    if record.len() != width {
        return Err(wrong());
    }
    let columns = entity.key.iter().zip(places);
    columns
        .map(|(name, place)| {
            let value = record.get(*place).ok_or_else(wrong)?;
            Ok((name.clone(), value.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers() -> EntityConfig {
        EntityConfig::new("Sales order headers V2", ["SALESORDERNUMBER"])
    }

    fn values(text: &str) -> Result<Vec<String>, FileProblem> {
        let keys = keys(text.as_bytes(), &headers(), 3)?;
        Ok(keys.into_iter().flatten().map(|(_, value)| value).collect())
    }

    #[test]
    fn keys_are_read_with_and_without_a_line_of_names() {
        let wanted = Ok(vec!["A".to_owned(), "B,1".to_owned()]);
        assert_eq!(values("A\n\"B,1\"\n"), wanted);
        assert_eq!(values("salesordernumber\r\nA\r\n\"B,1\"\r\n"), wanted);
        assert_eq!(
            values("DATAAREAID,SALESORDERNUMBER\nusmf,A\nusmf,\"B,1\"\n"),
            wanted
        );
    }

    #[test]
    fn a_file_may_name_nobody() {
        assert_eq!(values(""), Ok(vec![]));
        assert_eq!(values("SALESORDERNUMBER\n"), Ok(vec![]));
    }

    #[test]
    fn a_file_that_cannot_be_trusted_is_refused() {
        assert_eq!(values("usmf,A\n"), Err(FileProblem::NoKey));
        assert_eq!(values("A\n\"B"), Err(FileProblem::CutOff));
        assert_eq!(values("A\nB\nC\nD\n"), Err(FileProblem::TooMany(3)));
        let uneven = FileProblem::Fields {
            line: 3,
            found: 1,
            wanted: 2,
        };
        assert_eq!(values("X,SALESORDERNUMBER\n1,A\nB\n"), Err(uneven));
        assert_eq!(
            keys(&[0xFF, 0xFE, 0x41], &headers(), 3),
            Err(FileProblem::Encoding)
        );
    }

    proptest! {
        #[test]
        fn no_file_makes_it_panic(bytes in any::<Vec<u8>>()) {
            drop(keys(&bytes, &headers(), 100));
        }
    }
}
