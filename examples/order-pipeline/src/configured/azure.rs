//! What the services of Azure have in common: one transport, and who asks.

use std::sync::Arc;

use omnisync_core::port::{Clock, IdSource};
use omnisync_http::{Client, ReqwestConfig, Scope, TokenCache, Transport};

use crate::error::HostError;
use crate::settings::Credentials;

/// Opens clients for the services of Azure.
#[derive(Debug)]
pub(super) struct Azure {
    transport: Arc<dyn Transport>,
    tokens: Option<TokenCache>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
}

impl Azure {
    pub(super) fn open(
        credentials: Option<&Credentials>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Result<Self, HostError> {
        let mut azure = Self {
            transport: Arc::new(ReqwestConfig::default().open()?),
            tokens: None,
            clock,
            ids,
        };
        if let Some(credentials) = credentials {
            let provider = credentials.provider(azure.client(None)?)?;
            let (clock, ids) = (Arc::clone(&azure.clock), Arc::clone(&azure.ids));
            azure.tokens = Some(TokenCache::new(provider, clock, ids));
        }
        Ok(azure)
    }

    /// A client that authorizes by tokens for `scope`, where there is one.
    pub(super) fn client(&self, scope: Option<Scope>) -> Result<Client, HostError> {
        let (clock, ids) = (Arc::clone(&self.clock), Arc::clone(&self.ids));
        let client = Client::builder(Arc::clone(&self.transport), clock, ids);
        Ok(match (scope, &self.tokens) {
            (Some(scope), Some(tokens)) => client.with_tokens(tokens.clone(), scope),
            _ => client,
        }
        .build()?)
    }

    /// Who asks, where a service has no key of its own.
    pub(super) fn tokens(&self) -> Option<TokenCache> {
        self.tokens.clone()
    }
}
