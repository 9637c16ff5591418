use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::stream::{self, StreamExt as _};
use serde::{Deserialize, Serialize};
use tracing::{info, instrument, warn};

use super::super::repository::{Decision, Repository};
use super::super::worker::Worker;
use super::candidate::{Candidate, EventTypes, Refusal, candidate};
use super::outcome::{Fate, IngestItem, IngestOutcome, Intaken};
use crate::error::{ErrorKind, PortError};
use crate::event::{CloudEvent, EventError, decode_http};
use crate::id::OrderId;
use crate::order::OrderRules;
use crate::order::intake::{Verdict, decide};
use crate::policy::{Breaker, BreakerPolicy, RetryPolicy};
use crate::port::{DeadLetterReason, Delivery, Disposition, EventSource, Settled, StateStore};

/// How events are taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IngestPolicy {
    /// Types of event.
    pub types: EventTypes,
    /// Rules of an order.
    pub order: OrderRules,
    /// Deliveries that a run takes. Default 500.
    pub receive_max: usize,
    /// How long a run waits for the first delivery, in milliseconds. Default 1,000.
    pub wait_ms: u32,
    /// Deliveries that are settled at the same time. Default 16.
    pub settle_concurrency: usize,
    /// Delays of deliveries that the store could not take.
    pub retry: RetryPolicy,
    /// When to stop receiving while the store is down.
    pub breaker: BreakerPolicy,
}

impl Default for IngestPolicy {
    fn default() -> Self {
        Self {
            types: EventTypes::default(),
            order: OrderRules::default(),
            receive_max: 500,
            wait_ms: 1_000,
            settle_concurrency: 16,
            retry: RetryPolicy::default(),
            breaker: BreakerPolicy::default(),
        }
    }
}

/// Takes events into the store. A delivery is acknowledged only after the store has
/// acknowledged its order.
#[derive(Debug)]
pub struct Ingest {
    repository: Repository,
    worker: Worker,
    policy: IngestPolicy,
    breaker: Mutex<Breaker>,
}

/// Header with which a source says that a body was cut; see [`Delivery::headers`].
const TRUNCATED: &str = "omnisync-truncated";

impl Ingest {
    /// A flow into `store`.
    pub fn new(store: Arc<dyn StateStore>, worker: Worker, policy: IngestPolicy) -> Self {
        Self {
            repository: Repository::new(store),
            worker,
            policy,
            breaker: Mutex::new(Breaker::default()),
        }
    }

    /// Takes in one portion of deliveries.
    ///
    /// # Errors
    /// Those of the source, and those of the store that somebody has to repair; what was
    /// received is returned to the source before.
    #[instrument(skip_all, fields(worker = %self.worker.id))]
    pub async fn run_once(&self, source: &dyn EventSource) -> Result<IngestOutcome, PortError> {
        let mut outcome = IngestOutcome::default();
        if let Some(until) = self.breaker().blocked_until(self.worker.now()) {
            outcome.paused_until = Some(until);
            return Ok(outcome);
        }
        let wait = Duration::from_millis(self.policy.wait_ms.into());
        let mut received = source.receive(self.policy.receive_max, wait).await?;
        // A delivery that is handed out twice at once is settled once.
        let mut tokens = HashSet::with_capacity(received.deliveries.len());
        received
            .deliveries
            .retain(|delivery| tokens.insert(delivery.token.0.clone()));
        outcome.received = received.deliveries.len();
        outcome.ended = received.ended;
        if received.deliveries.is_empty() {
            return Ok(outcome);
        }

        let mut events = Vec::with_capacity(received.deliveries.len());
        let mut spans = Vec::with_capacity(received.deliveries.len());
        for delivery in &received.deliveries {
            let first = events.len();
            events.extend(decode(delivery));
            spans.push(first..events.len());
        }
        let mut intakes = self.accept_each(events).await.into_iter();
        outcome.paused_until = self.breaker().blocked_until(self.worker.now());
        let mut settlements = Vec::with_capacity(spans.len());
        for (delivery, span) in received.deliveries.iter().zip(spans) {
            let fates: Vec<Intaken> = intakes.by_ref().take(span.len()).collect();
            settlements.push((delivery, self.disposition(delivery, &fates), fates));
        }
        self.settle(source, settlements, outcome).await
    }

