//! Receiving and settling, whatever carries it.

mod sessions;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use omnisync_core::policy::RetryPolicy;
use omnisync_core::port::{
    Delivery, Disposition, EventSource, EventSourceCapability, Received, Settled,
};
use omnisync_core::{ErrorKind, PortError};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::service_bus::amqp::{Message, Settler, renew_lock, renew_session};
use crate::service_bus::client::{Bus, Failure};
use crate::service_bus::copies::{CopyOf, Purpose, REASON_BYTES_MAX, cut};
use crate::service_bus::entity::Entity;
use crate::service_bus::failure::Effect;
use crate::service_bus::hold::renewing;
use crate::service_bus::incoming::Incoming;
use crate::service_bus::lock::{OPEN_KEPT, believed, later, lost, open};
use crate::service_bus::parked::Parking;
use crate::service_bus::settlement::{LinkSettlement, ManagementSettlement, Outcome, Settlement};
use crate::service_bus::{RetryMode, wire};

const RECEIVE: &str = "service_bus.receive";
pub(in crate::service_bus) const SETTLE: &str = "service_bus.settle";
pub(in crate::service_bus) const EXTEND: &str = "service_bus.extend";
const RESUBMIT: &str = "service_bus.resubmit";

/// How a source behaves.
#[derive(Debug, Clone, Copy)]
pub(in crate::service_bus) struct SourceSettings {
    pub(in crate::service_bus) retry_mode: RetryMode,
    pub(in crate::service_bus) sessions: bool,
    pub(in crate::service_bus) parked_max: usize,
    pub(in crate::service_bus) prefetch_max: u32,
    pub(in crate::service_bus) message_bytes_max: usize,
    pub(in crate::service_bus) gather: Duration,
    pub(in crate::service_bus) drain_timeout: Duration,
    pub(in crate::service_bus) reconnect: RetryPolicy,
}

/// Messages of a queue or subscription, by AMQP, each settled only when the broker says so.
///
/// It is made by [`ServiceBusConfig::build`](super::ServiceBusConfig::build). Its connection is opened
/// by the first use and ends with the source.
pub struct ServiceBusSource {
    shared: Arc<Shared>,
}

/// What a source and the task behind it have in common.
pub(in crate::service_bus) struct Shared {
    pub(in crate::service_bus) me: Weak<Self>,
    pub(in crate::service_bus) bus: Arc<Bus>,
    pub(in crate::service_bus) entity: Entity,
    pub(in crate::service_bus) settings: SourceSettings,
    incoming: Mutex<Incoming>,
    held: StdMutex<HashMap<String, Held>>,
    pub(in crate::service_bus) parking: Parking,
    /// Until when sessions are held.
    sessions: StdMutex<HashMap<String, DateTime<Utc>>>,
    was_skewed: AtomicBool,
}

/// A delivery that was handed out.
#[derive(Debug, Clone)]
pub(in crate::service_bus) struct Held {
    /// Where it came from, until the link is of no more use.
    pub(in crate::service_bus) link: Option<(Settler, u32)>,
    pub(in crate::service_bus) lock: Uuid,
    pub(in crate::service_bus) locked_until: DateTime<Utc>,
    pub(in crate::service_bus) sequence: i64,
    pub(in crate::service_bus) attempt: u32,
    pub(in crate::service_bus) session: Option<String>,
    /// The whole message, of which the body of the delivery is a part.
    pub(in crate::service_bus) raw: Bytes,
    /// Its copy was sent, for this; what is left is to complete it.
    pub(in crate::service_bus) copied: Option<Purpose>,
    /// A settlement was sent whose answer was lost.
    pub(in crate::service_bus) maybe_settled: bool,
    /// Its lock is over for good, whatever becomes of its session.
    pub(in crate::service_bus) is_over: bool,
}

impl Held {
    fn is_locked(&self, now: DateTime<Utc>) -> bool {
        !self.is_over && now < self.locked_until
    }

    /// Remembered alone: somebody may settle it again.
    fn end(&mut self) {
        self.is_over = true;
        self.link = None;
        self.raw = Bytes::new();
    }
}

impl ServiceBusSource {
    pub(in crate::service_bus) fn new(
        bus: Arc<Bus>,
        entity: Entity,
        settings: SourceSettings,
    ) -> Self {
        let shared = Arc::new_cyclic(|me| Shared {
            me: Weak::clone(me),
            bus,
            entity,
            settings,
            incoming: Mutex::new(Incoming::default()),
            held: StdMutex::default(),
            parking: Parking::default(),
            sessions: StdMutex::default(),
            was_skewed: AtomicBool::new(false),
        });
        Self { shared }
    }

