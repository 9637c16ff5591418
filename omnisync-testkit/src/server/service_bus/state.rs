//! Everything that a namespace keeps, and the lock around it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::watch;

use super::address::Place;
use super::fault::{Fault, Step};
use super::inspect::Counters;
use super::message::Content;
use super::options::ServiceBusOptions;
use super::queue::{Handed, NO_SESSION, Outcome, Queue, Side, Take};
use super::refusal::Refusal;
use super::session::Holder;
use crate::clock::later;

/// A handle to a namespace. Clones share it, and it outlives its servers: stopping a server and
/// serving the namespace again is a restart.
#[derive(Clone)]
pub struct ServiceBus {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

pub(crate) struct State {
    pub(crate) options: ServiceBusOptions,
    /// Queues and subscriptions by path in lower case.
    pub(crate) queues: BTreeMap<String, Queue>,
    pub(crate) topics: BTreeMap<String, Topic>,
    /// Message ids of what can be sent to, by path in lower case.
    seen: BTreeMap<String, Seen>,
    pub(crate) faults: VecDeque<(Option<Step>, Fault)>,
    pub(crate) counters: Counters,
    /// Rises whenever all links, or all connections, are to go.
    pub(crate) detachments: u64,
    pub(crate) cuts: u64,
    connections: u64,
}

#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) subscriptions: Vec<String>,
    pub(crate) sessions: bool,
}

/// Message ids and when they end to matter.
#[derive(Debug)]
struct Seen {
    window_ms: u32,
    ids: BTreeMap<String, DateTime<Utc>>,
}

impl Seen {
    /// Whether an id came within the window; notes it when it did not.
    fn again(&mut self, id: &str, now: DateTime<Utc>) -> bool {
        self.ids.retain(|_, until| *until > now);
        if self.ids.contains_key(id) {
            return true;
        }
        let until = later(now, Duration::from_millis(self.window_ms.into()));
        self.ids.insert(id.to_owned(), until);
        false
    }
}

impl ServiceBus {
    /// A namespace with nothing in its entities.
    pub fn new(options: ServiceBusOptions) -> Self {
        let mut state = State {
            queues: BTreeMap::new(),
            topics: BTreeMap::new(),
            seen: BTreeMap::new(),
            faults: VecDeque::new(),
            counters: Counters::default(),
            detachments: 0,
            cuts: 0,
            connections: 0,
            options,
        };
        for entity in state.options.entities.clone() {
            state.add(entity);
        }
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                changed: watch::Sender::new(0),
            }),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        let state = self.shared.state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something and tells whoever waits for it.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = {
            let mut state = self.lock();
            state.sweep();
            change(&mut state)
        };
        self.shared.changed.send_modify(|version| *version += 1);
        changed
    }

    /// Hears of every change.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changed.subscribe()
    }
}

impl fmt::Debug for ServiceBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("ServiceBus")
            .field("options", &state.options)
            .field("counters", &state.counters)
            .finish_non_exhaustive()
    }
}

