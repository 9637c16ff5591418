//! Access tokens: who gives them, and who keeps them.

mod access;
mod cache;
mod entra;
mod environment;
mod error;
mod fixed;
mod form;
mod managed;
mod scope;
mod wire;
mod workload;

#[cfg(feature = "azure_core")]
mod azure;

pub use access::{AccessToken, TokenProvider};
pub use cache::{TokenCache, TokenCacheConfig};
pub use entra::{EntraClientCredentials, EntraConfig};
pub use fixed::StaticToken;
pub use managed::{ManagedIdentity, ManagedIdentityConfig};
pub use scope::Scope;
pub use workload::{WorkloadIdentity, WorkloadIdentityConfig};

#[cfg(feature = "azure_core")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure_core")))]
pub use azure::AzureCredential;
