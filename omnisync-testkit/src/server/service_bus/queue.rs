//! A queue, or a subscription, and the dead-letter queue behind it. Nothing here waits, and nothing
//! knows what time it is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_amqp::Value;
use uuid::Uuid;

use super::codec::{string, symbol, timestamp};
use super::message::{Content, Stamp};
use super::options::Manners;
use super::refusal::Refusal;
use super::session::Sessions;
use crate::clock::later;

/// The ready messages that belong to no session.
pub(crate) const NO_SESSION: &str = "";

/// Which of the two queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Side {
    Live,
    Dead,
}

/// What stands in the way of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Active,
    Deferred,
    Scheduled(DateTime<Utc>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lock {
    pub(crate) token: Uuid,
    /// `None` is the session's lock.
    pub(crate) until: Option<DateTime<Utc>>,
}

/// A message in a queue.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) sequence: i64,
    pub(crate) enqueued_sequence: i64,
    pub(crate) enqueued: DateTime<Utc>,
    pub(crate) content: Content,
    pub(crate) deliveries: u32,
    pub(crate) standing: Standing,
    pub(crate) lock: Option<Lock>,
    pub(crate) expires: Option<DateTime<Utc>>,
    source: Option<String>,
}

/// A message on its way to a receiver.
#[derive(Debug, Clone)]
pub(crate) struct Handed {
    pub(crate) token: Option<Uuid>,
    pub(crate) locked_until: Option<DateTime<Utc>>,
    pub(crate) stored: Stored,
}

/// What becomes of a message that was handed out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    Complete,
    Abandon(Vec<(String, Value)>),
    Defer(Vec<(String, Value)>),
    DeadLetter {
        reason: Option<String>,
        description: Option<String>,
        properties: Vec<(String, Value)>,
    },
}

/// How a message is taken.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Take {
    /// Under a lock of this token.
    Lock(Uuid),
    /// For good.
    Delete,
}

#[derive(Debug, Default)]
struct Shelf {
    messages: BTreeMap<i64, Stored>,
    /// Session and sequence number of those that may be handed out.
    ready: BTreeSet<(String, i64)>,
    locks: BTreeMap<Uuid, i64>,
    /// When to look at which message again. Some of it may have been overtaken by events.
    deadlines: BTreeSet<(DateTime<Utc>, i64)>,
}

/// A queue or a subscription.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) name: String,
    pub(crate) manners: Manners,
    live: Shelf,
    dead: Shelf,
    pub(crate) sessions: Sessions,
    sequence: i64,
}

impl Queue {
    pub(crate) fn new(name: String, manners: Manners) -> Self {
        Self {
            name,
            manners,
            live: Shelf::default(),
            dead: Shelf::default(),
            sessions: Sessions::default(),
            sequence: 0,
        }
    }

    fn shelf(&self, side: Side) -> &Shelf {
        match side {
            Side::Live => &self.live,
            Side::Dead => &self.dead,
        }
    }

    fn shelf_mut(&mut self, side: Side) -> &mut Shelf {
        match side {
            Side::Live => &mut self.live,
            Side::Dead => &mut self.dead,
        }
    }

    /// Whether messages of this side belong to sessions.
    pub(crate) fn has_sessions(&self, side: Side) -> bool {
        self.manners.sessions && side == Side::Live
    }

    /// All messages of a side, by sequence number.
    pub(crate) fn messages(&self, side: Side) -> impl Iterator<Item = &Stored> {
        self.shelf(side).messages.values()
    }

    /// Takes in a message; its sequence number.
    pub(crate) fn put(&mut self, content: Content, now: DateTime<Utc>) -> i64 {
        self.sequence += 1;
        let sequence = self.sequence;
        let scheduled = content.scheduled().filter(|at| *at > now);
        let stored = Stored {
            sequence,
            enqueued_sequence: sequence,
            enqueued: now,
            content,
            deliveries: 0,
            standing: scheduled.map_or(Standing::Active, Standing::Scheduled),
            lock: None,
            expires: None,
            source: None,
        };
        self.place(Side::Live, stored, now);
        sequence
    }

