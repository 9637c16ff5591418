use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use omnisync_adapters_azure::key_vault::{KeyVaultConfig, KeyVaultSecrets};
use omnisync_core::id::SecretName;
use omnisync_core::policy::RetryPolicy;
use omnisync_core::port::{Clock, IdSource};
use omnisync_core::{ErrorKind, PortError};
use omnisync_http::{
    AccessToken, Client, ClientConfig, Limits, Request, Response, Scope, Secret, TokenCache,
    TokenProvider, Transport, TransportError, TransportErrorKind,
};
use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::ids::SeqIds;
use serde_json::json;

pub(crate) const CANARY: &str = "c4nary";

/// How a vault refuses a secret that it has.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Refusal {
    Forbidden,
    Disabled,
    TooEarly,
    Throttled,
    Status(u16),
}

pub(crate) struct Held {
    value: String,
    version: u32,
    expires_at: Option<DateTime<Utc>>,
    refusal: Option<Refusal>,
}

/// A vault in this process, as the documentation of the service describes it.
pub(crate) struct Vault {
    secrets: Mutex<BTreeMap<SecretName, Held>>,
    versions: Mutex<u32>,
    asked: Mutex<Vec<Request>>,
    resource: Mutex<String>,
    is_down: Mutex<bool>,
    clock: ManualClock,
}

impl Vault {
    pub(crate) fn set(&self, name: &SecretName, value: &str, expires_at: Option<DateTime<Utc>>) {
        let mut versions = self.versions.lock().unwrap();
        *versions += 1;
        let held = Held {
            value: value.to_owned(),
            version: *versions,
            expires_at,
            refusal: None,
        };
        self.secrets.lock().unwrap().insert(name.clone(), held);
    }

    pub(crate) fn change(
        &self,
        name: &SecretName,
        change: impl FnOnce(&mut BTreeMap<SecretName, Held>, &SecretName),
    ) {
        change(&mut self.secrets.lock().unwrap(), name);
    }

    pub(crate) fn set_down(&self, is_down: bool) {
        *self.is_down.lock().unwrap() = is_down;
    }

    /// Wants tokens for this resource.
    pub(crate) fn challenge(&self, resource: &str) {
        resource.clone_into(&mut self.resource.lock().unwrap());
    }

    pub(crate) fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn forget(&self) {
        self.asked.lock().unwrap().clear();
    }

    fn answer(&self, request: &Request) -> Response {
        let answer = http::Response::builder();
        if !request.headers().contains_key("authorization") {
            let resource = self.resource.lock().unwrap();
            let challenge = format!(
                "Bearer authorization=\"https://login.microsoftonline.com/t\", \
                 resource=\"{resource}\""
            );
            let answer = answer.status(401).header("www-authenticate", challenge);
            return answer.body(Bytes::new()).unwrap();
        }
        let path = request.uri().path().trim_end_matches('/');
        let text = path.strip_prefix("/secrets/").unwrap();
        let secrets = self.secrets.lock().unwrap();
        let Some(held) = secrets.get(&name(text)) else {
            return answer.status(404).body(error("SecretNotFound")).unwrap();
        };
        let now = self.clock.now().timestamp();
        let mut attributes = json!({ "enabled": true, "created": now, "updated": now });
        if let Some(expires_at) = held.expires_at {
            attributes["exp"] = expires_at.timestamp().into();
        }
        match held.refusal {
            None => {}
            Some(Refusal::Forbidden) => {
                return answer.status(403).body(error("Forbidden")).unwrap();
            }
            Some(Refusal::Disabled) => {
                return answer.status(403).body(error("SecretDisabled")).unwrap();
            }
            Some(Refusal::TooEarly) => {
                let from = self.clock.now() + TimeDelta::hours(1);
                attributes["nbf"] = from.timestamp().into();
            }
            Some(Refusal::Throttled) => {
                let answer = answer.status(429).header("retry-after", "120");
                return answer.body(error("Throttled")).unwrap();
            }
            Some(Refusal::Status(status)) => {
                return answer.status(status).body(error("Other")).unwrap();
            }
        }
        let version = held.version;
        let body = json!({
            "value": held.value,
            "id": format!("https://acme.vault.azure.net/secrets/{text}/{version:032x}"),
            "attributes": attributes,
        });
        answer.body(body.to_string().into()).unwrap()
    }
}

