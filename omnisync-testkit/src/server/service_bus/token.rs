//! Tokens: who may do what, and until when.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::address::path_of;
use super::options::Access;
use super::refusal::Refusal;
use crate::clock::later;
use crate::server::fno::url;

/// How long a token of the directory is good for.
const BEARER_LIFE: Duration = Duration::from_secs(3_600);

/// What a connection may do.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    /// A shared key was shown when the connection was opened.
    everything: bool,
    by_path: BTreeMap<String, DateTime<Utc>>,
}

impl Claims {
    /// The claims of whoever showed the shared key.
    pub(crate) fn of_key() -> Self {
        Self {
            everything: true,
            by_path: BTreeMap::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.everything && self.by_path.is_empty()
    }

    pub(crate) fn add(&mut self, audience: &str, until: DateTime<Utc>) {
        self.by_path.insert(path_of(audience), until);
    }

    /// Whether a token for this path, or for one above it, is still good.
    pub(crate) fn cover(&self, path: &str, now: DateTime<Utc>) -> bool {
        let mut claims = self.by_path.iter();
        self.everything || claims.any(|(claim, until)| *until > now && covers(claim, path))
    }

    /// When the next token ends.
    pub(crate) fn next_end(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let ends = self.by_path.values().copied();
        ends.filter(|end| *end > now).min()
    }
}

fn covers(claim: &str, path: &str) -> bool {
    claim.is_empty()
        || path
            .strip_prefix(claim)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Checks a token for an audience; until when it is good.
pub(crate) fn check(
    access: &Access,
    token: &str,
    audience: &str,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, Refusal> {
    if !access.checked {
        return Ok(sas_end(token).unwrap_or_else(|| later(now, BEARER_LIFE)));
    }
    if !token.starts_with("SharedAccessSignature ") {
        let token = token.strip_prefix("Bearer ").unwrap_or(token);
        return if access.bearer_tokens.contains(token) {
            Ok(later(now, BEARER_LIFE))
        } else {
            Err(Refusal::unauthorized(
                "InvalidIssuer: Token issuer is invalid.",
            ))
        };
    }
    let (resource, until) = check_sas(access, token)?;
    if until <= now {
        return Err(Refusal::unauthorized("ExpiredToken: The token is expired."));
    }
    if !covers(&path_of(&resource), &path_of(audience)) {
        return Err(Refusal::unauthorized(
            "InvalidAudience: The token is for something else.",
        ));
    }
    Ok(until)
}

/// The resource and the end of a signed token.
fn check_sas(access: &Access, token: &str) -> Result<(String, DateTime<Utc>), Refusal> {
    let invalid = || Refusal::unauthorized("InvalidSignature: The token has an invalid signature.");
    let raw = |name| sas_part(token, name).ok_or_else(invalid);
    let (resource, end) = (raw("sr")?, raw("se")?);
    let signature = url::decode(raw("sig")?).ok_or_else(invalid)?;
    let signature = STANDARD.decode(signature).map_err(|_| invalid())?;
    if url::decode(raw("skn")?).as_deref() != Some(access.key_name.as_str()) {
        return Err(invalid());
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(access.key.as_bytes()).map_err(|_| invalid())?;
    mac.update(format!("{resource}\n{end}").as_bytes());
    mac.verify_slice(&signature).map_err(|_| invalid())?;
    let resource = url::decode(resource).ok_or_else(invalid)?;
    let end = sas_end(token).ok_or_else(invalid)?;
    Ok((resource, end))
}

fn sas_part<'t>(token: &'t str, name: &str) -> Option<&'t str> {
    let parts = token.strip_prefix("SharedAccessSignature ")?.split('&');
    parts
        .filter_map(|part| part.split_once('='))
        .find_map(|(found, value)| (found.trim() == name).then_some(value))
}

fn sas_end(token: &str) -> Option<DateTime<Utc>> {
    let seconds = sas_part(token, "se")?.parse().ok()?;
    DateTime::from_timestamp(seconds, 0)
}
