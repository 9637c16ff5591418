#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod percent;
pub mod redact;

mod allow;
mod endpoint;

mod transport;

mod retry_after;
mod trace;

mod budget;
mod call;
mod client;
mod config;
mod error;
mod retry_budget;
mod throttle;

mod token;

#[cfg(feature = "azure_core")]
mod azure_transport;
#[cfg(feature = "reqwest")]
mod reqwest;

pub use allow::HostAllowList;
pub use budget::SharedBudget;
pub use call::{Call, Repeat};
pub use client::{Client, ClientBuilder, RefusalReader};
pub use config::ClientConfig;
pub use endpoint::{Endpoint, URL_BYTES_MAX, UrlError, is_loopback};
pub use error::HttpError;
pub use retry_after::retry_after;
pub use throttle::{SharedThrottle, TurnGuard};
pub use token::{
    AccessToken, EntraClientCredentials, EntraConfig, ManagedIdentity, ManagedIdentityConfig,
    Scope, StaticToken, TokenCache, TokenCacheConfig, TokenProvider, WorkloadIdentity,
    WorkloadIdentityConfig,
};
pub use trace::TraceContext;
pub use transport::{Limits, Request, Response, Transport, TransportError, TransportErrorKind};

/// Defined by the core, whose ports carry secrets too.
pub use omnisync_core::Secret;

#[cfg(feature = "reqwest")]
#[cfg_attr(docsrs, doc(cfg(feature = "reqwest")))]
pub use crate::reqwest::{ReqwestConfig, ReqwestTransport};
#[cfg(feature = "azure_core")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure_core")))]
pub use azure_transport::AzureTransport;
#[cfg(feature = "azure_core")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure_core")))]
pub use token::AzureCredential;
