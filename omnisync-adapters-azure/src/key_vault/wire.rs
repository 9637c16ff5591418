//! What a vault says, read.

use azure_security_keyvault_secrets::models;
use chrono::{DateTime, Utc};
use omnisync_core::Secret;
use omnisync_core::port::SecretValue;
use thiserror::Error;

/// Why a secret of the vault is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum WireError {
    #[error("was answered without {0}")]
    Missing(&'static str),
    #[error("is disabled: enable it, or set a new version")]
    Disabled,
    #[error("is not valid yet: set a version that is")]
    TooEarly,
}

/// A secret as it may be used now. That it has expired is seen whenever it is given.
pub(super) fn secret(from: models::Secret, now: DateTime<Utc>) -> Result<SecretValue, WireError> {
    let attributes = from.attributes.unwrap_or_default();
    if attributes.enabled == Some(false) {
        return Err(WireError::Disabled);
    }
    let instant = |seconds: i64| DateTime::from_timestamp(seconds, 0);
    let starts_at = attributes
        .not_before
        .and_then(|at| instant(at.unix_timestamp()));
    if starts_at.is_some_and(|starts_at| now < starts_at) {
        return Err(WireError::TooEarly);
    }
    let id = from.id.ok_or(WireError::Missing("an id"))?;
    Ok(SecretValue {
        value: Secret::new(from.value.ok_or(WireError::Missing("a value"))?),
        version: version_of(&id).ok_or(WireError::Missing("a version"))?,
        expires_at: attributes
            .expires
            .and_then(|at| instant(at.unix_timestamp())),
    })
}

/// The last part of `https://VAULT/secrets/NAME/VERSION`.
fn version_of(id: &str) -> Option<String> {
    let (_, path) = id.split_once("/secrets/")?;
    let (_, version) = path.split_once('/')?;
    let is_version =
        !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_version.then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_the_last_part_of_an_id() {
        let of = |id| version_of(id);
        let id = "https://acme.vault.azure.net/secrets/erp/0f1e2d";
        assert_eq!(of(id).as_deref(), Some("0f1e2d"));
        for id in [
            "",
            "https://acme.vault.azure.net/secrets/erp",
            "https://acme.vault.azure.net/secrets/erp/",
            "https://acme.vault.azure.net/secrets/erp/a/b",
            "https://acme.vault.azure.net/keys/erp/a",
        ] {
            assert_eq!(of(id), None, "{id}");
        }
    }
}