    /// Puts a message where it belongs by its standing.
    fn place(&mut self, side: Side, mut stored: Stored, now: DateTime<Utc>) {
        let sequence = stored.sequence;
        if side == Side::Live && stored.expires.is_none() {
            let from = match stored.standing {
                Standing::Scheduled(at) => at,
                _ => now,
            };
            stored.expires = self
                .life(&stored.content)
                .map(|life_ms| later(from, Duration::from_millis(life_ms.into())));
        }
        let key = self.key_of(side, &stored);
        let kept = self.shelf_mut(side);
        match stored.standing {
            Standing::Active => {
                kept.ready.insert((key, sequence));
            }
            Standing::Scheduled(at) => {
                kept.deadlines.insert((at, sequence));
            }
            Standing::Deferred => {}
        }
        if let Some(expires) = stored.expires {
            kept.deadlines.insert((expires, sequence));
        }
        kept.messages.insert(sequence, stored);
    }

    fn life(&self, content: &Content) -> Option<u32> {
        match (content.ttl_ms, self.manners.default_ttl_ms) {
            (Some(own), Some(most)) => Some(own.min(most)),
            (own, most) => own.or(most),
        }
    }

    fn key_of(&self, side: Side, stored: &Stored) -> String {
        if self.has_sessions(side) {
            stored.content.session_id().unwrap_or_default()
        } else {
            NO_SESSION.to_owned()
        }
    }

    /// Takes a message out of the queue for good.
    fn remove(&mut self, side: Side, sequence: i64) -> Option<Stored> {
        let stored = self.shelf(side).messages.get(&sequence)?;
        let key = self.key_of(side, stored);
        let kept = self.shelf_mut(side);
        kept.ready.remove(&(key, sequence));
        let stored = kept.messages.remove(&sequence)?;
        if let Some(lock) = stored.lock {
            kept.locks.remove(&lock.token);
        }
        Some(stored)
    }

    /// Whether a message waits for a receiver of this session, or of none.
    pub(crate) fn has_ready(&self, side: Side, session: &str) -> bool {
        self.first_ready(side, session).is_some()
    }

    fn first_ready(&self, side: Side, session: &str) -> Option<i64> {
        let from = (session.to_owned(), i64::MIN);
        let (key, sequence) = self.shelf(side).ready.range(from..).next()?;
        (key == session).then_some(*sequence)
    }

    /// Sessions with messages that wait, in the order of their first message.
    pub(crate) fn waiting_sessions(&self) -> Vec<String> {
        let mut first: BTreeMap<&str, i64> = BTreeMap::new();
        for (key, sequence) in &self.live.ready {
            first.entry(key).or_insert(*sequence);
        }
        let mut sessions: Vec<_> = first.into_iter().collect();
        sessions.sort_by_key(|(_, sequence)| *sequence);
        let names = sessions.into_iter().map(|(key, _)| key.to_owned());
        names.collect()
    }

    /// Sessions that any message belongs to.
    pub(crate) fn sessions_with_messages(&self, side: Side) -> Vec<String> {
        let messages = self.messages(side);
        let sessions: BTreeSet<_> = messages
            .filter_map(|stored| stored.content.session_id())
            .collect();
        sessions.into_iter().collect()
    }

    /// Hands out the next message.
    pub(crate) fn take(
        &mut self,
        side: Side,
        session: &str,
        take: Take,
        now: DateTime<Utc>,
    ) -> Option<Handed> {
        let sequence = self.first_ready(side, session)?;
        self.hand(side, sequence, take, now)
    }

    /// Hands out a message that was deferred.
    pub(crate) fn take_deferred(
        &mut self,
        side: Side,
        sequence: i64,
        take: Take,
        now: DateTime<Utc>,
    ) -> Option<Handed> {
        let stored = self.shelf(side).messages.get(&sequence)?;
        if stored.standing != Standing::Deferred || stored.lock.is_some() {
            return None;
        }
        self.hand(side, sequence, take, now)
    }

    fn hand(
        &mut self,
        side: Side,
        sequence: i64,
        take: Take,
        now: DateTime<Utc>,
    ) -> Option<Handed> {
        let token = match take {
            Take::Delete => {
                return Some(Handed {
                    token: None,
                    locked_until: None,
                    stored: self.remove(side, sequence)?,
                });
            }
            Take::Lock(token) => token,
        };
        let until = (!self.has_sessions(side)).then(|| self.lock_end(now));
        let key = self.key_of(side, self.shelf(side).messages.get(&sequence)?);
        let locked_until = until.or_else(|| self.sessions.locked_until(&key));
        let kept = self.shelf_mut(side);
        kept.ready.remove(&(key, sequence));
        kept.locks.insert(token, sequence);
        if let Some(until) = until {
            kept.deadlines.insert((until, sequence));
        }
        let stored = kept.messages.get_mut(&sequence)?;
        stored.lock = Some(Lock { token, until });
        Some(Handed {
            token: Some(token),
            locked_until,
            stored: stored.clone(),
        })
    }

