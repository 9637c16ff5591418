use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use http::{Method, Uri};
use omnisync_core::port::{
    Delivery, DeliveryToken, Disposition, EventSource, EventSourceCapability, Received, Settled,
    SettlementMode,
};
use omnisync_core::{ErrorKind, PortError};
use omnisync_http::Response;

use super::super::copies::{
    ATTEMPTS, CopyOf, ORIGINAL_ID, ORIGINAL_SEQUENCE, Purpose, REASON_BYTES_MAX, RETRIED_ID,
    RETRY_FOR, cut, is_for_other, shown_id,
};
use super::super::entity::Entity;
use super::super::lock::{LOCK_UNSAID, OPEN_KEPT, believed, later, lost, open};
use super::client::{About, RestClient, unsendable};
use super::wire::{
    BROKER_PROPERTIES, BrokerProperties, as_ascii, find, headers, may_be_sent, properties,
    property, scheduled,
};

const RECEIVE: &str = "service_bus_rest.receive";
const SETTLE: &str = "service_bus_rest.settle";
const EXTEND: &str = "service_bus_rest.extend";
const RESUBMIT: &str = "service_bus_rest.resubmit";

const DEAD_LETTER_REASON: &str = "deadletterreason";
const DEAD_LETTER_DESCRIPTION: &str = "deadlettererrordescription";

/// Messages of a queue or subscription, by HTTPS.
///
/// The service confirms what is settled, but has no dead letters by this way: they are copied to
/// the queue of [`quarantine`](super::ServiceBusRestConfig::quarantine).
pub struct ServiceBusRestSource {
    client: RestClient,
    entity: Entity,
    quarantine: Option<String>,
    prefetch_max: usize,
    wait_seconds_max: u32,
    held: Mutex<HashMap<String, Held>>,
    was_skewed: AtomicBool,
}

/// A delivery that was handed out.
#[derive(Clone)]
struct Held {
    lock: Uri,
    locked_until: DateTime<Utc>,
    lock_time: Duration,
    sequence: i64,
    attempt: u32,
    broker: BrokerProperties,
    content_type: Option<HeaderValue>,
    properties: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
    /// Its copy was sent, for this; what is left is to complete it.
    copied: Option<Purpose>,
    /// A settlement was sent whose answer was lost.
    maybe_settled: bool,
}

impl Held {
    fn property(&self, name: &str) -> Option<String> {
        find(&self.properties, name)
    }
}

/// A copy to be sent.
struct Copy<'a> {
    to: &'a str,
    purpose: Purpose,
    attempts: Option<u32>,
    scheduled_at: Option<DateTime<Utc>>,
    /// Reason and description.
    dead: Option<(&'a str, &'a str)>,
}

impl ServiceBusRestSource {
    pub(super) fn new(client: RestClient, entity: Entity, quarantine: Option<String>) -> Self {
        Self {
            client,
            entity,
            quarantine,
            prefetch_max: 1,
            wait_seconds_max: 0,
            held: Mutex::default(),
            was_skewed: AtomicBool::new(false),
        }
    }

    pub(super) fn with_limits(mut self, prefetch_max: usize, wait_seconds_max: u32) -> Self {
        self.prefetch_max = prefetch_max;
        self.wait_seconds_max = wait_seconds_max;
        self
    }

    /// Sends a dead letter to its queue or topic again, under a new message id and without what
    /// made it a dead letter, and then completes it. Whoever dies between the two steps leaves
    /// both.
    ///
    /// # Errors
    /// `Invalid` for a source that does not read dead letters; otherwise as `settle`.
    pub async fn resubmit(&self, delivery: &Delivery) -> Result<(), PortError> {
        if !self.entity.dead_letters {
            return Err(PortError::new(ErrorKind::Invalid, RESUBMIT).with_detail(
                "the source does not read dead letters; see ServiceBusRestConfig::dead_letters",
            ));
        }
        let copy = Copy {
            to: &self.entity.name,
            purpose: Purpose::Resubmit,
            attempts: None,
            scheduled_at: None,
            dead: None,
        };
        self.replace(delivery, copy, RESUBMIT).await
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self, delivery: &Delivery, operation: &'static str) -> Result<Held, PortError> {
        let now = self.client.clock.now();
        let mut all = self.held();
        match all.get(&delivery.token.0) {
            Some(held) if now < held.locked_until => Ok(held.clone()),
            Some(held) if held.maybe_settled && operation != EXTEND => Err(open(operation)),
            Some(held) => {
                if !held.maybe_settled {
                    all.remove(&delivery.token.0);
                }
                Err(lost(operation, "its lock is over; the message comes again"))
            }
            None => Err(lost(operation, "it is not held by this source")),
        }
    }

