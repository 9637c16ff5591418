use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use omnisync_core::id::SecretName;
use omnisync_core::port::SecretSource;
use omnisync_core::{ErrorKind, PortError};
use omnisync_http::Secret;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};
use tracing::warn;

use super::config::wrong;

/// Asks for the secrets that count.
pub(super) const SECRETS: &str = "event_grid.secrets";

/// Shortest shared secret, in bytes.
const SECRET_BYTES_MIN: usize = 16;

/// Longest text that is compared, in bytes.
const PRESENTED_BYTES_MAX: usize = 4_096;

/// Where the shared secrets come from: any of those given at a time lets a delivery in, so that
/// one can be replaced without a gap.
#[async_trait]
pub trait DeliverySecrets: fmt::Debug + Send + Sync + 'static {
    /// The secrets that count now. Asked for with every delivery: keep them near.
    ///
    /// # Errors
    /// Any: deliveries are told to come again, as they are while there is none.
    async fn secrets(&self) -> Result<Vec<Secret>, PortError>;
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<T: DeliverySecrets + ?Sized> DeliverySecrets for Arc<T> {
    async fn secrets(&self) -> Result<Vec<Secret>, PortError> {
        (**self).secrets().await
    }
}

/// Secrets that do not change while the process runs.
#[derive(Debug, Clone)]
pub struct FixedSecrets(Vec<Secret>);

impl FixedSecrets {
    /// These secrets; two while one replaces the other.
    ///
    /// # Errors
    /// `Misconfigured` without any, and for one that is shorter than 16 bytes.
    pub fn new<S: Into<Secret>>(secrets: impl IntoIterator<Item = S>) -> Result<Self, PortError> {
        let secrets: Vec<Secret> = secrets.into_iter().map(Into::into).collect();
        if secrets.is_empty() {
            return Err(wrong("there is no shared secret"));
        }
        if secrets.iter().any(is_short) {
            return Err(wrong(
                "a shared secret is shorter than 16 bytes; take a long random one",
            ));
        }
        Ok(Self(secrets))
    }
}

fn is_short(secret: &Secret) -> bool {
    secret.expose().len() < SECRET_BYTES_MIN
}

#[async_trait]
impl DeliverySecrets for FixedSecrets {
    async fn secrets(&self) -> Result<Vec<Secret>, PortError> {
        Ok(self.0.clone())
    }
}

/// Secrets that a [`SecretSource`] holds, such as Key Vault: those of all names count.
///
/// To replace one without a gap, take two names. Store the new value under the name that the
/// subscription does not use, wait as long as the source may give the old one
/// (`seen_within` of its capability), and change the subscription. A name
/// whose secret is not there, has expired, may not be read or is shorter than 16 bytes does not
/// count while another has one; with none left, and while the source does not answer, deliveries come again.
#[derive(Debug, Clone)]
pub struct NamedSecrets {
    source: Arc<dyn SecretSource>,
    names: Vec<SecretName>,
}

impl NamedSecrets {
    /// The secrets of these names.
    ///
    /// # Errors
    /// `Misconfigured` without a name.
    pub fn new(
        source: Arc<dyn SecretSource>,
        names: impl IntoIterator<Item = SecretName>,
    ) -> Result<Self, PortError> {
        let names: Vec<SecretName> = names.into_iter().collect();
        if names.is_empty() {
            return Err(wrong("there is no name of a shared secret"));
        }
        Ok(Self { source, names })
    }
}

#[async_trait]
impl DeliverySecrets for NamedSecrets {
    async fn secrets(&self) -> Result<Vec<Secret>, PortError> {
        let mut secrets = Vec::with_capacity(self.names.len());
        let mut missing = None;
        for name in &self.names {
            let error = match self.source.get(name).await {
                Ok(secret) if is_short(&secret.value) => too_short(name),
                Ok(secret) => {
                    secrets.push(secret.value);
                    continue;
                }
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Denied) => {
                    error
                }
                Err(error) => return Err(error),
            };
            warn!(secret = %name, error = %error.report(), "a shared secret does not count");
            missing = Some(error);
        }
        match missing {
            Some(error) if secrets.is_empty() => Err(error),
            _ => Ok(secrets),
        }
    }
}

fn too_short(name: &SecretName) -> PortError {
    let what = format!("{name} is shorter than 16 bytes; set a long random one");
    PortError::new(ErrorKind::Misconfigured, SECRETS).with_detail(what)
}

/// Secrets that a function knows, or why it does not now.
pub struct SecretsFn<F>(pub F);

impl<F> fmt::Debug for SecretsFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretsFn(..)")
    }
}

#[async_trait]
impl<F> DeliverySecrets for SecretsFn<F>
where
    F: Fn() -> Result<Vec<Secret>, PortError> + Send + Sync + 'static,
{
    async fn secrets(&self) -> Result<Vec<Secret>, PortError> {
        (self.0)()
    }
}

/// True when `presented` is one of the secrets. How long it takes says nothing about which one,
/// or how near it was.
pub(super) fn is_one_of(presented: &[u8], secrets: &[Secret]) -> bool {
    if presented.is_empty() || presented.len() > PRESENTED_BYTES_MAX {
        return false;
    }
    let presented = Sha256::digest(presented);
    let mut found = Choice::from(0);
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        // Digests are of one length, whatever the secrets are.
        found |= presented
            .as_slice()
            .ct_eq(Sha256::digest(secret.expose().as_bytes()).as_slice());
    }
    found.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_of_the_secrets_lets_in_and_nothing_else() {
        let secrets = [
            Secret::new("first-secret"),
            Secret::new(""),
            Secret::new("second"),
        ];
        for presented in ["first-secret", "second"] {
            assert!(is_one_of(presented.as_bytes(), &secrets));
        }
        for presented in ["", "first", "first-secret ", "secondx", "First-secret"] {
            assert!(!is_one_of(presented.as_bytes(), &secrets), "{presented}");
        }
        assert!(!is_one_of(b"x", &[]));
    }

    #[test]
    fn short_secrets_are_not_taken() {
        assert!(FixedSecrets::new(["0123456789abcdef"]).is_ok());
        assert!(FixedSecrets::new(["0123456789abcde"]).is_err());
        assert!(FixedSecrets::new(Vec::<String>::new()).is_err());
    }
}
