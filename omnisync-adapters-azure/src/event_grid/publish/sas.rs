//! Tokens that a key signs for a while: pure.

use chrono::{DateTime, Utc};
use omnisync_http::percent::{encoded, is_unreserved};

use crate::shared::signature::SigningKey;

/// A token for `url` until `expires_at`, which is good for whole seconds.
///
/// `None` when there is no key.
pub(super) fn sign(
    url: &str,
    api_version: &str,
    key: &[u8],
    expires_at: DateTime<Utc>,
) -> Option<String> {
    let resource = encode(&format!("{url}?apiVersion={api_version}"));
    // The service reads times as .NET writes them in the culture en-US.
    let expires = expires_at.format("%-m/%-d/%Y %-I:%M:%S %p").to_string();
    let unsigned = format!("r={resource}&e={}", encode(&expires));
    let signature = SigningKey::of(key)?.sign(&unsigned);
    Some(format!("{unsigned}&s={}", encode(&signature)))
}

/// Percent-encodes everything but what `encodeURIComponent` leaves.
fn encode(text: &str) -> String {
    encoded(text, |byte| is_unreserved(byte) || b"!*'()".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_resource_time_and_signature() {
        let expires_at = "2026-12-01T00:00:00Z".parse().unwrap();
        let token = sign(
            "https://a.example/api/events",
            "2018-01-01",
            b"key",
            expires_at,
        )
        .unwrap();
        let (unsigned, signature) = token.split_once("&s=").unwrap();
        assert_eq!(
            unsigned,
            "r=https%3A%2F%2Fa.example%2Fapi%2Fevents%3FapiVersion%3D2018-01-01\
             &e=12%2F1%2F2026%2012%3A00%3A00%20AM"
        );
        assert!(signature.ends_with("%3D"), "{signature}");
    }

    #[test]
    fn times_are_written_with_twelve_hours() {
        for (time, written) in [
            ("2020-06-05T12:09:03Z", "6%2F5%2F2020%2012%3A09%3A03%20PM"),
            ("2020-06-05T00:09:03Z", "6%2F5%2F2020%2012%3A09%3A03%20AM"),
            ("2020-11-15T23:00:00Z", "11%2F15%2F2020%2011%3A00%3A00%20PM"),
            ("2020-11-15T01:00:00Z", "11%2F15%2F2020%201%3A00%3A00%20AM"),
        ] {
            let token = sign("u", "v", b"key", time.parse().unwrap()).unwrap();
            assert!(token.contains(&format!("&e={written}&")), "{token}");
        }
    }
}
