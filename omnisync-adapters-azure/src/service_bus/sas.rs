//! Keys of a namespace: connection strings, and signatures made with a key.

use std::fmt;

use chrono::{DateTime, Utc};
use omnisync_http::{Secret, is_loopback, percent};
use thiserror::Error;

use crate::shared::connection_string::{Fields, NotAField};
use crate::shared::signature::SigningKey;

/// What a connection string says.
#[derive(Debug, Clone)]
pub(super) struct ConnectionString {
    /// Host, and a port where it names one.
    pub(super) namespace: String,
    pub(super) key: Option<SasKey>,
    pub(super) entity: Option<String>,
    /// It is for an emulator, or for this machine, and without TLS.
    pub(super) is_plain: bool,
}

/// Why a connection string is none. The string itself is not part of the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum ConnectionStringError {
    #[error("a part of the connection string is no `Name=value`")]
    Part,
    #[error("the connection string has no Endpoint of the form sb://host/")]
    Endpoint,
    #[error("the connection string holds a SharedAccessSignature; give a key, or use tokens")]
    Signature,
    #[error("the connection string has one of SharedAccessKeyName and SharedAccessKey only")]
    Key,
    #[error("UseDevelopmentEmulator is for this machine: 127.0.0.1, [::1] or localhost")]
    Emulator,
}

impl ConnectionString {
    pub(super) fn parse(text: &str) -> Result<Self, ConnectionStringError> {
        let fields = Fields::parse(text).map_err(|NotAField| ConnectionStringError::Part)?;
        if fields.get("sharedaccesssignature").is_some() {
            return Err(ConnectionStringError::Signature);
        }
        let endpoint = fields
            .get("endpoint")
            .ok_or(ConnectionStringError::Endpoint)?;
        let is_emulator = fields
            .get("usedevelopmentemulator")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let namespace = endpoint
            .strip_prefix("sb://")
            .map(|rest| rest.trim_end_matches('/'))
            .filter(|host| !host.is_empty() && !host.contains(['/', '@', '?', '#']))
            .ok_or(ConnectionStringError::Endpoint)?;
        let is_local = is_loopback(host_of(namespace));
        if is_emulator && !is_local {
            return Err(ConnectionStringError::Emulator);
        }
        let key = match (
            fields.get("sharedaccesskeyname"),
            fields.get("sharedaccesskey"),
        ) {
            (Some(name), Some(key)) => Some(SasKey {
                name: name.to_owned(),
                key: Secret::new(key),
            }),
            (None, None) => None,
            _ => return Err(ConnectionStringError::Key),
        };
        Ok(Self {
            namespace: namespace.to_owned(),
            key,
            entity: fields.get("entitypath").map(str::to_owned),
            is_plain: is_local,
        })
    }
}

/// The host of `host:port`, without brackets.
pub(super) fn host_of(namespace: &str) -> &str {
    if let Some((address, _)) = namespace
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        return address;
    }
    namespace
        .split_once(':')
        .map_or(namespace, |(host, _)| host)
}

/// The port of `host:port`: `Ok(None)` when there is none.
#[cfg(any(test, feature = "service-bus"))]
pub(super) fn port_of(namespace: &str) -> Result<Option<u16>, std::num::ParseIntError> {
    let rest = match namespace.rsplit_once(']') {
        Some((_, rest)) => rest,
        None => namespace
            .find(':')
            .map_or("", |at| namespace.get(at..).unwrap_or("")),
    };
    rest.strip_prefix(':').map(str::parse).transpose()
}

/// A key and its name.
#[derive(Clone)]
pub(super) struct SasKey {
    pub(super) name: String,
    pub(super) key: Secret,
}

impl fmt::Debug for SasKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SasKey")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl SasKey {
    /// A signature for `uri` and all below it, which works until `expires_at`.
    pub(super) fn sign(&self, uri: &str, expires_at: DateTime<Utc>) -> Secret {
        let uri = encoded(uri);
        let expires = expires_at.timestamp();
        let Some(key) = SigningKey::of(self.key.expose().as_bytes()) else {
            // What no key has signed, nobody takes.
            return Secret::new("");
        };
        let signature = encoded(&key.sign(&format!("{uri}\n{expires}")));
        let name = encoded(&self.name);
        Secret::new(format!(
            "SharedAccessSignature sr={uri}&sig={signature}&se={expires}&skn={name}"
        ))
    }
}

/// Percent-encodes all that is not unreserved.
pub(super) fn encoded(text: &str) -> String {
    percent::encoded(text, percent::is_unreserved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_string_is_read() {
        let text = "Endpoint=sb://acme.servicebus.windows.net/;SharedAccessKeyName=root;\
                    SharedAccessKey=a2V5==;EntityPath=orders";
        let read = ConnectionString::parse(text).unwrap();
        assert_eq!(read.namespace, "acme.servicebus.windows.net");
        assert_eq!(read.entity.as_deref(), Some("orders"));
        let key = read.key.unwrap();
        assert_eq!((key.name.as_str(), key.key.expose()), ("root", "a2V5=="));
        assert!(!read.is_plain);
    }

    #[test]
    fn only_this_machine_is_spoken_to_in_plain() {
        for (text, plain) in [
            (
                "Endpoint=sb://127.0.0.1:5673;UseDevelopmentEmulator=true",
                Ok(true),
            ),
            ("Endpoint=sb://localhost", Ok(true)),
            ("Endpoint=sb://[::1]:5672", Ok(true)),
            ("Endpoint=sb://acme.servicebus.windows.net", Ok(false)),
            (
                "Endpoint=sb://acme.example.com;UseDevelopmentEmulator=true",
                Err(ConnectionStringError::Emulator),
            ),
            (
                "Endpoint=https://acme.example.com",
                Err(ConnectionStringError::Endpoint),
            ),
            (
                "Endpoint=sb://a;SharedAccessKey=x",
                Err(ConnectionStringError::Key),
            ),
            ("Endpoint=sb://a;broken", Err(ConnectionStringError::Part)),
        ] {
            let read = ConnectionString::parse(text).map(|read| read.is_plain);
            assert_eq!(read, plain, "{text}");
        }
    }

    #[test]
    fn hosts_and_ports_are_told_apart() {
        for (namespace, host, port) in [
            ("acme.example.com", "acme.example.com", None),
            ("127.0.0.1:5673", "127.0.0.1", Some(5_673)),
            ("[::1]:5673", "::1", Some(5_673)),
            ("[::1]", "::1", None),
        ] {
            assert_eq!(host_of(namespace), host);
            assert_eq!(port_of(namespace), Ok(port));
        }
        assert!(port_of("a:b").is_err());
    }

    #[test]
    fn a_signature_is_that_of_the_documentation() {
        // Computed with OpenSSL: HMAC-SHA256 of "sb%3A%2F%2Facme%2Forders\n1700000000".
        let key = SasKey {
            name: "root key".to_owned(),
            key: Secret::new("canary-key"),
        };
        let at = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let token = key.sign("sb://acme/orders", at);
        assert_eq!(
            token.expose(),
            "SharedAccessSignature sr=sb%3A%2F%2Facme%2Forders&sig=%2BACBIO6pX9W0su1%2FQIjJ%2Bdl%2FX%2BMfbOttCeDY6R7LgNo%3D\
             &se=1700000000&skn=root%20key"
        );
        assert!(!format!("{key:?} {token:?}").contains("canary"));
    }
}
