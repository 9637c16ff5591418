//! The beginning of a connection: SASL, in which nobody says who they are. Tokens follow by CBS.

use bytes::{Buf as _, BytesMut};
use fe2o3_amqp_types::sasl::{SaslCode, SaslInit, SaslMechanisms, SaslOutcome};
use serde_amqp::primitives::Symbol;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::error::AmqpError;
use super::frame::{
    AMQP_PROTOCOL, FrameType, HEADER_BYTES, RawFrame, SASL_PROTOCOL, decode, put, take,
};

const ANONYMOUS: &str = "ANONYMOUS";

/// Frames of SASL are never larger.
const SASL_FRAME_BYTES_MAX: usize = 512;

/// Agrees on SASL with `ANONYMOUS`, and then on AMQP. Bytes that came already are left in
/// `buffer`.
pub(super) async fn begin<T: AsyncRead + AsyncWrite + Unpin>(
    io: &mut T,
    buffer: &mut BytesMut,
    hostname: &str,
) -> Result<(), AmqpError> {
    write(io, &SASL_PROTOCOL).await?;
    protocol(io, buffer, SASL_PROTOCOL).await?;
    let mechanisms: SaslMechanisms = sasl(io, buffer).await?;
    let offered = &mechanisms.sasl_server_mechanisms;
    if !offered.iter().any(|name| name.as_str() == ANONYMOUS) {
        return Err(AmqpError::Handshake("it does not offer SASL ANONYMOUS"));
    }
    let init = SaslInit {
        mechanism: Symbol::from(ANONYMOUS),
        initial_response: None,
        hostname: Some(hostname.to_owned()),
    };
    let mut out = BytesMut::new();
    put(&mut out, FrameType::Sasl, 0, &init, &[])?;
    write(io, &out).await?;
    let outcome: SaslOutcome = sasl(io, buffer).await?;
    if outcome.code != SaslCode::Ok {
        return Err(AmqpError::Handshake("SASL did not succeed"));
    }
    write(io, &AMQP_PROTOCOL).await?;
    protocol(io, buffer, AMQP_PROTOCOL).await
}

/// Waits for the next frame.
pub(super) async fn next_frame<T: AsyncRead + Unpin>(
    io: &mut T,
    buffer: &mut BytesMut,
    frame_bytes_max: usize,
) -> Result<RawFrame, AmqpError> {
    loop {
        if let Some(frame) = take(buffer, frame_bytes_max)? {
            return Ok(frame);
        }
        read(io, buffer).await?;
    }
}

pub(super) async fn write<T: AsyncWrite + Unpin>(
    io: &mut T,
    bytes: &[u8],
) -> Result<(), AmqpError> {
    let written = async {
        io.write_all(bytes).await?;
        io.flush().await
    };
    written.await.map_err(|error| AmqpError::Io(error.into()))
}

async fn sasl<M: serde::de::DeserializeOwned, T: AsyncRead + Unpin>(
    io: &mut T,
    buffer: &mut BytesMut,
) -> Result<M, AmqpError> {
    let frame = next_frame(io, buffer, SASL_FRAME_BYTES_MAX).await?;
    if frame.kind != FrameType::Sasl as u8 {
        return Err(AmqpError::Protocol("a frame of SASL was expected"));
    }
    Ok(decode(&frame.body)?)
}

async fn protocol<T: AsyncRead + Unpin>(
    io: &mut T,
    buffer: &mut BytesMut,
    want: [u8; HEADER_BYTES],
) -> Result<(), AmqpError> {
    while buffer.len() < HEADER_BYTES {
        read(io, buffer).await?;
    }
    if buffer.first_chunk() != Some(&want) {
        return Err(AmqpError::Protocol("it does not speak AMQP 1.0 with SASL"));
    }
    buffer.advance(HEADER_BYTES);
    Ok(())
}

async fn read<T: AsyncRead + Unpin>(io: &mut T, buffer: &mut BytesMut) -> Result<(), AmqpError> {
    match io.read_buf(buffer).await {
        Ok(0) => Err(AmqpError::Closed),
        Ok(_) => Ok(()),
        Err(error) => Err(AmqpError::Io(error.into())),
    }
}
