//! The clauses of [`Clock`].

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use futures::future::{Either, join, select};
use omnisync_core::port::Clock;

use super::macros::port_contract;
use super::{Check, Violation};

/// A moment that passes in a test.
const MOMENT: Duration = Duration::from_millis(50);

/// What the clauses need from a test environment. Every clause gets its own.
#[async_trait]
pub trait ClockFixture: Send + Sync {
    /// The clock under test.
    async fn clock(&self) -> Arc<dyn Clock>;

    /// Lets time pass: moves a manual clock, or waits.
    async fn pass(&self, by: Duration);
}

port_contract!(clock, __clock_clauses, ClockFixture);

#[doc(hidden)]
#[macro_export]
macro_rules! __clock_clauses {
    ($then:ident, $($context:tt)*) => {
        $crate::$then! { ($($context)*) clock [
            c01_now_moves_forward,
            c02_sleep_until_the_past_returns_at_once,
            c03_sleep_until_returns_no_earlier,
        ] }
    };
}

/// Tests a [`Clock`](omnisync_core::port::Clock): one `#[test]` per clause.
///
/// `fixture` is an expression that builds a [`ClockFixture`](crate::contract::ClockFixture);
/// `run` blocks on a future and is [`block_on`](crate::contract::block_on) by default.
/// See [`contract`](crate::contract).
#[macro_export]
macro_rules! clock_contract {
    (fixture = $fixture:expr $(,)?) => {
        $crate::clock_contract!(fixture = $fixture, run = $crate::contract::block_on);
    };
    (fixture = $fixture:expr, run = $run:expr $(,)?) => {
        $crate::__clock_clauses!(__clause_tests, $fixture, $run);
    };
}

/// Clause 1: `now` does not go backwards while nobody sets the machine's clock, and moves as
/// time passes.
///
/// # Errors
/// Says what the clock did otherwise.
pub async fn c01_now_moves_forward<F: ClockFixture>(fixture: &F) -> Result<(), Violation> {
    let check = Check::of("clock.c01");
    let clock = fixture.clock().await;
    let start = clock.now();
    let mut before = start;
    for _ in 0..100 {
        let now = clock.now();
        check.that(now >= before, format!("{now} is not before {before}"))?;
        before = now;
    }
    fixture.pass(MOMENT).await;
    check.that(clock.now() > start, "time passes")
}

/// Clause 2: `sleep_until` returns at once for an instant that has passed.
///
/// # Errors
/// Says what the clock did otherwise.
pub async fn c02_sleep_until_the_past_returns_at_once<F: ClockFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let check = Check::of("clock.c02");
    let clock = fixture.clock().await;
    for back in [
        TimeDelta::zero(),
        TimeDelta::seconds(1),
        TimeDelta::days(36_500),
    ] {
        let sleep = clock.sleep_until(clock.now() - back);
        let moment = pin!(fixture.pass(MOMENT));
        if let Either::Right(_) = select(sleep, moment).await {
            return Err(check.violation(format!("sleeping until {back} ago took time")));
        }
    }
    Ok(())
}

/// Clause 3: `sleep_until` returns no earlier than the instant, as seen by `now`, and does
/// return.
///
/// # Errors
/// Says what the clock did otherwise.
pub async fn c03_sleep_until_returns_no_earlier<F: ClockFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let check = Check::of("clock.c03");
    let clock = fixture.clock().await;
    let start = clock.now();
    let near = start + TimeDelta::milliseconds(40);
    let far = start + TimeDelta::milliseconds(90);
    let sleeper = |instant| {
        let clock = Arc::clone(&clock);
        async move {
            clock.sleep_until(instant).await;
            clock.now()
        }
    };
    let pass = async {
        fixture.pass(MOMENT).await;
        fixture.pass(MOMENT).await;
    };
    let ((woken_near, woken_far), ()) = join(join(sleeper(near), sleeper(far)), pass).await;
    check.that(
        woken_near >= near,
        format!("woken at {woken_near}, not before {near}"),
    )?;
    check.that(
        woken_far >= far,
        format!("woken at {woken_far}, not before {far}"),
    )
}
