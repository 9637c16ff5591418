//! Signatures by an account key or a delegated key.

use http::{HeaderMap, Method};
use omnisync_http::percent::{encoded, is_unreserved};

use super::wire::DelegationKey;
use crate::shared::signature::SigningKey;

/// The version of the service that requests and signatures are written for.
pub(super) const VERSION: &str = "2023-11-03";

/// A key, ready to sign.
#[derive(Debug, Clone)]
pub(super) struct Key(SigningKey);

impl Key {
    /// Reads a key in base64. `None` for anything else.
    pub(super) fn of(base64: &str) -> Option<Self> {
        SigningKey::of_base64(base64).map(Self)
    }

    /// The value of `authorization` for a request. `query` is as it was before it was encoded.
    pub(super) fn authorization(
        &self,
        account: &str,
        method: &Method,
        path: &str,
        query: &[(&'static str, String)],
        headers: &HeaderMap,
    ) -> String {
        let text = shared_key_text(account, method, path, query, headers);
        format!("SharedKey {account}:{}", self.0.sign(&text))
    }

    /// The encoded query that permits to read one blob.
    pub(super) fn read_query(&self, grant: &ReadGrant<'_>) -> String {
        let mut pairs = grant.pairs();
        pairs.push(("sig", self.0.sign(&grant.text())));
        encode_query(&pairs)
    }
}

/// The text that a shared key signs.
fn shared_key_text(
    account: &str,
    method: &Method,
    path: &str,
    query: &[(&'static str, String)],
    headers: &HeaderMap,
) -> String {
    let value = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    };
    // An absent length and one of 0 are the same.
    let length = Some(value("content-length")).filter(|length| *length != "0");
    let mut text = format!("{method}\n");
    for part in [
        value("content-encoding"),
        value("content-language"),
        length.unwrap_or_default(),
        value("content-md5"),
        value("content-type"),
        value("date"),
        value("if-modified-since"),
        value("if-match"),
        value("if-none-match"),
        value("if-unmodified-since"),
        value("range"),
    ] {
        text.push_str(part);
        text.push('\n');
    }
    let mut own: Vec<&str> = headers.keys().map(http::HeaderName::as_str).collect();
    own.retain(|name| name.starts_with("x-ms-"));
    own.sort_unstable();
    for name in own {
        text.extend([name, ":", value(name), "\n"]);
    }
    text.extend(["/", account, path]);
    let mut query: Vec<(String, &str)> = query
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.as_str()))
        .collect();
    query.sort_unstable();
    for (name, value) in query {
        text.extend(["\n", name.as_str(), ":", value]);
    }
    text
}

/// Permission to read one blob for a while.
#[derive(Debug)]
pub(super) struct ReadGrant<'a> {
    /// `/blob/ACCOUNT/CONTAINER/NAME`.
    pub(super) resource: String,
    pub(super) starts_at: String,
    pub(super) expires_at: String,
    /// Only by https.
    pub(super) is_private: bool,
    /// The key of a user, in whose name it is read; without one it is the account's.
    pub(super) delegated: Option<&'a DelegationKey>,
}

impl ReadGrant<'_> {
    const fn protocol(&self) -> &'static str {
        if self.is_private { "https" } else { "" }
    }

    /// The fields that are signed, a line each.
    fn text(&self) -> String {
        let mut lines = vec!["r", &self.starts_at, &self.expires_at, &self.resource];
        match self.delegated {
            // Authorized and unauthorized users, and a correlation, are not named.
            Some(key) => lines.extend(key.fields().into_iter().chain(["", "", ""])),
            // No stored access policy.
            None => lines.push(""),
        }
        // Any address; the blob itself, and none of its snapshots, encryption scopes or answer
        // headers.
        lines.extend(["", self.protocol(), VERSION, "b", "", ""]);
        lines.extend([""; 5]);
        lines.join("\n")
    }

    fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = vec![
            ("sv", VERSION.to_owned()),
            ("sr", "b".to_owned()),
            ("sp", "r".to_owned()),
            ("st", self.starts_at.clone()),
            ("se", self.expires_at.clone()),
        ];
        if self.is_private {
            pairs.push(("spr", self.protocol().to_owned()));
        }
        if let Some(key) = self.delegated {
            let names = ["skoid", "sktid", "skt", "ske", "sks", "skv"];
            let values = key.fields().map(str::to_owned);
            pairs.extend(names.into_iter().zip(values));
        }
        pairs
    }
}

/// Name and value pairs as the query of a URL.
pub(super) fn encode_query(pairs: &[(&'static str, String)]) -> String {
    let pairs = pairs
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value, is_unreserved)));
    pairs.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_request_is_signed_with_its_conditions_own_headers_and_query_in_order() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-ms-version", "2023-11-03"),
            ("x-ms-date", "Fri, 13 Mar 2026 10:00:00 GMT"),
            ("x-ms-blob-type", "BlockBlob"),
            ("if-none-match", "*"),
            ("content-length", "3"),
            ("user-agent", "omnisync"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let query = [
            ("restype", "container".to_owned()),
            ("comp", "list".to_owned()),
            ("startFrom", "a b".to_owned()),
        ];
        let text = shared_key_text("acme", &Method::PUT, "/packages/a.zip", &query, &headers);
        assert_eq!(
            text,
            "PUT\n\n\n3\n\n\n\n\n\n*\n\n\nx-ms-blob-type:BlockBlob\n\
             x-ms-date:Fri, 13 Mar 2026 10:00:00 GMT\nx-ms-version:2023-11-03\n\
             /acme/packages/a.zip\ncomp:list\nrestype:container\nstartfrom:a b"
        );
        headers.insert("content-length", HeaderValue::from_static("0"));
        let empty = shared_key_text("acme", &Method::PUT, "/packages/a.zip", &[], &headers);
        assert!(empty.starts_with("PUT\n\n\n\n\n"), "{empty}");
    }

    #[test]
    fn a_grant_signs_a_line_for_every_field_of_the_version() {
        let grant = |delegated| ReadGrant {
            resource: "/blob/acme/packages/a.zip".to_owned(),
            starts_at: "2026-03-13T09:55:00Z".to_owned(),
            expires_at: "2026-03-13T11:00:00Z".to_owned(),
            is_private: true,
            delegated,
        };
        assert_eq!(
            grant(None).text(),
            "r\n2026-03-13T09:55:00Z\n2026-03-13T11:00:00Z\n/blob/acme/packages/a.zip\n\n\nhttps\n\
             2023-11-03\nb\n\n\n\n\n\n\n"
        );
        let key = DelegationKey::sample();
        let text = grant(Some(&key)).text();
        assert_eq!(text.split('\n').count(), 24);
        assert_eq!(text.split('\n').nth(4), Some("oid"));
        assert_eq!(text.split('\n').nth(14), Some("https"));
    }

    #[test]
    fn what_is_no_key_is_none() {
        assert!(Key::of("").is_none());
        assert!(Key::of("not base64!").is_none());
        let key = Key::of("c2VjcmV0").unwrap();
        assert_eq!(format!("{key:?}"), "Key(SigningKey(..))");
    }

    #[test]
    fn queries_are_encoded_byte_by_byte() {
        let pairs = [("a", "+/= ä".to_owned()), ("b", String::new())];
        assert_eq!(encode_query(&pairs), "a=%2B%2F%3D%20%C3%A4&b=");
    }
}
