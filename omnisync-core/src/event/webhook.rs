//! Handshake of the CloudEvents webhook specification: a receiver says whose events it takes,
//! and how many, before a sender delivers any.
//!
//! Consent lies in the response headers alone; the status says nothing. After it every delivery
//! repeats the origin, which [`WebhookPolicy::allows_delivery`] checks. The origin is a claim of
//! the sender: authenticate deliveries by their token.

use std::fmt;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::uri;

/// Request header that names the sender. Header names are in lower case here.
pub const REQUEST_ORIGIN: &str = "webhook-request-origin";
/// Request header with the URL at which consent may be given later.
pub const REQUEST_CALLBACK: &str = "webhook-request-callback";
/// Request header with the number of deliveries per minute that the sender asks for.
pub const REQUEST_RATE: &str = "webhook-request-rate";
/// Response header that names the sender whose events are taken, or `*`.
pub const ALLOWED_ORIGIN: &str = "webhook-allowed-origin";
/// Response header with the number of deliveries per minute that are taken, or `*`.
pub const ALLOWED_RATE: &str = "webhook-allowed-rate";

/// Largest number of bytes of a header of the handshake.
const HEADER_BYTES_MAX: usize = 2_048;

/// Whose deliveries are taken, and how many.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookPolicy {
    /// DNS names of the senders, such as `eventemitter.example.com`; `*` stands for any. Default
    /// none.
    pub origins: Vec<String>,
    /// Deliveries per minute that a sender may make. Default unlimited.
    pub deliveries_per_minute_max: Option<NonZeroU32>,
}

impl WebhookPolicy {
    /// Answers the `OPTIONS` request with these headers.
    ///
    /// # Errors
    /// No consent: send a response without the headers of a handshake.
    pub fn answer<N: AsRef<str>, V: AsRef<[u8]>>(
        &self,
        headers: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Consent, HandshakeError> {
        let request = Request::read(headers)?;
        let origin = request.origin.ok_or(HandshakeError::OriginMissing)?;
        if !self.allows(&origin) {
            return Err(HandshakeError::OriginRefused);
        }
        let asked = request.rate.as_deref().map(read_rate).transpose()?;
        let callback = request.callback.map(read_callback).transpose()?;
        let rate = match (asked, self.deliveries_per_minute_max) {
            (Some(asked), Some(max)) => Some(AllowedRate::PerMinute(asked.min(max))),
            (None, Some(max)) => Some(AllowedRate::PerMinute(max)),
            (Some(_), None) => Some(AllowedRate::Unlimited),
            (None, None) => None,
        };
        Ok(Consent {
            origin,
            rate,
            callback,
        })
    }

    /// True when a delivery with these headers comes from an origin that may deliver.
    pub fn allows_delivery<N: AsRef<str>, V: AsRef<[u8]>>(
        &self,
        headers: impl IntoIterator<Item = (N, V)>,
    ) -> bool {
        let request = Request::read(headers);
        request.is_ok_and(|request| request.origin.is_some_and(|origin| self.allows(&origin)))
    }

    fn allows(&self, origin: &str) -> bool {
        self.origins
            .iter()
            .any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(origin))
    }
}

/// Consent to deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    origin: String,
    rate: Option<AllowedRate>,
    callback: Option<String>,
}

impl Consent {
    /// The sender that may deliver.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// How much it may deliver. `None` when it did not ask and there is no limit.
    pub const fn rate(&self) -> Option<AllowedRate> {
        self.rate
    }

    /// Where the sender asks to be called for a consent given later. Never call it without
    /// matching it against a list of hosts: the sender chose it.
    pub fn callback(&self) -> Option<&str> {
        self.callback.as_deref()
    }

    /// Headers of the response.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![(ALLOWED_ORIGIN, self.origin.clone())];
        headers.extend(self.rate.map(|rate| (ALLOWED_RATE, rate.to_string())));
        headers
    }
}

/// How much a sender may deliver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowedRate {
    /// As much as it likes.
    Unlimited,
    /// So many deliveries per minute.
    PerMinute(NonZeroU32),
}

impl fmt::Display for AllowedRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => f.write_str("*"),
            Self::PerMinute(count) => count.fmt(f),
        }
    }
}

/// Why there is no consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The request does not name its origin.
    #[error("the request has no {REQUEST_ORIGIN} header")]
    OriginMissing,
    /// The origin is not a DNS name.
    #[error("{REQUEST_ORIGIN} is not a dns name")]
    OriginMalformed,
    /// The policy does not allow the origin.
    #[error("the origin is not allowed to deliver")]
    OriginRefused,
    /// The rate is not a positive integer.
    #[error("{REQUEST_RATE} is not a positive integer")]
    RateMalformed,
    /// The callback is not an https URL.
    #[error("{REQUEST_CALLBACK} is not an https url")]
    CallbackMalformed,
    /// A header of the handshake occurs twice, is too long or is not ASCII text.
    #[error("a header of the handshake is repeated or malformed")]
    HeaderMalformed,
}

/// The headers of a handshake.
#[derive(Default)]
struct Request {
    origin: Option<String>,
    callback: Option<String>,
    rate: Option<String>,
}

