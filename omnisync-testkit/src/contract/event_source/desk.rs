use std::sync::Arc;
use std::time::Duration;

use omnisync_core::port::{Delivery, Disposition, EventSource, Received, Settled};

use super::super::{Check, Violation};
use super::EventSourceFixture;
use crate::fake::Message;

/// How long one `receive` waits.
const WAIT: Duration = Duration::from_millis(200);

/// How often `receive` may come back empty before the suite believes that nothing comes.
const EMPTY_ROUNDS_MAX: usize = 3;

/// A source that hands out more than this in one clause repeats itself without end.
const DELIVERIES_MAX: usize = 1_000;

/// A source and a clause: what every clause works with.
pub(super) struct Desk<'a> {
    pub(super) fixture: &'a dyn EventSourceFixture,
    pub(super) source: Arc<dyn EventSource>,
    pub(super) check: Check,
}

impl<'a> Desk<'a> {
    /// Publishes one message per body and opens the source.
    pub(super) async fn open(
        fixture: &'a dyn EventSourceFixture,
        clause: &'static str,
        bodies: &[&str],
    ) -> Result<Self, Violation> {
        let messages = bodies
            .iter()
            .map(|body| Message::new((*body).to_owned()))
            .collect();
        Self::open_with(fixture, clause, messages).await
    }

    pub(super) async fn open_with(
        fixture: &'a dyn EventSourceFixture,
        clause: &'static str,
        messages: Vec<Message>,
    ) -> Result<Self, Violation> {
        fixture.publish(messages).await;
        Ok(Self {
            fixture,
            source: fixture.source().await,
            check: Check::of(clause),
        })
    }

    /// Kills the process and opens the source anew, after every lock has run out.
    pub(super) async fn restart(self) -> Self {
        let Self {
            fixture,
            source,
            check,
        } = self;
        drop(source);
        let desk = Self {
            fixture,
            source: fixture.restart().await,
            check,
        };
        desk.pass_the_lock().await;
        desk
    }

    /// Lets every lock run out.
    pub(super) async fn pass_the_lock(&self) {
        if let Some(lock) = self.fixture.lock() {
            self.fixture.pass(lock + Duration::from_secs(1)).await;
        }
    }

    pub(super) async fn receive(&self, max: usize) -> Result<Received, Violation> {
        let received = self
            .check
            .ok("receive", self.source.receive(max, WAIT).await)?;
        let count = received.deliveries.len();
        self.check.that(
            count <= max,
            format!("at most {max} deliveries, {count} came"),
        )?;
        Ok(received)
    }

    /// Everything that comes without time passing.
    pub(super) async fn drain(&self) -> Result<Vec<Delivery>, Violation> {
        let mut all = Vec::new();
        let mut empty_rounds = 0;
        while empty_rounds < EMPTY_ROUNDS_MAX {
            let received = self.receive(10).await?;
            if received.deliveries.is_empty() {
                empty_rounds += 1;
            }
            all.extend(received.deliveries);
            self.check.that(
                all.len() <= DELIVERIES_MAX,
                "the source does not repeat itself",
            )?;
            if received.ended {
                break;
            }
        }
        Ok(all)
    }

    /// Everything that comes has to have these bodies, in any order.
    pub(super) async fn drain_exactly(&self, want: &[&str]) -> Result<Vec<Delivery>, Violation> {
        let all = self.drain().await?;
        self.check
            .equal("what was delivered", &bodies(&all), &sorted(want))?;
        Ok(all)
    }

    /// The only delivery that comes.
    pub(super) async fn only(&self, want: &str) -> Result<Delivery, Violation> {
        let all = self.drain_exactly(&[want]).await?;
        self.check.some("the delivery", all.into_iter().next())
    }

    pub(super) async fn settle(
        &self,
        delivery: &Delivery,
        disposition: Disposition,
        want: Settled,
    ) -> Result<(), Violation> {
        let settled = self.source.settle(delivery, disposition).await;
        let settled = self.check.ok("settle of a held delivery", settled)?;
        self.check.equal("the settlement", &settled, &want)
    }

    pub(super) async fn complete(&self, delivery: &Delivery) -> Result<(), Violation> {
        self.settle(delivery, Disposition::Complete, Settled::Completed)
            .await
    }

    /// `later` is the redelivery of `earlier`.
    pub(super) fn attempt_rose(
        &self,
        earlier: &Delivery,
        later: &Delivery,
    ) -> Result<(), Violation> {
        let (before, after) = (earlier.attempt, later.attempt);
        if self.source.capability().counts_attempts {
            self.check.that(
                after > before,
                format!("the attempt rises from {before}, got {after}"),
            )
        } else {
            self.check
                .equal("the attempt of a source that does not count", &after, &1)
        }
    }
}

/// A source may add headers of its own.
pub(super) fn as_sent(delivery: &Delivery, message: &Message) -> bool {
    delivery.body == message.body
        && message
            .headers
            .iter()
            .all(|(name, value)| delivery.header(name) == Some(value))
}

/// Bodies as sorted texts.
pub(super) fn bodies(deliveries: &[Delivery]) -> Vec<String> {
    let mut bodies: Vec<String> = deliveries
        .iter()
        .map(|delivery| String::from_utf8_lossy(&delivery.body).into_owned())
        .collect();
    bodies.sort();
    bodies
}

fn sorted(texts: &[&str]) -> Vec<String> {
    let mut texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    texts.sort();
    texts
}
