//! Tokens and keys: pure. One algorithm, RS256, and nothing that a token says about how to check
//! it is believed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde::Deserialize;

use crate::event_grid::TOKEN_BYTES_MAX;

/// Keys that are kept.
const KEYS_MAX: usize = 64;

/// A token that was taken apart, and not believed yet.
pub(super) struct Token<'a> {
    /// Which key signed it.
    pub(super) key_id: String,
    signed: &'a [u8],
    payload: &'a str,
    signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
    #[serde(default)]
    crit: Option<serde::de::IgnoredAny>,
}

impl<'a> Token<'a> {
    /// Takes a token apart; `None` for what is none, or not signed by RS256.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        if text.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        if payload.contains('.') {
            return None;
        }
        let header: Header = json(header)?;
        // Extensions that have to be understood are not.
        if header.alg != "RS256" || header.crit.is_some() {
            return None;
        }
        Some(Self {
            key_id: header.kid,
            signed: signed.as_bytes(),
            payload,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }

    /// What the token claims, when `key` signed it.
    pub(super) fn verify(&self, key: &Key) -> Option<Claims> {
        let components = RsaPublicKeyComponents {
            n: &key.modulus,
            e: &key.exponent,
        };
        components
            .verify(&RSA_PKCS1_2048_8192_SHA256, self.signed, &self.signature)
            .ok()?;
        json(self.payload)
    }
}

/// What a token claims, as far as it is asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    iss: String,
    aud: Audience,
    exp: i64,
    #[serde(default)]
    nbf: Option<i64>,
    /// The application, in tokens of version 1.
    #[serde(default)]
    appid: Option<String>,
    /// The application, in tokens of version 2.
    #[serde(default)]
    azp: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// What claims are held to.
pub(super) struct Demands<'a> {
    pub(super) issuers: &'a [String],
    pub(super) audiences: &'a [String],
    pub(super) app_ids: &'a [String],
    pub(super) skew: TimeDelta,
    pub(super) now: DateTime<Utc>,
}

/// Why claims do not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unmet {
    /// The token is none for us, or not any more.
    Invalid(&'static str),
    /// The token will be good: one of the clocks is wrong.
    Early,
    /// The token is good, and its application may not deliver.
    NotAllowed(&'static str),
}

impl Claims {
    pub(super) fn check(&self, demands: &Demands<'_>) -> Result<(), Unmet> {
        if !demands.issuers.contains(&self.iss) {
            return Err(Unmet::Invalid("the token is issued by somebody else"));
        }
        let is_ours = |audience: &String| demands.audiences.contains(audience);
        let for_us = match &self.aud {
            Audience::One(audience) => is_ours(audience),
            Audience::Many(audiences) => audiences.iter().any(is_ours),
        };
        if !for_us {
            return Err(Unmet::Invalid("the token is for somebody else"));
        }
        let may_deliver = |app: &String| {
            let mut ids = demands.app_ids.iter();
            ids.any(|id| id.eq_ignore_ascii_case(app))
        };
        let app = match (&self.appid, &self.azp) {
            (Some(app), None) | (None, Some(app)) => Some(app),
            (Some(one), Some(other)) if one == other => Some(one),
            _ => None,
        };
        if !app.is_some_and(may_deliver) {
            return Err(Unmet::NotAllowed("the application may not deliver"));
        }
        self.check_time(demands)
    }

    /// Last, so that only a token that is good in every other way is worth waiting for.
    fn check_time(&self, demands: &Demands<'_>) -> Result<(), Unmet> {
        let time = |seconds| DateTime::from_timestamp(seconds, 0);
        let is_over = time(self.exp).is_none_or(|end| demands.now - end >= demands.skew);
        if is_over {
            return Err(Unmet::Invalid("the token has expired"));
        }
        match self.nbf.map(time) {
            Some(None) => Err(Unmet::Invalid("the token is never valid")),
            Some(Some(begin)) if begin - demands.now > demands.skew => Err(Unmet::Early),
            _ => Ok(()),
        }
    }
}

/// A published key.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) id: String,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<PublishedKey>,
}

#[derive(Deserialize)]
struct PublishedKey {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default, rename = "use")]
    purpose: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
}

/// The keys of a published set that RS256 can use. `None` for what is no set, or one without such
/// a key.
pub(super) fn key_set(body: &[u8]) -> Option<Vec<Key>> {
    let set: KeySet = serde_json::from_slice(body).ok()?;
    let keys: Vec<Key> = set
        .keys
        .into_iter()
        .filter_map(key)
        .take(KEYS_MAX)
        .collect();
    (!keys.is_empty()).then_some(keys)
}

fn key(published: PublishedKey) -> Option<Key> {
    let signs = published.purpose.is_none_or(|purpose| purpose == "sig");
    if published.kty != "RSA" || !signs {
        return None;
    }
    Some(Key {
        id: published.kid?,
        modulus: URL_SAFE_NO_PAD.decode(published.n?).ok()?,
        exponent: URL_SAFE_NO_PAD.decode(published.e?).ok()?,
    })
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

/// Where the keys are published, by the document of the issuer.
pub(super) fn keys_at(body: &[u8], issuer: &str) -> Option<String> {
    let discovery: Discovery = serde_json::from_slice(body).ok()?;
    (discovery.issuer == issuer).then_some(discovery.jwks_uri)
}

fn json<T: for<'de> Deserialize<'de>>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