impl Request {
    fn read<N: AsRef<str>, V: AsRef<[u8]>>(
        headers: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, HandshakeError> {
        let mut request = Self::default();
        for (name, value) in headers {
            let name = name.as_ref();
            let slot = if name.eq_ignore_ascii_case(REQUEST_ORIGIN) {
                &mut request.origin
            } else if name.eq_ignore_ascii_case(REQUEST_CALLBACK) {
                &mut request.callback
            } else if name.eq_ignore_ascii_case(REQUEST_RATE) {
                &mut request.rate
            } else {
                continue;
            };
            let text = read_text(value.as_ref()).ok_or(HandshakeError::HeaderMalformed)?;
            if slot.replace(text).is_some() {
                return Err(HandshakeError::HeaderMalformed);
            }
        }
        if request
            .origin
            .as_deref()
            .is_some_and(|origin| !is_dns_name(origin))
        {
            return Err(HandshakeError::OriginMalformed);
        }
        Ok(request)
    }
}

fn read_text(value: &[u8]) -> Option<String> {
    let value = value.trim_ascii();
    let legal = value.len() <= HEADER_BYTES_MAX && value.iter().all(u8::is_ascii_graphic);
    let text = std::str::from_utf8(value).ok()?;
    legal.then(|| text.to_owned())
}

fn is_dns_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        matches!(label.len(), 1..=63) && label.bytes().all(legal)
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

fn read_rate(text: &str) -> Result<NonZeroU32, HandshakeError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let rate = digits.then(|| text.parse().ok()).flatten();
    rate.ok_or(HandshakeError::RateMalformed)
}

fn read_callback(text: String) -> Result<String, HandshakeError> {
    let is_https = super::media_type::starts_with(&text, "https://") && uri::is_uri(&text);
    if is_https {
        Ok(text)
    } else {
        Err(HandshakeError::CallbackMalformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(origins: &[&str], rate: u32) -> WebhookPolicy {
        WebhookPolicy {
            origins: origins.iter().map(|&origin| origin.to_owned()).collect(),
            deliveries_per_minute_max: NonZeroU32::new(rate),
        }
    }

    fn check(
        policy: &WebhookPolicy,
        request: &[(&str, &str)],
        expected: Result<&[(&str, &str)], HandshakeError>,
    ) {
        let answer = policy
            .answer(request.iter().copied())
            .map(|consent| consent.headers());
        let expected = expected.map(|headers| {
            headers
                .iter()
                .map(|&(name, value)| (name, value.to_owned()))
                .collect::<Vec<_>>()
        });
        assert_eq!(answer, expected);
    }

    const ORIGIN: (&str, &str) = ("WebHook-Request-Origin", "Emitter.example.com");

    #[test]
    fn consent_names_the_origin_and_a_rate_when_one_was_asked() {
        let open = policy(&["emitter.example.com"], 0);
        let allowed = (ALLOWED_ORIGIN, "Emitter.example.com");
        check(&open, &[ORIGIN], Ok(&[allowed]));
        check(
            &open,
            &[ORIGIN, (REQUEST_RATE, "120")],
            Ok(&[allowed, (ALLOWED_RATE, "*")]),
        );
        let limited = policy(&["*"], 100);
        check(&limited, &[ORIGIN], Ok(&[allowed, (ALLOWED_RATE, "100")]));
        check(
            &limited,
            &[ORIGIN, (REQUEST_RATE, "120")],
            Ok(&[allowed, (ALLOWED_RATE, "100")]),
        );
        check(
            &limited,
            &[ORIGIN, (REQUEST_RATE, "7")],
            Ok(&[allowed, (ALLOWED_RATE, "7")]),
        );
    }

    #[test]
    fn without_an_allowed_origin_there_is_no_consent() {
        check(
            &WebhookPolicy::default(),
            &[ORIGIN],
            Err(HandshakeError::OriginRefused),
        );
        check(
            &policy(&["example.com"], 0),
            &[ORIGIN],
            Err(HandshakeError::OriginRefused),
        );
        check(&policy(&["*"], 0), &[], Err(HandshakeError::OriginMissing));
        check(
            &policy(&["*"], 0),
            &[ORIGIN, ORIGIN],
            Err(HandshakeError::HeaderMalformed),
        );
        for origin in ["", "https://x.example", "*", "a..b"] {
            check(
                &policy(&["*"], 0),
                &[(REQUEST_ORIGIN, origin)],
                Err(HandshakeError::OriginMalformed),
            );
        }
        check(
            &policy(&["*"], 0),
            &[(REQUEST_ORIGIN, "a\r\nb")],
            Err(HandshakeError::HeaderMalformed),
        );
    }

    #[test]
    fn wrong_rates_and_callbacks_are_refused() {
        for rate in ["0", "-1", "+5", "1.5", "", "99999999999"] {
            check(
                &policy(&["*"], 0),
                &[ORIGIN, (REQUEST_RATE, rate)],
                Err(HandshakeError::RateMalformed),
            );
        }
        for callback in ["http://example.com", "example.com", "https://a b"] {
            let answer = policy(&["*"], 0).answer([ORIGIN, (REQUEST_CALLBACK, callback)]);
            assert!(answer.is_err(), "{callback}");
        }
        let answer =
            policy(&["*"], 0).answer([ORIGIN, (REQUEST_CALLBACK, "https://example.com/ok?id=1")]);
        assert_eq!(
            answer.unwrap().callback(),
            Some("https://example.com/ok?id=1")
        );
    }

    #[test]
    fn a_delivery_repeats_the_origin() {
        let policy = policy(&["emitter.example.com"], 0);
        assert!(policy.allows_delivery([ORIGIN]));
        assert!(!policy.allows_delivery([("content-type", "text/plain")]));
        assert!(!policy.allows_delivery([(REQUEST_ORIGIN, "other.example.com")]));
    }

    #[test]
    fn a_policy_is_configuration() {
        let policy: WebhookPolicy = serde_json::from_str(r#"{"origins":["*"]}"#).unwrap();
        assert_eq!(policy.deliveries_per_minute_max, None);
        assert!(serde_json::from_str::<WebhookPolicy>(r#"{"origin":"x"}"#).is_err());
    }
}
