//! TLS and tokens, as a real namespace has them: the broker behind a front that ends TLS.

use std::sync::Arc;
use std::time::Duration;

use omnisync_adapters_azure::service_bus::{
    OutgoingMessage, ServiceBusConfig, ServiceBusParts, TlsDial,
};
use omnisync_adapters_local::{SystemClock, SystemIds};
use omnisync_core::ErrorKind;
use omnisync_core::port::{Disposition, EventSource as _, Settled};
use omnisync_http::{Secret, StaticToken, TokenCache};
use omnisync_testkit::server::service_bus::{Entity, ServiceBusOptions, ServiceBusServer};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

const TOKEN: &str = "canary-token";

/// A namespace that takes tokens and speaks TLS.
struct Namespace {
    _bus: ServiceBusServer,
    port: u16,
    certificate: CertificateDer<'static>,
}

impl Namespace {
    async fn start() -> Self {
        let mut options = ServiceBusOptions::new(Arc::new(SystemClock))
            .with_entities([Entity::queue("orders")])
            .with_checked_tokens();
        options.access.bearer_tokens.insert(TOKEN.to_owned());
        let bus = ServiceBusServer::start(options).await.unwrap();
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let broker = bus.amqp_host();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, broker) = (acceptor.clone(), broker.clone());
                tokio::spawn(async move {
                    if let Ok(mut tls) = acceptor.accept(tcp).await {
                        let mut inner = TcpStream::connect(broker).await.unwrap();
                        drop(copy_bidirectional(&mut tls, &mut inner).await);
                    }
                });
            }
        });
        Self {
            _bus: bus,
            port,
            certificate: cert.der().clone(),
        }
    }

    fn config(&self) -> ServiceBusConfig {
        ServiceBusConfig::new(format!("localhost:{}", self.port), "orders")
    }

    /// Trusts the namespace, and proves itself by `token`.
    fn parts(&self, token: &str) -> ServiceBusParts {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        with_token(TlsDial::with_config(config), token)
    }
}

fn with_token(dial: TlsDial, token: &str) -> ServiceBusParts {
    let provider = Arc::new(StaticToken::new(Secret::new(token)));
    let tokens = TokenCache::new(provider, Arc::new(SystemClock), Arc::new(SystemIds));
    let parts = ServiceBusParts::new(Arc::new(dial), Arc::new(SystemClock), Arc::new(SystemIds));
    parts.with_tokens(tokens)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_travels_by_tls_for_whoever_has_a_token() {
    let namespace = Namespace::start().await;
    let sender = namespace
        .config()
        .build_sender(namespace.parts(TOKEN))
        .unwrap();
    sender.send(OutgoingMessage::new("{}")).await.unwrap();
    let source = namespace.config().build(namespace.parts(TOKEN)).unwrap();
    let received = source.receive(1, Duration::from_secs(10)).await.unwrap();
    let delivery = &received.deliveries[0];
    assert_eq!(delivery.body, "{}");
    source.extend(delivery).await.unwrap();
    let settled = source
        .settle(delivery, Disposition::Complete)
        .await
        .unwrap();
    assert_eq!(settled, Settled::Completed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_namespace_does_not_know_is_denied_and_not_shown() {
    let namespace = Namespace::start().await;
    let source = namespace
        .config()
        .build(namespace.parts("canary-other"))
        .unwrap();
    let error = source
        .receive(1, Duration::from_secs(10))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{}", error.report());
    let shown = format!("{error:?} {} {source:?}", error.report());
    assert!(!shown.contains("canary"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_whose_certificate_nobody_trusts_gets_no_token() {
    let namespace = Namespace::start().await;
    let parts = with_token(TlsDial::new().unwrap(), TOKEN);
    let source = namespace.config().build(parts).unwrap();
    let error = source.receive(1, Duration::from_secs(1)).await.unwrap_err();
    let report = error.report();
    assert!(report.contains("certificate"), "{report}");
}
