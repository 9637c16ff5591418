use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use omnisync_core::Secret;
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::id::SecretName;
use omnisync_core::port::{Clock, SecretSource, SecretSourceCapability, SecretValue};

const GET: &str = "secret_source.get";

/// A vault in memory: versions, expiry, rights, and faults on demand. Clones are handles to the
/// same vault.
///
/// ```
/// # use std::sync::Arc;
/// # use futures::executor::block_on;
/// # use omnisync_core::id::SecretName;
/// # use omnisync_core::port::SecretSource;
/// # use omnisync_testkit::{clock::ManualClock, fake::MemorySecrets};
/// let secrets = MemorySecrets::new(Arc::new(ManualClock::default()));
/// let name = SecretName::new("erp-client-secret")?;
/// secrets.set(&name, "old");
/// secrets.set(&name, "new");
/// let got = block_on(secrets.get(&name))?;
/// assert_eq!((got.value.expose(), got.version.as_str()), ("new", "2"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct MemorySecrets {
    clock: Arc<dyn Clock>,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    secrets: BTreeMap<SecretName, Held>,
    issued: u64,
    failures: Vec<PortError>,
    is_down: bool,
    gets: u64,
}

struct Held {
    value: SecretValue,
    is_enabled: bool,
    is_allowed: bool,
}

impl MemorySecrets {
    /// A vault without secrets. Expiry is by `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            inner: Arc::default(),
        }
    }

    /// Stores a value under a new version.
    pub fn set(&self, name: &SecretName, value: &str) {
        self.set_until(name, value, None);
    }

    /// The same, until some moment.
    pub fn set_until(&self, name: &SecretName, value: &str, expires_at: Option<DateTime<Utc>>) {
        let mut inner = self.locked();
        inner.issued += 1;
        let held = Held {
            value: SecretValue {
                value: Secret::new(value),
                version: inner.issued.to_string(),
                expires_at,
            },
            is_enabled: true,
            is_allowed: true,
        };
        inner.secrets.insert(name.clone(), held);
    }

    /// Removes a secret; `false` when there was none.
    pub fn remove(&self, name: &SecretName) -> bool {
        self.locked().secrets.remove(name).is_some()
    }

    /// Disables a secret, until it is set again.
    pub fn disable(&self, name: &SecretName) {
        if let Some(held) = self.locked().secrets.get_mut(name) {
            held.is_enabled = false;
        }
    }

    /// Takes away the right to read a secret, until it is set again.
    pub fn deny(&self, name: &SecretName) {
        if let Some(held) = self.locked().secrets.get_mut(name) {
            held.is_allowed = false;
        }
    }

    /// Answers nobody while it is down.
    pub fn set_down(&self, is_down: bool) {
        self.locked().is_down = is_down;
    }

    /// The next call fails with `error`.
    pub fn fail_next(&self, error: PortError) {
        self.locked().failures.push(error);
    }

    /// How often a secret was asked for.
    pub fn gets(&self) -> u64 {
        self.locked().gets
    }

    fn locked(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemorySecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySecrets")
            .field("secrets", &self.locked().secrets.len())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl SecretSource for MemorySecrets {
    fn capability(&self) -> SecretSourceCapability {
        SecretSourceCapability::new(Duration::ZERO)
    }

    async fn get(&self, name: &SecretName) -> Result<SecretValue, PortError> {
        let now = self.clock.now();
        let mut inner = self.locked();
        inner.gets += 1;
        if let Some(error) = inner.failures.pop() {
            return Err(error);
        }
        let refused =
            |kind, what: &str| Err(PortError::new(kind, GET).with_detail(format!("{name} {what}")));
        if inner.is_down {
            return refused(
                ErrorKind::Unavailable,
                "cannot be asked for: the vault is down",
            );
        }
        match inner.secrets.get(name) {
            None => refused(ErrorKind::NotFound, "is not in the vault"),
            Some(held) if !held.is_allowed => refused(ErrorKind::Denied, "may not be read"),
            Some(held) if !held.is_enabled => refused(ErrorKind::Denied, "is disabled"),
            Some(held) if held.value.is_expired(now) => refused(ErrorKind::Denied, "has expired"),
            Some(held) => Ok(held.value.clone()),
        }
    }
}