    /// Sends a dead letter to its queue or topic again, under a new message id and without what
    /// made it a dead letter, and then completes it. The id of the original is kept in the
    /// property `omnisync-original-message-id`; attempts begin anew. A copy for a subscription
    /// names it in `omnisync-retry-for`.
    ///
    /// Whoever dies between the two steps leaves both: the message comes twice. The new id is
    /// made from the dead letter, so an entity that detects duplicates keeps one.
    ///
    /// # Errors
    /// `Invalid` for a source that does not read dead letters; otherwise as `settle`.
    pub async fn resubmit(&self, delivery: &Delivery) -> Result<(), PortError> {
        let shared = &self.shared;
        if !shared.entity.dead_letters {
            return Err(PortError::new(ErrorKind::Invalid, RESUBMIT).with_detail(
                "the source does not read dead letters; see ServiceBusConfig::dead_letters",
            ));
        }
        let held = shared.renewed(delivery, RESUBMIT).await?;
        shared
            .send_copy(delivery, &held, Purpose::Resubmit, None, RESUBMIT)
            .await?;
        shared.finish(delivery, &Outcome::Completed, RESUBMIT).await
    }

    /// Does `work` and renews the lock of `delivery` meanwhile: [`while_held`](super::while_held).
    ///
    /// # Errors
    /// `LockLost` when the lock was lost before `work` was done; `work` is dropped then.
    ///
    /// # Cancel safety
    /// Dropping the future drops `work` and lets the lock run out.
    pub async fn while_held<T>(
        &self,
        delivery: &Delivery,
        work: impl Future<Output = T>,
    ) -> Result<T, PortError> {
        let Some(until) = self.locked_until(delivery) else {
            return Err(lost(EXTEND, "it is not held by this source"));
        };
        renewing(self, &*self.shared.bus.clock, delivery, until, work).await
    }

    /// Until when a delivery is held, as far as is known here.
    pub fn locked_until(&self, delivery: &Delivery) -> Option<DateTime<Utc>> {
        let held = self.shared.held();
        let held = held.get(&delivery.token.0).filter(|held| !held.is_over);
        held.map(|held| held.locked_until)
    }

    /// How many deliveries are held until the delay of their `RetryAfter` is over.
    pub fn parked(&self) -> usize {
        self.shared.parking.len()
    }
}

impl Drop for ServiceBusSource {
    fn drop(&mut self) {
        self.shared.parking.stop();
    }
}