    fn forget_expired(&self) {
        let now = self.client.clock.now();
        self.held().retain(|_, held| {
            if now < held.locked_until {
                return true;
            }
            held.body = Bytes::new();
            held.maybe_settled && now < later(held.locked_until, OPEN_KEPT)
        });
    }

    /// A request about the lock of a delivery.
    async fn ask(
        &self,
        delivery: &Delivery,
        method: Method,
        operation: &'static str,
    ) -> Result<(Response, Held), PortError> {
        let held = self.check(delivery, operation)?;
        let settles = method == Method::DELETE;
        let request = RestClient::request(method, held.lock.clone(), Bytes::new());
        let path = self.entity.path();
        let wait = Duration::ZERO;
        let asked = self
            .client
            .send(operation, request, &path, About::Lock, wait)
            .await;
        match asked {
            Ok(answer) => Ok((answer, held)),
            Err(error) => {
                let is_lost = error.kind() == ErrorKind::LockLost;
                if is_lost && held.maybe_settled && operation != EXTEND {
                    return Err(open(operation).with_source(error));
                }
                let mut all = self.held();
                if is_lost && !held.maybe_settled {
                    all.remove(&delivery.token.0);
                } else if settles && let Some(held) = all.get_mut(&delivery.token.0) {
                    held.maybe_settled |= error.is_ambiguous();
                }
                Err(error)
            }
        }
    }

    async fn renew(&self, delivery: &Delivery, operation: &'static str) -> Result<Held, PortError> {
        let asked_at = self.client.clock.now();
        let (answer, mut held) = self.ask(delivery, Method::POST, operation).await?;
        let told = BrokerProperties::read(answer.headers());
        let until = told.and_then(|told| told.locked_until());
        held.locked_until = until.map_or_else(
            || later(asked_at, held.lock_time),
            |until| believed(until, asked_at, &self.was_skewed),
        );
        if let Some(known) = self.held().get_mut(&delivery.token.0) {
            known.locked_until = held.locked_until;
        }
        Ok(held)
    }

    async fn complete(
        &self,
        delivery: &Delivery,
        operation: &'static str,
    ) -> Result<(), PortError> {
        self.ask(delivery, Method::DELETE, operation).await?;
        self.held().remove(&delivery.token.0);
        Ok(())
    }

    /// Sends a copy of a delivery that is still held, once, and completes it.
    async fn replace(
        &self,
        delivery: &Delivery,
        copy: Copy<'_>,
        operation: &'static str,
    ) -> Result<(), PortError> {
        let held = self.renew(delivery, operation).await?;
        if held.copied != Some(copy.purpose) {
            let (to, request) = (copy.to.to_owned(), self.copy(&held, &copy)?);
            let (about, wait) = (About::Entity, Duration::ZERO);
            self.client
                .send(operation, request, &to, about, wait)
                .await?;
            if let Some(held) = self.held().get_mut(&delivery.token.0) {
                held.copied = Some(copy.purpose);
            }
        }
        self.complete(delivery, operation).await
    }

