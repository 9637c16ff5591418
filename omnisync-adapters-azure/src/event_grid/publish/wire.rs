//! Bodies of requests, and of refusals.

use bytes::Bytes;
use serde::Deserialize;

use crate::shared::text::is_code;

/// Brackets of a batch.
pub(super) const BRACKETS: usize = 2;

/// A batch of events that are JSON already.
pub(super) fn batch(events: &[&str]) -> Bytes {
    let bytes: usize = events.iter().map(|event| event.len() + 1).sum();
    let mut body = String::with_capacity(bytes + BRACKETS);
    body.push('[');
    body.push_str(&events.join(","));
    body.push(']');
    Bytes::from(body)
}

#[derive(Deserialize)]
struct Refusal {
    error: Detail,
}

#[derive(Deserialize)]
struct Detail {
    code: String,
}

/// The code of a refusal, when it is a word. What else is said may quote the events.
pub(super) fn error_code(body: &[u8]) -> Option<String> {
    let refusal: Refusal = serde_json::from_slice(body).ok()?;
    Some(refusal.error.code).filter(|code| is_code(code))
}

/// Splits events of these sizes into requests: runs of neighbours within both limits. An event
/// that fits no request has to be left out before.
pub(super) fn plan(
    sizes: &[(usize, usize)],
    batch_bytes_max: usize,
    batch_events_max: usize,
) -> Vec<Vec<usize>> {
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut bytes = usize::MAX;
    for (index, size) in sizes {
        let grown = bytes.saturating_add(size.saturating_add(1));
        match batches.last_mut() {
            Some(batch) if grown <= batch_bytes_max && batch.len() < batch_events_max => {
                batch.push(*index);
                bytes = grown;
            }
            _ => {
                batches.push(vec![*index]);
                bytes = size.saturating_add(BRACKETS);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_code_is_told_only_when_it_is_a_word() {
        let code = |body: &str| error_code(body.as_bytes());
        assert_eq!(
            code(r#"{"error":{"code":"InputJsonInvalid","message":"m","details":[]}}"#).as_deref(),
            Some("InputJsonInvalid")
        );
        for body in [
            "",
            "null",
            r#"{"error":{}}"#,
            r#"{"error":{"code":"order 7 is secret"}}"#,
            r#"{"error":{"code":""}}"#,
        ] {
            assert_eq!(code(body), None, "{body}");
        }
    }

    proptest! {
        #[test]
        fn batches_hold_every_event_in_order_within_both_limits(
            sizes in prop::collection::vec(1_usize..40, 0..60),
            bytes_max in 42_usize..120,
            events_max in 1_usize..9,
        ) {
            let numbered: Vec<_> = sizes.iter().copied().enumerate().collect();
            let batches = plan(&numbered, bytes_max, events_max);
            let all: Vec<usize> = batches.concat();
            prop_assert_eq!(all, (0..sizes.len()).collect::<Vec<_>>());
            for indexes in &batches {
                let texts: Vec<String> =
                    indexes.iter().map(|index| "x".repeat(sizes[*index])).collect();
                let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                prop_assert!(batch(&texts).len() <= bytes_max);
                prop_assert!((1..=events_max).contains(&indexes.len()));
            }
            // No two neighbours would have fitted into one.
            for pair in batches.windows(2) {
                let next = pair[1][0];
                let bytes: usize = pair[0].iter().map(|index| sizes[*index] + 1).sum();
                let is_full = pair[0].len() == events_max
                    || bytes + BRACKETS + sizes[next] > bytes_max;
                prop_assert!(is_full);
            }
        }
    }
}
