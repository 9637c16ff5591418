//! Credentials of the Azure SDK, in both directions.

use std::sync::Arc;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken as AzureToken, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind as AzureErrorKind;
use azure_core::time::OffsetDateTime;
use futures::executor::block_on;
use omnisync_core::ErrorKind;
use omnisync_http::{AzureCredential, Scope, Secret, StaticToken, TokenCache, TokenProvider};

use crate::support::{Ids, clock};

/// Gives a token named after its scopes until 2030, or fails.
#[derive(Debug)]
struct Sdk(Option<AzureErrorKind>);

#[async_trait]
impl TokenCredential for Sdk {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AzureToken> {
        if let Some(kind) = &self.0 {
            return Err(azure_core::Error::new(kind.clone(), "c4nary"));
        }
        let end = OffsetDateTime::from_unix_timestamp(1_893_456_000).unwrap();
        Ok(AzureToken::new(scopes.join("+"), end))
    }
}

#[test]
fn a_credential_of_the_sdk_gives_tokens() {
    let provider = AzureCredential::new(Arc::new(Sdk(None)));
    let token = block_on(provider.token(&Scope::new("scope").unwrap())).unwrap();
    assert_eq!(token.secret().expose(), "scope");
    assert_eq!(token.expires_at().to_rfc3339(), "2030-01-01T00:00:00+00:00");
}

#[test]
fn its_errors_say_what_to_do_and_quote_nothing() {
    for (kind, expected) in [
        (AzureErrorKind::Credential, ErrorKind::Denied),
        (AzureErrorKind::Io, ErrorKind::Unavailable),
        (AzureErrorKind::Connection, ErrorKind::Unavailable),
        (AzureErrorKind::Other, ErrorKind::Internal),
    ] {
        let provider = AzureCredential::new(Arc::new(Sdk(Some(kind))));
        let error = block_on(provider.token(&Scope::new("scope").unwrap())).unwrap_err();
        assert_eq!(error.kind(), expected);
        let report = format!("{} {error:?} {provider:?}", error.report());
        assert!(!report.contains("c4nary"), "{report}");
    }
}

#[test]
fn clients_of_the_sdk_take_tokens_from_the_cache() {
    let provider = Arc::new(StaticToken::new(Secret::new("t0ken")));
    let cache = TokenCache::new(provider, Arc::new(clock()), Ids::new(0.0));
    let credential: Arc<dyn TokenCredential> = Arc::new(cache);
    let token = block_on(credential.get_token(&["scope"], None)).unwrap();
    assert_eq!(token.token.secret(), "t0ken");
    assert!(block_on(credential.get_token(&[], None)).is_err());
}