    fn copy(&self, held: &Held, copy: &Copy<'_>) -> Result<http::Request<Bytes>, PortError> {
        let path = self.entity.path();
        let subscription = self.entity.subscription.as_deref();
        let subscription = subscription.filter(|_| copy.dead.is_none());
        let of = CopyOf {
            purpose: copy.purpose,
            path: &path,
            sequence: held.sequence,
            attempts: copy.attempts,
            scheduled_at: copy.scheduled_at,
            subscription,
        };
        let original = held.broker.message_id.as_deref();
        let broker = BrokerProperties {
            message_id: Some(of.message_id(original)),
            scheduled_enqueue_time_utc: of.scheduled_at.map(scheduled),
            // The service tells of no limit by the largest number it knows.
            time_to_live: held.broker.time_to_live.filter(|ttl| *ttl < 900_000_000.0),
            ..held.broker.clone()
        };
        let uri = self.client.url(copy.to, "/messages")?;
        let mut request = RestClient::request(Method::POST, uri, held.body.clone());
        let headers = request.headers_mut();
        let dropped = [
            ATTEMPTS,
            RETRIED_ID,
            RETRY_FOR,
            DEAD_LETTER_REASON,
            DEAD_LETTER_DESCRIPTION,
        ];
        for (name, value) in &held.properties {
            if !dropped.contains(&name.as_str())
                && may_be_sent(name)
                && let Some(value) = as_ascii(value)
            {
                headers.insert(name.clone(), value);
            }
        }
        if let Some(content_type) = &held.content_type {
            headers.insert(CONTENT_TYPE, content_type.clone());
        }
        let mut put = |name: &'static str, value: Option<HeaderValue>| {
            if let Some(value) = value {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        let own = held.broker.message_id.clone();
        let shown = shown_id(|name| held.property(name), own);
        let known = held.property(ORIGINAL_ID);
        let (first, retried) = of.names(known.as_deref(), shown.as_deref());
        put(ORIGINAL_ID, first.and_then(property));
        put(RETRIED_ID, retried.and_then(property));
        if held.property(ORIGINAL_SEQUENCE).is_none() {
            put(ORIGINAL_SEQUENCE, Some(held.sequence.into()));
        }
        put(ATTEMPTS, of.attempts.map(Into::into));
        put(RETRY_FOR, of.subscription.and_then(property));
        if let Some((reason, description)) = copy.dead {
            put(DEAD_LETTER_REASON, property(reason));
            put(DEAD_LETTER_DESCRIPTION, property(description));
        }
        let header = broker.header();
        let header = header.ok_or_else(|| unsendable("the properties are no header".into()))?;
        headers.insert(HeaderName::from_static(BROKER_PROPERTIES), header);
        Ok(request)
    }

    /// Takes one message, waiting so many seconds.
    async fn take(&self, seconds: u64) -> Result<Option<Taken>, PortError> {
        let path = self.entity.path();
        let below = format!("/messages/head?timeout={seconds}");
        let uri = self.client.url(&path, &below)?;
        let request = RestClient::request(Method::POST, uri, Bytes::new());
        let wait = Duration::from_secs(seconds);
        let read = match self
            .client
            .send(RECEIVE, request, &path, About::Entity, wait)
            .await
        {
            Ok(answer) if answer.status() == http::StatusCode::NO_CONTENT => return Ok(None),
            Ok(answer) => self.read(answer),
            Err(error) => Err(error.without_effect()),
        };
        let held = match read {
            Ok(held) => held,
            // The next one is asked for: this one is locked for a while, and what comes again too
            // often is set aside by the service.
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::TooLarge) => {
                tracing::warn!(error = %error.report(), "a message is passed over");
                return Ok(Some(Taken::Passed));
            }
            Err(error) => return Err(error),
        };
        let own = self.entity.subscription.as_deref();
        let is_for_other = held
            .property(RETRY_FOR)
            .is_some_and(|name| is_for_other(&name, own));
        let token = held.broker.lock_token.clone().unwrap_or_default();
        let delivery = Delivery {
            token: DeliveryToken(format!("{}.{token}", held.sequence)),
            attempt: held.attempt,
            cursor: held.sequence.to_string(),
            headers: headers(&held.broker, held.content_type.as_ref(), &held.properties),
            body: held.body.clone(),
        };
        self.held().insert(delivery.token.0.clone(), held);
        if is_for_other {
            // The copy of another subscription; when this fails it is passed over again.
            self.complete(&delivery, RECEIVE).await.ok();
            return Ok(Some(Taken::Passed));
        }
        Ok(Some(Taken::Delivery(Box::new(delivery))))
    }

    fn read(&self, answer: Response) -> Result<Held, PortError> {
        let corrupt = |what| {
            PortError::new(ErrorKind::Corrupt, RECEIVE)
                .with_detail(what)
                .without_effect()
        };
        let (parts, body) = answer.into_parts();
        let broker = BrokerProperties::read(&parts.headers)
            .ok_or_else(|| corrupt("a message came without readable BrokerProperties"))?;
        let lock = match parts.headers.get(LOCATION) {
            Some(location) => self.client.own(location).ok_or_else(|| {
                corrupt("the lock of a message is at another host: nothing is sent there")
            })?,
            None => return Err(corrupt("a message came without the location of its lock")),
        };
        let now = self.client.clock.now();
        let locked_until = broker.locked_until().map_or_else(
            || later(now, LOCK_UNSAID),
            |until| believed(until, now, &self.was_skewed),
        );
        let properties = properties(&parts.headers);
        let before = find(&properties, ATTEMPTS).and_then(|count| count.parse().ok());
        let count = broker.delivery_count.unwrap_or(1).max(1);
        Ok(Held {
            lock,
            locked_until,
            lock_time: (locked_until - now).to_std().unwrap_or_default(),
            sequence: broker.sequence_number.unwrap_or(0),
            attempt: before.unwrap_or(0_u32).saturating_add(count),
            content_type: parts.headers.get(CONTENT_TYPE).cloned(),
            properties,
            broker,
            body,
            copied: None,
            maybe_settled: false,
        })
    }
}

