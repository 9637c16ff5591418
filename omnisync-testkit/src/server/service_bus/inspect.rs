//! What a test asks a namespace, and makes it do.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::address::Place;
use super::codec::string;
use super::fault::{Fault, Step};
use super::message::Content;
use super::options::{Entity, ServiceBusOptions};
use super::queue::{Side, Standing, Stored};
use super::refusal::Refusal;
use super::state::ServiceBus;

/// What happened so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Messages that were taken in.
    pub sent: u64,
    /// Messages that were dropped because their id had come before.
    pub duplicates: u64,
    /// Messages that were handed out.
    pub deliveries: u64,
    /// Messages that were completed.
    pub completed: u64,
    /// Messages that were abandoned.
    pub abandoned: u64,
    /// Messages that were deferred.
    pub deferred: u64,
    /// Messages that a receiver declared dead.
    pub dead_lettered: u64,
    /// Settlements that were refused.
    pub locks_lost: u64,
    /// Locks that were renewed.
    pub renewals: u64,
    /// Tokens that were taken.
    pub tokens: u64,
    /// Connections that were opened.
    pub connections: u64,
}

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageState {
    /// It waits for a receiver.
    Active,
    /// A receiver has it until then, or until it loses its session.
    Locked(Option<DateTime<Utc>>),
    /// It waits for this instant.
    Scheduled(DateTime<Utc>),
    /// It waits to be asked for by number.
    Deferred,
}

/// A message in an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageView {
    /// Its number in the entity.
    pub sequence_number: i64,
    /// Its id.
    pub message_id: Option<String>,
    /// Its session.
    pub session_id: Option<String>,
    /// Its subject.
    pub subject: Option<String>,
    /// The id that it is correlated with.
    pub correlation_id: Option<String>,
    /// The type of its content.
    pub content_type: Option<String>,
    /// Where it stands.
    pub state: MessageState,
    /// Deliveries that came to nothing.
    pub deliveries: u32,
    /// When it became visible.
    pub enqueued: DateTime<Utc>,
    /// When its life ends.
    pub expires: Option<DateTime<Utc>>,
    /// Why it is dead.
    pub dead_letter_reason: Option<String>,
    /// Why it is dead, at length.
    pub dead_letter_description: Option<String>,
    /// What the application put in.
    pub properties: BTreeMap<String, String>,
    /// Its body.
    pub body: Vec<u8>,
}

impl MessageView {
    fn of(stored: &Stored) -> Self {
        let content = &stored.content;
        let state = match (stored.lock, stored.standing) {
            (Some(lock), _) => MessageState::Locked(lock.until),
            (None, Standing::Active) => MessageState::Active,
            (None, Standing::Deferred) => MessageState::Deferred,
            (None, Standing::Scheduled(at)) => MessageState::Scheduled(at),
        };
        Self {
            sequence_number: stored.sequence,
            message_id: content.message_id(),
            session_id: content.session_id(),
            subject: content.subject(),
            correlation_id: content.correlation_id(),
            content_type: content.content_type(),
            state,
            deliveries: stored.deliveries,
            enqueued: stored.enqueued,
            expires: stored.expires,
            dead_letter_reason: content.application_text("DeadLetterReason"),
            dead_letter_description: content.application_text("DeadLetterErrorDescription"),
            properties: content.application_texts(),
            body: content.data(),
        }
    }
}

/// A message that a test sends without a client.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewMessage {
    content: Content,
}

impl NewMessage {
    /// A message with this body, and with nothing else.
    pub fn new(body: impl AsRef<[u8]>) -> Self {
        Self {
            content: Content::of_data(body.as_ref()),
        }
    }

    /// The id that a duplicate is known by.
    #[must_use]
    pub fn with_message_id(mut self, id: &str) -> Self {
        self.content.set_message_id(id);
        self
    }

    /// The session that it belongs to.
    #[must_use]
    pub fn with_session_id(mut self, id: &str) -> Self {
        self.content.set_session_id(id);
        self
    }

