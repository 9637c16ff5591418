use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use omnisync_core::Secret;
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::id::SecretName;
use omnisync_core::port::{SecretSource, SecretSourceCapability, SecretValue};
use omnisync_testkit::contract::secret_source::clauses;

use super::caught;
use crate::fixture::{Vault, Wrap};

const GET: &str = "secret_source.get";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    TrimsValues,
    LosesExpiry,
    HasNoVersions,
    GivesNothingForAbsent,
    RemembersAbsence,
    NeverLooksAgain,
    SurvivesRemoval,
    ReusesVersions,
    GivesExpired,
    GivesDisabled,
    GivesDenied,
    HidesDenial,
    HidesOutage,
    StaysDown,
    ShowsItself,
    ShowsInErrors,
}

struct Broken {
    inner: Arc<dyn SecretSource>,
    bug: Bug,
    got: Mutex<BTreeMap<SecretName, SecretValue>>,
    absent: Mutex<BTreeSet<SecretName>>,
    is_down: AtomicBool,
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Broken");
        if self.bug == Bug::ShowsItself {
            for got in self.got.lock().unwrap().values() {
                shown.field("value", &got.value.expose());
            }
        }
        shown.finish_non_exhaustive()
    }
}

impl Broken {
    fn alter(&self, mut got: SecretValue) -> SecretValue {
        match self.bug {
            Bug::TrimsValues => got.value = Secret::new(got.value.expose().trim_end()),
            Bug::LosesExpiry => got.expires_at = None,
            Bug::HasNoVersions => got.version.clear(),
            Bug::ReusesVersions => {
                let number: u64 = got.version.parse().unwrap();
                got.version = (number % 3).to_string();
            }
            _ => {}
        }
        got
    }

    /// What becomes of an error, of a secret that may have been got before.
    fn excuse(
        &self,
        name: &SecretName,
        error: PortError,
        before: Option<SecretValue>,
    ) -> Result<SecretValue, PortError> {
        let detail = error.detail().unwrap_or_default();
        let is_kept = match self.bug {
            Bug::SurvivesRemoval => error.kind() == ErrorKind::NotFound,
            Bug::GivesExpired => detail.ends_with("has expired"),
            Bug::GivesDisabled => detail.ends_with("is disabled"),
            Bug::GivesDenied => detail.ends_with("may not be read"),
            _ => false,
        };
        match (self.bug, error.kind(), before) {
            (_, _, Some(before)) if is_kept => Ok(before),
            (Bug::GivesNothingForAbsent, ErrorKind::NotFound, _) => Ok(SecretValue {
                value: Secret::new(""),
                version: "0".to_owned(),
                expires_at: None,
            }),
            (Bug::RemembersAbsence, ErrorKind::NotFound, _) => {
                self.absent.lock().unwrap().insert(name.clone());
                Err(error)
            }
            (Bug::StaysDown, ErrorKind::Unavailable, _) => {
                self.is_down.store(true, Ordering::Relaxed);
                Err(error)
            }
            (Bug::HidesDenial, ErrorKind::Denied, _)
            | (Bug::HidesOutage, ErrorKind::Unavailable, _) => {
                Err(PortError::new(ErrorKind::NotFound, GET))
            }
            (Bug::ShowsInErrors, kind, Some(before)) => {
                let detail = format!("the last one was {}", before.value.expose());
                Err(PortError::new(kind, GET).with_detail(detail))
            }
            _ => Err(error),
        }
    }
}

#[async_trait]
impl SecretSource for Broken {
    fn capability(&self) -> SecretSourceCapability {
        self.inner.capability()
    }

    async fn get(&self, name: &SecretName) -> Result<SecretValue, PortError> {
        if self.absent.lock().unwrap().contains(name) {
            return Err(PortError::new(ErrorKind::NotFound, GET));
        }
        if self.is_down.load(Ordering::Relaxed) {
            return Err(PortError::new(ErrorKind::Unavailable, GET));
        }
        let before = self.got.lock().unwrap().get(name).cloned();
        if let (Bug::NeverLooksAgain, Some(before)) = (self.bug, &before) {
            return Ok(before.clone());
        }
        match self.inner.get(name).await {
            Ok(got) => {
                let got = self.alter(got);
                self.got.lock().unwrap().insert(name.clone(), got.clone());
                Ok(got)
            }
            Err(error) => self.excuse(name, error, before),
        }
    }
}

fn wrap(inner: Arc<dyn SecretSource>, bug: Bug) -> Arc<dyn SecretSource> {
    Arc::new(Broken {
        inner,
        bug,
        got: Mutex::default(),
        absent: Mutex::default(),
        is_down: AtomicBool::default(),
    })
}

#[track_caller]
fn check(with: Wrap<dyn SecretSource>, want: &str) {
    let broken = || {
        let mut vault = Vault::default();
        vault.wrap = with;
        vault
    };
    caught(clauses(), broken, want);
}

#[test]
fn a_sound_source_passes() {
    check(|source| source, "");
}

#[test]
fn altered_values_are_caught() {
    check(|source| wrap(source, Bug::TrimsValues), "c01");
}

#[test]
fn a_lost_expiry_is_caught() {
    check(|source| wrap(source, Bug::LosesExpiry), "c01");
}

#[test]
fn missing_versions_are_caught() {
    check(|source| wrap(source, Bug::HasNoVersions), "c01 c03 c04");
}

#[test]
fn a_value_for_an_absent_name_is_caught() {
    check(|source| wrap(source, Bug::GivesNothingForAbsent), "c02 c03");
}

#[test]
fn an_absence_that_lasts_is_caught() {
    check(|source| wrap(source, Bug::RemembersAbsence), "c02");
}

#[test]
fn a_source_that_never_looks_again_is_caught() {
    check(
        |source| wrap(source, Bug::NeverLooksAgain),
        "c03 c04 c05 c06",
    );
}

#[test]
fn a_secret_that_outlives_its_removal_is_caught() {
    check(|source| wrap(source, Bug::SurvivesRemoval), "c03");
}

#[test]
fn a_version_of_two_values_is_caught() {
    check(|source| wrap(source, Bug::ReusesVersions), "c04");
}

#[test]
fn an_expired_secret_is_caught() {
    check(|source| wrap(source, Bug::GivesExpired), "c05");
}

#[test]
fn a_disabled_secret_is_caught() {
    check(|source| wrap(source, Bug::GivesDisabled), "c05");
}

#[test]
fn a_secret_without_rights_is_caught() {
    check(|source| wrap(source, Bug::GivesDenied), "c06");
}

#[test]
fn a_denial_that_looks_like_absence_is_caught() {
    check(|source| wrap(source, Bug::HidesDenial), "c05 c06");
}

#[test]
fn an_outage_that_looks_like_absence_is_caught() {
    check(|source| wrap(source, Bug::HidesOutage), "c07");
}

#[test]
fn a_source_that_never_answers_again_is_caught() {
    check(|source| wrap(source, Bug::StaysDown), "c07");
}

#[test]
fn a_source_that_shows_its_secrets_is_caught() {
    check(|source| wrap(source, Bug::ShowsItself), "c08");
}

#[test]
fn an_error_that_shows_a_secret_is_caught() {
    check(|source| wrap(source, Bug::ShowsInErrors), "c08");
}
