use chrono::{DateTime, Utc};

/// First and last moment of a .NET date, in milliseconds since 1970.
const RANGE_MS: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_999;

/// A date as .NET writes it into JSON: `/Date(1506384247000)/`, `/Date(1506409448000-0700)/`.
///
/// The number counts from 1970 in UTC; the offset says in which zone the date was held and moves
/// nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClrDate {
    /// The moment.
    pub instant: DateTime<Utc>,
    /// The offset, where one is written.
    pub offset_minutes: Option<i32>,
}

impl ClrDate {
    /// Reads a date; `None` for every other text.
    pub fn parse(text: &str) -> Option<Self> {
        let inner = text.strip_prefix("/Date(")?.strip_suffix(")/")?;
        let sign_at = inner
            .char_indices()
            .skip(1)
            .find(|(_, c)| "+-".contains(*c));
        let (ms, offset) = match sign_at {
            Some((at, _)) => inner.split_at_checked(at)?,
            None => (inner, ""),
        };
        let offset_minutes = match offset {
            "" => None,
            offset => Some(minutes(offset)?),
        };
        let digits = ms.strip_prefix('-').unwrap_or(ms);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let ms: i64 = ms.parse().ok().filter(|ms| RANGE_MS.contains(ms))?;
        Some(Self {
            instant: DateTime::from_timestamp_millis(ms)?,
            offset_minutes,
        })
    }

    /// True where no offset is written, or that of UTC.
    pub const fn is_utc(&self) -> bool {
        matches!(self.offset_minutes, None | Some(0))
    }
}

/// `+hhmm` or `-hhmm` in minutes.
fn minutes(offset: &str) -> Option<i32> {
    let (sign, digits) = match offset.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: i32 = digits.parse().ok()?;
    let (hours, minutes) = (number / 100, number % 100);
    (minutes < 60).then_some(sign * (hours * 60 + minutes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(&str, Option<i32>)>) {
        let expected = expected.map(|(instant, offset_minutes)| ClrDate {
            instant: instant.parse().unwrap(),
            offset_minutes,
        });
        assert_eq!(ClrDate::parse(text), expected, "{text}");
    }

    #[test]
    fn the_number_is_utc_and_the_offset_moves_nothing() {
        check(
            "/Date(1506384247000)/",
            Some(("2017-09-26T00:04:07Z", None)),
        );
        check(
            "/Date(1506384247000-0700)/",
            Some(("2017-09-26T00:04:07Z", Some(-420))),
        );
        check(
            "/Date(1506384247096+0530)/",
            Some(("2017-09-26T00:04:07.096Z", Some(330))),
        );
        check("/Date(-1)/", Some(("1969-12-31T23:59:59.999Z", None)));
        check(
            "/Date(-86400000+0000)/",
            Some(("1969-12-31T00:00:00Z", Some(0))),
        );
        check(
            "/Date(-62135596800000)/",
            Some(("0001-01-01T00:00:00Z", None)),
        );
    }

    #[test]
    fn other_texts_are_no_dates() {
        for text in [
            "",
            "/Date()/",
            "/Date(-)/",
            "/Date(+1)/",
            "/Date(1+)/",
            "/Date(1+07)/",
            "/Date(1+0760)/",
            "/Date(1-07é)/",
            "/Date(1)",
            "Date(1)",
            "/Date(253402300800000)/",
            "/Date(99999999999999999999)/",
            "2024-07-24T10:28:25Z",
        ] {
            check(text, None);
        }
    }

    proptest! {
        #[test]
        fn every_date_reads_back(ms in RANGE_MS, hours in -14..=14_i32) {
            let offset = format!("{}{:02}00", if hours < 0 { '-' } else { '+' }, hours.abs());
            let date = ClrDate::parse(&format!("/Date({ms}{offset})/")).unwrap();
            prop_assert_eq!(date.instant.timestamp_millis(), ms);
            prop_assert_eq!(date.offset_minutes, Some(hours * 60));
        }

        #[test]
        fn no_text_makes_it_panic(text in r"(/Date\()?\PC*(\)/)?") {
            ClrDate::parse(&text);
        }
    }
}