fn error(code: &str) -> Bytes {
    let body = json!({ "error": { "code": code, "message": CANARY } });
    body.to_string().into()
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").finish_non_exhaustive()
    }
}

#[async_trait]
impl Transport for Vault {
    async fn send(&self, request: Request, _: Limits) -> Result<Response, TransportError> {
        assert_eq!(request.uri().host(), Some("acme.vault.azure.net"));
        self.asked.lock().unwrap().push(request.clone());
        yield_now().await;
        if *self.is_down.lock().unwrap() {
            return Err(TransportError::new(TransportErrorKind::NotSent));
        }
        Ok(self.answer(&request))
    }
}

/// Lets others go on, as a network does.
async fn yield_now() {
    let mut has_yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Tokens, and what they were asked for.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    scopes: Mutex<Vec<String>>,
    refuses: Mutex<bool>,
}

impl Tokens {
    pub(crate) fn scopes(&self) -> Vec<String> {
        self.scopes.lock().unwrap().clone()
    }

    pub(crate) fn refuse(&self) {
        *self.refuses.lock().unwrap() = true;
    }
}

#[async_trait]
impl TokenProvider for Tokens {
    async fn token(&self, scope: &Scope) -> Result<AccessToken, PortError> {
        self.scopes.lock().unwrap().push(scope.to_string());
        if *self.refuses.lock().unwrap() {
            return Err(PortError::new(ErrorKind::Denied, "test.token"));
        }
        let token = Secret::new(format!("{CANARY}-token"));
        Ok(AccessToken::new(token, DateTime::<Utc>::MAX_UTC))
    }
}

/// A vault, and what a source needs to ask it.
pub(crate) struct Bench {
    pub(crate) vault: Arc<Vault>,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) clock: ManualClock,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let clock = ManualClock::default();
        let vault = Arc::new(Vault {
            secrets: Mutex::default(),
            versions: Mutex::default(),
            asked: Mutex::default(),
            resource: Mutex::new("https://vault.azure.net".to_owned()),
            is_down: Mutex::default(),
            clock: clock.clone(),
        });
        Self {
            vault,
            tokens: Arc::default(),
            clock,
        }
    }

    pub(crate) fn open(&self) -> KeyVaultSecrets {
        let config = KeyVaultConfig::new("https://acme.vault.azure.net");
        self.build(config).unwrap()
    }

    pub(crate) fn build(&self, config: KeyVaultConfig) -> Result<KeyVaultSecrets, PortError> {
        let transport: Arc<dyn Transport> = Arc::<Vault>::clone(&self.vault);
        let provider: Arc<dyn TokenProvider> = Arc::<Tokens>::clone(&self.tokens);
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let ids: Arc<dyn IdSource> = Arc::new(SeqIds::new(1));
        let once = RetryPolicy {
            base_ms: 1,
            cap_ms: 1,
            attempts_max: 1,
        };
        let client = Client::builder(transport, Arc::clone(&clock), Arc::clone(&ids))
            .with_config(ClientConfig::default().with_retry(once))
            .build()?;
        let tokens = TokenCache::new(provider, Arc::clone(&clock), ids);
        config.build(client, tokens, clock)
    }

    pub(crate) fn refuse(&self, name: &SecretName, refusal: Refusal) {
        self.vault.change(name, |secrets, name| {
            secrets.get_mut(name).unwrap().refusal = Some(refusal);
        });
    }
}

pub(crate) fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}
