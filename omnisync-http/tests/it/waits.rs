//! How `Retry-After` and its relatives are read.

use std::time::Duration;

use chrono::DateTime;
use http::{HeaderMap, HeaderValue};
use omnisync_http::retry_after;
use proptest::prelude::*;

const HOUR: Duration = Duration::from_secs(3_600);

/// 1994-11-06T08:49:37Z, the example of the standard.
const THEN_S: i64 = 784_111_777;

#[track_caller]
fn check(headers: &[(&'static str, &str)], expected_ms: impl Into<Option<u64>>) {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, value.parse().unwrap());
    }
    let now = DateTime::from_timestamp(THEN_S - 10, 0).unwrap();
    let expected = expected_ms.into().map(Duration::from_millis);
    assert_eq!(retry_after(&map, now, HOUR), expected, "{headers:?}");
}

#[test]
fn seconds_are_a_number() {
    check(&[("retry-after", "7")], 7_000);
    check(&[("retry-after", " 0.25 ")], 250);
    check(&[("retry-after", "+3")], 3_000);
    check(&[("retry-after", "-3")], 0);
    check(&[("retry-after", "86400")], 3_600_000);
    for wrong in [
        "", "soon", "1e3", "1.2.3", ".", "-", "0x10", "7 s", "NaN", "inf", "７",
    ] {
        check(&[("retry-after", wrong)], None);
    }
}

#[test]
fn a_date_has_three_forms() {
    for date in [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ] {
        check(&[("retry-after", date)], 10_000);
        check(
            &[
                ("retry-after", date),
                ("date", "Sun, 06 Nov 1994 08:49:34 GMT"),
            ],
            3_000,
        );
        check(
            &[
                ("retry-after", date),
                ("date", "Mon, 06 Nov 2023 00:00:00 GMT"),
            ],
            0,
        );
        check(&[("retry-after", date), ("date", "yesterday")], 10_000);
    }
    check(
        &[("retry-after", "Sat, 06 Nov 2094 08:49:37 GMT")],
        3_600_000,
    );
}

#[test]
fn milliseconds_win() {
    check(&[("retry-after-ms", "1500"), ("retry-after", "9")], 1_500);
    check(&[("x-ms-retry-after-ms", "20"), ("retry-after", "9")], 20);
}

#[test]
fn what_cannot_be_read_leaves_the_next_to_say() {
    check(
        &[
            ("retry-after-ms", "x"),
            ("x-ms-retry-after-ms", "20"),
            ("retry-after", "9"),
        ],
        20,
    );
    check(&[("x-ms-retry-after-ms", "x"), ("retry-after", "9")], 9_000);
    check(&[], None);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic_or_wait_too_long(
        bytes in proptest::collection::vec(any::<u8>(), 0..40),
        name in 0_usize..3,
        now in -8_000_000_000_000_i64..8_000_000_000_000,
    ) {
        let name = ["retry-after", "retry-after-ms", "x-ms-retry-after-ms"][name];
        if let (Ok(value), Some(now)) =
            (HeaderValue::from_bytes(&bytes), DateTime::from_timestamp(now, 0))
        {
            let headers = HeaderMap::from_iter([(http::HeaderName::from_static(name), value)]);
            let wait = retry_after(&headers, now, HOUR);
            prop_assert!(wait.is_none_or(|wait| wait <= HOUR));
        }
    }

    #[test]
    fn a_date_is_as_far_as_it_is(ahead in 0_i64..3_600, now in 0_i64..4_000_000_000) {
        let then = u64::try_from(now + ahead).unwrap();
        let then = std::time::UNIX_EPOCH + Duration::from_secs(then);
        let value = httpdate::fmt_http_date(then).parse().unwrap();
        let headers = HeaderMap::from_iter([(http::header::RETRY_AFTER, value)]);
        let wait = retry_after(&headers, DateTime::from_timestamp(now, 0).unwrap(), HOUR);
        prop_assert_eq!(wait, Some(Duration::from_secs(u64::try_from(ahead).unwrap())));
    }
}
