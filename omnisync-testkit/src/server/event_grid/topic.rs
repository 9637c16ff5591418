use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::{Method, Request, Response, StatusCode};
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::json;

use super::options::GridOptions;
use super::publish::{self, Event, Refusal};
use crate::clock::later;

/// Waits between deliveries, in seconds; the last one repeats.
const SCHEDULE_S: [u64; 10] = [10, 30, 60, 300, 600, 1_800, 3_600, 10_800, 21_600, 43_200];

/// Who Event Grid says that it is.
const ORIGIN: &str = "eventgrid.azure.net";

/// A topic, its subscription and its dead letters. Clones share them.
#[derive(Clone)]
pub struct EventGrid {
    options: Arc<GridOptions>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    published: u64,
    waiting: Vec<Waiting>,
    delivered: Vec<String>,
    dead: Vec<GridDeadLetter>,
    /// Answers of success that get lost on their way.
    answers_to_lose: u32,
    /// What publishers are answered before anything is taken.
    refusals: Vec<Refusal>,
}

#[derive(Clone)]
struct Waiting {
    /// Which event it is: two may have the same id.
    number: u64,
    event: Event,
    attempts: u32,
    due_at: DateTime<Utc>,
    published_at: DateTime<Utc>,
}

/// An event that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GridDeadLetter {
    /// The id of the event.
    pub id: String,
    /// The event with what Event Grid writes into it.
    pub json: String,
}

/// What a delivery came to.
enum Came {
    Taken,
    Refused(StatusCode),
    Again,
}

impl EventGrid {
    /// A topic without events.
    pub fn new(options: GridOptions) -> Self {
        Self {
            options: Arc::new(options),
            state: Arc::default(),
        }
    }

    /// Takes a batch, as if it had been posted with the key. True when it was taken.
    pub fn publish(&self, body: &str) -> bool {
        self.take(body.as_bytes()).is_ok()
    }

    /// The next `requests` to publish are answered with this status, and nothing is taken.
    pub fn refuse(&self, requests: usize, status: u16) {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let code = "Injected";
        let refusals = std::iter::repeat_n(Refusal { status, code }, requests);
        self.locked().refusals.extend(refusals);
    }

    /// The next `answers` of success are lost: what was delivered comes again.
    pub fn lose_answers(&self, answers: u32) {
        self.locked().answers_to_lose += answers;
    }

