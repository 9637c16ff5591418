use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use omnisync_core::error::PortError;
use omnisync_core::port::Content;

use super::published::{OrderDocument, PublishedHost, PublishedOptions, PublishedPorts, Status};
use crate::fake::PlainFormat;
use crate::sim::orders::{Host, OrderScenario, PipelinePolicies, Ports, Standing, Twist};
use crate::sim::{Explorer, Worker};

/// How often the published algorithm fails.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PublishedRate {
    /// Runs, each from a seed of its own.
    pub seeds: u64,
    /// Runs in which it broke a promise.
    pub failing: u64,
    /// How many of them broke which promise first.
    pub by_invariant: BTreeMap<&'static str, u64>,
}

/// Runs the published algorithm with so many seeds: with two instances and three plain orders
/// for one half of them, with one instance and any orders for the other.
///
/// It is judged by what becomes of the orders alone, and its timers fire 60 times as often as
/// in the design, so that a run holds what happens there in some days.
pub fn published_rate(seeds: u64) -> PublishedRate {
    let any = seeds / 2;
    let plain = OrderScenario::new("published-plain", host())
        .judged_by_outcomes(standing)
        .with_orders([Twist::Plain; 3]);
    let of_any_kind = OrderScenario::new("published-any", host())
        .judged_by_outcomes(standing)
        .with_workers(1)
        .with_any_orders(4);
    let mut rate = Explorer::new(&plain).rate(0, seeds - any);
    rate.merge(&Explorer::new(&of_any_kind).rate(0, any));
    PublishedRate {
        seeds: rate.report.seeds,
        failing: rate.failing,
        by_invariant: rate.by_invariant,
    }
}

fn host() -> impl Host {
    let options = hurried();
    let project = PipelinePolicies::default().spec.project;
    move |ports: Ports| -> Box<dyn Worker> {
        let ports = PublishedPorts {
            source: ports.source,
            store: ports.store,
            stage: ports.stage,
            erp: ports.erp,
            clock: ports.clock,
            ids: ports.ids,
        };
        let format = Arc::new(PlainFormat::default());
        Box::new(Published(PublishedHost::new(
            ports,
            format,
            project.clone(),
            &options,
        )))
    }
}

/// Hours become minutes.
fn hurried() -> PublishedOptions {
    let options = PublishedOptions::default();
    PublishedOptions {
        document_age_max: hurry(options.document_age_max),
        transform_every: hurry(options.transform_every),
        deliver_every: hurry(options.deliver_every),
        deliver_after: hurry(options.deliver_after),
        poll_every: hurry(options.poll_every),
        polling_max: hurry(options.polling_max),
        retry_delays: options.retry_delays.into_iter().map(hurry).collect(),
        package_age_max: hurry(options.package_age_max),
        lifecycle_every: hurry(options.lifecycle_every),
        ..options
    }
}

fn hurry(time: Duration) -> Duration {
    time / 60
}

struct Published(PublishedHost);

#[async_trait]
impl Worker for Published {
    async fn round(&mut self) -> Result<(), PortError> {
        self.0.tick().await
    }
}

fn standing(content: &Content) -> Option<Standing> {
    let document: OrderDocument = serde_json::from_str(content.body.get()).ok()?;
    Some(match document.processing_status {
        Status::Pending => Standing::Waiting,
        Status::Processing => Standing::Claimed,
        Status::Processed => Standing::Delivered,
        Status::Failed => Standing::GivenUp,
    })
}