    /// The subject.
    #[must_use]
    pub fn with_subject(mut self, subject: &str) -> Self {
        self.content.set_subject(subject);
        self
    }

    /// The type of the content.
    #[must_use]
    pub fn with_content_type(mut self, kind: &str) -> Self {
        self.content.set_content_type(kind);
        self
    }

    /// A property of the application's.
    #[must_use]
    pub fn with_property(mut self, key: &str, value: &str) -> Self {
        self.content.put(key, string(value));
        self
    }

    /// How long it lives.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Duration) -> Self {
        self.content.ttl_ms = Some(u32::try_from(ttl.as_millis()).unwrap_or(u32::MAX));
        self
    }

    /// When it becomes visible.
    #[must_use]
    pub fn with_schedule(mut self, at: DateTime<Utc>) -> Self {
        self.content.schedule(at);
        self
    }
}

/// A message was not taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("message not taken in: {0}")]
pub struct NotSent(String);

impl From<Refusal> for NotSent {
    fn from(refusal: Refusal) -> Self {
        Self(refusal.description)
    }
}

/// What is in there.
impl ServiceBus {
    /// The messages of a queue, of a subscription (`topic/Subscriptions/name`), or of the
    /// dead-letter queue of either (`…/$deadletterqueue`), in order of their numbers.
    pub fn messages(&self, entity: &str) -> Vec<MessageView> {
        let place = Place::parse(entity);
        self.change(|state| {
            let queue = state.queues.get(&place.entity);
            queue.map_or_else(Vec::new, |queue| {
                queue.messages(place.side).map(MessageView::of).collect()
            })
        })
    }

    /// The dead messages of a queue or a subscription.
    pub fn dead_letters(&self, entity: &str) -> Vec<MessageView> {
        self.messages(&format!("{entity}/$deadletterqueue"))
    }

    /// How many messages wait for a receiver or are with one.
    pub fn backlog(&self, entity: &str) -> usize {
        let messages = self.messages(entity);
        let waiting = messages
            .iter()
            .filter(|it| matches!(it.state, MessageState::Active | MessageState::Locked(_)));
        waiting.count()
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        self.lock().counters
    }
}

/// What it does on demand.
impl ServiceBus {
    /// Takes in a message as if a client had sent it; `false` for one that came before.
    ///
    /// # Errors
    /// When the entity takes no such message.
    pub fn send(&self, entity: &str, message: NewMessage) -> Result<bool, NotSent> {
        let place = Place {
            side: Side::Live,
            ..Place::parse(entity)
        };
        let sent = self.change(|state| state.send(&place, &[message.content]))?;
        Ok(sent.iter().all(Option::is_some))
    }

    /// Lets a step go wrong: the next one of this kind, or the very next one.
    pub fn inject(&self, step: Option<Step>, fault: Fault) {
        self.change(|state| state.faults.push_back((step, fault)));
    }

    /// How many faults still wait for their step.
    pub fn faults_left(&self) -> usize {
        self.lock().faults.len()
    }

    /// Forgets the faults that still wait.
    pub fn clear_faults(&self) {
        self.change(|state| state.faults.clear());
    }

    /// Detaches every link to an entity by force.
    pub fn detach_links(&self) {
        self.change(|state| state.detachments += 1);
    }

    /// Cuts every connection.
    pub fn cut_connections(&self) {
        self.change(|state| state.cuts += 1);
    }

    /// Looks at the clock. Whoever moves a clock that does not wake its sleepers calls this.
    pub fn tick(&self) {
        self.change(|_| ());
    }

    /// Adds a queue or a topic.
    pub fn add_entity(&self, entity: Entity) {
        self.change(|state| state.add(entity));
    }

    /// Removes a queue, a subscription or a topic with all that is in it; `false` when there is
    /// none.
    pub fn remove_entity(&self, entity: &str) -> bool {
        self.change(|state| state.remove(entity))
    }

    /// Changes the options while the namespace is at work. Entities are what they are.
    pub fn reconfigure(&self, change: impl FnOnce(&mut ServiceBusOptions)) {
        self.change(|state| change(&mut state.options));
    }
}
