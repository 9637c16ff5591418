//! The clauses of [`IdSource`].

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use omnisync_core::port::IdSource;

use super::macros::port_contract;
use super::{Check, Violation};

/// How many identifiers are compared.
const IDS: usize = 1_000;

/// What the clauses need from a test environment. Every clause gets its own.
#[async_trait]
pub trait IdSourceFixture: Send + Sync {
    /// Two sources, as two workers have them.
    async fn sources(&self) -> [Arc<dyn IdSource>; 2];
}

port_contract!(id_source, __id_source_clauses, IdSourceFixture);

#[doc(hidden)]
#[macro_export]
macro_rules! __id_source_clauses {
    ($then:ident, $($context:tt)*) => {
        $crate::$then! { ($($context)*) id_source [
            c01_unique_values_never_repeat,
            c02_jitter_is_a_fraction,
        ] }
    };
}

/// Tests an [`IdSource`](omnisync_core::port::IdSource): one `#[test]` per clause.
///
/// `fixture` is an expression that builds an
/// [`IdSourceFixture`](crate::contract::IdSourceFixture); `run` blocks on a future and is
/// [`block_on`](crate::contract::block_on) by default. See [`contract`](crate::contract).
#[macro_export]
macro_rules! id_source_contract {
    (fixture = $fixture:expr $(,)?) => {
        $crate::id_source_contract!(fixture = $fixture, run = $crate::contract::block_on);
    };
    (fixture = $fixture:expr, run = $run:expr $(,)?) => {
        $crate::__id_source_clauses!(__clause_tests, $fixture, $run);
    };
}

/// Clause 1: two calls of `unique` on any two sources give different values.
///
/// # Errors
/// Says what the source did otherwise.
pub async fn c01_unique_values_never_repeat<F: IdSourceFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let check = Check::of("id_source.c01");
    let mut seen = BTreeSet::new();
    for source in fixture.sources().await {
        for _ in 0..IDS {
            let id = source.unique();
            check.that(seen.insert(id), format!("{id} comes once"))?;
        }
    }
    Ok(())
}

/// Clause 2: `jitter` lies in `0.0..1.0`, and spreads.
///
/// # Errors
/// Says what the source did otherwise.
pub async fn c02_jitter_is_a_fraction<F: IdSourceFixture>(fixture: &F) -> Result<(), Violation> {
    let check = Check::of("id_source.c02");
    for source in fixture.sources().await {
        let drawn: Vec<f64> = (0..IDS).map(|_| source.jitter()).collect();
        for jitter in &drawn {
            check.that(
                (0.0..1.0).contains(jitter),
                format!("{jitter} lies in 0.0..1.0"),
            )?;
        }
        let low = drawn.iter().any(|jitter| *jitter < 0.5);
        let high = drawn.iter().any(|jitter| *jitter >= 0.5);
        check.that(low && high, "jitter spreads over both halves")?;
    }
    Ok(())
}
