use std::fmt;

use chrono::{
    DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, TimeDelta, Utc,
};

use super::Reason;

/// A time by RFC 3339, with the text that it was read from.
///
/// `t` and `z` may be in lower case, as RFC 3339 allows; a blank in place of `T` is not accepted.
/// Second 60 is accepted where a leap second can be, in the last minute of a month in UTC, and
/// counts as POSIX counts it: as the first second of the next month. Digits behind the
/// nanoseconds are kept in the text only. Two timestamps are equal when their texts are; compare
/// [`Timestamp::instant`] for equal moments.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Timestamp {
    instant: DateTime<Utc>,
    text: String,
}

impl Timestamp {
    /// Parses `text`.
    ///
    /// # Errors
    /// [`Reason::BadTimestamp`], [`Reason::BadOffset`], [`Reason::OffsetOutOfRange`].
    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::read(text.to_owned())
    }

    pub(super) fn read(text: String) -> Result<Self, Reason> {
        Ok(Self {
            instant: parse_instant(&text)?,
            text,
        })
    }

    /// The moment `instant`, written in UTC with as many digits as it needs.
    ///
    /// # Errors
    /// [`Reason::BadTimestamp`] when the year does not have four digits.
    pub fn from_instant(instant: DateTime<Utc>) -> Result<Self, Reason> {
        Self::parse(&instant.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }

    /// The moment.
    pub const fn instant(&self) -> DateTime<Utc> {
        self.instant
    }

    /// The text, as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

/// A time in UTC whose offset is written `Z`, without leap seconds.
pub(crate) fn parse_utc(text: &str) -> Option<DateTime<Utc>> {
    let mut cursor = Cursor(text.as_bytes());
    let (utc, is_leap) = cursor.local_time()?;
    (!is_leap && cursor.0 == b"Z").then(|| utc.and_utc())
}

fn parse_instant(text: &str) -> Result<DateTime<Utc>, Reason> {
    let mut cursor = Cursor(text.as_bytes());
    let (local, is_leap) = cursor.local_time().ok_or(Reason::BadTimestamp)?;
    let (sign, hours, minutes) = cursor.offset().ok_or(Reason::BadOffset)?;
    if hours > 23 || minutes > 59 {
        return Err(Reason::OffsetOutOfRange);
    }
    let offset = TimeDelta::minutes(sign * i64::from(hours * 60 + minutes));
    let utc = local
        .checked_sub_signed(offset)
        .ok_or(Reason::BadTimestamp)?;
    if !is_leap {
        return Ok(utc.and_utc());
    }
    let next = utc
        .checked_add_signed(TimeDelta::seconds(1))
        .ok_or(Reason::BadTimestamp)?;
    let starts_a_month = next.day() == 1
        && next
            .time()
            .signed_duration_since(NaiveTime::MIN)
            .num_seconds()
            == 0;
    if starts_a_month {
        Ok(next.and_utc())
    } else {
        Err(Reason::BadTimestamp)
    }
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    /// Date and time of day. A leap second is given as second 59 with a mark.
    fn local_time(&mut self) -> Option<(NaiveDateTime, bool)> {
        let year = i32::try_from(self.digits(4)?).ok()?;
        self.one_of(b"-")?;
        let month = self.digits(2)?;
        self.one_of(b"-")?;
        let day = self.digits(2)?;
        self.one_of(b"Tt")?;
        let hour = self.digits(2)?;
        self.one_of(b":")?;
        let minute = self.digits(2)?;
        self.one_of(b":")?;
        let second = self.digits(2)?;
        let nanos = self.fraction()?;
        let is_leap = second == 60;
        let second = if is_leap { 59 } else { second };
        let date = NaiveDate::from_ymd_opt(year, month, day)?;
        Some((date.and_hms_nano_opt(hour, minute, second, nanos)?, is_leap))
    }

    /// Nanoseconds; zero without a fraction.
    fn fraction(&mut self) -> Option<u32> {
        if self.one_of(b".").is_none() {
            return Some(0);
        }
        let mut nanos = self.digit()?;
        let mut places = 1;
        while let Some(digit) = self.digit() {
            if places < 9 {
                nanos = nanos * 10 + digit;
                places += 1;
            }
        }
        Some(nanos * 10_u32.pow(9 - places))
    }

    /// Sign, hours and minutes of the offset, which ends the text.
    fn offset(&mut self) -> Option<(i64, u32, u32)> {
        let sign = match self.one_of(b"Zz+-")? {
            b'+' => 1,
            b'-' => -1,
            _ => return self.0.is_empty().then_some((1, 0, 0)),
        };
        let hours = self.digits(2)?;
        self.one_of(b":")?;
        let minutes = self.digits(2)?;
        self.0.is_empty().then_some((sign, hours, minutes))
    }

    fn digits(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0, |value, _| Some(value * 10 + self.digit()?))
    }

    fn digit(&mut self) -> Option<u32> {
        self.one_of(b"0123456789")
            .map(|digit| u32::from(digit - b'0'))
    }

    fn one_of(&mut self, allowed: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        if !allowed.contains(first) {
            return None;
        }
        self.0 = rest;
        Some(*first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Result<i64, Reason> {
        Timestamp::parse(text).map(|time| time.instant().timestamp())
    }

    #[test]
    fn one_moment_has_many_spellings() {
        for text in [
            "2024-02-29T12:30:45Z",
            "2024-02-29t12:30:45z",
            "2024-02-29T12:30:45.000000000Z",
            "2024-02-29T12:30:45+00:00",
            "2024-02-29T12:30:45-00:00",
            "2024-02-29T13:30:45+01:00",
            "2024-02-28T12:31:45-23:59",
            "2024-02-29T12:30:45.0000000000000000001Z",
        ] {
            assert_eq!(seconds(text), Ok(1_709_209_845), "{text}");
            assert_eq!(
                Timestamp::parse(text).map(|time| time.to_string()),
                Ok(text.to_owned())
            );
        }
    }

    #[test]
    fn a_fraction_gives_nanoseconds() {
        let nanos = |text| {
            Timestamp::parse(text)
                .unwrap()
                .instant()
                .timestamp_subsec_nanos()
        };
        assert_eq!(nanos("2024-01-01T00:00:00.5Z"), 500_000_000);
        assert_eq!(nanos("2024-01-01T00:00:00.123456789987Z"), 123_456_789);
    }

    #[test]
    fn a_leap_second_is_the_first_second_of_the_next_month() {
        assert_eq!(
            seconds("2016-12-31T23:59:60Z"),
            seconds("2017-01-01T00:00:00Z")
        );
        assert_eq!(
            seconds("2017-01-01T05:29:60.25+05:30"),
            seconds("2017-01-01T00:00:00Z")
        );
        for text in [
            "2016-12-31T23:58:60Z",
            "2016-12-30T23:59:60Z",
            "2016-12-31T23:59:60+01:00",
            "2016-12-31T23:59:61Z",
        ] {
            assert_eq!(seconds(text), Err(Reason::BadTimestamp), "{text}");
        }
    }

    #[test]
    fn wrong_times_say_what_is_wrong() {
        for text in [
            "",
            "yesterday",
            "2024-01-01",
            "2024-01-01T12:30Z",
            "2024-01-01T12:30",
            "2024-01-01 12:30:00Z",
            "2023-02-29T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:60:00Z",
            "24-01-01T00:00:00Z",
            "+2024-01-01T00:00:00Z",
            "2024-01-01T00:00:00.Z",
            "2024-1-1T00:00:00Z",
            "20240101T000000Z",
            " 2024-01-01T00:00:00Z",
        ] {
            assert_eq!(seconds(text), Err(Reason::BadTimestamp), "{text}");
        }
        for offset in [
            "", "X", "+05", "+0500", "+xx:00", "+5:00", "Z ", "ZZ", "+05:00x", " Z", "−01:00",
        ] {
            assert_eq!(
                seconds(&format!("2024-01-01T00:00:00{offset}")),
                Err(Reason::BadOffset),
                "{offset}"
            );
        }
        for offset in ["+25:00", "-24:00", "+00:60"] {
            assert_eq!(
                seconds(&format!("2024-01-01T00:00:00{offset}")),
                Err(Reason::OffsetOutOfRange),
                "{offset}"
            );
        }
    }

    #[test]
    fn an_instant_is_written_in_utc() {
        let time = Timestamp::parse("2024-01-01T01:00:00.25+01:00").unwrap();
        assert_eq!(
            Timestamp::from_instant(time.instant()).unwrap().as_str(),
            "2024-01-01T00:00:00.250Z"
        );
        let beyond = Timestamp::from_instant(DateTime::<Utc>::MAX_UTC);
        assert_eq!(beyond, Err(Reason::BadTimestamp));
    }
}
