use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};
use serde::{Deserialize, Deserializer};
use thiserror::Error;

/// Longest URL that is read, in bytes.
pub const URL_BYTES_MAX: usize = 8_192;

/// Why a URL is not used. The URL itself is not part of the error: it may carry a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UrlError {
    /// It cannot be read as an absolute URL.
    #[error("the URL cannot be read; give an absolute one, in ASCII, of at most 8,192 bytes")]
    Syntax,
    /// It names no host.
    #[error("the URL names no host")]
    Host,
    /// It carries a user or a password.
    #[error("the URL carries a user or password; give credentials by a token provider")]
    Userinfo,
    /// It is neither https, nor http to this machine.
    #[error("the URL is not https; plain http is for loopback addresses only")]
    Plain,
    /// It carries a query or a fragment where none belongs.
    #[error("the base URL carries a query or fragment; give scheme, host and path only")]
    Query,
    /// Its host is not on the list of those allowed.
    #[error("the host of the URL is not on the allow-list; add it if the peer is to be trusted")]
    NotAllowed,
    /// Its host is an address instead of a name.
    #[error("the host of the URL is an IP address; only names are taken from peers")]
    Address,
    /// It names a port other than that of its scheme.
    #[error("the URL names a port of its own; only 443 is taken from peers")]
    Port,
    /// A pattern of an allow-list says less or more than a host.
    #[error("the pattern is no host such as `a.example.com` or `*.example.com`")]
    Pattern,
}

/// The base URL of a peer: https, or http to this machine; no user, query or fragment.
///
/// ```
/// use omnisync_http::Endpoint;
///
/// let org: Endpoint = "https://acme.crm4.dynamics.com/".parse()?;
/// let uri = org.join("/api/data/v9.2/WhoAmI")?;
/// assert_eq!(uri, "https://acme.crm4.dynamics.com/api/data/v9.2/WhoAmI");
/// assert!("http://acme.crm4.dynamics.com".parse::<Endpoint>().is_err());
/// # Ok::<(), omnisync_http::UrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    scheme: Scheme,
    authority: Authority,
    /// Without a slash at the end.
    path: String,
}

impl Endpoint {
    /// The URL of `path`, which begins with a slash and may carry a query. Whatever comes from
    /// data must be percent-encoded already.
    ///
    /// # Errors
    /// [`UrlError::Syntax`] for text that is no path.
    pub fn join(&self, path: &str) -> Result<Uri, UrlError> {
        if !path.starts_with('/') || path.contains('#') {
            return Err(UrlError::Syntax);
        }
        self.uri(&format!("{}{path}", self.path))
    }

    fn uri(&self, path: &str) -> Result<Uri, UrlError> {
        let path = PathAndQuery::from_str(path).map_err(|_| UrlError::Syntax)?;
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path)
            .build()
            .map_err(|_| UrlError::Syntax)
    }

    /// The URL of this endpoint and `path`, which may be empty, with an encoded query.
    pub(crate) fn query(&self, path: &str, query: &str) -> Result<Uri, UrlError> {
        let whole = format!("{}{path}?{query}", self.path);
        let whole = if whole.starts_with('/') {
            whole
        } else {
            format!("/{whole}")
        };
        self.uri(&whole)
    }

    /// The host, without a port.
    pub fn host(&self) -> &str {
        self.authority.host()
    }

    /// Scheme, host and port: what tokens of Microsoft services are asked for.
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }

    /// True when it is plain http, which only this machine may be asked with.
    pub fn is_plain(&self) -> bool {
        self.scheme == Scheme::HTTP
    }

    fn of(text: &str, plain: Plain) -> Result<Self, UrlError> {
        let uri = read(text)?;
        require_private(&uri, plain)?;
        if uri.query().is_some() || text.contains('#') {
            return Err(UrlError::Query);
        }
        let path = uri.path().trim_end_matches('/').to_owned();
        let parts = uri.into_parts();
        match (parts.scheme, parts.authority) {
            (Some(scheme), Some(authority)) => Ok(Self {
                scheme,
                authority,
                path,
            }),
            _ => Err(UrlError::Syntax),
        }
    }

    /// As [`FromStr`], and with plain http to link-local addresses, where machines of a cloud find
    /// their identity.
    pub(crate) fn link_local(text: &str) -> Result<Self, UrlError> {
        Self::of(text, Plain::LinkLocal)
    }
}

impl FromStr for Endpoint {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        Self::of(text, Plain::Loopback)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.path)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Who may be asked without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plain {
    Loopback,
    /// Marks a request, too: only the provider of managed identities sets it.
    LinkLocal,
}

/// Fails unless a request to `uri` stays between us and the peer: https, or http that does not
/// leave this machine.
pub(crate) fn require_private(uri: &Uri, plain: Plain) -> Result<(), UrlError> {
    let authority = uri.authority().ok_or(UrlError::Host)?;
    let host = authority.host();
    if host.is_empty() {
        return Err(UrlError::Host);
    }
    if authority.as_str().contains('@') {
        return Err(UrlError::Userinfo);
    }
    // A port that is no number ends up as the default one or as an error, depending on who reads.
    let port = authority.as_str().strip_prefix(host).unwrap_or_default();
    if !port.is_empty() && authority.port_u16().is_none() {
        return Err(UrlError::Syntax);
    }
    match uri.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if is_loopback(host) => Ok(()),
        Some("http") if plain == Plain::LinkLocal && is_link_local(host) => Ok(()),
        Some(_) => Err(UrlError::Plain),
        None => Err(UrlError::Syntax),
    }
}

/// Reads an absolute URL; what readers of URLs disagree about is refused.
pub(crate) fn read(text: &str) -> Result<Uri, UrlError> {
    let is_plain_text = text.bytes().all(|byte| byte.is_ascii_graphic());
    if text.len() > URL_BYTES_MAX || !is_plain_text || text.contains('\\') {
        return Err(UrlError::Syntax);
    }
    text.parse().map_err(|_| UrlError::Syntax)
}

/// True for this machine, the only one that is spoken to without TLS: `localhost`, 127.0.0.0/8,
/// and `::1` with or without brackets.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || address(host)
            .or_else(|| host.parse().ok())
            .is_some_and(|address| address.is_loopback())
}

/// True for an address as hosts of URLs are written: the one of version 6 in brackets.
pub(crate) fn is_address(host: &str) -> bool {
    host.starts_with('[') || address(host).is_some()
}

fn is_link_local(host: &str) -> bool {
    host.parse::<Ipv4Addr>()
        .is_ok_and(|address| address.is_link_local())
}

fn address(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[') {
        Some(rest) => rest
            .strip_suffix(']')?
            .parse::<Ipv6Addr>()
            .ok()
            .map(IpAddr::V6),
        None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}
