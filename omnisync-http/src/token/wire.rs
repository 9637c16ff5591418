use std::time::Duration;

use chrono::{DateTime, Utc};
use omnisync_core::Secret;
use serde::Deserialize;

use super::access::AccessToken;
use super::error::TokenError;
use crate::retry_after::text_date;
use crate::throttle::later;
use crate::transport::Response;

/// Longest life of a token that is believed, in seconds: a day, as managed identities give.
const LIFE_S_MAX: u64 = 86_400;

/// An answer with a token, of Entra ID and of managed identities. Never printed.
#[derive(Deserialize)]
struct Granted {
    access_token: Secret,
    expires_in: Option<Seconds>,
    expires_on: Option<Seconds>,
}

/// A number, or the digits of one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(u64),
    Digits(String),
}

impl Seconds {
    fn value(&self) -> Option<u64> {
        match self {
            Self::Number(value) => Some(*value),
            Self::Digits(text) => text.trim().parse().ok(),
        }
    }
}

/// An answer without a token.
#[derive(Deserialize, Default)]
pub(super) struct Refusal {
    #[serde(default)]
    pub(super) error: String,
    #[serde(default)]
    pub(super) error_codes: Vec<u32>,
    #[serde(default)]
    pub(super) error_description: String,
}

impl Refusal {
    pub(super) fn of(response: &Response) -> Self {
        serde_json::from_slice(response.body()).unwrap_or_default()
    }

    /// The number of the error, such as 90002 of `AADSTS90002`.
    pub(super) fn number(&self) -> Option<u32> {
        let named = || {
            let (_, rest) = self.error_description.split_once("AADSTS")?;
            let end = rest
                .find(|letter: char| !letter.is_ascii_digit())
                .unwrap_or(rest.len());
            rest.get(..end)?.parse().ok()
        };
        self.error_codes.first().copied().or_else(named)
    }

    /// The word of OAuth for the error, when it is one.
    pub(super) fn word(&self) -> Option<&str> {
        let is_word = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        let error = self.error.as_str();
        ((1..=40).contains(&error.len()) && error.bytes().all(is_word)).then_some(error)
    }
}

/// Reads a token that was asked for at `asked_at`, by our clock.
pub(super) fn granted(
    response: &Response,
    asked_at: DateTime<Utc>,
) -> Result<AccessToken, TokenError> {
    let granted: Granted =
        serde_json::from_slice(response.body()).map_err(|_| TokenError::Answer)?;
    if granted.access_token.is_empty() {
        return Err(TokenError::Answer);
    }
    let relative = granted.expires_in.as_ref().and_then(Seconds::value);
    // Where only a moment is named, it is one of the other side's clock; so is the date of the
    // answer, and the difference does not depend on any clock.
    let absolute = || {
        let then = granted.expires_on.as_ref().and_then(Seconds::value)?;
        let now = text_date(response.headers())
            .unwrap_or(asked_at)
            .timestamp();
        Some(then.saturating_sub(u64::try_from(now).ok()?))
    };
    let life_s = relative.or_else(absolute).ok_or(TokenError::Answer)?;
    let life = Duration::from_secs(life_s.min(LIFE_S_MAX));
    Ok(AccessToken::new(
        granted.access_token,
        later(asked_at, life),
    ))
}
