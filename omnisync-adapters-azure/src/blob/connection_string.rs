//! Connection strings of storage accounts.

use omnisync_http::Secret;
use thiserror::Error;

use super::config::BlobCredential;
use crate::shared::connection_string::{Fields, NotAField};

/// What is wrong with a connection string. None of its values is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum ConnectionStringError {
    #[error("a part of the connection string is no NAME=VALUE")]
    Syntax,
    #[error("the connection string has neither BlobEndpoint nor AccountName")]
    Account,
    #[error("the connection string has neither AccountKey nor SharedAccessSignature")]
    Credential,
    #[error(
        "UseDevelopmentStorage says neither where nor with which key; give BlobEndpoint, AccountName and AccountKey"
    )]
    Development,
}

/// The parts of a connection string that matter to blobs.
pub(super) struct ConnectionString {
    pub(super) account_url: String,
    pub(super) account: Option<String>,
    pub(super) credential: BlobCredential,
}

impl ConnectionString {
    pub(super) fn parse(text: &str) -> Result<Self, ConnectionStringError> {
        let fields = Fields::parse(text).map_err(|NotAField| ConnectionStringError::Syntax)?;
        let get = |name: &str| fields.get(name);
        if get("usedevelopmentstorage").is_some() {
            return Err(ConnectionStringError::Development);
        }
        let account = get("accountname");
        let account_url = match (get("blobendpoint"), account) {
            (Some(url), _) => url.to_owned(),
            (None, Some(account)) => {
                let protocol = get("defaultendpointsprotocol").unwrap_or("https");
                let suffix = get("endpointsuffix").unwrap_or("core.windows.net");
                format!("{protocol}://{account}.blob.{suffix}")
            }
            (None, None) => return Err(ConnectionStringError::Account),
        };
        let credential = match (get("accountkey"), get("sharedaccesssignature")) {
            (Some(key), _) => BlobCredential::AccountKey(Secret::new(key)),
            (None, Some(sas)) => BlobCredential::Sas(Secret::new(sas)),
            (None, None) => return Err(ConnectionStringError::Credential),
        };
        Ok(Self {
            account_url,
            account: account.map(str::to_owned),
            credential,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ConnectionString, ConnectionStringError> {
        ConnectionString::parse(text)
    }

    #[test]
    fn the_endpoint_is_named_or_follows_from_the_account() {
        let text = "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=a2V5PT0=;\
                    EndpointSuffix=core.chinacloudapi.cn";
        let read = parse(text).unwrap();
        assert_eq!(read.account_url, "https://acme.blob.core.chinacloudapi.cn");
        assert!(
            matches!(read.credential, BlobCredential::AccountKey(key) if key.expose() == "a2V5PT0=")
        );
        let text = "BlobEndpoint=http://127.0.0.1:1/dev;SharedAccessSignature=sv=1&sig=2%3D;";
        let read = parse(text).unwrap();
        assert_eq!(read.account_url, "http://127.0.0.1:1/dev");
        assert!(
            matches!(read.credential, BlobCredential::Sas(sas) if sas.expose() == "sv=1&sig=2%3D")
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = |text| parse(text).err().unwrap();
        assert_eq!(error("AccountKey=a"), ConnectionStringError::Account);
        assert_eq!(error("AccountName=a"), ConnectionStringError::Credential);
        assert_eq!(error("AccountName"), ConnectionStringError::Syntax);
        assert_eq!(
            error("UseDevelopmentStorage=true"),
            ConnectionStringError::Development
        );
    }
}