impl State {
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.options.clock.now()
    }

    pub(crate) fn next_connection(&mut self) -> u64 {
        self.connections += 1;
        self.connections
    }

    pub(crate) fn add(&mut self, entity: super::Entity) {
        let key = entity.name.to_lowercase();
        if let Some(window_ms) = entity.manners.duplicate_window_ms {
            let ids = BTreeMap::new();
            self.seen.insert(key.clone(), Seen { window_ms, ids });
        }
        let Some(names) = entity.subscriptions else {
            let queue = Queue::new(entity.name, entity.manners);
            self.queues.insert(key, queue);
            return;
        };
        let mut subscriptions = Vec::new();
        for name in names {
            let path = format!("{}/Subscriptions/{name}", entity.name);
            subscriptions.push(path.to_lowercase());
            let queue = Queue::new(path.clone(), entity.manners.clone());
            self.queues.insert(path.to_lowercase(), queue);
        }
        let topic = Topic {
            sessions: entity.manners.sessions,
            subscriptions,
        };
        self.topics.insert(key, topic);
    }

    /// Removes a queue, a subscription or a topic; `false` when there is none.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        let key = name.to_lowercase();
        self.seen.remove(&key);
        if let Some(topic) = self.topics.remove(&key) {
            for path in &topic.subscriptions {
                self.queues.remove(path);
            }
            return true;
        }
        for topic in self.topics.values_mut() {
            topic.subscriptions.retain(|path| *path != key);
        }
        self.queues.remove(&key).is_some()
    }

    /// Does what time brings, everywhere.
    pub(crate) fn sweep(&mut self) {
        let now = self.now();
        for queue in self.queues.values_mut() {
            queue.sweep(now);
        }
    }

    /// When something happens without anybody doing it.
    pub(crate) fn next_event(&self) -> Option<DateTime<Utc>> {
        self.queues.values().filter_map(Queue::next_event).min()
    }

    /// The next fault that is for this step or for any.
    pub(crate) fn take_fault(&mut self, step: Step) -> Option<Fault> {
        let mut faults = self.faults.iter();
        let position = faults.position(|(wanted, _)| wanted.is_none_or(|it| it == step))?;
        self.faults.remove(position).map(|(_, fault)| fault)
    }

    /// A queue or a subscription to receive from.
    pub(crate) fn queue(&mut self, place: &Place) -> Result<&mut Queue, Refusal> {
        let queue = self.queues.get_mut(&place.entity);
        queue.ok_or_else(|| Refusal::not_found(&place.entity))
    }

    /// Whether messages can be sent to a place.
    pub(crate) fn check_target(&self, place: &Place) -> Result<(), Refusal> {
        let is_queue = self.queues.contains_key(&place.entity);
        if place.side == Side::Dead && is_queue {
            return Err(Refusal::not_allowed(
                "A dead-letter queue takes no messages from outside.",
            ));
        }
        if self.topics.contains_key(&place.entity) {
            return Ok(());
        }
        if is_queue && place.entity.contains("/subscriptions/") {
            return Err(Refusal::not_allowed(
                "A subscription takes no messages but those of its topic.",
            ));
        }
        if is_queue {
            return Ok(());
        }
        Err(Refusal::not_found(&place.entity))
    }

    /// Takes in messages, all of them or none; their sequence numbers, which a duplicate has not.
    pub(crate) fn send(
        &mut self,
        place: &Place,
        messages: &[Content],
    ) -> Result<Vec<Option<i64>>, Refusal> {
        self.check_target(place)?;
        let topic = self.topics.get(&place.entity);
        let sessions = match (topic, self.queues.get(&place.entity)) {
            (Some(topic), _) => topic.sessions,
            (None, Some(queue)) => queue.manners.sessions,
            (None, None) => false,
        };
        for message in messages {
            check_message(message, sessions)?;
        }
        let sent = messages.iter().map(|it| self.take_in(place, it));
        Ok(sent.collect())
    }

    fn take_in(&mut self, place: &Place, message: &Content) -> Option<i64> {
        let now = self.now();
        let seen = self.seen.get_mut(&place.entity);
        if let (Some(seen), Some(id)) = (seen, message.message_id())
            && seen.again(&id, now)
        {
            self.counters.duplicates += 1;
            return None;
        }
        self.counters.sent += 1;
        let targets = match self.topics.get(&place.entity) {
            Some(topic) => topic.subscriptions.clone(),
            None => vec![place.entity.clone()],
        };
        let mut sequence = None;
        for target in targets {
            if let Some(queue) = self.queues.get_mut(&target) {
                sequence = Some(queue.put(message.clone(), now));
            }
        }
        // A topic without subscriptions takes a message, and that is the end of it.
        sequence.or(Some(0))
    }

    /// Hands out the next message of a place.
    pub(crate) fn take(
        &mut self,
        place: &Place,
        session: Option<&str>,
        locked: bool,
    ) -> Option<Handed> {
        let now = self.now();
        let session = session.unwrap_or(NO_SESSION);
        let queue = self.queues.get(&place.entity)?;
        if !queue.has_ready(place.side, session) {
            return None;
        }
        let take = self.how(locked);
        let queue = self.queues.get_mut(&place.entity)?;
        let handed = queue.take(place.side, session, take, now)?;
        self.counters.deliveries += 1;
        Some(handed)
    }

    fn how(&self, locked: bool) -> Take {
        if locked {
            Take::Lock(self.options.ids.unique())
        } else {
            Take::Delete
        }
    }

    /// Hands out deferred messages, all of them or none.
    pub(crate) fn take_deferred(
        &mut self,
        place: &Place,
        sequences: &[i64],
        locked: bool,
    ) -> Result<Vec<Handed>, Refusal> {
        let now = self.now();
        let queue = self.queue(place)?;
        let all = sequences
            .iter()
            .all(|sequence| queue.is_deferred(place.side, *sequence));
        if !all {
            return Err(Refusal::message_not_found());
        }
        let mut handed = Vec::new();
        for sequence in sequences {
            let take = self.how(locked);
            let queue = self.queue(place)?;
            handed.extend(queue.take_deferred(place.side, *sequence, take, now));
            self.counters.deliveries += 1;
        }
        Ok(handed)
    }

    /// Settles a message that was handed out.
    pub(crate) fn settle(
        &mut self,
        place: &Place,
        token: uuid::Uuid,
        outcome: Outcome,
    ) -> Result<(), Refusal> {
        let now = self.now();
        let counted = outcome.clone();
        let settled = self.queue(place)?.settle(place.side, token, outcome, now);
        let counters = &mut self.counters;
        match (&settled, counted) {
            (Err(_), _) => counters.locks_lost += 1,
            (Ok(()), Outcome::Complete) => counters.completed += 1,
            (Ok(()), Outcome::Abandon(_)) => counters.abandoned += 1,
            (Ok(()), Outcome::Defer(_)) => counters.deferred += 1,
            (Ok(()), Outcome::DeadLetter { .. }) => counters.dead_lettered += 1,
        }
        settled
    }

    /// Locks a session: this one, or the next one that has messages and nobody. `None` when there
    /// is none yet.
    pub(crate) fn accept_session(
        &mut self,
        place: &Place,
        wanted: Option<&str>,
        holder: &Holder,
    ) -> Result<Option<(String, DateTime<Utc>)>, Refusal> {
        let now = self.now();
        let queue = self.queue(place)?;
        if !queue.has_sessions(place.side) {
            return Err(Refusal::not_allowed(
                "A sessionful message receiver cannot be created on an entity that does not \
                 require sessions.",
            ));
        }
        let session = match wanted {
            Some(session) => Some(session.to_owned()),
            None => queue
                .waiting_sessions()
                .into_iter()
                .find(|session| !queue.sessions.is_locked(session)),
        };
        let Some(session) = session else {
            return Ok(None);
        };
        let until = queue.lock_end(now);
        if queue.sessions.lock(&session, holder.clone(), until) {
            Ok(Some((session, until)))
        } else {
            Err(Refusal::session_cannot_be_locked(&session))
        }
    }

    /// Gives back a session that a link had.
    pub(crate) fn release_session(&mut self, place: &Place, session: &str, holder: &Holder) {
        let now = self.now();
        if let Some(queue) = self.queues.get_mut(&place.entity)
            && queue.sessions.release(session, holder)
        {
            queue.release_session(session, now);
        }
    }
}

fn check_message(message: &Content, sessions: bool) -> Result<(), Refusal> {
    if sessions && message.session_id().is_none() {
        return Err(Refusal::not_allowed(
            "The SessionId was not set on a message, and it cannot be sent to the entity. \
             Entities that have session support enabled can only receive messages that have the \
             SessionId set to a valid value.",
        ));
    }
    let longest = [message.message_id(), message.session_id()]
        .into_iter()
        .flatten()
        .map(|id| id.chars().count())
        .max();
    if longest.is_some_and(|length| length > 128) {
        return Err(Refusal::bad_request(
            "The length of an id exceeds the limit of 128 characters.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
