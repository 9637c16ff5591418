//! Connections of one's own: TCP and TLS.

use std::fmt;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use omnisync_core::{ErrorKind, PortError};
use omnisync_http::is_loopback;
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;

use super::dial::{Dial, DialTarget, Duplex};

/// TCP, with TLS by rustls and the certificates of the system.
#[derive(Clone)]
pub struct TlsDial {
    connector: TlsConnector,
}

impl TlsDial {
    /// With the certificates that the system trusts.
    ///
    /// # Errors
    /// `Misconfigured` when the system has none.
    pub fn new() -> Result<Self, PortError> {
        let wrong = |error| {
            PortError::new(ErrorKind::Misconfigured, "service_bus.tls")
                .with_detail("TLS cannot be set up with the certificates of the system")
                .with_source(error)
        };
        let config = ClientConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(wrong)?
            .with_platform_verifier()
            .map_err(wrong)?
            .with_no_client_auth();
        Ok(Self::with_config(config))
    }

    /// With settings of your own.
    pub fn with_config(config: ClientConfig) -> Self {
        Self {
            connector: Arc::new(config).into(),
        }
    }
}

impl fmt::Debug for TlsDial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsDial").finish_non_exhaustive()
    }
}

#[async_trait]
impl Dial for TlsDial {
    async fn dial(&self, target: &DialTarget) -> io::Result<Box<dyn Duplex>> {
        if !target.tls && !is_loopback(&target.host) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "only this machine is spoken to without TLS",
            ));
        }
        let tcp = TcpStream::connect((target.host.as_str(), target.port)).await?;
        tcp.set_nodelay(true)?;
        if !target.tls {
            return Ok(Box::new(tcp));
        }
        let name = ServerName::try_from(target.host.clone())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        Ok(Box::new(self.connector.connect(name, tcp).await?))
    }
}
