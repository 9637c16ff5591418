//! Azurite, and stages over it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use chrono::TimeDelta;
use omnisync_adapters_azure::blob::{AzureBlobConfig, AzureBlobStage, BlobCredential};
use omnisync_adapters_local::{SystemClock, SystemIds};
use omnisync_conformance::azurite::{self, ACCOUNT, Access, KEY};
use omnisync_conformance::node;
use omnisync_core::id::BlobName;
use omnisync_core::port::{Clock, IdSource};
use omnisync_http::{Client, ReqwestConfig, ReqwestTransport, Secret, StaticToken, TokenCache};
use serde_json::{Value, json};

/// What a stage proves itself with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    Key,
    /// Permissions, and from and until how many minutes from now.
    Sas([&'static str; 3]),
    Token,
    OldToken,
}

/// An Azurite that all tests share, each with containers of its own.
pub(super) struct Azurite {
    server: &'static azurite::Azurite,
    transport: ReqwestTransport,
}

impl Azurite {
    pub(super) fn plain() -> Self {
        Self::open(Access::Plain)
    }

    /// By TLS, which takes tokens.
    pub(super) fn tls() -> Self {
        Self::open(Access::TlsAndTokens)
    }

    fn open(access: Access) -> Self {
        let server = azurite::Azurite::shared(access).unwrap();
        let mut config = ReqwestConfig::default();
        if let Some(path) = server.certificate() {
            let pem = std::fs::read_to_string(path).unwrap();
            config = config.with_root_certificates(pem);
        }
        Self {
            server,
            transport: config.open().unwrap(),
        }
    }

    pub(super) fn transport(&self) -> &ReqwestTransport {
        &self.transport
    }

    pub(super) fn connection_string(&self) -> String {
        format!(
            "DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};\
             BlobEndpoint={};",
            self.server.endpoint()
        )
    }

    /// A name that no other test uses.
    pub(super) fn container() -> String {
        static ISSUED: AtomicU32 = AtomicU32::new(0);
        let number = ISSUED.fetch_add(1, Ordering::Relaxed);
        format!("stage-{}-{number}", std::process::id())
    }

    /// A stage over a container of its own, and the name of that.
    pub(super) async fn stage_of(
        &self,
        way: Way,
        set: impl FnOnce(AzureBlobConfig) -> AzureBlobConfig,
    ) -> (AzureBlobStage, String) {
        let container = Self::container();
        let stage = self.stage_in(way, &container, set);
        assert!(stage.create_container().await.unwrap());
        (stage, container)
    }

    pub(super) fn stage_in(
        &self,
        way: Way,
        container: &str,
        set: impl FnOnce(AzureBlobConfig) -> AzureBlobConfig,
    ) -> AzureBlobStage {
        let (credential, token) = match way {
            Way::Key => (BlobCredential::AccountKey(Secret::new(KEY)), None),
            Way::Sas(arguments) => {
                let answer = self.js("sas", container, &arguments);
                let sas = answer["sas"].as_str().unwrap();
                (BlobCredential::Sas(Secret::new(sas)), None)
            }
            Way::Token => (BlobCredential::Bearer, Some(token(60))),
            Way::OldToken => (BlobCredential::Bearer, Some(token(-10))),
        };
        let config =
            AzureBlobConfig::new(self.server.endpoint(), container).with_credential(credential);
        self.build(set(config), token)
    }

    pub(super) fn build(&self, config: AzureBlobConfig, token: Option<String>) -> AzureBlobStage {
        let (clock, ids): (Arc<dyn Clock>, Arc<dyn IdSource>) =
            (Arc::new(SystemClock), Arc::new(SystemIds));
        let transport = Arc::new(self.transport.clone());
        let mut client = Client::builder(transport, Arc::clone(&clock), Arc::clone(&ids));
        if let Some(token) = token {
            let provider = Arc::new(StaticToken::new(Secret::new(token)));
            let tokens = TokenCache::new(provider, Arc::clone(&clock), Arc::clone(&ids));
            client = client.with_tokens(tokens, config.scope().unwrap());
        }
        config.build(client.build().unwrap(), clock, ids).unwrap()
    }

    /// Lets `@azure/storage-blob` check or do something, and gives its answer.
    pub(super) fn js(&self, check: &str, container: &str, arguments: &[&str]) -> Value {
        let mut script = node::script("blob.mjs").unwrap();
        script
            .args([check, self.server.endpoint(), container])
            .args(arguments);
        if let Some(path) = self.server.certificate() {
            script.env("NODE_EXTRA_CA_CERTS", path);
        }
        node::answer_blocking(script).unwrap()
    }
}

pub(super) fn name(text: &str) -> BlobName {
    BlobName::new(text).unwrap()
}

/// So many bytes, which no two lengths share.
pub(super) fn payload(bytes: usize) -> Bytes {
    let mut state = u32::try_from(bytes).unwrap() | 1;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

/// A token that ends so many minutes from now. Azurite reads it and checks no signature.
fn token(minutes: i64) -> String {
    let now = SystemClock.now();
    let header = json!({ "alg": "none", "typ": "JWT" });
    let claims = json!({
        "aud": "https://storage.azure.com",
        "iss": "https://sts.windows.net/72f988bf-86f1-41af-91ab-2d7cd011db47/",
        "iat": (now - TimeDelta::hours(1)).timestamp(),
        "nbf": (now - TimeDelta::hours(1)).timestamp(),
        "exp": (now + TimeDelta::minutes(minutes)).timestamp(),
        "oid": "0b7a3a5c-6a52-4f4e-8f0e-1f6a2b3c4d5e",
        "tid": "72f988bf-86f1-41af-91ab-2d7cd011db47",
    });
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.unsigned", part(header), part(claims))
}
