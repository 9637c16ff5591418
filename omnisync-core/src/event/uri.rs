//! Syntax of URIs (RFC 3986), as far as an envelope needs it.

/// Unreserved characters and sub-delimiters other than letters and digits.
const MARKS: &[u8] = b"-._~!$&'()*+,;=";

/// True for a URI with a scheme. A fragment is allowed: schema registries address a type in a
/// schema with it.
pub(super) fn is_uri(text: &str) -> bool {
    scheme_of(text).is_some() && is_uri_reference(text)
}

/// True for a URI or a relative reference. The empty reference is legal.
pub(super) fn is_uri_reference(text: &str) -> bool {
    let (before_fragment, fragment) = split(text, '#');
    let (hierarchy, query) = split(before_fragment, '?');
    let rest = match scheme_of(hierarchy) {
        Some(scheme) => hierarchy.get(scheme.len() + 1..).unwrap_or_default(),
        None if first_segment(hierarchy).contains(':') => return false,
        None => hierarchy,
    };
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => rest
            .split_at_checked(rest.find('/').unwrap_or(rest.len()))
            .unwrap_or((rest, "")),
        None => ("", rest),
    };
    is_authority(authority)
        && is_made_of(path, b":@/")
        && is_made_of(query, b":@/?")
        && is_made_of(fragment, b":@/?")
}

fn split(text: &str, mark: char) -> (&str, &str) {
    text.split_once(mark).unwrap_or((text, ""))
}

fn first_segment(text: &str) -> &str {
    split(text, '/').0
}

fn scheme_of(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(':')?;
    let (first, rest) = scheme.as_bytes().split_first()?;
    let legal = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    (first.is_ascii_alphabetic() && rest.iter().all(legal)).then_some(scheme)
}

fn is_authority(authority: &str) -> bool {
    let (user, host_and_port) = authority.rsplit_once('@').unwrap_or(("", authority));
    let host_is_legal = if let Some(literal) = host_and_port.strip_prefix('[') {
        literal.split_once(']').is_some_and(|(address, rest)| {
            let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'.');
            !address.is_empty()
                && address.bytes().all(legal)
                && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port))
        })
    } else {
        let (host, port) = split(host_and_port, ':');
        is_made_of(host, b"") && is_port(port)
    };
    host_is_legal && is_made_of(user, b":")
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// True when `text` consists of unreserved characters, sub-delimiters, percent-encoded bytes and
/// the bytes in `also`.
fn is_made_of(text: &str, also: &[u8]) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let legal = match byte {
            b'%' => {
                let mut is_hex = || bytes.next().is_some_and(|byte| byte.is_ascii_hexdigit());
                is_hex() && is_hex()
            }
            _ => byte.is_ascii_alphanumeric() || MARKS.contains(&byte) || also.contains(&byte),
        };
        if !legal {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_and_relative_references_are_told_apart() {
        for uri in [
            "https://example.com/a?b=c#d",
            "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
            "mailto:a@example.com",
            "https://user:pw@[2001:db8::1]:8443/x",
            "tag:x,2020:y",
            "http://",
            "https://example.com:80",
            "a:",
            "https://h/%7e/%C3%A9",
            "h://x?a/b?c#d/?",
        ] {
            assert!(is_uri(uri) && is_uri_reference(uri), "{uri}");
        }
        for reference in [
            "", "#a", "/a/b", "//host/a", "a/b:c", "?q", "..", "./a:b", "Orders",
        ] {
            assert!(
                is_uri_reference(reference) && !is_uri(reference),
                "{reference}"
            );
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "a b",
            "1a:b",
            ":x",
            "https://h/%",
            "https://h/%4",
            "https://h/%zz",
            "a#b#c",
            "é",
            "<x>",
            "https://[::1",
            "https://[::1]x",
            "https://[]",
            "https://h:8x",
            "a[1]",
            "\"x\"",
            "a\\b",
            "https://a@b@c/",
            "x|y",
            "https://[::1%25]/",
        ] {
            assert!(!is_uri_reference(text), "{text}");
        }
    }
}
