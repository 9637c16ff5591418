//! The clauses of [`SecretSource`].

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use omnisync_core::error::ErrorKind;
use omnisync_core::id::SecretName;
use omnisync_core::port::{SecretSource, SecretValue};

use super::macros::port_contract;
use super::{Check, Violation};

/// How long a secret of a clause lives.
const LIFE: Duration = Duration::from_secs(600);

/// What the clauses need from a test environment. Every clause gets its own.
///
/// Clauses touch only names that begin with `contract-`.
#[async_trait]
pub trait SecretSourceFixture: Send + Sync {
    /// The source under test.
    async fn source(&self) -> Arc<dyn SecretSource>;

    /// Stores a value under a new version, behind the port.
    async fn set(&self, name: &SecretName, value: &str, expires_at: Option<DateTime<Utc>>);

    /// Removes a secret behind the port.
    async fn remove(&self, name: &SecretName);

    /// Disables a secret behind the port.
    async fn disable(&self, name: &SecretName);

    /// Takes away the right to read a secret.
    async fn deny(&self, name: &SecretName);

    /// Makes the back end answer nobody, or answer again.
    async fn set_down(&self, is_down: bool);

    /// The moment that it is for the source.
    async fn now(&self) -> DateTime<Utc>;

    /// Lets time pass for the source: moves a manual clock, or waits.
    async fn pass(&self, by: Duration);
}

port_contract!(secret_source, __secret_source_clauses, SecretSourceFixture);

#[doc(hidden)]
#[macro_export]
macro_rules! __secret_source_clauses {
    ($then:ident, $($context:tt)*) => {
        $crate::$then! { ($($context)*) secret_source [
            c01_secrets_come_as_they_were_stored,
            c02_absent_names_are_not_found,
            c03_changes_are_seen_in_time,
            c04_a_version_has_one_value,
            c05_expired_and_disabled_secrets_are_denied,
            c06_missing_rights_are_denied,
            c07_a_source_that_does_not_answer_is_unavailable,
            c08_nothing_shows_a_secret,
        ] }
    };
}

/// Tests a [`SecretSource`](omnisync_core::port::SecretSource): one `#[test]` per clause.
///
/// `fixture` is an expression that builds a
/// [`SecretSourceFixture`](crate::contract::SecretSourceFixture); `run` blocks on a future and is
/// [`block_on`](crate::contract::block_on) by default. See [`contract`](crate::contract).
#[macro_export]
macro_rules! secret_source_contract {
    (fixture = $fixture:expr $(,)?) => {
        $crate::secret_source_contract!(fixture = $fixture, run = $crate::contract::block_on);
    };
    (fixture = $fixture:expr, run = $run:expr $(,)?) => {
        $crate::__secret_source_clauses!(__clause_tests, $fixture, $run);
    };
}

/// The source of a clause, and the name that the clause writes.
struct Desk<'f, F> {
    fixture: &'f F,
    source: Arc<dyn SecretSource>,
    name: SecretName,
    check: Check,
}

impl<'f, F: SecretSourceFixture> Desk<'f, F> {
    async fn open(fixture: &'f F, clause: &'static str) -> Result<Self, Violation> {
        let check = Check::of(clause);
        let name = clause.replace(['.', '_'], "-");
        let name = SecretName::new(format!("contract-{name}"));
        let name = name.map_err(|error| check.violation(error.to_string()))?;
        Ok(Self {
            fixture,
            source: fixture.source().await,
            name,
            check,
        })
    }

    async fn set(&self, value: &str) {
        self.fixture.set(&self.name, value, None).await;
    }

    /// The secret, which has to be `value`.
    async fn holds(&self, value: &str) -> Result<SecretValue, Violation> {
        let got = self.check.ok("get", self.source.get(&self.name).await)?;
        self.check
            .equal("the secret", &got.value.expose(), &value)?;
        Ok(got)
    }

    async fn refuses(&self, what: &str, kinds: &[ErrorKind]) -> Result<(), Violation> {
        let got = self.source.get(&self.name).await;
        self.check.refused(what, got, kinds)
    }

    /// Lets a change at the back end be seen.
    async fn settle(&self) {
        let seen_within = self.source.capability().seen_within;
        self.fixture.pass(seen_within).await;
    }
}

/// Clause 1: a secret comes as it was stored, with its version and when it expires.
///
/// # Errors
/// Says what the source did otherwise.
pub async fn c01_secrets_come_as_they_were_stored<F: SecretSourceFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "secret_source.c01").await?;
    let value = "Endpoint=sb://x/;Key=a+/=\"'\\ \u{e4}\n";
    desk.set(value).await;
    let got = desk.holds(value).await?;
    desk.check
        .that(!got.version.is_empty(), "a secret has a version")?;
    desk.check.equal("the expiry", &got.expires_at, &None)?;

    let other = SecretName::new("contract-secret-source-c01-other");
    let other = other.map_err(|error| desk.check.violation(error.to_string()))?;
    let now = fixture.now().await;
    let until = DateTime::from_timestamp(now.timestamp() + 3_600, 0);
    fixture.set(&other, "until", until).await;
    let got = desk.check.ok("get", desk.source.get(&other).await)?;
    desk.check.equal("the expiry", &got.expires_at, &until)
}

