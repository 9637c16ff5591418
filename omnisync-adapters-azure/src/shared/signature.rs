//! Signatures: HMAC-SHA256, in base64.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// A key, ready to sign.
#[derive(Clone)]
pub(crate) struct SigningKey(Hmac<Sha256>);

impl SigningKey {
    /// A key of these bytes. `None` when there are none.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        let key = Some(bytes).filter(|key| !key.is_empty())?;
        Hmac::new_from_slice(key).ok().map(Self)
    }

    /// Reads a key in base64. `None` for anything else.
    #[cfg(feature = "blob")]
    pub(crate) fn of_base64(text: &str) -> Option<Self> {
        Self::of(&STANDARD.decode(text).ok()?)
    }

    pub(crate) fn sign(&self, text: &str) -> String {
        let mut mac = self.0.clone();
        mac.update(text.as_bytes());
        STANDARD.encode(mac.finalize().into_bytes())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_standard() {
        // RFC 4231, test case 2.
        let key = SigningKey::of(b"Jefe").unwrap();
        assert_eq!(
            key.sign("what do ya want for nothing?"),
            "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM="
        );
        assert_eq!(format!("{key:?}"), "SigningKey(..)");
        assert!(SigningKey::of(b"").is_none());
    }
}