    /// Takes in events that were pushed: by a webhook, say. Results come in the order of the
    /// events, and `Stored` means that the store has acknowledged. While the store is down, or asked
    /// for a pause, every event fails as `Unavailable` with the time that is left.
    pub async fn accept(&self, events: Vec<Result<CloudEvent, EventError>>) -> Vec<Intaken> {
        let now = self.worker.now();
        if let Some(until) = self.breaker().blocked_until(now) {
            let left = (until - now).to_std().unwrap_or_default();
            return events.iter().map(|_| not_now(left)).collect();
        }
        self.accept_each(
            events
                .into_iter()
                .map(|event| event.map_err(Refusal::from))
                .collect(),
        )
        .await
    }

    async fn accept_each(&self, events: Vec<Result<CloudEvent, Refusal>>) -> Vec<Intaken> {
        let now = self.worker.now();
        let mut results: BTreeMap<usize, Intaken> = BTreeMap::new();
        let mut waiting: Vec<(usize, Candidate)> = Vec::new();
        for (index, event) in events.into_iter().enumerate() {
            let read = event
                .and_then(|event| candidate(&event, &self.policy.types, &self.policy.order, now));
            match read {
                Ok(candidate) => waiting.push((index, candidate)),
                Err(refusal) => {
                    let fate = Fate::Refused(refusal);
                    results.insert(
                        index,
                        Intaken {
                            order: None,
                            fate,
                            warnings: Vec::new(),
                        },
                    );
                }
            }
        }
        // Events of one order meet the store one after the other, in their order.
        while !waiting.is_empty() {
            let round = one_per_order(&mut waiting);
            let busy = self.store_round(round, now, &mut results).await;
            // A store that asked for a pause is not asked again for the rest.
            if let Some(error) = busy {
                let fates = shared_failure(&error, waiting.len());
                for ((index, event), fate) in waiting.drain(..).zip(fates) {
                    results.insert(index, intaken(event, fate));
                }
            }
        }
        results.into_values().collect()
    }

    async fn store_round(
        &self,
        round: Vec<(usize, Candidate)>,
        now: DateTime<Utc>,
        results: &mut BTreeMap<usize, Intaken>,
    ) -> Option<PortError> {
        let ids: Vec<OrderId> = round.iter().map(|(_, event)| event.order.clone()).collect();
        let decided = self
            .repository
            .update_orders(&ids, |index, existing| {
                let Some((_, event)) = round.get(index) else {
                    return Err(PortError::new(ErrorKind::Internal, "ingest.decide"));
                };
                let content = event.content.clone();
                let change = self.worker.change(now, content.cause.clone());
                let intake = decide(&event.order, existing, content, &change);
                Ok(match intake.write {
                    Some(record) => Decision::Write(Box::new(record), intake.verdict),
                    None => Decision::Keep(intake.verdict),
                })
            })
            .await;
        let mut busy = None;
        let fates: Vec<Fate> = match decided {
            Ok(decided) => decided.into_iter().map(fate_of).collect(),
            Err(error) => {
                let fates = shared_failure(&error, round.len());
                busy = error.retry_after().map(|_| error);
                fates
            }
        };
        self.note_health(&fates, now);
        for ((index, event), fate) in round.into_iter().zip(fates) {
            if let Fate::Stored(verdict) = &fate
                && *verdict != Verdict::RevisionConflict
            {
                info!(
                    OrderId = %event.order,
                    DurationMs = self.worker.millis_since(now),
                    verdict = ?verdict,
                    "IngestionSuccess"
                );
            }
            results.insert(index, intaken(event, fate));
        }
        busy
    }

    fn note_health(&self, fates: &[Fate], now: DateTime<Utc>) {
        let down = fates
            .iter()
            .any(|fate| matches!(fate, Fate::Failed(error) if !concerns_one_order(error)));
        let pauses = fates.iter().filter_map(|fate| match fate {
            Fate::Failed(error) => error.retry_after(),
            _ => None,
        });
        let pause = pauses.max().map(|delay| self.worker.after(delay));
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        *breaker = if down {
            breaker.failed(now, &self.policy.breaker)
        } else {
            breaker.succeeded(now, &self.policy.breaker)
        };
        if let Some(until) = pause {
            *breaker = breaker.blocked(until);
        }
    }