/// Clause 2: a name that the source does not hold gives `NotFound`.
///
/// # Errors
/// Says what the source did otherwise.
pub async fn c02_absent_names_are_not_found<F: SecretSourceFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "secret_source.c02").await?;
    desk.refuses("get of an absent name", &[ErrorKind::NotFound])
        .await?;
    desk.set("now there").await;
    desk.settle().await;
    desk.holds("now there").await.map(drop)
}

/// Clause 3: a change is seen within the time that the capability says.
///
/// # Errors
/// Says what the source did otherwise.
pub async fn c03_changes_are_seen_in_time<F: SecretSourceFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "secret_source.c03").await?;
    desk.set("old").await;
    let old = desk.holds("old").await?;
    desk.set("new").await;
    desk.settle().await;
    let new = desk.holds("new").await?;
    desk.check
        .that(old.version != new.version, "a new value has a new version")?;
    fixture.remove(&desk.name).await;
    desk.settle().await;
    desk.refuses("get of a removed secret", &[ErrorKind::NotFound])
        .await
}

/// Clause 4: a version is that of one value for ever.
///
/// # Errors
/// Says what the source did otherwise.
pub async fn c04_a_version_has_one_value<F: SecretSourceFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "secret_source.c04").await?;
    let mut seen: Vec<(String, String)> = Vec::new();
    for value in ["a", "b", "a", "c"] {
        desk.set(value).await;
        desk.settle().await;
        for _ in 0..2 {
            let got = desk.holds(value).await?;
            seen.push((got.version, value.to_owned()));
        }
    }
    let is_torn = seen.iter().any(|(version, value)| {
        let same = |other: &&(String, String)| other.0 == *version && other.1 != *value;
        seen.iter().any(|other| same(&other))
    });
    desk.check.that(!is_torn, "a version has one value")
}

/// Clause 5: a secret that has expired, or is disabled, is not given.
///
/// # Errors
/// Says what the source did otherwise.
pub async fn c05_expired_and_disabled_secrets_are_denied<F: SecretSourceFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "secret_source.c05").await?;
    let life = TimeDelta::from_std(LIFE).unwrap_or_default();
    let until = DateTime::from_timestamp((fixture.now().await + life).timestamp(), 0);
    fixture.set(&desk.name, "until then", until).await;
    desk.holds("until then").await?;
    fixture.pass(LIFE).await;
    desk.refuses("get of an expired secret", &[ErrorKind::Denied])
        .await?;
    desk.set("renewed").await;
    desk.settle().await;
    desk.holds("renewed").await?;
    fixture.disable(&desk.name).await;
    desk.settle().await;
    desk.refuses("get of a disabled secret", &[ErrorKind::Denied])
        .await
}

/// Clause 6: where rights are missing, or were taken away, `get` gives `Denied`.
///
/// # Errors
/// Says what the source did otherwise.
pub async fn c06_missing_rights_are_denied<F: SecretSourceFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "secret_source.c06").await?;
    desk.set("allowed").await;
    desk.holds("allowed").await?;
    fixture.deny(&desk.name).await;
    desk.settle().await;
    desk.refuses("get without rights", &[ErrorKind::Denied])
        .await
}

/// Clause 7: while the source does not answer, a secret that was never got is `Unavailable` or
/// `TimedOut`.
///
/// # Errors
/// Says what the source did otherwise.
pub async fn c07_a_source_that_does_not_answer_is_unavailable<F: SecretSourceFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "secret_source.c07").await?;
    desk.set("there").await;
    fixture.set_down(true).await;
    let kinds = [ErrorKind::Unavailable, ErrorKind::TimedOut];
    desk.refuses("get from a source that is down", &kinds)
        .await?;
    fixture.set_down(false).await;
    desk.holds("there").await.map(drop)
}

/// Clause 8: neither source, value nor error shows a secret.
///
/// # Errors
/// Says what the source did otherwise.
pub async fn c08_nothing_shows_a_secret<F: SecretSourceFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    const CANARY: &str = "c4nary-of-the-contract";
    let desk = Desk::open(fixture, "secret_source.c08").await?;
    desk.set(CANARY).await;
    let got = desk.holds(CANARY).await?;
    let mut shown = format!("{got:?} {:?} {:#?}", desk.source, desk.source);
    fixture.deny(&desk.name).await;
    desk.settle().await;
    if let Err(error) = desk.source.get(&desk.name).await {
        shown = format!("{shown} {error:?} {}", error.report());
    }
    desk.check
        .that(!shown.contains(CANARY), "the secret is not shown")
}
