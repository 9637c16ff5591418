use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use omnisync_core::port::Clock;
use omnisync_core::{ErrorKind, PortError};
use tracing::error;

use super::config::EntraTokenConfig;
use super::jwt::{Demands, Token, Unmet};
use super::keys::{Found, KeyCache};
use crate::event_grid::{DeliveryTokens, TokenRefusal};

/// Judges tokens of Entra ID: signature by the published keys, issuer, audience, time and
/// application.
///
/// [`EntraTokenConfig::build`] makes one. A token whose key is not known, or that is not valid yet,
/// is [`TokenRefusal::Unavailable`]: a refusal would be final, and the delivery lost.
pub struct EntraTokens {
    keys: KeyCache,
    clock: Arc<dyn Clock>,
    issuers: Vec<String>,
    config: EntraTokenConfig,
}

impl EntraTokens {
    pub(super) fn new(
        keys: KeyCache,
        clock: Arc<dyn Clock>,
        issuers: Vec<String>,
        config: EntraTokenConfig,
    ) -> Self {
        Self {
            keys,
            clock,
            issuers,
            config,
        }
    }
}

impl fmt::Debug for EntraTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntraTokens")
            .field("keys", &self.keys)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl DeliveryTokens for EntraTokens {
    async fn check(&self, token: &str) -> Result<(), TokenRefusal> {
        let token = Token::parse(token).ok_or(TokenRefusal::Invalid(
            "the bearer token is none that is signed by RS256",
        ))?;
        let key = match self.keys.find(&token.key_id).await {
            Found::Key(key) => key,
            Found::Unavailable(error) => return Err(TokenRefusal::Unavailable(error)),
        };
        let claims = token.verify(&key).ok_or(TokenRefusal::Invalid(
            "the signature of the token is wrong, or its claims are not complete",
        ))?;
        let demands = Demands {
            issuers: &self.issuers,
            audiences: &self.config.audiences,
            app_ids: &self.config.app_ids,
            skew: TimeDelta::seconds(self.config.skew_seconds_max.into()),
            now: self.clock.now(),
        };
        claims.check(&demands).map_err(|unmet| match unmet {
            Unmet::Invalid(why) => TokenRefusal::Invalid(why),
            Unmet::NotAllowed(why) => TokenRefusal::NotAllowed(why),
            Unmet::Early => {
                error!("a good token is not valid yet: check the clock of this machine");
                let early = PortError::new(ErrorKind::Unavailable, "event_grid.tokens.check");
                TokenRefusal::Unavailable(
                    early
                        .with_detail("the token is not valid yet; check the clock of this machine"),
                )
            }
        })
    }
}