/// What a request for a message gave.
enum Taken {
    Delivery(Box<Delivery>),
    /// It was not for us, or cannot be handed out.
    Passed,
}

impl fmt::Debug for ServiceBusRestSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceBusRestSource")
            .field("client", &self.client)
            .field("entity", &self.entity)
            .field("quarantine", &self.quarantine)
            .field("held", &self.held().len())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl EventSource for ServiceBusRestSource {
    /// Dead letters are kept where there is a queue for them.
    fn capability(&self) -> EventSourceCapability {
        let mut capability = EventSourceCapability::queue();
        capability.settlement = SettlementMode::PerMessage;
        capability.dead_letter = self.quarantine.is_some();
        capability
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Received, PortError> {
        let max = max.min(self.prefetch_max);
        let clock = &self.client.clock;
        let deadline = later(clock.now(), wait);
        self.forget_expired();
        let mut deliveries = Vec::new();
        let (mut waited, mut passed) = (false, 0);
        while deliveries.len() < max {
            let left = (deadline - clock.now()).to_std().unwrap_or_default();
            let seconds = if deliveries.is_empty() {
                left.as_secs().min(self.wait_seconds_max.into())
            } else {
                0
            };
            match self.take(seconds).await {
                Ok(Some(Taken::Delivery(delivery))) => deliveries.push(*delivery),
                Ok(Some(Taken::Passed)) => {
                    passed += 1;
                    let is_over = clock.now() >= deadline;
                    if passed >= self.prefetch_max || (is_over && passed >= max) {
                        break;
                    }
                }
                // What has come is handed out; the error comes again.
                Err(_) if !deliveries.is_empty() => break,
                Err(error) => return Err(error),
                Ok(None) if !deliveries.is_empty() || waited => break,
                Ok(None) => {
                    let left = (deadline - clock.now()).to_std().unwrap_or_default();
                    if left.as_secs() == 0 {
                        clock.sleep_until(deadline).await;
                        waited = true;
                    }
                }
            }
        }
        Ok(Received {
            deliveries,
            ended: false,
        })
    }

    async fn settle(
        &self,
        delivery: &Delivery,
        disposition: Disposition,
    ) -> Result<Settled, PortError> {
        match disposition {
            Disposition::Complete => {
                self.complete(delivery, SETTLE).await?;
                Ok(Settled::Completed)
            }
            Disposition::RetryAfter(_) if self.entity.dead_letters => {
                // A copy would go to the living: that is what `resubmit` is for.
                Err(PortError::new(ErrorKind::Unsupported, SETTLE).with_detail(
                    "a dead letter cannot be sent back to the dead by HTTPS: resubmit it, or let \
                     its lock run out",
                ))
            }
            Disposition::RetryAfter(delay) => {
                let held = self.check(delivery, SETTLE)?;
                let copy = Copy {
                    to: &self.entity.name,
                    purpose: Purpose::Retry,
                    attempts: Some(held.attempt),
                    scheduled_at: Some(later(self.client.clock.now(), delay)),
                    dead: None,
                };
                self.replace(delivery, copy, SETTLE).await?;
                Ok(Settled::Returned)
            }
            Disposition::DeadLetter {
                reason,
                description,
            } => {
                let Some(quarantine) = &self.quarantine else {
                    return Err(PortError::new(ErrorKind::Unsupported, SETTLE)
                        .with_detail("there are no dead letters by HTTPS; see quarantine"));
                };
                let description = cut(&description, REASON_BYTES_MAX);
                let copy = Copy {
                    to: quarantine,
                    purpose: Purpose::Quarantine,
                    attempts: None,
                    scheduled_at: None,
                    dead: Some((reason.as_str(), description)),
                };
                self.replace(delivery, copy, SETTLE).await?;
                Ok(Settled::DeadLettered)
            }
        }
    }

    async fn extend(&self, delivery: &Delivery) -> Result<DateTime<Utc>, PortError> {
        let held = self.renew(delivery, EXTEND).await?;
        Ok(held.locked_until)
    }
}
