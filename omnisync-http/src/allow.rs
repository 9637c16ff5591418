use http::Uri;

use crate::endpoint::{UrlError, is_address, is_loopback, read};

/// Longest host name, and longest part of one between dots, in bytes.
const HOST_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// The hosts that a URL from a peer may name.
///
/// A URL passes when it is https on port 443, carries no user and no fragment, and its host is one
/// of the patterns: `acme.example.com` is that host alone, `*.example.com` every name below it and
/// not itself. Addresses never pass. What readers of URLs disagree about (backslashes, other than
/// ASCII letters, a dot at the end) is refused, so that the host checked is the host asked.
///
/// ```
/// use omnisync_http::HostAllowList;
///
/// let blobs = HostAllowList::new(["*.blob.core.windows.net"])?;
/// assert!(blobs.check("https://acme.blob.core.windows.net/in/a.zip?sig=1").is_ok());
/// assert!(blobs.check("https://evil.com#.blob.core.windows.net").is_err());
/// assert!(blobs.check("https://blob.core.windows.net.evil.com/").is_err());
/// # Ok::<(), omnisync_http::UrlError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostAllowList {
    patterns: Vec<Pattern>,
    takes_loopback: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Host(String),
    /// Begins with a dot.
    Below(String),
}

impl HostAllowList {
    /// Allows the hosts of `patterns` and nothing else.
    ///
    /// # Errors
    /// [`UrlError::Pattern`] for an address, a single label, a suffix of one label (`*.com`) and
    /// anything that is no host name.
    pub fn new<P: AsRef<str>>(patterns: impl IntoIterator<Item = P>) -> Result<Self, UrlError> {
        let patterns = patterns
            .into_iter()
            .map(|pattern| Pattern::parse(pattern.as_ref()))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            patterns,
            takes_loopback: false,
        })
    }

    /// The same, and this machine by http or https on any port: for emulators.
    #[must_use]
    pub fn with_loopback(mut self) -> Self {
        self.takes_loopback = true;
        self
    }

    /// The URL, when it passes.
    ///
    /// # Errors
    /// [`UrlError`] says which rule it breaks.
    pub fn check(&self, url: &str) -> Result<Uri, UrlError> {
        let uri = read(url)?;
        let authority = uri.authority().ok_or(UrlError::Host)?;
        if authority.as_str().contains('@') {
            return Err(UrlError::Userinfo);
        }
        if url.contains('#') {
            return Err(UrlError::Syntax);
        }
        let host = authority.host().to_ascii_lowercase();
        let port = authority.as_str().get(host.len()..).unwrap_or_default();
        let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
        if self.takes_loopback && is_web && is_loopback(&host) {
            let is_port = port.is_empty() || authority.port_u16().is_some();
            return is_port.then_some(uri).ok_or(UrlError::Port);
        }
        if uri.scheme_str() != Some("https") {
            return Err(UrlError::Plain);
        }
        if is_address(&host) {
            return Err(UrlError::Address);
        }
        if !is_name(&host) {
            return Err(UrlError::Syntax);
        }
        if !matches!(port, "" | ":443") {
            return Err(UrlError::Port);
        }
        if self.patterns.iter().any(|pattern| pattern.takes(&host)) {
            Ok(uri)
        } else {
            Err(UrlError::NotAllowed)
        }
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, UrlError> {
        let text = text.to_ascii_lowercase();
        let (host, is_suffix) = text
            .strip_prefix("*.")
            .map_or((text.as_str(), false), |rest| (rest, true));
        if !is_name(host) || !host.contains('.') {
            return Err(UrlError::Pattern);
        }
        Ok(if is_suffix {
            Self::Below(format!(".{host}"))
        } else {
            Self::Host(host.to_owned())
        })
    }

    fn takes(&self, host: &str) -> bool {
        match self {
            Self::Host(only) => host == only,
            Self::Below(suffix) => host.ends_with(suffix.as_str()),
        }
    }
}

/// True for a lower-case host name that nobody reads as an address.
fn is_name(host: &str) -> bool {
    let legal = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    let is_label = |label: &str| {
        !label.is_empty() && label.len() <= LABEL_BYTES_MAX && label.bytes().all(legal)
    };
    // A last part that begins with a digit is a number to somebody: 127.1, 0x7f.1.
    let last = host.rsplit('.').next().unwrap_or_default();
    host.len() <= HOST_BYTES_MAX
        && host.split('.').all(is_label)
        && last.starts_with(|first: char| first.is_ascii_lowercase())
}
