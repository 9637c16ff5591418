//! Queries and where they go on.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use omnisync_core::id::Sha256;
use omnisync_core::port::Query;

use super::wire::{HEAD_COLUMNS, limit};

/// Hexadecimal digits of the check in front of a continuation.
const CHECK_DIGITS: usize = 16;

/// A query in the language of the service: conditions only, which every gateway serves across
/// partitions. Order, limits and sums would need a plan and a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sql {
    pub(super) text: String,
    pub(super) parameters: Vec<(&'static str, String)>,
}

/// The query for the documents that `query` selects.
pub(super) fn sql(query: &Query) -> Sql {
    let columns = if query.bodies { "*" } else { HEAD_COLUMNS };
    let mut text = format!("SELECT {columns} FROM c WHERE c.omnisync.collection = @collection");
    let mut parameters = vec![("@collection", query.collection.as_str().to_owned())];
    if let Some(state) = &query.state {
        text.push_str(" AND c.omnisync.state = @state");
        parameters.push(("@state", state.clone()));
    }
    if let Some(instant) = query.due_before {
        text.push_str(" AND c.omnisync.dueAt < @due");
        parameters.push(("@due", limit(instant)));
    }
    Sql { text, parameters }
}

/// The continuation that is handed out for `token` of the service.
pub(super) fn seal(query: &Query, token: &str) -> String {
    format!("{}{token}", check(query, token))
}

/// The token in the continuation of `query`; `None` when it was not issued for this query.
pub(super) fn open(query: &Query, continuation: &str) -> Option<String> {
    let (given, token) = continuation.split_at_checked(CHECK_DIGITS)?;
    (given == check(query, token)).then(|| token.to_owned())
}

/// True for a token behind which there is nothing. One that cannot be looked into leads to an
/// empty page.
pub(super) fn is_end(token: &str) -> bool {
    let payload = token.split_once('.').map(|(_, payload)| payload);
    let json = payload.and_then(|payload| URL_SAFE_NO_PAD.decode(payload).ok());
    let value = json.and_then(|json| serde_json::from_slice::<serde_json::Value>(&json).ok());
    let kind = value
        .as_ref()
        .and_then(|value| value.get("root")?.get("kind"));
    kind.and_then(serde_json::Value::as_str) == Some("drained")
}

fn check(query: &Query, token: &str) -> String {
    let sql = sql(query);
    let mut text = sql.text;
    for (name, value) in sql.parameters {
        let bytes = value.len().to_string();
        for part in [name, &bytes, ":", &value] {
            text.push_str(part);
        }
    }
    text.push_str(token);
    let mut digits = Sha256::of(text.as_bytes()).to_string();
    digits.truncate(CHECK_DIGITS);
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use omnisync_core::port::Collection;

    const ORDERS: Collection = Collection::new("orders");

    #[test]
    fn queries_are_conditions_and_nothing_else() {
        let due = DateTime::from_timestamp(1_767_268_800, 5).unwrap();
        let query = Query::all(ORDERS).in_state("Pen'ding").due_before(due);
        let found = sql(&query.without_bodies());
        assert!(found.text.ends_with(
            "FROM c WHERE c.omnisync.collection = @collection AND c.omnisync.state = @state AND \
             c.omnisync.dueAt < @due"
        ));
        assert_eq!(found.parameters[1], ("@state", "Pen'ding".to_owned()));
        assert_eq!(
            found.parameters[2],
            ("@due", "2026-01-01T12:00:00.000000005Z".to_owned())
        );
    }

    #[test]
    fn a_continuation_is_accepted_only_by_the_query_it_was_issued_for() {
        let query = Query::all(ORDERS).in_state("Pending");
        let text = seal(&query, "c1.token");
        assert_eq!(open(&query, &text).as_deref(), Some("c1.token"));
        let others = [
            Query::all(ORDERS),
            Query::all(ORDERS).in_state("Done"),
            query.clone().without_bodies(),
            query.clone().due_before(DateTime::UNIX_EPOCH),
            Query::all(Collection::new("batches")).in_state("Pending"),
        ];
        for other in others {
            assert_eq!(open(&other, &text), None, "{other:?}");
        }
        for foreign in ["", "7", "c1.token", "ääääääääääää", &format!("{text}x")] {
            assert_eq!(open(&query, foreign), None, "{foreign}");
        }
    }

    #[test]
    fn the_end_is_known_where_the_token_says_so() {
        let token = |json: &str| format!("c1.{}", URL_SAFE_NO_PAD.encode(json));
        assert!(is_end(&token(
            r#"{"op":"Query","rid":"a","root":{"kind":"drained"}}"#
        )));
        for open in [
            token(r#"{"root":{"kind":"request"}}"#),
            token("7"),
            "c1.%".to_owned(),
            "x".to_owned(),
        ] {
            assert!(!is_end(&open), "{open}");
        }
    }
}
