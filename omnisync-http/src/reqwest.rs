use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use omnisync_core::{ErrorKind, PortError};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls_platform_verifier::{BuilderVerifierExt as _, Verifier};
use serde::{Deserialize, Serialize};

use crate::endpoint::{Plain, require_private};
use crate::transport::{Limits, Request, Response, Transport, TransportError, TransportErrorKind};

const OPEN: &str = "http.reqwest.open";

/// How a [`ReqwestTransport`] connects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReqwestConfig {
    /// Time for a connection, TLS included, in milliseconds. Default 10,000.
    pub connect_timeout_ms: u32,
    /// How long an unused connection is kept, in milliseconds. Default 30,000, well below what
    /// load balancers of Azure keep.
    pub idle_timeout_ms: u32,
    /// Unused connections kept a host. Default 32.
    pub idle_connections_max: usize,
    /// Certificates that are trusted on top of those of the system, in PEM: of a proxy that looks
    /// into TLS, or of peers of one's own. Default none.
    pub root_certificates: Option<String>,
}

impl Default for ReqwestConfig {
    fn default() -> Self {
        Self {
            connect_timeout_ms: 10_000,
            idle_timeout_ms: 30_000,
            idle_connections_max: 32,
            root_certificates: None,
        }
    }
}

impl ReqwestConfig {
    /// Sets [`Self::connect_timeout_ms`].
    #[must_use]
    pub fn with_connect_timeout_ms(mut self, milliseconds: u32) -> Self {
        self.connect_timeout_ms = milliseconds;
        self
    }

    /// Sets [`Self::idle_timeout_ms`].
    #[must_use]
    pub fn with_idle_timeout_ms(mut self, milliseconds: u32) -> Self {
        self.idle_timeout_ms = milliseconds;
        self
    }

    /// Sets [`Self::idle_connections_max`].
    #[must_use]
    pub fn with_idle_connections_max(mut self, connections: usize) -> Self {
        self.idle_connections_max = connections;
        self
    }

    /// Trusts the certificates of `pem`, one or more, on top of those of the system.
    #[must_use]
    pub fn with_root_certificates(mut self, pem: impl Into<String>) -> Self {
        self.root_certificates = Some(pem.into());
        self
    }

    /// The transport. TLS is that of rustls with ring, and trusts whom the operating system
    /// trusts: where companies inspect traffic or run their own peers, that is where their
    /// certificates are. Where they are not, [`Self::root_certificates`] are trusted too.
    ///
    /// # Errors
    /// `Invalid` for a setting out of range; `Denied` when the system's certificates cannot be
    /// read.
    pub fn open(self) -> Result<ReqwestTransport, PortError> {
        if self.connect_timeout_ms == 0 {
            let error = PortError::new(ErrorKind::Invalid, OPEN);
            return Err(error.with_detail("connect_timeout_ms is 0; give at least 1"));
        }
        let tls = tls(self.root_certificates.as_deref())?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .connect_timeout(Duration::from_millis(self.connect_timeout_ms.into()))
            .pool_idle_timeout(Duration::from_millis(self.idle_timeout_ms.into()))
            .pool_max_idle_per_host(self.idle_connections_max)
            .build()
            .map_err(|error| {
                PortError::new(ErrorKind::Invalid, OPEN)
                    .with_detail("the client cannot be made; check its settings")
                    .with_source(error.without_url())
            })?;
        Ok(ReqwestTransport { client })
    }
}

/// Trusts the system, and the certificates of `pem`.
fn tls(pem: Option<&str>) -> Result<rustls::ClientConfig, PortError> {
    let unreadable = |error| {
        let what = "the certificates of this system cannot be read; install ca-certificates";
        PortError::new(ErrorKind::Denied, OPEN)
            .with_detail(what)
            .with_source(error)
    };
    let provider = Arc::new(ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(unreadable)?;
    let builder = match pem {
        None => builder.with_platform_verifier().map_err(unreadable)?,
        Some(pem) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier(pem, provider)?)),
    };
    Ok(builder.with_no_client_auth())
}

fn verifier(pem: &str, provider: Arc<CryptoProvider>) -> Result<Verifier, PortError> {
    let wrong = || {
        let what = "root_certificates holds no certificate in PEM, or one that cannot be read";
        PortError::new(ErrorKind::Invalid, OPEN).with_detail(what)
    };
    let roots: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|_| wrong())?;
    if roots.is_empty() {
        return Err(wrong());
    }
    Verifier::new_with_extra_roots(roots, provider).map_err(|error| wrong().with_source(error))
}

/// Requests over TCP and TLS, with connections kept for the next ones. Clones share them.
///
/// It needs a tokio runtime. Proxies of the environment are not used, redirects not followed,
/// cookies not kept, bodies not unpacked, and plain http is for this machine only.
#[derive(Clone)]
pub struct ReqwestTransport {
    client: reqwest::Client,
}

impl fmt::Debug for ReqwestTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestTransport").finish_non_exhaustive()
    }
}

#[async_trait]
impl Transport for ReqwestTransport {
    async fn send(&self, request: Request, limits: Limits) -> Result<Response, TransportError> {
        let invalid = || TransportError::new(TransportErrorKind::Invalid);
        let plain = request.extensions().get::<Plain>().copied();
        require_private(request.uri(), plain.unwrap_or(Plain::Loopback))
            .map_err(|error| invalid().with_source(error))?;
        let mut request = reqwest::Request::try_from(request)
            .map_err(|error| invalid().with_source(error.without_url()))?;
        *request.timeout_mut() = Some(limits.timeout);
        let answer = self.client.execute(request).await.map_err(failed)?;
        read(answer, limits.body_bytes_max).await
    }
}

/// Reads the body piece by piece, and gives up once it is too large.
async fn read(
    mut answer: reqwest::Response,
    body_bytes_max: usize,
) -> Result<Response, TransportError> {
    let too_large = || TransportError::new(TransportErrorKind::TooLarge);
    let announced = answer.content_length();
    if announced.is_some_and(|bytes| usize::try_from(bytes).map_or(true, |b| b > body_bytes_max)) {
        return Err(too_large());
    }
    let mut body = BytesMut::new();
    while let Some(piece) = answer.chunk().await.map_err(failed)? {
        if piece.len() > body_bytes_max - body.len() {
            return Err(too_large());
        }
        body.extend_from_slice(&piece);
    }
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = answer.status();
    *response.version_mut() = answer.version();
    *response.headers_mut() = std::mem::take(answer.headers_mut());
    Ok(response)
}

/// What an error says about the effect of the request.
fn failed(error: reqwest::Error) -> TransportError {
    let kind = if error.is_connect() {
        TransportErrorKind::NotSent
    } else if error.is_timeout() {
        TransportErrorKind::TimedOut
    } else if error.is_builder() {
        TransportErrorKind::Invalid
    } else {
        TransportErrorKind::Cut
    };
    // The cause that reqwest wraps, without the URL that it adds.
    let source: Box<dyn StdError + Send + Sync> = error.without_url().into();
    TransportError::new(kind).with_source(source)
}