    /// Asks a webhook for its consent, as a subscription begins. True when it gives it.
    pub async fn handshake<F>(&self, webhook: F) -> bool
    where
        F: AsyncFnOnce(Request<Bytes>) -> Option<Response<Bytes>>,
    {
        let headers = [
            ("WebHook-Request-Origin", ORIGIN),
            ("WebHook-Request-Rate", "120"),
        ];
        let request = self.request(Method::OPTIONS, &headers, Bytes::new());
        let Some(response) = webhook(request).await else {
            return false;
        };
        let header = |name: &str| {
            let value = response.headers().get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        let origin = header("webhook-allowed-origin");
        response.status() == StatusCode::OK
            && origin.is_some_and(|origin| origin == "*" || origin == ORIGIN)
            && header("webhook-allowed-rate").is_some()
    }

    /// Delivers what is due, each event once, and gives the number of deliveries. `None` is a
    /// webhook that does not answer in time.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: what has no answer yet stays due.
    pub async fn deliver_due<F>(&self, webhook: F) -> usize
    where
        F: AsyncFn(Request<Bytes>) -> Option<Response<Bytes>>,
    {
        let due = self.due();
        let mut deliveries = 0;
        for batch in due.chunks(self.options.batch_events_max.max(1)) {
            deliveries += 1;
            let answer = webhook(self.delivery(batch)).await;
            let came = self.came(answer.as_ref());
            self.settle(batch, &came);
        }
        deliveries
    }

    /// When something is due next.
    pub fn next_due(&self) -> Option<DateTime<Utc>> {
        let state = self.locked();
        state.waiting.iter().map(|waiting| waiting.due_at).min()
    }

    /// Events that wait for a delivery.
    pub fn waiting(&self) -> usize {
        self.locked().waiting.len()
    }

    /// Ids of the events that were taken, in the order of their answers.
    pub fn delivered(&self) -> Vec<String> {
        self.locked().delivered.clone()
    }

    /// Events that were given up.
    pub fn dead_letters(&self) -> Vec<GridDeadLetter> {
        self.locked().dead.clone()
    }

    pub(super) fn take(&self, body: &[u8]) -> Result<(), Refusal> {
        let mut state = self.locked();
        if !state.refusals.is_empty() {
            return Err(state.refusals.remove(0));
        }
        let now = self.options.clock.now();
        for event in publish::read(body, self.options.body_bytes_max)? {
            state.published += 1;
            let number = state.published;
            state.waiting.push(Waiting {
                number,
                event,
                attempts: 0,
                due_at: now,
                published_at: now,
            });
        }
        Ok(())
    }

    pub(super) fn has_key(&self, key: Option<&str>) -> bool {
        key == Some(self.options.key.as_str())
    }

    fn due(&self) -> Vec<Waiting> {
        let now = self.options.clock.now();
        let state = self.locked();
        let due = state.waiting.iter().filter(|waiting| waiting.due_at <= now);
        due.cloned().collect()
    }

    fn delivery(&self, batch: &[Waiting]) -> Request<Bytes> {
        let texts: Vec<&str> = batch
            .iter()
            .map(|waiting| waiting.event.text.as_str())
            .collect();
        let (kind, body) = if self.options.batch_events_max <= 1 {
            (
                "application/cloudevents+json; charset=utf-8",
                texts.concat(),
            )
        } else {
            let body = format!("[{}]", texts.join(","));
            ("application/cloudevents-batch+json; charset=utf-8", body)
        };
        let attempts = batch.iter().map(|waiting| waiting.attempts).max();
        let count = attempts.unwrap_or_default().to_string();
        let headers = [
            ("content-type", kind),
            ("aeg-event-type", "Notification"),
            ("aeg-subscription-name", self.options.subscription.as_str()),
            ("aeg-delivery-count", count.as_str()),
            ("WebHook-Request-Origin", ORIGIN),
        ];
        self.request(Method::POST, &headers, Bytes::from(body))
    }

    fn request(&self, method: Method, headers: &[(&str, &str)], body: Bytes) -> Request<Bytes> {
        let mut request = Request::builder()
            .method(method)
            .uri(self.options.target.as_str());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        for (name, value) in &self.options.headers {
            request = request.header(name, value);
        }
        // Options that make no request are those of a subscription that cannot exist.
        request.body(body).unwrap_or_default()
    }

    fn came(&self, answer: Option<&Response<Bytes>>) -> Came {
        match answer.map(Response::status) {
            Some(status) if (200..=204).contains(&status.as_u16()) => {
                let mut state = self.locked();
                if state.answers_to_lose > 0 {
                    state.answers_to_lose -= 1;
                    return Came::Again;
                }
                Came::Taken
            }
            Some(status) if [400, 401, 403, 413].contains(&status.as_u16()) => {
                Came::Refused(status)
            }
            _ => Came::Again,
        }
    }

    fn settle(&self, batch: &[Waiting], came: &Came) {
        let now = self.options.clock.now();
        let mut state = self.locked();
        for delivered in batch {
            // It waits until it is answered; somebody else may have had the answer before.
            let known = state.waiting.iter().position(|waiting| {
                waiting.number == delivered.number && waiting.attempts == delivered.attempts
            });
            let Some(known) = known else {
                continue;
            };
            let mut waiting = state.waiting.remove(known);
            waiting.attempts += 1;
            match came {
                Came::Taken => state.delivered.push(waiting.event.id),
                Came::Refused(status) => {
                    let outcome = status.canonical_reason().unwrap_or("Refused");
                    let outcome = outcome.replace(' ', "");
                    state.dead.push(dead(
                        &waiting,
                        "UndeliverableDueToClientError",
                        &outcome,
                        now,
                    ));
                }
                Came::Again => {
                    waiting.due_at = later(now, wait(waiting.attempts));
                    let live = TimeDelta::seconds(self.options.time_to_live_s.into());
                    let reason = if waiting.attempts >= self.options.attempts_max {
                        Some("MaxDeliveryAttemptsExceeded")
                    } else if waiting.due_at - waiting.published_at >= live {
                        Some("TimeToLiveExceeded")
                    } else {
                        None
                    };
                    match reason {
                        Some(reason) => state.dead.push(dead(&waiting, reason, "Probation", now)),
                        None => state.waiting.push(waiting),
                    }
                }
            }
        }
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for EventGrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.locked();
        f.debug_struct("EventGrid")
            .field("waiting", &state.waiting.len())
            .field("delivered", &state.delivered.len())
            .field("dead", &state.dead.len())
            .finish_non_exhaustive()
    }
}

/// How long an event waits after so many deliveries.
fn wait(attempts: u32) -> Duration {
    let index = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    let last = SCHEDULE_S.last();
    let seconds = SCHEDULE_S.get(index).or(last).copied();
    Duration::from_secs(seconds.unwrap_or_default())
}

/// The event as it lies among the dead letters: its own text is not touched.
fn dead(waiting: &Waiting, reason: &str, outcome: &str, now: DateTime<Utc>) -> GridDeadLetter {
    let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    let facts = json!({
        "deadletterreason": reason,
        "deliveryattempts": waiting.attempts,
        "lastdeliveryoutcome": outcome,
        "publishtime": time(waiting.published_at),
        "lastdeliveryattempttime": time(now),
    });
    let facts = facts.to_string();
    let own = waiting
        .event
        .text
        .trim_end()
        .strip_suffix('}')
        .unwrap_or_default();
    let facts = facts.strip_prefix('{').unwrap_or_default();
    GridDeadLetter {
        id: waiting.event.id.clone(),
        json: format!("{own},{facts}"),
    }
}
