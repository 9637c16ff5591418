//! Columns, tags and continuations as the database keeps them.

use chrono::{DateTime, Utc};
use omnisync_core::id::{ETag, Sha256};
use omnisync_core::port::{Collection, Document, DocumentKey, Query};
use rusqlite::Row;

use super::body;
use super::error::StoreError;

/// Columns that [`document`] reads, in its order; `body` comes last and only when asked for.
pub(super) const COLUMNS: &str = "id, state, due_at, expires_at, etag";

/// Hexadecimal digits of the check in front of a continuation.
const CHECK_DIGITS: usize = 16;

/// Microseconds since 1970, rounded down: the precision of stored instants.
pub(super) fn micros(instant: DateTime<Utc>) -> i64 {
    instant.timestamp_micros()
}

/// The first microsecond that is not before `instant`, so that `due_at < instant` keeps its
/// meaning for instants finer than a microsecond.
pub(super) fn micros_up(instant: DateTime<Utc>) -> i64 {
    let down = micros(instant);
    let is_exact = instant.timestamp_subsec_nanos().is_multiple_of(1_000);
    if is_exact {
        down
    } else {
        down.saturating_add(1)
    }
}

/// Tag number `number` as text.
pub(super) fn tag(number: i64) -> Result<ETag, StoreError> {
    ETag::new(number.to_string()).map_err(|_| StoreError::Row {
        id: number.to_string(),
        what: "an unusable tag",
    })
}

/// The number in a tag of this store; `None` for any other text.
pub(super) fn tag_number(tag: &ETag) -> Option<i64> {
    tag.as_str()
        .parse::<i64>()
        .ok()
        .filter(|number| number.to_string() == tag.as_str())
}

/// Reads a row of [`COLUMNS`], and of `body` behind them when `bodies` is set.
pub(super) fn document(
    row: &Row<'_>,
    collection: Collection,
    bodies: bool,
) -> Result<Document, StoreError> {
    let id: String = row.get(0)?;
    let wrong = |what| StoreError::Row {
        id: id.clone(),
        what,
    };
    let instant = |micros: Option<i64>| match micros {
        None => Ok(None),
        Some(micros) => DateTime::from_timestamp_micros(micros)
            .map(Some)
            .ok_or_else(|| wrong("an instant out of range")),
    };
    let due_at = instant(row.get(2)?)?;
    let expires_at = instant(row.get(3)?)?;
    let body = if bodies {
        Some(body::unpack(row.get_ref(5)?).map_err(wrong)?)
    } else {
        None
    };
    let state = row.get(1)?;
    let etag = tag(row.get(4)?)?;
    Ok(Document {
        key: DocumentKey { collection, id },
        state,
        due_at,
        expires_at,
        body,
        etag,
    })
}

/// Where a query goes on: behind `after`, or at the beginning.
pub(super) fn continuation(query: &Query, after: Option<&str>) -> String {
    // The sign keeps the beginning apart from an empty id.
    let place = after.map_or_else(|| "-".to_owned(), |id| format!("+{id}"));
    format!("{}{place}", check(query, &place))
}

/// The id behind which `query` goes on.
pub(super) fn after(query: &Query) -> Result<Option<String>, StoreError> {
    let Some(text) = &query.continuation else {
        return Ok(None);
    };
    let (check_given, place) = text
        .split_at_checked(CHECK_DIGITS)
        .ok_or(StoreError::Continuation)?;
    if check_given != check(query, place) {
        return Err(StoreError::Continuation);
    }
    Ok(place.strip_prefix('+').map(str::to_owned))
}

fn check(query: &Query, place: &str) -> String {
    let collection = query.collection.as_str();
    let state = query.state.as_deref().unwrap_or_default();
    let text = format!(
        "{}:{collection}{}:{}{state}{place}",
        collection.len(),
        state.len(),
        if query.state.is_some() { '=' } else { '*' },
    );
    let mut digits = Sha256::of(text.as_bytes()).to_string();
    digits.truncate(CHECK_DIGITS);
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDERS: Collection = Collection::new("orders");

    #[test]
    fn a_continuation_is_accepted_only_by_the_query_it_was_issued_for() {
        let mut query = Query::all(ORDERS).in_state("Pending");
        for after_id in [None, Some(""), Some("ä+1")] {
            let text = continuation(&query, after_id);
            query.continuation = Some(text.clone());
            assert_eq!(after(&query).unwrap().as_deref(), after_id);

            let mut other = Query::all(ORDERS);
            other.continuation = Some(text);
            assert!(matches!(after(&other), Err(StoreError::Continuation)));
        }
        for text in ["", "7", "ääääääääääää", "0123456789abcdef+1"] {
            query.continuation = Some(text.to_owned());
            assert!(
                matches!(after(&query), Err(StoreError::Continuation)),
                "{text}"
            );
        }
    }

    #[test]
    fn only_the_text_of_a_tag_as_issued_is_that_tag() {
        let tags = ["7", "07", "+7", " 7", "x"].map(|text| tag_number(&ETag::new(text).unwrap()));
        assert_eq!(tags, [Some(7), None, None, None, None]);
    }

    #[test]
    fn instants_round_down_and_limits_round_up() {
        let fine = DateTime::from_timestamp(-1, 999_999_001).unwrap();
        assert_eq!((micros(fine), micros_up(fine)), (-1, 0));
        let exact = DateTime::from_timestamp(1, 5_000).unwrap();
        assert_eq!((micros(exact), micros_up(exact)), (1_000_005, 1_000_005));
    }
}
