use std::cmp::Ordering;
use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use crate::id::{OrderId, Sha256};
use crate::json::{self, Json, Value};

/// Which version of an order an event carries.
///
/// The order system's own number (`data.revision`) decides where it is sent, else the event's
/// `time`. A numbered revision is newer than any without a number, and a dated one newer than
/// one with neither, so that the order is total and no arrival order changes the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revision {
    /// The order system's own number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// When the order system recorded this version; ignored where a number decides.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::instant::option"
    )]
    pub time: Option<DateTime<Utc>>,
}

impl Revision {
    /// A revision known by number, by time, by both or by neither.
    pub fn new(number: Option<u64>, time: Option<DateTime<Utc>>) -> Self {
        Self { number, time }
    }

    /// Whether `self` is older than, the same as or newer than `other`.
    pub fn compare(&self, other: &Self) -> Ordering {
        match (self.number, other.number) {
            (Some(a), Some(b)) => a.cmp(&b),
            (Some(_), None) => Ordering::Greater,
            (None, Some(_)) => Ordering::Less,
            (None, None) => self.time.cmp(&other.time),
        }
    }

    /// True when neither number nor time is known: nothing can be older.
    pub fn is_unordered(&self) -> bool {
        self.number.is_none() && self.time.is_none()
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.number, self.time) {
            (Some(number), _) => write!(f, "{number}"),
            (None, Some(time)) => f.write_str(&time.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            (None, None) => f.write_str("initial"),
        }
    }
}

/// Hash of what an order says, equal for equal content however it is spelled.
///
/// Covers every member of `data`, known or not, but the revision number, in canonical form: key
/// order, white space and the spelling of numbers do not count.
pub fn content_hash(data: &Json<'_>) -> Sha256 {
    let mut canonical = String::with_capacity(data.raw.len() + 8);
    canonical.push_str("order:");
    match &data.value {
        Value::Object(members) => {
            let kept = members.iter().filter(|(name, _)| name != REVISION_MEMBER);
            json::write_members(&mut canonical, kept);
        }
        _ => data.canonical(&mut canonical),
    }
    Sha256::of(canonical.as_bytes())
}

/// Hash of a cancellation. Cancelling says nothing but which order, so two cancellations of one
/// order are always the same content.
pub fn cancellation_hash(order: &OrderId) -> Sha256 {
    Sha256::of(format!("cancel:{order}").as_bytes())
}

/// Member of `data` that carries the order system's revision number.
pub(crate) const REVISION_MEMBER: &str = "revision";

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone;

    fn at(second: u32) -> Option<DateTime<Utc>> {
        Utc.with_ymd_and_hms(2026, 3, 14, 8, 0, second).single()
    }

    #[test]
    fn revisions_are_totally_ordered() {
        let ascending = [
            Revision::new(None, None),
            Revision::new(None, at(1)),
            Revision::new(None, at(2)),
            Revision::new(Some(0), at(0)),
            Revision::new(Some(1), None),
        ];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(a.compare(b), i.cmp(&j), "{a} against {b}");
            }
        }
    }

    #[test]
    fn a_number_decides_whatever_the_time_says() {
        let early = Revision::new(Some(2), at(1));
        let late = Revision::new(Some(1), at(9));
        assert_eq!(early.compare(&late), Ordering::Greater);
        assert_eq!(
            early.compare(&Revision::new(Some(2), at(5))),
            Ordering::Equal
        );
    }
}
