use omnisync_core::port::DeadLetterReason;

use super::InvalidKind;

/// What has to become of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expectation {
    /// It is a new order, or a newer revision of a known one.
    Accepted {
        /// Number of the order.
        order_id: String,
        /// Revision within the order, beginning with 1.
        revision: u32,
    },
    /// It cancels a known order.
    Cancelled {
        /// Number of the order.
        order_id: String,
        /// Revision within the order.
        revision: u32,
    },
    /// It was accepted before: the same bytes, or the same content under a new event id.
    Duplicate {
        /// Number of the order.
        order_id: String,
    },
    /// A newer revision was accepted before it.
    Superseded {
        /// Number of the order.
        order_id: String,
        /// Revision within the order.
        revision: u32,
    },
    /// It is set aside.
    DeadLetter {
        /// What is wrong with it.
        kind: InvalidKind,
        /// The reason to be given.
        reason: DeadLetterReason,
    },
}

/// How many events of which expectation there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// All events.
    pub events: usize,
    /// [`Expectation::Accepted`].
    pub accepted: usize,
    /// [`Expectation::Cancelled`].
    pub cancelled: usize,
    /// [`Expectation::Duplicate`].
    pub duplicates: usize,
    /// [`Expectation::Superseded`].
    pub superseded: usize,
    /// [`Expectation::DeadLetter`].
    pub dead_letters: usize,
}

impl Tally {
    /// Counts one event.
    pub fn count(&mut self, expectation: &Expectation) {
        self.events += 1;
        match expectation {
            Expectation::Accepted { .. } => self.accepted += 1,
            Expectation::Cancelled { .. } => self.cancelled += 1,
            Expectation::Duplicate { .. } => self.duplicates += 1,
            Expectation::Superseded { .. } => self.superseded += 1,
            Expectation::DeadLetter { .. } => self.dead_letters += 1,
        }
    }
}
