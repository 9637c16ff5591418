//! Stored form of points in time: as `chrono` writes them, without going through its formatter,
//! which is most of the cost of a record that holds a dozen of them.

use std::fmt;

use chrono::{DateTime, Datelike as _, NaiveDateTime, Timelike as _, Utc};
use serde::de::Visitor;
use serde::{Deserializer, Serialize as _, Serializer};

use crate::event::parse_utc;

/// Length of the longest usual text: `2026-03-14T08:00:00.123456789Z`.
const TEXT_BYTES_MAX: usize = 30;

pub(crate) fn serialize<S: Serializer>(at: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
    match Text::of(at.naive_utc()) {
        Some(text) => to.serialize_str(text.as_str()),
        None => at.serialize(to),
    }
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<DateTime<Utc>, D::Error> {
    from.deserialize_str(InstantVisitor)
}

/// The same for a point in time that may be missing.
pub(crate) mod option {
    use chrono::{DateTime, Utc};
    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    struct Instant(#[serde(with = "super")] DateTime<Utc>);

    #[expect(clippy::ref_option, reason = "the signature that serde asks for")]
    pub(crate) fn serialize<S: Serializer>(
        at: &Option<DateTime<Utc>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => super::serialize(at, to),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<DateTime<Utc>>, D::Error> {
        let at = Option::<Instant>::deserialize(from)?;
        Ok(at.map(|Instant(at)| at))
    }
}

struct InstantVisitor;

impl Visitor<'_> for InstantVisitor {
    type Value = DateTime<Utc>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a point in time by RFC 3339")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        match parse_utc(text) {
            Some(at) => Ok(at),
            None => text.parse().map_err(E::custom),
        }
    }
}

/// The text of a point in time.
#[derive(Default)]
struct Text {
    bytes: [u8; TEXT_BYTES_MAX],
    length: usize,
}

impl Text {
    /// `None` for years that do not have four digits, and for leap seconds.
    fn of(at: NaiveDateTime) -> Option<Self> {
        let year = u32::try_from(at.year())
            .ok()
            .filter(|year| *year <= 9_999)?;
        let (date, time) = (at.date(), at.time());
        let [y1, y2] = two_digits(year / 100);
        let [y3, y4] = two_digits(year % 100);
        let [m1, m2] = two_digits(date.month());
        let [d1, d2] = two_digits(date.day());
        let [h1, h2] = two_digits(time.hour());
        let [n1, n2] = two_digits(time.minute());
        let [s1, s2] = two_digits(time.second());
        let seconds = [
            y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2,
        ];
        let mut text = Self::default();
        text.push(&seconds);
        // As many digits as are needed, by threes.
        let nanos = time.nanosecond();
        let places = match nanos {
            0 => 0,
            1_000_000_000.. => return None,
            nanos if nanos % 1_000_000 == 0 => 3,
            nanos if nanos % 1_000 == 0 => 6,
            _ => 9,
        };
        if places > 0 {
            text.push(b".");
            for place in 0..places {
                let [_, digit] = two_digits(nanos / 10_u32.pow(8 - place) % 10);
                text.push(&[digit]);
            }
        }
        text.push(b"Z");
        Some(text)
    }

    fn push(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        if let Some(free) = self.bytes.get_mut(self.length..end) {
            free.copy_from_slice(bytes);
            self.length = end;
        }
    }

    fn as_str(&self) -> &str {
        let written = self.bytes.get(..self.length).unwrap_or_default();
        std::str::from_utf8(written).unwrap_or_default()
    }
}

/// The digits of a number below a hundred.
fn two_digits(value: u32) -> [u8; 2] {
    [value / 10, value % 10].map(|digit| b'0' + u8::try_from(digit).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;
    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    struct Ours(
        #[serde(with = "super")] DateTime<Utc>,
        #[serde(with = "super::option")] Option<DateTime<Utc>>,
    );

    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    struct Theirs(DateTime<Utc>, Option<DateTime<Utc>>);

    #[track_caller]
    fn check(at: DateTime<Utc>) {
        for maybe in [Some(at), None] {
            let text = serde_json::to_string(&Ours(at, maybe)).unwrap();
            assert_eq!(text, serde_json::to_string(&Theirs(at, maybe)).unwrap());
            let back: Ours = serde_json::from_str(&text).unwrap();
            assert_eq!(back, Ours(at, maybe));
        }
    }

    #[test]
    fn the_ends_of_time_are_written_as_chrono_writes_them() {
        check(DateTime::<Utc>::MIN_UTC);
        check(DateTime::<Utc>::MAX_UTC);
        check(DateTime::UNIX_EPOCH);
        for year in [-1, 0, 9_999, 10_000] {
            let day = NaiveDate::from_ymd_opt(year, 12, 31).unwrap();
            let leap = day.and_hms_nano_opt(23, 59, 59, 1_500_000_000).unwrap();
            check(leap.and_utc());
            check(day.and_hms_opt(23, 59, 59).unwrap().and_utc());
        }
    }

    #[test]
    fn whatever_chrono_reads_is_read() {
        for text in [
            "2026-03-14T08:00:00+02:00",
            "2026-03-14t08:00:00.5z",
            "2026-03-14 08:00:00Z",
            "2016-12-31T23:59:60Z",
            "2026-03-14T08:00:00.1234567891Z",
            "2026-03-14",
            "2026-03-14T08:00:00",
            "2026-03-14T08:00:00Zulu",
            "",
        ] {
            let json = format!("[{text:?},{text:?}]");
            let ours: Option<Ours> = serde_json::from_str(&json).ok();
            let theirs: Option<Theirs> = serde_json::from_str(&json).ok();
            assert_eq!(ours.map(|at| Theirs(at.0, at.1)), theirs, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_time_is_written_as_chrono_writes_it(
            seconds in -70_000_000_000_i64..300_000_000_000,
            nanos in prop_oneof![0_u32..1_000_000_000, (0_u32..1_000).prop_map(|ms| ms * 1_000_000), (0_u32..1_000_000).prop_map(|us| us * 1_000)],
        ) {
            check(DateTime::from_timestamp(seconds, nanos).unwrap());
        }
    }
}
