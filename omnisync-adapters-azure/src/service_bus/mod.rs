#![doc = include_str!("docs.md")]

mod copies;
mod entity;
mod hold;
mod lock;
mod outgoing;
mod sas;

#[cfg(feature = "service-bus")]
mod amqp;
#[cfg(feature = "service-bus")]
mod client;
#[cfg(feature = "service-bus")]
mod config;
#[cfg(feature = "service-bus")]
mod dial;
#[cfg(feature = "service-bus")]
mod failure;
#[cfg(feature = "service-bus")]
mod incoming;
#[cfg(feature = "service-bus")]
mod parked;
#[cfg(feature = "service-bus-rest")]
mod rest;
#[cfg(feature = "service-bus")]
mod sender;
#[cfg(feature = "service-bus")]
mod settlement;
#[cfg(feature = "service-bus")]
mod source;
#[cfg(all(feature = "service-bus", feature = "tokio-rustls"))]
mod tls;
#[cfg(feature = "service-bus")]
mod wire;

pub use copies::RetryMode;
pub use hold::while_held;
pub use outgoing::OutgoingMessage;

#[cfg(feature = "service-bus")]
#[cfg_attr(docsrs, doc(cfg(feature = "service-bus")))]
pub use config::{ServiceBusConfig, ServiceBusParts};
#[cfg(feature = "service-bus")]
#[cfg_attr(docsrs, doc(cfg(feature = "service-bus")))]
pub use dial::{Dial, DialTarget, Duplex};
#[cfg(feature = "service-bus-rest")]
#[cfg_attr(docsrs, doc(cfg(feature = "service-bus-rest")))]
pub use rest::{ServiceBusRestConfig, ServiceBusRestSource};
#[cfg(feature = "service-bus")]
#[cfg_attr(docsrs, doc(cfg(feature = "service-bus")))]
pub use sender::ServiceBusSender;
#[cfg(feature = "service-bus")]
#[cfg_attr(docsrs, doc(cfg(feature = "service-bus")))]
pub use source::ServiceBusSource;
#[cfg(all(feature = "service-bus", feature = "tokio-rustls"))]
#[cfg_attr(
    docsrs,
    doc(cfg(all(feature = "service-bus", feature = "tokio-rustls")))
)]
pub use tls::TlsDial;
