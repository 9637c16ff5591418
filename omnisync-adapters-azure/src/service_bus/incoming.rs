//! The link that messages come by.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use omnisync_core::port::Delivery;
use serde_amqp::Value;
use serde_amqp::primitives::OrderedMap;

use super::amqp::{AmqpError, Arrival, AttachRequest, Message, Receiver, Settler, name_of, symbol};
use super::client::{Failure, Live};
use super::copies::is_for_other;
use super::lock::{LOCK_UNSAID, later};
use super::settlement::{LinkSettlement, Outcome, Settlement as _};
use super::source::{Held, Shared};
use super::wire;

/// Shortest wait for a session, which the broker answers.
const SESSION_WAIT_MIN: Duration = Duration::from_secs(1);

/// Milliseconds of Unix time at which .NET begins to count, and its ticks in one of them.
const NET_EPOCH_MS: i64 = 62_135_596_800_000;
const TICKS_PER_MS: i64 = 10_000;

const SESSION_FILTER: &str = "com.microsoft:session-filter";

/// What comes, and what came too late for an earlier call.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    link: Option<Link>,
    late: VecDeque<Late>,
}

/// What came, and when, by our own clock; it may have been a little later.
#[derive(Debug)]
struct Late {
    arrival: Arrival,
    settler: Settler,
    came_at: DateTime<Utc>,
}

#[derive(Debug)]
struct Link {
    live: Arc<Live>,
    receiver: Receiver,
    /// The session that is held.
    session: Option<String>,
    /// Since when the broker may send, while it has not given that up.
    open_since: Option<DateTime<Utc>>,
}

impl Incoming {
    pub(super) const fn has_link(&self) -> bool {
        self.link.is_some()
    }

    /// Gives up the link. What came by it can still be settled by its lock.
    pub(super) fn lose_link(&mut self, source: &Shared) {
        let link = self.link.take();
        if let Some(session) = link.and_then(|link| link.session) {
            self.late.clear();
            source.session_over(&session);
        }
    }

    /// Takes up to `max` deliveries: the first until `deadline`, and more when they follow at
    /// once. In the end the broker gives up what it was asked to send, so that nothing is locked
    /// in vain.
    pub(super) async fn fill(
        &mut self,
        source: &Shared,
        max: usize,
        deadline: DateTime<Utc>,
        out: &mut VecDeque<Delivery>,
    ) -> Result<(), Failure> {
        self.hand_out_late(source, max, out).await;
        if !out.is_empty() {
            return Ok(());
        }
        if !self.ensure_link(source, deadline).await? {
            return Ok(());
        }
        let Some(link) = &mut self.link else {
            return Ok(());
        };
        let settler = link.receiver.settler();
        let mut came = link.unclaimed(&settler, &mut self.late)?;
        let now = source.bus.clock.now();
        link.open_since.get_or_insert(now);
        if came < max {
            // What came already counts; more than this is not asked for.
            let wanted = u32::try_from(max - came).unwrap_or(u32::MAX);
            link.receiver.credit(wanted);
        }
        while came < max {
            let wait = if came == 0 {
                link.first(source, deadline).await?
            } else {
                let next = link.receiver.next();
                match tokio::time::timeout(source.settings.gather, next).await {
                    Ok(next) => next.map(Step::of)?,
                    Err(_) => Step::Over,
                }
            };
            match wait {
                Step::Came(arrival) => {
                    came += 1;
                    self.late.push_back(Late {
                        arrival,
                        settler: settler.clone(),
                        came_at: source.bus.clock.now(),
                    });
                }
                Step::Nothing => {}
                Step::Over => break,
            }
        }
        let drained = link.drain(source, &mut self.late, &settler);
        // What came before the link ended is worth keeping.
        if let Err(error) = drained.await
            && self.late.is_empty()
        {
            return Err(error.into());
        }
        self.hand_out_late(source, max, out).await;
        self.leave_session(source, out);
        Ok(())
    }

    async fn hand_out_late(&mut self, source: &Shared, max: usize, out: &mut VecDeque<Delivery>) {
        while out.len() < max
            && let Some(late) = self.late.pop_front()
        {
            self.arrived(source, late, out).await;
        }
    }

