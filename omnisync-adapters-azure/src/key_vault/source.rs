use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use omnisync_core::id::SecretName;
use omnisync_core::port::{Clock, SecretSource, SecretSourceCapability, SecretValue};
use omnisync_core::{ErrorKind, PortError};

use super::cache::{Ages, Look, Slot};
use super::client::{VaultClient, failure};
use super::config::KeyVaultConfig;

/// Secrets of an Azure Key Vault, kept for a while and asked for again when that is over.
pub struct KeyVaultSecrets {
    vault: VaultClient,
    ages: Ages,
    clock: Arc<dyn Clock>,
    config: KeyVaultConfig,
    slots: Mutex<HashMap<SecretName, Arc<Slot>>>,
}

impl KeyVaultSecrets {
    pub(super) fn new(
        vault: VaultClient,
        ages: Ages,
        clock: Arc<dyn Clock>,
        config: KeyVaultConfig,
    ) -> Self {
        Self {
            vault,
            ages,
            clock,
            config,
            slots: Mutex::default(),
        }
    }

    /// Asks the vault now, however fresh the kept value is: where a peer does not take it any
    /// more. The question is one that began after this call. While the vault does not answer, the
    /// kept value is given as by [`get`](SecretSource::get). So it is, and nothing is asked, during
    /// a pause that the vault asked for; where none is kept, its refusal is given again with the
    /// rest of the delay.
    ///
    /// # Errors
    /// As [`get`](SecretSource::get).
    ///
    /// # Cancel safety
    /// Dropping the future leaves what is kept as it is.
    pub async fn refresh(&self, name: &SecretName) -> Result<SecretValue, PortError> {
        let slot = self.slot(name);
        let begun = slot.begun();
        self.ask(name, &slot, begun).await
    }

    /// One question at a time for a secret: who waited for another's takes what came of it, where
    /// it began after the one of the number `after`.
    async fn ask(
        &self,
        name: &SecretName,
        slot: &Slot,
        after: u64,
    ) -> Result<SecretValue, PortError> {
        let _gate = slot.gate.lock().await;
        if let Some(result) = slot.since(after) {
            return result.and_then(|value| self.unexpired(name, value));
        }
        if let Some(result) = slot.in_asked_pause(self.clock.now(), &self.ages) {
            return result;
        }
        let (number, asked_at) = (slot.begin(), self.clock.now());
        let answer = self.vault.get(name).await;
        match answer.and_then(|value| self.unexpired(name, value)) {
            Ok(value) => {
                slot.keep(number, value.clone(), asked_at);
                Ok(value)
            }
            Err(error) => self.fall_back(name, slot, number, error),
        }
    }

    fn unexpired(&self, name: &SecretName, value: SecretValue) -> Result<SecretValue, PortError> {
        if value.is_expired(self.clock.now()) {
            let what = "has expired: set a new version of it";
            return Err(failure(ErrorKind::Denied, name, what));
        }
        Ok(value)
    }

    /// The value that is kept, where the vault does not answer.
    fn fall_back(
        &self,
        name: &SecretName,
        slot: &Slot,
        number: u64,
        error: PortError,
    ) -> Result<SecretValue, PortError> {
        let Some(old) = slot.failed(number, &error, self.clock.now(), &self.ages) else {
            return Err(error);
        };
        tracing::warn!(
            secret.name = %name,
            error = %error.report(),
            "secret was not refreshed; the kept one is given"
        );
        Ok(old)
    }

    fn slot(&self, name: &SecretName) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(name.clone()).or_default())
    }
}

impl fmt::Debug for KeyVaultSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyVaultSecrets")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl SecretSource for KeyVaultSecrets {
    fn capability(&self) -> SecretSourceCapability {
        SecretSourceCapability::new(self.ages.fresh_for)
    }

    async fn get(&self, name: &SecretName) -> Result<SecretValue, PortError> {
        let slot = self.slot(name);
        match slot.look(self.clock.now(), &self.ages) {
            Look::Use(value) => Ok(value),
            Look::Ask(after) => self.ask(name, &slot, after).await,
            Look::Fail(error) => Err(error),
        }
    }
}
