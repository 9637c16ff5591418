//! Nothing that is secret is shown: not by any type, not by any error, not by any log line.

use std::fmt::Debug;
use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::executor::block_on;
use omnisync_core::PortError;
use omnisync_core::policy::ThrottlePolicy;
use omnisync_http::{
    Call, Client, EntraClientCredentials, EntraConfig, HostAllowList, ManagedIdentity,
    ManagedIdentityConfig, Scope, Secret, SharedThrottle, StaticToken, TokenCache, TokenProvider,
    TransportErrorKind,
};
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{Ids, Script, answer_with, builder, client, clock, config};

const CANARY: &str = "c4nary";

/// What was printed, in whatever way.
#[derive(Clone, Default)]
pub(crate) struct Printed(Arc<Mutex<Vec<u8>>>);

impl Printed {
    fn shown(&self, what: &impl Debug) {
        let mut text = self.0.lock().unwrap();
        text.extend(format!("{what:?}\n{what:#?}\n").into_bytes());
    }

    fn error(&self, error: impl Into<PortError>) {
        let error: PortError = error.into();
        self.shown(&error);
        self.0.lock().unwrap().extend(error.report().into_bytes());
    }

    #[track_caller]
    pub(crate) fn check(&self) -> String {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        assert!(!text.contains(CANARY), "{text}");
        text
    }
}

impl io::Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Printed {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Runs `test` with every log line kept.
pub(crate) fn logged(printed: &Printed, test: impl FnOnce()) {
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(printed.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, test);
}

fn call() -> Call {
    let request = http::Request::get(format!("https://acme.example.com/in/a?sig={CANARY}"))
        .header("x-ms-encryption-key", CANARY)
        .body(Bytes::from_static(CANARY.as_bytes()))
        .unwrap();
    Call::new("test.read", request)
}

fn authorized(script: &Arc<Script>, clock: &omnisync_testkit::clock::ManualClock) -> Client {
    let provider = Arc::new(StaticToken::new(Secret::new(CANARY)));
    let tokens = TokenCache::new(provider, Arc::new(clock.clone()), Ids::new(0.0));
    let throttle = SharedThrottle::new(ThrottlePolicy::default(), Arc::new(clock.clone()));
    builder(script, clock)
        .with_config(config())
        .with_tokens(tokens, Scope::new("scope").unwrap())
        .with_throttle(throttle)
        .build()
        .unwrap()
}

#[test]
fn calls_that_fail_in_every_way_show_nothing() {
    let printed = Printed::default();
    logged(&printed, || {
        let headers = [
            ("location", CANARY),
            ("www-authenticate", CANARY),
            ("x-any", CANARY),
        ];
        let refused = |status| answer_with(status, &headers, CANARY);
        let failures = [
            TransportErrorKind::NotSent,
            TransportErrorKind::TimedOut,
            TransportErrorKind::Cut,
            TransportErrorKind::TooLarge,
            TransportErrorKind::Invalid,
        ];
        let statuses = [302, 400, 401, 403, 404, 412, 413, 429, 500, 503];
        let steps = statuses.map(refused).into_iter().chain(failures.map(Err));
        for step in steps {
            let clock = clock();
            let again = match &step {
                Ok(response) => refused(response.status().as_u16()),
                Err(kind) => Err(*kind),
            };
            let script = Script::new(&clock, [step, again, refused(400)]);
            let client = authorized(&script, &clock);
            let error = block_on(client.send(call())).unwrap_err();
            printed.shown(&client);
            printed.shown(&error);
            printed
                .0
                .lock()
                .unwrap()
                .extend(error.to_string().into_bytes());
            printed.error(error);
        }
    });
    let text = printed.check();
    assert!(text.contains("https://acme.example.com/in/a"), "{text}");
    assert!(text.contains("request is repeated"), "{text}");
}

#[test]
fn requests_that_are_never_sent_show_nothing() {
    let printed = Printed::default();
    for url in [
        format!("http://example.com/?sig={CANARY}"),
        format!("https://user:{CANARY}@example.com/"),
    ] {
        let (client, ..) = client([]);
        let request = http::Request::get(url).body(Bytes::new()).unwrap();
        let call = Call::new("test.read", request).without_token();
        printed.shown(&call);
        printed.error(block_on(client.send(call)).unwrap_err());
    }
    let list = HostAllowList::new(["*.example.com"]).unwrap();
    for url in [
        format!("https://{CANARY}.net/"),
        format!("https://a:{CANARY}@a.example.com/"),
    ] {
        let error = list.check(&url).unwrap_err();
        printed
            .0
            .lock()
            .unwrap()
            .extend(error.to_string().into_bytes());
        printed.shown(&error);
    }
    // A token that cannot be a header.
    let clock = clock();
    let script = Script::new(&clock, []);
    let provider = Arc::new(StaticToken::new(Secret::new(format!("{CANARY}\n"))));
    let tokens = TokenCache::new(provider, Arc::new(clock.clone()), Ids::new(0.0));
    let scope = Scope::new("scope").unwrap();
    let client = builder(&script, &clock)
        .with_tokens(tokens, scope)
        .build()
        .unwrap();
    printed.error(block_on(client.send(call())).unwrap_err());
    printed.check();
}

#[test]
fn providers_and_their_errors_show_nothing() {
    let printed = Printed::default();
    logged(&printed, || {
        let body = format!(r#"{{"error":"{CANARY}","error_description":"{CANARY}"}}"#);
        for status in [400, 401, 403, 404, 500, 200] {
            let step = || answer_with(status, &[], &body);
            let (client, ..) = client([step(), step(), step(), step()]);
            let config = EntraConfig::new("tenant", "id", CANARY);
            printed.shown(&config);
            let provider = EntraClientCredentials::new(config, client).unwrap();
            printed.shown(&provider);
            printed.error(block_on(provider.token(&Scope::new("s").unwrap())).unwrap_err());

            let (client, ..) = crate::support::client([step(), step(), step(), step()]);
            let variables = [
                ("IDENTITY_ENDPOINT", "http://127.0.0.1/"),
                ("IDENTITY_HEADER", CANARY),
            ];
            let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let config = ManagedIdentityConfig::from_env(variables);
            printed.shown(&config);
            let provider = ManagedIdentity::new(config, client).unwrap();
            printed.shown(&provider);
            printed.error(block_on(provider.token(&Scope::new("s").unwrap())).unwrap_err());
        }
    });
    let granted = format!(r#"{{"access_token":"{CANARY}","expires_in":60}}"#);
    let (client, _, clock) = client([answer_with(200, &[], &granted)]);
    let provider =
        EntraClientCredentials::new(EntraConfig::new("tenant", "id", CANARY), client).unwrap();
    let cache = TokenCache::new(Arc::new(provider), Arc::new(clock), Ids::new(0.0));
    let token = block_on(cache.token(&Scope::new("s").unwrap())).unwrap();
    assert_eq!(token.secret().expose(), CANARY);
    printed.shown(&token);
    printed.shown(&cache);
    printed.shown(&StaticToken::new(Secret::new(CANARY)));
    printed.check();
}
