use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use omnisync_core::{ErrorKind, PortError};
use omnisync_http::Secret;
use url::form_urlencoded;

use super::secrets::{DeliverySecrets, SECRETS, is_one_of};
use crate::event_grid::TOKEN_BYTES_MAX;

/// Judges the bearer tokens of deliveries.
#[async_trait]
pub trait DeliveryTokens: fmt::Debug + Send + Sync + 'static {
    /// Lets the token in, or not.
    ///
    /// # Errors
    /// [`TokenRefusal`] says why not.
    async fn check(&self, token: &str) -> Result<(), TokenRefusal>;
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<T: DeliveryTokens + ?Sized> DeliveryTokens for Arc<T> {
    async fn check(&self, token: &str) -> Result<(), TokenRefusal> {
        (**self).check(token).await
    }
}

/// Why a token does not let a delivery in. Never quotes the token.
#[derive(Debug)]
#[non_exhaustive]
pub enum TokenRefusal {
    /// It is not a token of whom we trust, or not for us, or not now: 401.
    Invalid(&'static str),
    /// It is a good token of somebody who may not deliver: 403.
    NotAllowed(&'static str),
    /// It cannot be judged now: 503.
    Unavailable(PortError),
}

/// Who may deliver. All that is set has to hold.
#[derive(Debug)]
pub(super) struct Authentication {
    pub(super) secrets: Option<Arc<dyn DeliverySecrets>>,
    pub(super) tokens: Option<Arc<dyn DeliveryTokens>>,
    pub(super) query: String,
    pub(super) header: HeaderName,
}

/// Why a delivery is not let in.
#[derive(Debug)]
pub(super) enum Refused {
    /// 401.
    Unknown(&'static str),
    /// 403.
    NotAllowed(&'static str),
    /// 503, since nobody knows.
    Unavailable {
        error: PortError,
        retry_after: Option<Duration>,
    },
}

impl Authentication {
    pub(super) async fn check(&self, parts: &Parts) -> Result<(), Refused> {
        if let Some(secrets) = &self.secrets {
            let presented = self.presented(parts)?;
            let secrets = secrets.secrets().await.map_err(Refused::unavailable)?;
            if secrets.iter().all(Secret::is_empty) {
                // Nobody could come in, and a refusal would be final.
                let none = PortError::new(ErrorKind::Misconfigured, SECRETS);
                return Err(Refused::unavailable(
                    none.with_detail("there is no shared secret to compare with"),
                ));
            }
            if !is_one_of(&presented, &secrets) {
                return Err(Refused::Unknown("the shared secret is not the right one"));
            }
        }
        if let Some(tokens) = &self.tokens {
            let token = bearer(&parts.headers)?;
            tokens.check(token).await.map_err(|refusal| match refusal {
                TokenRefusal::Invalid(why) => Refused::Unknown(why),
                TokenRefusal::NotAllowed(why) => Refused::NotAllowed(why),
                TokenRefusal::Unavailable(error) => Refused::unavailable(error),
            })?;
        }
        Ok(())
    }

    /// The one secret of a request, from its query or headers.
    fn presented(&self, parts: &Parts) -> Result<Vec<u8>, Refused> {
        let query = parts.uri.query().unwrap_or_default();
        let in_query = form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| *name == self.query)
            .map(|(_, value)| value.into_owned().into_bytes());
        let in_headers = parts.headers.get_all(&self.header).into_iter();
        let mut presented = in_query.chain(in_headers.map(|value| value.as_bytes().to_vec()));
        match (presented.next(), presented.next()) {
            (Some(one), None) => Ok(one),
            (None, _) => Err(Refused::Unknown("there is no shared secret")),
            (Some(_), Some(_)) => Err(Refused::Unknown("there is more than one shared secret")),
        }
    }
}

impl Refused {
    fn unavailable(error: PortError) -> Self {
        let retry_after = error.retry_after();
        Self::Unavailable { error, retry_after }
    }
}

/// The one bearer token of a request.
fn bearer(headers: &HeaderMap) -> Result<&str, Refused> {
    let mut values = headers.get_all(AUTHORIZATION).into_iter();
    let token = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok().and_then(|text| {
            let (scheme, token) = text.split_once(' ')?;
            let token = token.trim_matches(' ');
            let is_bearer = scheme.eq_ignore_ascii_case("bearer");
            (is_bearer && token.len() <= TOKEN_BYTES_MAX).then_some(token)
        }),
        _ => None,
    };
    token.ok_or(Refused::Unknown("there is no bearer token"))
}
