use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use omnisync_core::error::PortError;
use omnisync_core::port::{
    Delivery, Disposition, EventSource, EventSourceCapability, Received, Settled,
};
use omnisync_testkit::contract::event_source::clauses;
use omnisync_testkit::fake::QueueOptions;

use super::caught;
use crate::fixture::{Queue, Wrap};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    IgnoresMax,
    SettlesOnReceive,
    NeverSettles,
    RetriesAtOnce,
    DropsDeadLetters,
    SettlesLostLocks,
    ReplacesBadUtf8,
    NeverEnds,
    StopsAtBadItems,
    PretendsToExtend,
    RenamesReturns,
}

#[derive(Debug)]
struct Broken {
    inner: Arc<dyn EventSource>,
    bug: Bug,
    blocked: AtomicBool,
}

#[async_trait]
impl EventSource for Broken {
    fn capability(&self) -> EventSourceCapability {
        self.inner.capability()
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Received, PortError> {
        if self.blocked.load(Ordering::SeqCst) {
            return Ok(Received::default());
        }
        let max = if self.bug == Bug::IgnoresMax {
            100
        } else {
            max
        };
        let mut received = self.inner.receive(max, wait).await?;
        for delivery in &mut received.deliveries {
            match self.bug {
                Bug::SettlesOnReceive => {
                    self.inner.settle(delivery, Disposition::Complete).await?;
                }
                Bug::ReplacesBadUtf8 => {
                    delivery.body = String::from_utf8_lossy(&delivery.body)
                        .into_owned()
                        .into_bytes()
                        .into();
                }
                Bug::RenamesReturns if delivery.attempt > 1 => {
                    delivery.headers.retain(|(name, _)| name != "message-id");
                }
                _ => {}
            }
        }
        if self.bug == Bug::NeverEnds {
            received.ended = false;
        }
        Ok(received)
    }

    async fn settle(
        &self,
        delivery: &Delivery,
        disposition: Disposition,
    ) -> Result<Settled, PortError> {
        match (self.bug, &disposition) {
            (Bug::NeverSettles, Disposition::Complete) => return Ok(Settled::Completed),
            (Bug::RetriesAtOnce, Disposition::RetryAfter(_)) => {
                let at_once = Disposition::RetryAfter(Duration::ZERO);
                return self.inner.settle(delivery, at_once).await;
            }
            (Bug::DropsDeadLetters, Disposition::DeadLetter { .. }) => {
                self.inner.settle(delivery, Disposition::Complete).await?;
                return Ok(Settled::DeadLettered);
            }
            (Bug::SettlesLostLocks, Disposition::Complete) => {
                return Ok(self
                    .inner
                    .settle(delivery, disposition)
                    .await
                    .unwrap_or(Settled::Completed));
            }
            (Bug::StopsAtBadItems, Disposition::RetryAfter(_)) => {
                self.blocked.store(true, Ordering::SeqCst);
            }
            _ => {}
        }
        self.inner.settle(delivery, disposition).await
    }

    async fn extend(&self, delivery: &Delivery) -> Result<DateTime<Utc>, PortError> {
        if self.bug == Bug::PretendsToExtend {
            return Ok(DateTime::<Utc>::MAX_UTC);
        }
        self.inner.extend(delivery).await
    }
}

fn wrap(inner: Arc<dyn EventSource>, bug: Bug) -> Arc<dyn EventSource> {
    Arc::new(Broken {
        inner,
        bug,
        blocked: AtomicBool::new(false),
    })
}

#[track_caller]
fn check(with: Wrap<dyn EventSource>, want: &str) {
    let broken = || {
        let mut queue = Queue::new(QueueOptions {
            finite: true,
            ..QueueOptions::default()
        });
        queue.wrap = with;
        queue
    };
    caught(clauses(), broken, want);
}

#[test]
fn a_sound_source_passes() {
    check(|source| source, "");
}

#[test]
fn more_than_max_is_caught() {
    check(|source| wrap(source, Bug::IgnoresMax), "c01 c08 c09");
}

#[test]
fn settlement_on_receive_is_caught() {
    check(
        |source| wrap(source, Bug::SettlesOnReceive),
        "c02 c03 c04 c05 c06 c08 c09 c10 c11",
    );
}

#[test]
fn settlement_that_does_not_last_is_caught() {
    check(|source| wrap(source, Bug::NeverSettles), "c03 c06 c08 c10");
}

#[test]
fn a_retry_without_its_delay_is_caught() {
    check(|source| wrap(source, Bug::RetriesAtOnce), "c04 c08 c09");
}

#[test]
fn a_lost_dead_letter_is_caught() {
    check(|source| wrap(source, Bug::DropsDeadLetters), "c03 c05 c11");
}

#[test]
fn a_settlement_after_the_lock_was_lost_is_caught() {
    check(|source| wrap(source, Bug::SettlesLostLocks), "c06");
}

#[test]
fn altered_bytes_are_caught() {
    check(|source| wrap(source, Bug::ReplacesBadUtf8), "c07 c09");
}

#[test]
fn a_finite_source_that_does_not_end_is_caught() {
    check(|source| wrap(source, Bug::NeverEnds), "c08");
}

#[test]
fn a_source_that_stops_at_bad_items_is_caught() {
    check(
        |source| wrap(source, Bug::StopsAtBadItems),
        "c04 c06 c08 c09 c11",
    );
}

#[test]
fn an_extension_that_does_nothing_is_caught() {
    check(|source| wrap(source, Bug::PretendsToExtend), "c10");
}

#[test]
fn a_return_that_loses_a_header_is_caught() {
    check(|source| wrap(source, Bug::RenamesReturns), "c11");
}
