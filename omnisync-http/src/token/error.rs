use omnisync_core::{ErrorKind, PortError};
use thiserror::Error;

use super::wire::Refusal;
use crate::endpoint::UrlError;
use crate::error::HttpError;

/// Why there is no token: the step, and what to do. None of it is text of the authority.
#[derive(Debug, Error)]
pub(super) enum TokenError {
    #[error("a setting is wrong: {0}")]
    Setting(&'static str),
    #[error("a setting is wrong: {0} is no URL to ask for tokens")]
    Url(&'static str, #[source] UrlError),
    #[error("the environment names no {0}; set it, or choose another kind of credential")]
    Environment(&'static str),
    #[error("the federated token cannot be read; check AZURE_FEDERATED_TOKEN_FILE and its rights")]
    File(#[source] std::io::Error),
    #[error("the authority refused: {}; {advice}", named(*.number, .word.as_deref()))]
    Refused {
        number: Option<u32>,
        word: Option<String>,
        advice: &'static str,
    },
    #[error(
        "no identity answers for this resource; assign a managed identity, and name its client id \
         where there are several"
    )]
    NoIdentity,
    #[error("the authority answered with something that is no token; check the authority's URL")]
    Answer,
    #[error("the authority was not asked or did not answer")]
    Exchange(#[source] Box<HttpError>),
}

impl TokenError {
    /// What an authority means that did not grant a token.
    pub(super) fn refused(error: HttpError) -> Self {
        let is_passing = matches!(error.kind(), ErrorKind::Throttled | ErrorKind::TimedOut);
        match error.response() {
            Some(response) if response.status().is_client_error() && !is_passing => {
                let refusal = Refusal::of(response);
                let number = refusal.number();
                Self::Refused {
                    number,
                    word: refusal.word().map(str::to_owned),
                    advice: advice(number, refusal.word()),
                }
            }
            _ => Self::Exchange(Box::new(error)),
        }
    }

    pub(super) fn port(self, operation: &'static str) -> PortError {
        let error = PortError::new(self.kind(), operation).with_detail(self.to_string());
        match self {
            Self::Exchange(cause) => error.no_sooner(cause.retry_after()).with_source(cause),
            Self::File(cause) => error.with_source(cause),
            Self::Url(_, cause) => error.with_source(cause),
            _ => error,
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Setting(_) | Self::Url(..) | Self::Environment(_) => ErrorKind::Invalid,
            Self::File(_) | Self::Refused { .. } | Self::NoIdentity => ErrorKind::Denied,
            Self::Answer => ErrorKind::Corrupt,
            Self::Exchange(error) => error.kind(),
        }
    }
}

fn named(number: Option<u32>, word: Option<&str>) -> String {
    match (number, word) {
        (Some(number), _) => format!("AADSTS{number}"),
        (None, Some(word)) => word.to_owned(),
        (None, None) => "without a reason".to_owned(),
    }
}

fn advice(number: Option<u32>, word: Option<&str>) -> &'static str {
    match (number, word) {
        (Some(90_002 | 900_023 | 90_013), _) => {
            "no such tenant; check the tenant id and the authority of its cloud"
        }
        (Some(700_016 | 7_000_112), _) => {
            "the application is unknown to or disabled in the tenant; check client id and tenant"
        }
        (Some(7_000_215), _) => "wrong client secret; give the value of the secret, not its id",
        (Some(7_000_222), _) => "the client secret has expired; make a new one",
        (Some(70_011 | 500_011 | 1_002_012 | 650_057), _) | (None, Some("invalid_scope")) => {
            "wrong scope; check that it is <resource>/.default and the resource known to the tenant"
        }
        (Some(700_213 | 70_021 | 700_211 | 700_212), _) => {
            "no federated credential fits the token; compare its issuer, subject and audience"
        }
        (Some(700_024 | 700_027), _) => {
            "the federated token has expired or is not signed as expected; check the clock"
        }
        (Some(7_000_218), _) => "the request carries no credential; check the client's settings",
        (Some(53_003 | 530_033), _) => "conditional access blocks the application; ask its owner",
        (_, Some("invalid_client")) => "wrong client id or secret; check both",
        (_, Some("unauthorized_client")) => "the application may not do this; check its grants",
        _ => "look the code up and check tenant, client id, credential and scope",
    }
}
