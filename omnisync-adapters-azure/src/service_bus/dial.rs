//! Where bytes come from: a seam, so that a host can bring its own network.

use std::fmt;
use std::io;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

/// Bytes both ways.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Opens connections to a broker.
///
/// # Contract
/// 1. Bytes to a [`DialTarget`] with `tls` travel by TLS, and the certificate is checked against
///    its host.
/// 2. A target without `tls` is this machine.
///
/// # Cancel safety
/// Dropping the future gives the connection up.
#[async_trait]
pub trait Dial: fmt::Debug + Send + Sync + 'static {
    /// Connects.
    ///
    /// # Errors
    /// Why there is no connection. Nothing has been sent then.
    async fn dial(&self, target: &DialTarget) -> io::Result<Box<dyn Duplex>>;
}

/// Whom to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DialTarget {
    /// Name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// False only for this machine.
    pub tls: bool,
}