    /// An empty session is left to others once everything of it was settled.
    fn leave_session(&mut self, source: &Shared, out: &VecDeque<Delivery>) {
        let session = self.link.as_ref().and_then(|link| link.session.as_ref());
        if let Some(session) = session
            && out.is_empty()
            && !source.has_session(session)
        {
            self.lose_link(source);
        }
    }

    /// False when there is no session to accept.
    async fn ensure_link(
        &mut self,
        source: &Shared,
        deadline: DateTime<Utc>,
    ) -> Result<bool, Failure> {
        let path = source.entity.path();
        if let Some(link) = &self.link
            && !link.live.connection.is_closed()
        {
            source.bus.authorize(&link.live, &path).await?;
            return Ok(true);
        }
        self.lose_link(source);
        let live = source.bus.live().await?;
        source.bus.authorize(&live, &path).await?;
        let mut request = AttachRequest::from("receiver", &path);
        request.confirms = true;
        if source.settings.sessions {
            let now = source.bus.clock.now();
            let wait = (deadline - now).to_std().unwrap_or_default();
            let wait = wait
                .max(SESSION_WAIT_MIN)
                .min(source.bus.timeouts.operation);
            ask_for_session(&mut request, wait);
        }
        let max = source.settings.message_bytes_max;
        let receiver = match live.connection.receiver(request, max).await {
            Ok(receiver) => receiver,
            Err(error) if source.settings.sessions && is_without_session(&error) => {
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        };
        let session = if source.settings.sessions {
            let (id, until) = session_of(&receiver)?;
            let now = source.bus.clock.now();
            let until = until.map_or_else(
                || later(now, LOCK_UNSAID),
                |until| source.believed(until, now),
            );
            source.session_renewed(&id, until, now);
            Some(id)
        } else {
            None
        };
        self.link = Some(Link {
            live,
            receiver,
            session,
            open_since: None,
        });
        Ok(true)
    }

    /// Hands a message out, unless it is not for us or cannot be.
    async fn arrived(&mut self, source: &Shared, late: Late, out: &mut VecDeque<Delivery>) {
        let Late {
            arrival,
            settler,
            came_at,
        } = late;
        let link = LinkSettlement {
            settler: &settler,
            delivery_id: arrival.delivery_id,
        };
        let Some(lock) = wire::lock_of(&arrival.tag) else {
            tracing::warn!("a message came without a lock and was left alone");
            return;
        };
        let message = if arrival.is_too_large {
            Err(Outcome::DeadLettered {
                reason: "TooLarge",
                description: "the message is larger than message_bytes_max of its receiver",
            })
        } else {
            Message::decode(&arrival.payload).map_err(|_| Outcome::DeadLettered {
                reason: "MalformedMessage",
                description: "the message is not encoded as AMQP demands",
            })
        };
        let message = match message {
            Ok(message) => message,
            Err(outcome) => {
                let settled = link.settle(&outcome).await;
                let was_settled = settled.is_ok();
                tracing::warn!(?outcome, was_settled, "a message that cannot be handed out");
                return;
            }
        };
        let for_other = wire::retry_for(&message)
            .is_some_and(|name| is_for_other(name, source.entity.subscription.as_deref()));
        if for_other {
            // The copy of another subscription; when this fails it is passed over again.
            link.settle(&Outcome::Completed).await.ok();
            return;
        }
        let facts = wire::facts(&message);
        let now = source.bus.clock.now();
        let session = self.link.as_ref().and_then(|link| link.session.clone());
        let locked_until = match &session {
            Some(session) => source.session_until(session),
            None => facts
                .locked_until
                .map(|until| source.believed(until, came_at)),
        };
        let locked_until = locked_until.unwrap_or_else(|| later(came_at, LOCK_UNSAID));
        if locked_until <= now {
            // It comes again, and is nobody's until then.
            return;
        }
        let held = Held {
            link: Some((settler, arrival.delivery_id)),
            lock,
            locked_until,
            sequence: facts.sequence,
            attempt: facts.attempt,
            session,
            raw: arrival.payload,
            copied: None,
            maybe_settled: false,
            is_over: false,
        };
        out.push_back(source.hand_out(held, &message));
    }
}

/// What a wait for the next message brought.
enum Step {
    Came(Arrival),
    /// Something else that the link said.
    Nothing,
    /// The time is over.
    Over,
}

impl Step {
    fn of(next: Option<Arrival>) -> Self {
        next.map_or(Self::Nothing, Self::Came)
    }
}

impl Link {
    /// Waits for the first message, and meanwhile looks after tokens.
    async fn first(&mut self, source: &Shared, deadline: DateTime<Utc>) -> Result<Step, Failure> {
        let clock = &source.bus.clock;
        let refresh_at = source.bus.refresh_at(&self.live).await;
        let until = refresh_at.map_or(deadline, |at| at.min(deadline));
        tokio::select! {
            biased;
            next = self.receiver.next() => return Ok(next.map(Step::of)?),
            () = clock.sleep_until(until) => {}
        }
        if clock.now() >= deadline {
            return Ok(Step::Over);
        }
        source
            .bus
            .authorize(&self.live, &source.entity.path())
            .await?;
        Ok(Step::Nothing)
    }

