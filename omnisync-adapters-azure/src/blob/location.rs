//! Where blobs are: account, container and folder.

use std::fmt;

use http::Uri;
use omnisync_core::id::BlobName;
use omnisync_http::{Endpoint, UrlError};
use thiserror::Error;

use crate::shared::text::is_guid;

/// What is wrong with the place that a configuration names.
#[derive(Debug, Error)]
pub(super) enum LocationError {
    #[error("the URL of the account cannot be used")]
    Url(#[source] UrlError),
    #[error(
        "the URL names no container; give https://ACCOUNT.blob.core.windows.net/CONTAINER/FOLDER \
         or abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER"
    )]
    NoContainer,
    #[error(
        "the container is no name of one: 3 to 63 lower-case letters, digits and single hyphens"
    )]
    Container,
    #[error(
        "the folder may have letters, digits, `.`, `-`, `_` and slashes, and no empty part or dots \
         alone"
    )]
    Folder,
    #[error(
        "OneLake is addressed by ids: the container is the id of the workspace, and the folder \
         begins with the id of the item and `Files`"
    )]
    OneLake,
    #[error("the account is not named by its URL; set `account`")]
    Account,
}

/// A folder of a container, by the blob endpoint of its account.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Location {
    endpoint: Endpoint,
    pub(super) account: String,
    container: String,
    /// Empty, or with a slash at the end.
    folder: String,
    is_onelake: bool,
}

impl Location {
    pub(super) fn new(
        account_url: &str,
        account: Option<&str>,
        container: &str,
        folder: Option<&str>,
    ) -> Result<Self, LocationError> {
        let endpoint = blob_endpoint(account_url)?;
        let is_onelake = is_onelake(endpoint.host());
        let folder = folder.unwrap_or_default().trim_matches('/');
        if !is_container(container) {
            return Err(LocationError::Container);
        }
        if !folder.is_empty() && !folder.split('/').all(is_folder) {
            return Err(LocationError::Folder);
        }
        let mut parts = folder.split('/');
        let is_item = parts.next().is_some_and(is_guid) && parts.next().is_some();
        if is_onelake && !(is_guid(container) && is_item) {
            return Err(LocationError::OneLake);
        }
        let account = match account {
            Some(account) => account.to_owned(),
            None => account_of(&endpoint).ok_or(LocationError::Account)?,
        };
        Ok(Self {
            endpoint,
            account,
            container: container.to_owned(),
            folder: match folder {
                "" => String::new(),
                folder => format!("{folder}/"),
            },
            is_onelake,
        })
    }

    pub(super) const fn is_onelake(&self) -> bool {
        self.is_onelake
    }

    /// True when it is reached without TLS, on this machine.
    pub(super) fn is_plain(&self) -> bool {
        self.endpoint.is_plain()
    }

    /// The name of the blob within the container begins with this.
    pub(super) fn folder(&self) -> &str {
        &self.folder
    }

    pub(super) fn service_path() -> String {
        "/".to_owned()
    }

    pub(super) fn container_path(&self) -> String {
        format!("/{}", self.container)
    }

    pub(super) fn blob_path(&self, name: &BlobName) -> String {
        format!("/{}/{}{name}", self.container, self.folder)
    }

    /// The URL of a path with an encoded query.
    pub(super) fn uri(&self, path: &str, query: &str) -> Result<Uri, UrlError> {
        match query {
            "" => self.endpoint.join(path),
            query => self.endpoint.join(&format!("{path}?{query}")),
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            endpoint,
            container,
            folder,
            ..
        } = self;
        write!(f, "{endpoint}/{container}/{folder}")
    }
}

/// A URL of a folder, as account URL, container and folder.
pub(super) fn split(url: &str) -> Result<(String, String, Option<String>), LocationError> {
    let (account_url, rest) = match url.strip_prefix("abfss://") {
        Some(rest) => {
            let (container, rest) = rest.split_once('@').ok_or(LocationError::NoContainer)?;
            let (host, folder) = rest.split_once('/').unwrap_or((rest, ""));
            (format!("https://{host}"), format!("{container}/{folder}"))
        }
        None => split_web(url)?,
    };
    let rest = rest.trim_matches('/');
    let (container, folder) = rest.split_once('/').unwrap_or((rest, ""));
    if container.is_empty() {
        return Err(LocationError::NoContainer);
    }
    let folder = (!folder.is_empty()).then(|| folder.to_owned());
    Ok((account_url, container.to_owned(), folder))
}

/// Splits behind the host, or behind the account where the host is an address: emulators have
/// the account in the path.
fn split_web(url: &str) -> Result<(String, String), LocationError> {
    let (scheme, rest) = url.split_once("://").ok_or(LocationError::NoContainer)?;
    let (host, path) = rest.split_once('/').ok_or(LocationError::NoContainer)?;
    if !has_account_in_path(host_without_port(host)) {
        return Ok((format!("{scheme}://{host}"), path.to_owned()));
    }
    let (account, path) = path.split_once('/').ok_or(LocationError::NoContainer)?;
    Ok((format!("{scheme}://{host}/{account}"), path.to_owned()))
}

fn host_without_port(authority: &str) -> &str {
    let end = authority.rfind(']').map_or(0, |end| end + 1);
    let port = authority.get(end..).and_then(|rest| rest.find(':'));
    port.and_then(|at| authority.get(..end + at))
        .unwrap_or(authority)
}