    /// When a lock of now ends.
    pub(crate) fn lock_end(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        later(now, Duration::from_millis(self.manners.lock_ms.into()))
    }

    /// The message of a lock that is still held.
    fn locked(&self, side: Side, token: Uuid) -> Result<i64, Refusal> {
        let sequence = self.shelf(side).locks.get(&token);
        if let Some(sequence) = sequence {
            return Ok(*sequence);
        }
        Err(if self.has_sessions(side) {
            Refusal::session_lock_lost()
        } else {
            Refusal::lock_lost()
        })
    }

    /// Settles a message that was handed out.
    pub(crate) fn settle(
        &mut self,
        side: Side,
        token: Uuid,
        outcome: Outcome,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        let sequence = self.locked(side, token)?;
        if side == Side::Dead && matches!(outcome, Outcome::DeadLetter { .. }) {
            return Err(Refusal::not_allowed(
                "A message of a dead-letter queue cannot be dead-lettered.",
            ));
        }
        match outcome {
            Outcome::Complete => {
                self.remove(side, sequence);
            }
            Outcome::Abandon(properties) => {
                self.modify(side, sequence, properties);
                self.release(side, sequence, now);
            }
            Outcome::Defer(properties) => {
                self.modify(side, sequence, properties);
                if let Some(mut stored) = self.remove(side, sequence) {
                    stored.lock = None;
                    stored.deliveries = stored.deliveries.saturating_add(1);
                    stored.standing = Standing::Deferred;
                    self.place(side, stored, now);
                }
            }
            Outcome::DeadLetter {
                reason,
                description,
                properties,
            } => {
                self.modify(side, sequence, properties);
                self.bury(sequence, reason, description, now);
            }
        }
        Ok(())
    }

    fn modify(&mut self, side: Side, sequence: i64, properties: Vec<(String, Value)>) {
        if let Some(stored) = self.shelf_mut(side).messages.get_mut(&sequence) {
            for (key, value) in properties {
                stored.content.put(&key, value);
            }
        }
    }

    /// Ends a lock without a settlement: the delivery counts, and may have been the last one.
    fn release(&mut self, side: Side, sequence: i64, now: DateTime<Utc>) {
        let Some(mut stored) = self.remove(side, sequence) else {
            return;
        };
        stored.lock = None;
        stored.deliveries = stored.deliveries.saturating_add(1);
        let most = self.manners.deliveries_max;
        let exhausted = side == Side::Live && stored.deliveries >= most;
        self.place(side, stored, now);
        if exhausted {
            self.bury(
                sequence,
                Some("MaxDeliveryCountExceeded".to_owned()),
                Some(format!(
                    "Message could not be consumed after {most} delivery attempts."
                )),
                now,
            );
        }
        self.look(side, sequence, now);
    }

    /// Moves a message to the dead-letter queue.
    fn bury(
        &mut self,
        sequence: i64,
        reason: Option<String>,
        description: Option<String>,
        now: DateTime<Utc>,
    ) {
        let Some(mut stored) = self.remove(Side::Live, sequence) else {
            return;
        };
        let said = [
            ("DeadLetterReason", reason),
            ("DeadLetterErrorDescription", description),
        ];
        for (key, text) in said {
            if let Some(text) = text {
                stored.content.put(key, string(text));
            }
        }
        stored.lock = None;
        stored.standing = Standing::Active;
        stored.expires = None;
        stored.source = Some(self.name.clone());
        self.place(Side::Dead, stored, now);
    }

    /// Renews a lock; when it ends.
    pub(crate) fn renew(
        &mut self,
        side: Side,
        token: Uuid,
        now: DateTime<Utc>,
    ) -> Result<DateTime<Utc>, Refusal> {
        let sequence = self.locked(side, token)?;
        if self.has_sessions(side) {
            return Err(Refusal::not_allowed(
                "The lock of a message in a session is the session's; renew that.",
            ));
        }
        let until = self.lock_end(now);
        let kept = self.shelf_mut(side);
        kept.deadlines.insert((until, sequence));
        if let Some(stored) = kept.messages.get_mut(&sequence) {
            stored.lock = Some(Lock {
                token,
                until: Some(until),
            });
        }
        Ok(until)
    }