    /// What came after an earlier call had ended, as far as it is here already. It may have come
    /// at any time since.
    fn unclaimed(
        &mut self,
        settler: &Settler,
        late: &mut VecDeque<Late>,
    ) -> Result<usize, AmqpError> {
        let mut came = 0;
        let Some(came_at) = self.open_since else {
            return Ok(came);
        };
        while let Some(next) = self.receiver.next().now_or_never() {
            match next {
                Ok(Some(arrival)) => {
                    came += 1;
                    late.push_back(Late {
                        arrival,
                        settler: settler.clone(),
                        came_at,
                    });
                }
                Ok(None) => self.open_since = None,
                Err(_) if came > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(came)
    }

    /// Waits until all credit is used or given up. What still comes is kept.
    async fn drain(
        &mut self,
        source: &Shared,
        late: &mut VecDeque<Late>,
        settler: &Settler,
    ) -> Result<(), AmqpError> {
        self.receiver.drain();
        let drained = async {
            while let Some(arrival) = self.receiver.next().await? {
                late.push_back(Late {
                    arrival,
                    settler: settler.clone(),
                    came_at: source.bus.clock.now(),
                });
            }
            Ok(())
        };
        // A broker that does not answer may still send; that comes with the next call.
        match tokio::time::timeout(source.settings.drain_timeout, drained).await {
            Ok(drained) => {
                self.open_since = None;
                drained
            }
            Err(_) => Ok(()),
        }
    }
}

/// Asks for the next session that nobody holds.
fn ask_for_session(request: &mut AttachRequest, wait: Duration) {
    let mut filter = OrderedMap::new();
    filter.insert(symbol(SESSION_FILTER), Value::Null);
    request.source.filter = Some(filter);
    let ms = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
    let mut properties = OrderedMap::new();
    properties.insert(symbol("com.microsoft:timeout"), Value::Uint(ms));
    request.properties = Some(properties);
    // The broker answers after its time, and then some.
    request.timeout = Some(wait + Duration::from_secs(5));
}

fn is_without_session(error: &AmqpError) -> bool {
    let condition = error.condition().unwrap_or_default();
    matches!(error, AmqpError::TimedOut)
        || condition == "com.microsoft:timeout"
        || condition == "com.microsoft:session-cannot-be-locked"
}

/// Which session the broker gave, and until when.
fn session_of(receiver: &Receiver) -> Result<(String, Option<DateTime<Utc>>), AmqpError> {
    let remote = receiver.remote();
    let filter = remote.source.as_ref().and_then(|s| s.filter.as_ref());
    let found = filter.and_then(|filter| filter.get(&symbol(SESSION_FILTER)));
    let id = match found {
        Some(Value::Described(described)) => name_of(&described.value),
        Some(value) => name_of(value),
        None => None,
    };
    let id = id.ok_or(AmqpError::Protocol("a session came without its id"))?;
    let until = remote
        .properties
        .as_ref()
        .and_then(|all| all.get(&symbol("com.microsoft:locked-until-utc")));
    let locked_until = match until {
        Some(Value::Long(ticks)) => wire::instant(ticks / TICKS_PER_MS - NET_EPOCH_MS),
        Some(Value::Timestamp(at)) => wire::instant(at.milliseconds()),
        _ => None,
    };
    Ok((id.to_owned(), locked_until))
}
