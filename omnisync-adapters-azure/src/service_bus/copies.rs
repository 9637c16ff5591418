//! What both ways of speaking to the service agree on: names of properties, of copies, and of
//! headers.

use chrono::{DateTime, Utc};
use omnisync_core::event::encode_header_value;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// How often a message was tried before this copy of it was made.
pub(super) const ATTEMPTS: &str = "omnisync-attempts";

/// The message id of the first of a chain of copies.
pub(super) const ORIGINAL_ID: &str = "omnisync-original-message-id";

/// The message id that a copy goes on with, where it is not that of the first: it was sent again
/// in between. Empty for a message without one.
pub(super) const RETRIED_ID: &str = "omnisync-retried-message-id";

/// The sequence number of the first of a chain of copies.
pub(super) const ORIGINAL_SEQUENCE: &str = "omnisync-original-sequence-number";

/// The subscription that a copy is for, where it had to go to the topic.
pub(super) const RETRY_FOR: &str = "omnisync-retry-for";

/// What tokens are asked for.
pub(super) const SCOPE: &str = "https://servicebus.azure.net/.default";

/// Longest reason and description of a dead letter, in bytes.
pub(super) const REASON_BYTES_MAX: usize = 4_096;

/// What [`RetryAfter`](omnisync_core::port::Disposition::RetryAfter) does. Abandoning at once is not
/// among it: that burns the attempts of the broker within seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RetryMode {
    /// Sends a scheduled copy and completes the original. It costs none of the deliveries that
    /// the broker counts and no memory. Whoever dies between the two steps leaves both: the
    /// message comes twice. The copy's id is made from the original, so an entity that detects
    /// duplicates keeps one copy. On a topic every subscription gets the copy; see
    /// `omnisync-retry-for`.
    ScheduleCopy,
    /// Renews the lock until the delay is over and then gives the message back, for one of the
    /// deliveries that the broker counts. A task of the source does so, whether or not `receive`
    /// is called; the message comes early when the source ends, or its session.
    HoldLock,
}

/// For what a copy is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Retry,
    /// A dead letter, where the service takes none.
    #[cfg(feature = "service-bus-rest")]
    Quarantine,
    /// A new message.
    Resubmit,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            #[cfg(feature = "service-bus-rest")]
            Self::Quarantine => "quarantine",
            Self::Resubmit => "resubmit",
        }
    }
}

/// Of what a copy is made, and for what.
#[derive(Debug, Clone, Copy)]
pub(super) struct CopyOf<'a> {
    pub(super) purpose: Purpose,
    /// Where the original came from.
    pub(super) path: &'a str,
    pub(super) sequence: i64,
    /// How often it was tried; `None` begins anew.
    pub(super) attempts: Option<u32>,
    pub(super) scheduled_at: Option<DateTime<Utc>>,
    pub(super) subscription: Option<&'a str>,
}

impl CopyOf<'_> {
    /// The id of the copy: another one than that of the original, and the same whenever the same
    /// copy is made.
    pub(super) fn message_id(&self, original: Option<&str>) -> String {
        let mut hash = Sha256::new();
        for part in [self.path, original.unwrap_or_default()] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        let hash = u128::from_be_bytes(hash.finalize().first_chunk().copied().unwrap_or_default());
        format!("{}-{}-{hash:032x}", self.purpose.as_str(), self.sequence)
    }

    /// What a copy says in [`ORIGINAL_ID`] and [`RETRIED_ID`]: made of what the message says in
    /// the first of them, and of the id that it shows.
    pub(super) fn names<'a>(
        &self,
        first: Option<&'a str>,
        shown: Option<&'a str>,
    ) -> (Option<&'a str>, Option<&'a str>) {
        let first = first.or(shown);
        let retried = match self.purpose {
            Purpose::Resubmit => None,
            Purpose::Retry => (shown != first).then_some(shown.unwrap_or_default()),
            #[cfg(feature = "service-bus-rest")]
            Purpose::Quarantine => Some(shown.unwrap_or_default()),
        };
        (first, retried)
    }
}

/// The message id that a delivery shows. A retry and its dead letter are the same message,
/// although the service has to take a copy for another one; what was sent again is a new one.
pub(super) fn shown_id(
    find: impl Fn(&str) -> Option<String>,
    own: Option<String>,
) -> Option<String> {
    match find(RETRIED_ID) {
        Some(id) => Some(id).filter(|id| !id.is_empty()),
        None if find(ATTEMPTS).is_some() => find(ORIGINAL_ID),
        None => own,
    }
}

/// A copy that a topic gave to all, and that is for another subscription than our own.
pub(super) fn is_for_other(name: &str, own: Option<&str>) -> bool {
    own.is_some_and(|own| !own.eq_ignore_ascii_case(name))
}

/// A text of at most so many bytes.
pub(super) fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// A property of the application as a header.
pub(super) fn header(name: &str, value: String) -> (String, String) {
    let lower = name.to_lowercase();
    let attribute = lower
        .strip_prefix("cloudevents:")
        .or_else(|| lower.strip_prefix("cloudevents_"));
    match (attribute, lower.as_str()) {
        (Some("datacontenttype"), _) => ("content-type".to_owned(), value),
        (Some(attribute), _) => (format!("ce-{attribute}"), encode_header_value(&value)),
        (None, "deadletterreason") => ("dead-letter-reason".to_owned(), value),
        (None, "deadlettererrordescription") => ("dead-letter-description".to_owned(), value),
        (None, _) => (lower, value),
    }
}

/// Clients of Azure call the trace `Diagnostic-Id`.
pub(super) fn trace(headers: &mut Vec<(String, String)>) {
    let find = |name: &str| headers.iter().find(|(known, _)| known == name);
    if find("traceparent").is_none()
        && let Some((_, id)) = find("diagnostic-id")
    {
        let id = id.clone();
        headers.push(("traceparent".to_owned(), id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("Zürich", 2), "Z");
        assert_eq!(cut("Zürich", 3), "Zü");
        assert_eq!(cut("a", 9), "a");
    }
}
