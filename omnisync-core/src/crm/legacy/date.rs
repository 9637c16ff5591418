use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, NaiveTime, Utc};

/// A date of the envelope or of its values: digits are milliseconds since 1970, everything else is
/// ISO 8601. Where no offset is written the time is UTC, where no time is written it is midnight.
/// Years have four digits, so that what is read can be written again.
pub(super) fn parse(text: &str) -> Option<DateTime<Utc>> {
    let date = instant(text.trim())?;
    (0..=9999).contains(&date.year()).then_some(date)
}

fn instant(text: &str) -> Option<DateTime<Utc>> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return DateTime::from_timestamp_millis(text.parse().ok()?);
    }
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Some(instant.to_utc());
    }
    let naive = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
        .into_iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    let midnight = || Some(text.parse::<NaiveDate>().ok()?.and_time(NaiveTime::MIN));
    naive.or_else(midnight).map(|naive| naive.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let expected = expected.map(|text| text.parse::<DateTime<Utc>>().unwrap());
        assert_eq!(parse(text), expected, "{text}");
    }

    #[test]
    fn milliseconds_and_iso_dates_are_read() {
        check("1721816905786", Some("2024-07-24T10:28:25.786Z"));
        check(
            "2024-07-24T10:28:25.1234567Z",
            Some("2024-07-24T10:28:25.1234567Z"),
        );
        check(
            "2024-07-24T12:28:25.000+02:00",
            Some("2024-07-24T10:28:25Z"),
        );
        check(" 2024-07-24T10:28:25 ", Some("2024-07-24T10:28:25Z"));
        check("2024-07-24 10:28:25.5", Some("2024-07-24T10:28:25.5Z"));
        check("2024-07-24", Some("2024-07-24T00:00:00Z"));
    }

    #[test]
    fn other_texts_are_no_dates() {
        for text in [
            "",
            "soon",
            "-5",
            "999999999999999",
            "99999999999999999999",
            "24/07/2024",
        ] {
            check(text, None);
        }
    }
}