    fn breaker(&self) -> Breaker {
        *self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a delivery's events mean for the delivery: it is done only when all of them are.
    fn disposition(&self, delivery: &Delivery, fates: &[Intaken]) -> Disposition {
        let mut refused: Vec<(usize, DeadLetterReason, String)> = Vec::new();
        for (index, intaken) in fates.iter().enumerate() {
            match &intaken.fate {
                Fate::Failed(error) if error.kind() == ErrorKind::TooLarge => {
                    refused.push((index, DeadLetterReason::TooLarge, error.to_string()));
                }
                Fate::Failed(error) => {
                    let backoff = self
                        .policy
                        .retry
                        .delay(delivery.attempt, self.worker.ids.jitter());
                    return Disposition::RetryAfter(error.retry_after().unwrap_or(backoff));
                }
                Fate::Refused(refusal) => {
                    refused.push((index, refusal.reason, refusal.detail.clone()));
                }
                Fate::Stored(Verdict::RevisionConflict) => {
                    let detail = "the order is known with other content for this revision";
                    let reason = DeadLetterReason::RevisionConflict;
                    refused.push((index, reason, detail.to_owned()));
                }
                Fate::Stored(_) => {}
            }
        }
        let Some((_, reason, _)) = refused.first() else {
            return Disposition::Complete;
        };
        let reason = *reason;
        let description = if fates.len() == 1 {
            refused.into_iter().map(|(_, _, detail)| detail).collect()
        } else {
            let elements: Vec<String> = refused
                .into_iter()
                .map(|(index, reason, detail)| format!("element {index}: {reason}: {detail}"))
                .collect();
            elements.join("; ")
        };
        Disposition::DeadLetter {
            reason,
            description,
        }
    }

    async fn settle(
        &self,
        source: &dyn EventSource,
        settlements: Vec<(&Delivery, Disposition, Vec<Intaken>)>,
        mut outcome: IngestOutcome,
    ) -> Result<IngestOutcome, PortError> {
        let concurrency = self.policy.settle_concurrency.max(1);
        // The futures are made before the stream: a closure over borrowed deliveries would keep
        // the whole flow from being spawned.
        let calls: Vec<_> = settlements
            .into_iter()
            .map(|(delivery, disposition, fates)| settle_one(source, delivery, disposition, fates))
            .collect();
        let settled: Vec<_> = stream::iter(calls).buffered(concurrency).collect().await;
        let mut broken: Option<PortError> = None;
        // Whoever hears of one error has to respect what all of them asked for.
        let pause = outcome.paused_until.map(|until| until - self.worker.now());
        let mut patience = pause.and_then(|pause| pause.to_std().ok());
        for (delivery, disposition, fates, settled) in settled {
            let settled = match settled {
                Ok(settled) => settled,
                // The order is stored; the delivery comes again and is recognised.
                Err(error) if error.kind() == ErrorKind::LockLost => {
                    outcome.returned += 1;
                    continue;
                }
                Err(error) => {
                    patience = patience.max(error.retry_after());
                    broken.get_or_insert(error);
                    continue;
                }
            };
            note_settlement(&mut outcome, delivery, &disposition, settled);
            for intaken in fates {
                if let Some(error) = note_fate(&mut outcome, delivery, settled, intaken) {
                    broken.get_or_insert(error);
                }
            }
        }
        match broken {
            Some(error) => Err(error.no_sooner(patience)),
            None => Ok(outcome),
        }
    }
}

type SettledDelivery<'d> = (
    &'d Delivery,
    Disposition,
    Vec<Intaken>,
    Result<Settled, PortError>,
);

async fn settle_one<'d>(
    source: &dyn EventSource,
    delivery: &'d Delivery,
    disposition: Disposition,
    fates: Vec<Intaken>,
) -> SettledDelivery<'d> {
    let settled = source.settle(delivery, disposition.clone()).await;
    (delivery, disposition, fates, settled)
}

