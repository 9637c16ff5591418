use std::time::Duration;

use chrono::{DateTime, Utc};
use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};

/// Headers of Azure services that give milliseconds, the more precise first.
const MILLISECONDS: [&str; 2] = ["retry-after-ms", "x-ms-retry-after-ms"];

/// How long a peer asks us to wait, at most `longest`. `None` when it names nothing that can be
/// read.
///
/// Milliseconds win over `Retry-After`, which is a number of seconds or a date. A date counts from
/// the `Date` of the same answer where there is one, so that a difference between the clocks does
/// not matter, else from `now`. What has passed or is negative is no wait at all.
///
/// ```
/// use std::time::Duration;
/// use chrono::DateTime;
/// use http::HeaderMap;
///
/// let headers = HeaderMap::from_iter([(http::header::RETRY_AFTER, "7".parse()?)]);
/// let wait = omnisync_http::retry_after(&headers, DateTime::UNIX_EPOCH, Duration::from_secs(60));
/// assert_eq!(wait, Some(Duration::from_secs(7)));
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
pub fn retry_after(headers: &HeaderMap, now: DateTime<Utc>, longest: Duration) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let precise = MILLISECONDS
        .into_iter()
        .find_map(|name| number(text(name)?, 1e-3));
    let wait = precise.or_else(|| {
        let text = text(RETRY_AFTER.as_str())?;
        number(text, 1.0).or_else(|| until(text, text_date(headers).unwrap_or(now)))
    })?;
    Some(wait.min(longest))
}

/// The `Date` of an answer.
pub(crate) fn text_date(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    date(headers.get(DATE)?.to_str().ok()?.trim())
}

/// A decimal number of units of `unit_s` seconds.
fn number(text: &str, unit_s: f64) -> Option<Duration> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_number = digits.starts_with(|first: char| first.is_ascii_digit())
        && digits
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let value = is_number.then(|| text.parse::<f64>().ok()).flatten()?;
    let seconds = (value * unit_s).max(0.0);
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

/// From `from` until a date in any of the three forms of HTTP.
fn until(text: &str, from: DateTime<Utc>) -> Option<Duration> {
    Some((date(text)? - from).to_std().unwrap_or_default())
}

fn date(text: &str) -> Option<DateTime<Utc>> {
    httpdate::parse_http_date(text).ok().map(DateTime::from)
}