fn has_account_in_path(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.starts_with('[')
        || host.parse::<std::net::Ipv4Addr>().is_ok()
}

/// The endpoint of the Blob API. Data Lake Storage and OneLake offer it under a name of its own.
fn blob_endpoint(account_url: &str) -> Result<Endpoint, LocationError> {
    let endpoint: Endpoint = account_url.parse().map_err(LocationError::Url)?;
    let is_dfs = endpoint.host().contains(".dfs.");
    if !is_dfs {
        return Ok(endpoint);
    }
    let text = account_url.replacen(".dfs.", ".blob.", 1);
    text.parse().map_err(LocationError::Url)
}

fn account_of(endpoint: &Endpoint) -> Option<String> {
    let host = endpoint.host();
    let named = if has_account_in_path(host) {
        let url = endpoint.to_string();
        let path = url.strip_prefix(&endpoint.origin())?.trim_matches('/');
        path.split('/').next().map(str::to_owned)
    } else {
        host.split('.').next().map(str::to_owned)
    };
    named.filter(|account| !account.is_empty())
}

fn is_onelake(host: &str) -> bool {
    host.to_ascii_lowercase().ends_with(".fabric.microsoft.com")
}

fn is_container(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (3..=63).contains(&text.len())
        && text.bytes().all(legal)
        && !text.starts_with('-')
        && !text.ends_with('-')
        && !text.contains("--")
}

/// A part of a path that no reader of URLs changes.
fn is_folder(part: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !part.is_empty() && part.bytes().all(legal) && is_kept(part)
}

/// False for names that get lost on the way: `.` and `..` mean other folders, and dots at the end
/// are dropped by some readers.
pub(super) fn is_kept(name: &str) -> bool {
    !name.ends_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKSPACE: &str = "0d7b3a5c-6a52-4f4e-8f0e-1f6a2b3c4d5e";
    const ITEM: &str = "9b1c2d3e-4f50-4a6b-8c7d-0e1f2a3b4c5d";

    fn at(url: &str) -> Result<Location, LocationError> {
        let (account_url, container, folder) = split(url)?;
        Location::new(&account_url, None, &container, folder.as_deref())
    }

    #[track_caller]
    fn check(url: &str, account: &str, want: &str) {
        let location = at(url).unwrap();
        let name = BlobName::new("a.zip").unwrap();
        let uri = location.uri(&location.blob_path(&name), "").unwrap();
        assert_eq!(uri.to_string(), want);
        assert_eq!(location.account, account);
    }

    #[test]
    fn every_form_of_a_place_leads_to_its_blob_endpoint() {
        let want = "https://acme.blob.core.windows.net/packages/in/a.zip";
        check(
            "https://acme.blob.core.windows.net/packages/in",
            "acme",
            want,
        );
        check(
            "https://acme.dfs.core.windows.net/packages/in/",
            "acme",
            want,
        );
        check(
            "abfss://packages@acme.dfs.core.windows.net/in",
            "acme",
            want,
        );
        check(
            "https://acme.blob.core.usgovcloudapi.net/packages",
            "acme",
            "https://acme.blob.core.usgovcloudapi.net/packages/a.zip",
        );
        let azurite = "http://127.0.0.1:10000/devstoreaccount1/packages";
        check(azurite, "devstoreaccount1", &format!("{azurite}/a.zip"));
        let azurite = "http://[::1]:10000/devstoreaccount1/packages";
        check(azurite, "devstoreaccount1", &format!("{azurite}/a.zip"));
    }

    #[test]
    fn onelake_is_addressed_by_ids() {
        let path = format!("{WORKSPACE}/{ITEM}/Files/in");
        let want = format!("https://onelake.blob.fabric.microsoft.com/{path}/a.zip");
        check(
            &format!("https://onelake.dfs.fabric.microsoft.com/{path}"),
            "onelake",
            &want,
        );
        check(
            &format!("abfss://{WORKSPACE}@onelake.dfs.fabric.microsoft.com/{ITEM}/Files/in"),
            "onelake",
            &want,
        );
        for path in [
            format!("sales/{ITEM}/Files"),
            format!("{WORKSPACE}/lake.Lakehouse/Files"),
            format!("{WORKSPACE}/{ITEM}"),
            WORKSPACE.to_owned(),
        ] {
            let url = format!("https://onelake.dfs.fabric.microsoft.com/{path}");
            assert!(matches!(at(&url), Err(LocationError::OneLake)), "{path}");
        }
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for url in [
            "",
            "packages",
            "https://acme.blob.core.windows.net",
            "https://acme.blob.core.windows.net/",
            "http://127.0.0.1:10000/devstoreaccount1",
            "abfss://acme.dfs.core.windows.net/in",
            "http://acme.blob.core.windows.net/packages",
            "https://acme.blob.core.windows.net/Packages",
            "https://acme.blob.core.windows.net/p",
            "https://acme.blob.core.windows.net/a--b",
            "https://acme.blob.core.windows.net/packages/../other",
            "https://acme.blob.core.windows.net/packages/a//b",
            "https://acme.blob.core.windows.net/packages/a b",
            "https://u:p@acme.blob.core.windows.net/packages",
            "https://acme.blob.core.windows.net/packages?sv=1&sig=2",
        ] {
            assert!(at(url).is_err(), "{url}");
        }
    }
}
