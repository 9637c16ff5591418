use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::error::PortError;
use crate::id::{Sha256, WorkerId};
use crate::port::{Action, Collection, Content, DocumentKey, Expect, Notice, NoticeEvent, Write};

/// Where the state of breakers is stored, a document for each peer.
pub const BREAKERS: Collection = Collection::new("breakers");

/// How a breaker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BreakerState {
    /// Calls are made.
    Closed,
    /// None is made.
    Open,
    /// One worker tries.
    HalfOpen,
}

impl BreakerState {
    /// The word, as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "Closed",
            Self::Open => "Open",
            Self::HalfOpen => "HalfOpen",
        }
    }
}

/// What the breaker of a peer is stored as. Every save is a compare-and-set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BreakerRecord {
    /// Name of the peer.
    pub peer: String,
    /// How it is.
    pub state: BreakerState,
    /// Since when.
    #[serde(with = "crate::instant")]
    pub since: DateTime<Utc>,
    /// Open: when it is tried. Half open: when another may try. Closed: since when.
    #[serde(with = "crate::instant")]
    pub until: DateTime<Utc>,
    /// Why it opened last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// Half open: who tries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial_by: Option<WorkerId>,
    /// How often it opened.
    pub openings: u64,
    /// Whether people were told of its state.
    pub is_told: bool,
}

impl BreakerRecord {
    /// Address of the document of a peer's breaker. Names of peers are free text, document ids
    /// are not.
    pub fn key(peer: &str) -> DocumentKey {
        DocumentKey::new(BREAKERS, Sha256::of(peer.as_bytes()).to_string())
    }

    pub(super) fn to_write(&self, expect: Expect) -> Result<Write, PortError> {
        let is_closed = self.state == BreakerState::Closed;
        Ok(Write {
            key: Self::key(&self.peer),
            expect,
            action: Action::Put(Content {
                state: self.state.as_str().to_owned(),
                due_at: (!is_closed).then_some(self.until),
                expires_at: None,
                body: crate::port::body_of(self)?,
            }),
        })
    }

    /// What people should be told of the state; nothing of a trial.
    pub(super) fn notice(&self) -> Option<Notice> {
        let event = match self.state {
            BreakerState::HalfOpen => return None,
            BreakerState::Closed => NoticeEvent::PeerBack,
            BreakerState::Open => NoticeEvent::PeerBlocked {
                because: self.because.clone().unwrap_or_default(),
                until: self.until,
            },
        };
        let state = self.state.as_str();
        let id = format!("breaker/{}/{}/{state}", self.peer, self.openings);
        Some(Notice::new(id, self.since, self.peer.clone(), event))
    }
}