impl Shared {
    pub(in crate::service_bus) fn held(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A delivery that is held for sure by our own clock.
    fn check(&self, delivery: &Delivery, operation: &'static str) -> Result<Held, PortError> {
        let now = self.bus.clock.now();
        let mut all = self.held();
        match all.get(&delivery.token.0) {
            Some(held) if held.is_locked(now) => Ok(held.clone()),
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

    /// The same, and the broker agrees.
    async fn renewed(
        &self,
        delivery: &Delivery,
        operation: &'static str,
    ) -> Result<Held, PortError> {
        let held = self.check(delivery, operation)?;
        let since = self.bus.clock.now();
        match self.renew(&held).await {
            Ok(until) => {
                let mut all = self.held();
                let Some(known) = all.get_mut(&delivery.token.0) else {
                    return Err(lost(operation, "it was settled meanwhile"));
                };
                if known.is_over {
                    drop(all);
                    return self.check(delivery, operation);
                }
                known.locked_until = until;
                let held = known.clone();
                drop(all);
                if let Some(session) = &held.session {
                    self.session_renewed(session, until, since);
                }
                Ok(held)
            }
            Err(error) => {
                let error = error.into_port(operation, Effect::None);
                if error.kind() != ErrorKind::LockLost {
                    return Err(error);
                }
                if !held.maybe_settled {
                    self.held().remove(&delivery.token.0);
                } else if operation != EXTEND {
                    return Err(open(operation).with_source(error));
                }
                Err(error)
            }
        }
    }

    /// Asks until somebody answers: a lock that is renewed twice is held all the same.
    pub(in crate::service_bus) async fn renew(
        &self,
        held: &Held,
    ) -> Result<DateTime<Utc>, Failure> {
        let policy = &self.settings.reconnect;
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.renew_once(held).await {
                Err(error) if error.is_loss() && !policy.is_exhausted(attempt) => {
                    self.bus.back_off(policy, attempt).await;
                }
                renewed => return renewed,
            }
        }
    }

    async fn renew_once(&self, held: &Held) -> Result<DateTime<Utc>, Failure> {
        let path = self.entity.path();
        let management = self.bus.management(&path).await?;
        let requester = management.requester();
        let renewed = match &held.session {
            Some(session) => renew_session(requester, session).await,
            None => renew_lock(requester, held.lock).await,
        };
        let until = management.answered(renewed)?;
        Ok(wire::instant(until).map_or(held.locked_until, |until| {
            self.believed(until, self.bus.clock.now())
        }))
    }

    /// Settles a held delivery by the way that is open.
    async fn finish(
        &self,
        delivery: &Delivery,
        outcome: &Outcome<'_>,
        operation: &'static str,
    ) -> Result<(), PortError> {
        let held = self.check(delivery, operation)?;
        let result = self.settle_held(&held, outcome).await;
        let mut all = self.held();
        match result {
            Ok(()) => {
                all.remove(&delivery.token.0);
                Ok(())
            }
            Err(error) => {
                let error = error.into_port(operation, Effect::Open);
                let is_lost = error.kind() == ErrorKind::LockLost;
                if is_lost && !held.maybe_settled {
                    all.remove(&delivery.token.0);
                } else if let Some(held) = all.get_mut(&delivery.token.0) {
                    held.maybe_settled |= error.is_ambiguous();
                    if held.session.is_none() {
                        // The link has had its say about this delivery.
                        held.link = None;
                    }
                }
                if is_lost && held.maybe_settled {
                    return Err(open(operation).with_source(error));
                }
                Err(error)
            }
        }
    }

    pub(in crate::service_bus) async fn settle_held(
        &self,
        held: &Held,
        outcome: &Outcome<'_>,
    ) -> Result<(), Failure> {
        // What was asked without an answer: it may have been done.
        let mut open = None;
        if let Some((settler, delivery_id)) = &held.link {
            let link = LinkSettlement {
                settler,
                delivery_id: *delivery_id,
            };
            match link.settle(outcome).await {
                Ok(()) => return Ok(()),
                Err(error) if held.session.is_some() => return Err(session_lost(error)),
                Err(error) if error.is_answered() => return Err(error),
                Err(error) if error.was_not_sent() => {}
                Err(error) => open = Some(error),
            }
        }
        let path = self.entity.path();
        let management = ManagementSettlement {
            bus: &self.bus,
            path: &path,
            lock: held.lock,
        };
        let policy = &self.settings.reconnect;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let Err(error) = management.settle(outcome).await else {
                return Ok(());
            };
            let again = error.is_loss() && !policy.is_exhausted(attempt);
            if !error.is_answered() && !error.was_not_sent() {
                open.get_or_insert(error);
            } else if !again {
                // Either the first word took effect, or the lock was lost: nobody knows.
                return Err(open.unwrap_or(error));
            }
            if !again && let Some(error) = open {
                return Err(error);
            }
            self.bus.back_off(policy, attempt).await;
        }
    }

    /// Sends a copy, once.
    async fn send_copy(
        &self,
        delivery: &Delivery,
        held: &Held,
        purpose: Purpose,
        scheduled_at: Option<DateTime<Utc>>,
        operation: &'static str,
    ) -> Result<(), PortError> {
        if held.copied == Some(purpose) {
            return Ok(());
        }
        let unreadable = |error: Box<dyn std::error::Error + Send + Sync>| {
            PortError::new(ErrorKind::Corrupt, operation)
                .with_detail("the message cannot be written again")
                .with_source(error)
        };
        let path = self.entity.path();
        let original = Message::decode(&held.raw).map_err(|error| unreadable(error.into()))?;
        let copy = wire::copy(
            &original,
            &CopyOf {
                purpose,
                path: &path,
                sequence: held.sequence,
                attempts: scheduled_at.map(|_| held.attempt),
                scheduled_at,
                subscription: self.entity.subscription.as_deref(),
            },
        );
        let payload = copy.encode().map_err(|error| unreadable(error.into()))?;
        let format = super::amqp::PLAIN_FORMAT;
        let policy = &self.settings.reconnect;
        self.bus
            .send(&self.entity.name, payload, format, policy)
            .await
            .map_err(|error| error.into_port(operation, Effect::Open))?;
        if let Some(held) = self.held().get_mut(&delivery.token.0) {
            held.copied = Some(purpose);
        }
        Ok(())
    }

    async fn retry_after(&self, delivery: &Delivery, delay: Duration) -> Result<(), PortError> {
        match self.settings.retry_mode {
            RetryMode::ScheduleCopy => {
                let held = self.renewed(delivery, SETTLE).await?;
                let at = later(self.bus.clock.now(), delay);
                self.send_copy(delivery, &held, Purpose::Retry, Some(at), SETTLE)
                    .await?;
                self.finish(delivery, &Outcome::Completed, SETTLE).await
            }
            RetryMode::HoldLock => {
                self.check_parking()?;
                let held = self.renewed(delivery, SETTLE).await?;
                let until = later(self.bus.clock.now(), delay);
                self.park(&delivery.token.0, held, until)?;
                self.held().remove(&delivery.token.0);
                Ok(())
            }
        }
    }

    /// The end of a lock that was given at `since` by our own clock.
    pub(in crate::service_bus) fn believed(
        &self,
        until: DateTime<Utc>,
        since: DateTime<Utc>,
    ) -> DateTime<Utc> {
        believed(until, since, &self.was_skewed)
    }

    /// Keeps a delivery that is handed out.
    pub(in crate::service_bus) fn hand_out(&self, held: Held, message: &Message) -> Delivery {
        let token = wire::token(held.sequence, held.lock);
        let delivery = Delivery {
            token: token.clone(),
            attempt: held.attempt,
            cursor: held.sequence.to_string(),
            headers: wire::headers(message),
            body: wire::body(message),
        };
        self.held().insert(token.0, held);
        delivery
    }

    fn forget_expired(&self) {
        let now = self.bus.clock.now();
        self.held().retain(|_, held| {
            if held.is_locked(now) {
                return true;
            }
            held.end();
            held.maybe_settled && now < later(held.locked_until, OPEN_KEPT)
        });
    }

    async fn receive_once(
        &self,
        incoming: &mut Incoming,
        max: usize,
        deadline: DateTime<Utc>,
        out: &mut VecDeque<Delivery>,
    ) -> Result<(), Failure> {
        let filled = incoming.fill(self, max, deadline, out).await;
        if filled.is_err() {
            incoming.lose_link(self);
        }
        filled
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Received, PortError> {
        let max = max.min(usize::try_from(self.settings.prefetch_max).unwrap_or(usize::MAX));
        if max == 0 {
            return Ok(Received::default());
        }
        let deadline = later(self.bus.clock.now(), wait);
        let mut incoming = self.incoming.lock().await;
        self.forget_expired();
        let policy = &self.settings.reconnect;
        let mut out = VecDeque::new();
        let mut attempt = 0;
        loop {
            let had_link = incoming.has_link();
            let filled = self
                .receive_once(&mut incoming, max, deadline, &mut out)
                .await;
            let error = match filled {
                Ok(()) => break,
                // What ended a link of an earlier call need not be so any more.
                Err(Failure::Amqp(_)) if had_link && out.is_empty() => continue,
                Err(error) => error.into_port(RECEIVE, Effect::None),
            };
            attempt += 1;
            tracing::debug!(error = %error.report(), attempt, "receiving from Service Bus failed");
            if !out.is_empty() {
                break;
            }
            let passes = matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::TimedOut);
            if !passes || policy.is_exhausted(attempt) {
                return Err(error);
            }
            self.bus.back_off(policy, attempt).await;
        }
        Ok(Received {
            deliveries: out.into(),
            ended: false,
        })
    }
}

impl fmt::Debug for ServiceBusSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceBusSource")
            .field("bus", &self.shared.bus)
            .field("entity", &self.shared.entity)
            .field("settings", &self.shared.settings)
            .field("held", &self.shared.held().len())
            .field("parked", &self.shared.parking.len())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl EventSource for ServiceBusSource {
    fn capability(&self) -> EventSourceCapability {
        EventSourceCapability::queue()
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Received, PortError> {
        self.shared.receive(max, wait).await
    }

    async fn settle(
        &self,
        delivery: &Delivery,
        disposition: Disposition,
    ) -> Result<Settled, PortError> {
        match disposition {
            Disposition::Complete => {
                self.shared
                    .finish(delivery, &Outcome::Completed, SETTLE)
                    .await?;
                Ok(Settled::Completed)
            }
            Disposition::RetryAfter(delay) => {
                self.shared.retry_after(delivery, delay).await?;
                Ok(Settled::Returned)
            }
            Disposition::DeadLetter {
                reason,
                description,
            } => {
                let outcome = Outcome::DeadLettered {
                    reason: reason.as_str(),
                    description: cut(&description, REASON_BYTES_MAX),
                };
                self.shared.finish(delivery, &outcome, SETTLE).await?;
                Ok(Settled::DeadLettered)
            }
        }
    }

    async fn extend(&self, delivery: &Delivery) -> Result<DateTime<Utc>, PortError> {
        let held = self.shared.renewed(delivery, EXTEND).await?;
        Ok(held.locked_until)
    }
}

/// The lock of a session ends with its link.
fn session_lost(error: Failure) -> Failure {
    if error.was_not_sent() {
        let condition = super::amqp::Condition::new("com.microsoft:session-lock-lost");
        return super::amqp::AmqpError::Refused(condition).into();
    }
    error
}