    /// Ends the locks of all messages in a session.
    pub(crate) fn release_session(&mut self, session: &str, now: DateTime<Utc>) {
        let locks: Vec<_> = self.live.locks.values().copied().collect();
        for sequence in locks {
            let of_session = self.live.messages.get(&sequence).is_some_and(|stored| {
                stored.content.session_id().as_deref() == Some(session)
                    && stored.lock.is_some_and(|lock| lock.until.is_none())
            });
            if of_session {
                self.release(Side::Live, sequence, now);
            }
        }
    }

    /// Takes back a message that is scheduled; `false` when there is none.
    pub(crate) fn cancel(&mut self, sequence: i64) -> bool {
        let stored = self.live.messages.get(&sequence);
        let scheduled =
            stored.is_some_and(|stored| matches!(stored.standing, Standing::Scheduled(_)));
        scheduled && self.remove(Side::Live, sequence).is_some()
    }

    /// Whether there is a deferred message that nobody has locked.
    pub(crate) fn is_deferred(&self, side: Side, sequence: i64) -> bool {
        let stored = self.shelf(side).messages.get(&sequence);
        stored.is_some_and(|stored| stored.standing == Standing::Deferred && stored.lock.is_none())
    }

    /// Does what time brings: locks end, messages come up and die.
    pub(crate) fn sweep(&mut self, now: DateTime<Utc>) {
        for session in self.sessions.expire(now) {
            self.release_session(&session, now);
        }
        for side in [Side::Live, Side::Dead] {
            while let Some((at, sequence)) = self.shelf(side).deadlines.first().copied() {
                if at > now {
                    break;
                }
                self.shelf_mut(side).deadlines.remove(&(at, sequence));
                self.look(side, sequence, now);
            }
        }
    }

    /// Looks at one message: what does time bring to it?
    fn look(&mut self, side: Side, sequence: i64, now: DateTime<Utc>) {
        let Some(stored) = self.shelf(side).messages.get(&sequence) else {
            return;
        };
        match (stored.lock, stored.standing) {
            (Some(Lock { until, .. }), _) => {
                if until.is_some_and(|until| until <= now) {
                    self.release(side, sequence, now);
                }
            }
            (None, Standing::Scheduled(at)) if at <= now => {
                if let Some(mut stored) = self.remove(side, sequence) {
                    self.sequence += 1;
                    stored.sequence = self.sequence;
                    stored.standing = Standing::Active;
                    stored.enqueued = now;
                    let sequence = stored.sequence;
                    self.place(side, stored, now);
                    self.look(side, sequence, now);
                }
            }
            _ => {
                if stored.expires.is_some_and(|expires| expires <= now) {
                    self.expire(sequence, now);
                }
            }
        }
    }

    fn expire(&mut self, sequence: i64, now: DateTime<Utc>) {
        if self.manners.dead_letter_expired {
            self.bury(
                sequence,
                Some("TTLExpiredException".to_owned()),
                Some("The message expired and was dead lettered.".to_owned()),
                now,
            );
        } else {
            self.remove(Side::Live, sequence);
        }
    }

    /// When something happens here without anybody doing it.
    pub(crate) fn next_event(&self) -> Option<DateTime<Utc>> {
        let first = |shelf: &Shelf| shelf.deadlines.first().map(|(at, _)| *at);
        let deadlines = [
            first(&self.live),
            first(&self.dead),
            self.sessions.next_event(),
        ];
        deadlines.into_iter().flatten().min()
    }
}

impl Stored {
    /// The message as it goes out.
    pub(crate) fn encode(&self, token: Option<Uuid>, until: Option<DateTime<Utc>>) -> Vec<u8> {
        let mut annotations = vec![
            (symbol("x-opt-sequence-number"), Value::Long(self.sequence)),
            (
                symbol("x-opt-enqueue-sequence-number"),
                Value::Long(self.enqueued_sequence),
            ),
            (symbol("x-opt-enqueued-time"), timestamp(self.enqueued)),
            (symbol("x-opt-message-state"), Value::Int(self.state())),
        ];
        if let Some(until) = until {
            annotations.push((symbol("x-opt-locked-until"), timestamp(until)));
        }
        if let Some(source) = &self.source {
            annotations.push((symbol("x-opt-deadletter-source"), string(source.clone())));
        }
        self.content.encode(&Stamp {
            delivery_count: self.deliveries,
            annotations,
            lock_token: token,
        })
    }

    fn state(&self) -> i32 {
        match self.standing {
            Standing::Active => 0,
            Standing::Deferred => 1,
            Standing::Scheduled(_) => 2,
        }
    }
}
