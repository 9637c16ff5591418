//! The specimens of the hunt, with the interface of a zoo in the testkit.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use omnisync_core::PortError;
use omnisync_core::port::Disposition;
use omnisync_testkit::sim::orders::{OrderScenario, Ports};
use omnisync_testkit::sim::{Explorer, Tape, Worker};

/// Messages that a round takes.
const MESSAGES_MAX: usize = 10;

/// A known mistake.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Specimen(());

/// What became of a hunt.
#[derive(Debug, Clone)]
pub(crate) struct Hunted {
    pub(crate) caught: Option<Catch>,
    pub(crate) runs: u64,
}

/// What caught a specimen.
#[derive(Debug, Clone)]
pub(crate) struct Catch {
    pub(crate) invariant: &'static str,
    pub(crate) runs: u64,
    pub(crate) explorer: &'static str,
    pub(crate) tape: Tape,
}

/// How often the published algorithm fails.
#[derive(Debug, Clone, Default)]
pub(crate) struct PublishedRate {
    pub(crate) seeds: u64,
    pub(crate) failing: u64,
    pub(crate) by_invariant: BTreeMap<&'static str, u64>,
}

pub(crate) fn specimens() -> Vec<Specimen> {
    vec![Specimen(())]
}

/// The rate is not measured here.
pub(crate) fn published_rate(_seeds: u64) -> PublishedRate {
    PublishedRate::default()
}

impl Specimen {
    #[expect(clippy::unused_self, reason = "there is one specimen only")]
    pub(crate) const fn name(self) -> &'static str {
        "ack-and-forget"
    }

    #[expect(clippy::unused_self, reason = "there is one specimen only")]
    pub(crate) const fn what(self) -> &'static str {
        "completes messages without keeping what is in them"
    }

    #[expect(clippy::unused_self, reason = "there is one specimen only")]
    pub(crate) fn hunt(self, runs_max: u64) -> Hunted {
        let host = |ports: Ports| -> Box<dyn Worker> { Box::new(Forgetful(ports)) };
        let scenario = OrderScenario::new("zoo", host);
        match Explorer::new(&scenario).seeds(0, runs_max) {
            Ok(report) => Hunted {
                caught: None,
                runs: report.runs,
            },
            Err(found) => Hunted {
                caught: Some(Catch {
                    invariant: found.violation.invariant,
                    runs: found.run,
                    explorer: "seeds",
                    tape: found.tape,
                }),
                runs: found.run,
            },
        }
    }
}

struct Forgetful(Ports);

#[async_trait]
impl Worker for Forgetful {
    async fn round(&mut self) -> Result<(), PortError> {
        let source = &self.0.source;
        let received = source.receive(MESSAGES_MAX, Duration::ZERO).await?;
        for delivery in &received.deliveries {
            source.settle(delivery, Disposition::Complete).await?;
        }
        Ok(())
    }
}
