//! How a namespace is set up.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use omnisync_core::port::{Clock, IdSource};

use crate::ids::SeqIds;

/// How a namespace is set up. All of it can be filled in by struct update from
/// [`ServiceBusOptions::new`].
#[derive(Clone)]
pub struct ServiceBusOptions {
    /// What time it is for locks, schedules, lives of messages, tokens and limits.
    pub clock: Arc<dyn Clock>,
    /// Where lock tokens come from.
    pub ids: Arc<dyn IdSource>,
    /// Queues and topics that exist.
    pub entities: Vec<Entity>,
    /// Who may come in.
    pub access: Access,
    /// Length of the longest message.
    pub message_bytes_max: usize,
    /// Length of the longest frame, in both directions.
    pub frame_bytes_max: u32,
    /// How long a connection may be without a token; `None` is for ever.
    pub token_within_ms: Option<u32>,
    /// After so long without a frame the peer is gone; `None` is never.
    pub idle_timeout_ms: Option<u32>,
}

impl ServiceBusOptions {
    /// One queue, `orders`, that everybody may use.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            ids: Arc::new(SeqIds::new(0x5B)),
            entities: vec![Entity::queue("orders")],
            access: Access::default(),
            message_bytes_max: 256 << 10,
            frame_bytes_max: 64 << 10,
            token_within_ms: Some(20_000),
            idle_timeout_ms: Some(240_000),
        }
    }

    /// These queues and topics in place of the others.
    #[must_use]
    pub fn with_entities(mut self, entities: impl IntoIterator<Item = Entity>) -> Self {
        self.entities = entities.into_iter().collect();
        self
    }

    /// Tokens are checked from now on.
    #[must_use]
    pub fn with_checked_tokens(mut self) -> Self {
        self.access.checked = true;
        self
    }
}

impl fmt::Debug for ServiceBusOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceBusOptions")
            .field("entities", &self.entities)
            .field("access", &self.access)
            .field("message_bytes_max", &self.message_bytes_max)
            .field("frame_bytes_max", &self.frame_bytes_max)
            .finish_non_exhaustive()
    }
}

/// A queue, or a topic with its subscriptions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    /// Its path within the namespace.
    pub name: String,
    /// Subscriptions of a topic; `None` makes a queue of it.
    pub subscriptions: Option<Vec<String>>,
    /// What it does with messages; a topic's subscriptions do it alike.
    pub manners: Manners,
}

impl Entity {
    /// A queue of the usual manners.
    pub fn queue(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            subscriptions: None,
            manners: Manners::default(),
        }
    }

    /// A topic of the usual manners.
    pub fn topic<S: Into<String>>(
        name: impl Into<String>,
        subscriptions: impl IntoIterator<Item = S>,
    ) -> Self {
        let subscriptions = subscriptions.into_iter().map(Into::into);
        Self {
            subscriptions: Some(subscriptions.collect()),
            ..Self::queue(name)
        }
    }

    /// The same entity with other manners.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Manners)) -> Self {
        change(&mut self.manners);
        self
    }
}

/// What an entity does with its messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manners {
    /// How long a message or a session is locked.
    pub lock_ms: u32,
    /// After so many deliveries a message is dead.
    pub deliveries_max: u32,
    /// A message id that comes again within so long is dropped; `None` drops nothing.
    pub duplicate_window_ms: Option<u32>,
    /// How long messages live that do not say it, or say more.
    pub default_ttl_ms: Option<u32>,
    /// A message whose life has ended goes to the dead-letter queue.
    pub dead_letter_expired: bool,
    /// Every message belongs to a session.
    pub sessions: bool,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            lock_ms: 30_000,
            deliveries_max: 10,
            duplicate_window_ms: Some(600_000),
            default_ttl_ms: None,
            dead_letter_expired: false,
            sessions: false,
        }
    }
}

/// Who may come in.
#[derive(Clone)]
pub struct Access {
    /// Tokens are checked. Otherwise any token will do, but there has to be one.
    pub checked: bool,
    /// Name of the shared key.
    pub key_name: String,
    /// The shared key.
    pub key: String,
    /// Tokens of the directory that are accepted.
    pub bearer_tokens: BTreeSet<String>,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            checked: false,
            key_name: "RootManageSharedAccessKey".to_owned(),
            key: "bG9vcGJhY2stc2VydmljZS1idXMta2V5LTAwMDAwMDA=".to_owned(),
            bearer_tokens: BTreeSet::new(),
        }
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("checked", &self.checked)
            .field("key_name", &self.key_name)
            .finish_non_exhaustive()
    }
}