fn note_settlement(
    outcome: &mut IngestOutcome,
    delivery: &Delivery,
    disposition: &Disposition,
    settled: Settled,
) {
    match (settled, disposition) {
        (
            Settled::DeadLettered,
            Disposition::DeadLetter {
                reason,
                description,
            },
        ) => {
            *outcome.dead_lettered.entry(*reason).or_default() += 1;
            warn!(
                cursor = %delivery.cursor,
                DeadLetterReason = reason.as_str(),
                ErrorMessage = description.as_str(),
                "DeadLetter"
            );
        }
        (Settled::AlreadyDeadLettered, _) => outcome.duplicates += 1,
        (Settled::Returned, _) => outcome.returned += 1,
        _ => {}
    }
}

/// Counts one event; gives the error back when somebody has to repair the store.
fn note_fate(
    outcome: &mut IngestOutcome,
    delivery: &Delivery,
    settled: Settled,
    intaken: Intaken,
) -> Option<PortError> {
    let Intaken {
        order,
        fate,
        warnings,
    } = intaken;
    let (fate, broken) = match fate {
        Fate::Stored(verdict) => {
            outcome.count(verdict);
            outcome.warned += usize::from(!warnings.is_empty());
            if verdict == Verdict::RevisionConflict && settled == Settled::DeadLettered {
                outcome.quarantined += 1;
            }
            (Ok(verdict), None)
        }
        Fate::Refused(refusal) => (Err(refusal.reason.as_str().to_owned()), None),
        Fate::Failed(error) => {
            let word = error.kind().to_string();
            let needs_repair = !error.is_transient() && error.kind() != ErrorKind::TooLarge;
            (Err(word), needs_repair.then_some(error))
        }
    };
    outcome.items.push(IngestItem {
        cursor: delivery.cursor.clone(),
        order,
        fate,
    });
    broken
}

fn intaken(event: Candidate, fate: Fate) -> Intaken {
    Intaken {
        order: Some(event.order),
        fate,
        warnings: event.warnings,
    }
}

fn fate_of(decided: Result<Verdict, PortError>) -> Fate {
    match decided {
        Ok(verdict) => Fate::Stored(verdict),
        Err(error) => Fate::Failed(error),
    }
}

/// True for failures that say nothing about the store as a whole.
fn concerns_one_order(error: &PortError) -> bool {
    matches!(error.kind(), ErrorKind::TooLarge | ErrorKind::Corrupt)
}

/// An event that is not looked at while the store is to be left alone.
fn not_now(left: Duration) -> Intaken {
    let error = PortError::new(ErrorKind::Unavailable, "ingest.accept")
        .with_detail("the store is down or asked for a pause")
        .with_retry_after(left);
    Intaken {
        order: None,
        fate: Fate::Failed(error),
        warnings: Vec::new(),
    }
}

/// The failure of a whole write, once for every event of it.
fn shared_failure(error: &PortError, events: usize) -> Vec<Fate> {
    (0..events)
        .map(|_| {
            let mut copy = PortError::new(error.kind(), error.operation()).with_detail(
                error
                    .detail()
                    .unwrap_or("the store refused the whole write"),
            );
            if let Some(delay) = error.retry_after() {
                copy = copy.with_retry_after(delay);
            }
            Fate::Failed(copy.with_source(error.report()))
        })
        .collect()
}

/// Takes the first event of every order and leaves the rest in their order.
fn one_per_order(waiting: &mut Vec<(usize, Candidate)>) -> Vec<(usize, Candidate)> {
    let mut seen = HashSet::with_capacity(waiting.len());
    waiting
        .extract_if(.., |(_, event)| seen.insert(event.order.clone()))
        .collect()
}

/// The events of a delivery: one, unless it is a batch.
fn decode(delivery: &Delivery) -> Vec<Result<CloudEvent, Refusal>> {
    if let Some(bytes) = delivery.header(TRUNCATED) {
        let detail = format!("the message is larger than this source takes ({bytes})");
        return vec![Err(Refusal::new(DeadLetterReason::TooLarge, detail))];
    }
    let has_mode = delivery
        .headers
        .iter()
        .any(|(name, _)| name == "content-type" || name.starts_with("ce-"));
    if !has_mode {
        return vec![CloudEvent::from_json(&delivery.body).map_err(Refusal::from)];
    }
    let headers = delivery
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()));
    match decode_http(headers, &delivery.body) {
        Ok(decoded) => decoded
            .into_each()
            .into_iter()
            .map(|event| event.map_err(Refusal::from))
            .collect(),
        Err(error) => vec![Err(error.into())],
    }
}
