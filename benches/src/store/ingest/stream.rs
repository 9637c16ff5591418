//! Connections to servers on this machine.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Connects to `HOST:PORT`, or to the socket at a path.
pub(super) async fn connect(address: &str) -> io::Result<Box<dyn Stream>> {
    if address.contains('/') {
        Ok(Box::new(UnixStream::connect(address).await?))
    } else {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}
