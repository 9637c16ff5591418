use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use omnisync_core::port::{Clock, IdSource};
use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::contract::{ClockFixture, IdSourceFixture, clock, id_source};
use uuid::Uuid;

use super::caught;
use crate::fixture::{Ids, Time};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    StandsStill,
    SleepsThroughThePast,
    WakesEarly,
}

#[derive(Debug, Clone)]
struct Broken {
    inner: ManualClock,
    start: DateTime<Utc>,
    bug: Bug,
}

#[async_trait]
impl Clock for Broken {
    fn now(&self) -> DateTime<Utc> {
        if self.bug == Bug::StandsStill {
            self.start
        } else {
            self.inner.now()
        }
    }

    async fn sleep_until(&self, instant: DateTime<Utc>) {
        let now = self.inner.now();
        match self.bug {
            Bug::WakesEarly => {}
            Bug::SleepsThroughThePast if instant <= now => {
                self.inner
                    .sleep_until(now + chrono::TimeDelta::milliseconds(1))
                    .await;
            }
            _ => self.inner.sleep_until(instant).await,
        }
    }
}

#[async_trait]
impl ClockFixture for Broken {
    async fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clone())
    }

    async fn pass(&self, by: Duration) {
        self.inner.advance(by);
    }
}

#[track_caller]
fn check(bug: Bug, want: &str) {
    let broken = || {
        let inner = ManualClock::default();
        Broken {
            start: inner.now(),
            inner,
            bug,
        }
    };
    caught(clock::clauses(), broken, want);
}

#[test]
fn a_sound_clock_passes() {
    caught(clock::clauses(), Time::default, "");
}

#[test]
fn a_clock_that_stands_still_is_caught() {
    check(Bug::StandsStill, "c01 c03");
}

#[test]
fn a_sleep_through_the_past_is_caught() {
    check(Bug::SleepsThroughThePast, "c02");
}

#[test]
fn an_early_wake_is_caught() {
    check(Bug::WakesEarly, "c03");
}

#[test]
fn ids_that_two_sources_share_are_caught() {
    caught(id_source::clauses(), || Ids([1, 1]), "c01");
}

#[derive(Debug)]
struct Steady(Ids);

#[derive(Debug)]
struct SteadyJitter(Arc<dyn IdSource>);

impl IdSource for SteadyJitter {
    fn unique(&self) -> Uuid {
        self.0.unique()
    }

    fn jitter(&self) -> f64 {
        1.0
    }
}

#[async_trait]
impl IdSourceFixture for Steady {
    async fn sources(&self) -> [Arc<dyn IdSource>; 2] {
        let sources = self.0.sources().await;
        sources.map(|source| Arc::new(SteadyJitter(source)) as Arc<dyn IdSource>)
    }
}

#[test]
fn a_jitter_out_of_range_is_caught() {
    caught(id_source::clauses(), || Steady(Ids([1, 2])), "c02");
}
