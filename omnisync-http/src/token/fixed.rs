use async_trait::async_trait;
use chrono::{DateTime, Utc};
use omnisync_core::{PortError, Secret};

use super::access::{AccessToken, TokenProvider};
use super::scope::Scope;

/// One token for every scope: for emulators, and for tokens that somebody else fetches.
#[derive(Debug, Clone)]
pub struct StaticToken {
    token: AccessToken,
}

impl StaticToken {
    /// Gives `secret` for ever.
    pub fn new(secret: Secret) -> Self {
        Self {
            token: AccessToken::new(secret, DateTime::<Utc>::MAX_UTC),
        }
    }
}

#[async_trait]
impl TokenProvider for StaticToken {
    async fn token(&self, _scope: &Scope) -> Result<AccessToken, PortError> {
        Ok(self.token.clone())
    }
}
