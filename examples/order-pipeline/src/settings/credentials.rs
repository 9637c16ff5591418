//! Who asks for tokens.

use std::ffi::OsString;
use std::sync::Arc;

use omnisync_http::{
    Client, EntraClientCredentials, EntraConfig, ManagedIdentity, ManagedIdentityConfig, Secret,
    TokenProvider, WorkloadIdentity, WorkloadIdentityConfig,
};
use serde::Deserialize;

use crate::error::HostError;

/// Who asks for tokens.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Credentials {
    /// An application and its secret.
    ClientSecret {
        tenant: String,
        client_id: String,
        client_secret: Secret,
        authority: Option<String>,
    },
    /// The identity that Azure gave to this machine or app.
    ManagedIdentity { client_id: Option<String> },
    /// An application and a token that the platform writes to a file.
    WorkloadIdentity(WorkloadIdentityConfig),
}

impl Credentials {
    /// Asks by `client`.
    pub(crate) fn provider(&self, client: Client) -> Result<Arc<dyn TokenProvider>, HostError> {
        Ok(match self {
            Self::ClientSecret {
                tenant,
                client_id,
                client_secret,
                authority,
            } => {
                let config = EntraConfig::new(tenant, client_id, client_secret.clone());
                let config = match authority {
                    Some(url) => config.with_authority(url),
                    None => config,
                };
                Arc::new(EntraClientCredentials::new(config, client)?)
            }
            Self::ManagedIdentity { client_id } => {
                let config = ManagedIdentityConfig::from_env(environment());
                let config = match client_id {
                    Some(id) => config.with_client_id(id),
                    None => config,
                };
                Arc::new(ManagedIdentity::new(config, client)?)
            }
            Self::WorkloadIdentity(config) => {
                Arc::new(WorkloadIdentity::new(config.clone(), client)?)
            }
        })
    }
}

/// The environment of this process, but for what is no Unicode.
fn environment() -> impl Iterator<Item = (String, String)> {
    let texts = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(texts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::parsed;

    #[test]
    fn identities_of_the_platform_need_no_secret() {
        let workload = "kind=\"workload-identity\"\ntenant=\"t\"\nclient_id=\"c\"\n\
            token_file=\"/run/token\"";
        let Credentials::WorkloadIdentity(config) = parsed(workload).unwrap() else {
            panic!("another kind");
        };
        assert_eq!(config.tenant, "t");
        assert!(config.authority.starts_with("https://"));
        parsed::<Credentials>("kind=\"managed-identity\"").unwrap();
        let misspelt = format!("{workload}\nauthorty=\"x\"");
        let error = parsed::<Credentials>(&misspelt).unwrap_err();
        assert!(error.contains("authorty"), "{error}");
    }
}
