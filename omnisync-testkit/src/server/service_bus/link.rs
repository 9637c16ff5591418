//! Links and sessions of a connection: what is remembered of each.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Utc};
use fe2o3_amqp_types::performatives::Attach;
use uuid::Uuid;

use super::address::{Node, Place};
use super::queue::Handed;

/// Credit that a sender gets.
pub(crate) const CREDIT: u32 = 1_000;

/// Transfers that may be on their way to the broker.
pub(crate) const INCOMING_WINDOW: u32 = 0x7FFF_FFFF;

/// A session of the protocol, which has nothing to do with the sessions of messages.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) next_incoming: u32,
    pub(crate) next_outgoing: u32,
    /// How many transfers the peer takes.
    pub(crate) window: u32,
    pub(crate) next_delivery: u32,
    pub(crate) links: BTreeMap<u32, Link>,
    /// Deliveries whose outcome is not known yet.
    pub(crate) unsettled: BTreeMap<u32, Unsettled>,
    /// Transfers that the peer has no window for.
    pub(crate) held: VecDeque<Vec<u8>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Unsettled {
    pub(crate) handle: u32,
    pub(crate) place: Place,
    pub(crate) token: Uuid,
}

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) name: String,
    pub(crate) node: Node,
    /// Path that a token has to cover.
    pub(crate) path: String,
    pub(crate) end: LinkEnd,
}

#[derive(Debug)]
pub(crate) enum LinkEnd {
    /// The client sends.
    Incoming(Incoming),
    /// The client receives.
    Outgoing(Outgoing),
}

#[derive(Debug, Default)]
pub(crate) struct Incoming {
    pub(crate) credit: u32,
    pub(crate) delivery_count: u32,
    pub(crate) partial: Option<Partial>,
}

/// A delivery that is coming in.
#[derive(Debug, Default)]
pub(crate) struct Partial {
    pub(crate) id: u32,
    pub(crate) format: u32,
    pub(crate) settled: bool,
    pub(crate) bytes: Vec<u8>,
    /// Length of all of it, also of what was not kept.
    pub(crate) length: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    pub(crate) credit: u32,
    pub(crate) delivery_count: u32,
    pub(crate) drain: bool,
    /// Deliveries are locked; otherwise they are gone.
    pub(crate) locked: bool,
    pub(crate) session: Option<String>,
    /// What the client calls its end.
    pub(crate) target: Option<String>,
    /// Responses that wait for credit.
    pub(crate) responses: VecDeque<Vec<u8>>,
    /// A message that a fault holds back until then.
    pub(crate) held_back: Option<(DateTime<Utc>, Box<Handed>)>,
    /// A fault has made the link hand out nothing any more.
    pub(crate) silent: bool,
}

/// A link that waits for a session of messages.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) channel: u16,
    pub(crate) attach: Attach,
    pub(crate) place: Place,
    pub(crate) until: DateTime<Utc>,
}

impl Channel {
    pub(crate) fn new(next_incoming: u32, window: u32) -> Self {
        Self {
            next_incoming,
            next_outgoing: 0,
            window,
            next_delivery: 0,
            links: BTreeMap::new(),
            unsettled: BTreeMap::new(),
            held: VecDeque::new(),
        }
    }

    pub(crate) fn outgoing(&mut self, handle: u32) -> Option<&mut Outgoing> {
        match &mut self.links.get_mut(&handle)?.end {
            LinkEnd::Outgoing(link) => Some(link),
            LinkEnd::Incoming(_) => None,
        }
    }

    /// The link that responses go to: the one of this name or target, or any at the same node.
    pub(crate) fn responder(&self, node: &Node, reply_to: Option<&str>) -> Option<u32> {
        let fits = |link: &Link| match &link.end {
            LinkEnd::Outgoing(end) => {
                link.node == *node
                    && (reply_to == Some(link.name.as_str())
                        || (reply_to.is_some() && reply_to == end.target.as_deref()))
            }
            LinkEnd::Incoming(_) => false,
        };
        let any = |link: &Link| link.node == *node && matches!(link.end, LinkEnd::Outgoing(_));
        let named = self.links.iter().find(|(_, link)| fits(link));
        let found = named.or_else(|| self.links.iter().find(|(_, link)| any(link)));
        found.map(|(handle, _)| *handle)
    }
}
