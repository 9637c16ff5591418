//! URLs as they may be shown: without query, fragment and user, which carry signatures and
//! passwords.

use http::Uri;

/// Longest path that is shown, in bytes.
const PATH_BYTES_MAX: usize = 200;

/// Scheme, host, port and path of `uri`; a long path is cut.
///
/// ```
/// use omnisync_http::redact;
///
/// let uri = "https://u:p@acme.blob.core.windows.net/packages/a.zip?sig=secret".parse()?;
/// assert_eq!(redact::url(&uri), "https://acme.blob.core.windows.net/packages/a.zip");
/// # Ok::<(), http::uri::InvalidUri>(())
/// ```
pub fn url(uri: &Uri) -> String {
    let mut text = String::new();
    if let Some(scheme) = uri.scheme_str() {
        text.push_str(scheme);
        text.push_str("://");
    }
    if let Some(host) = uri.host() {
        text.push_str(host);
    }
    if let Some(port) = uri.port() {
        text.push(':');
        text.push_str(port.as_str());
    }
    let path = uri.path();
    let end = (0..=PATH_BYTES_MAX.min(path.len()))
        .rev()
        .find(|end| path.is_char_boundary(*end));
    let shown = end.and_then(|end| path.get(..end)).unwrap_or_default();
    text.push_str(shown);
    if shown.len() < path.len() {
        text.push_str("...");
    }
    text
}
