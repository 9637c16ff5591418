//! Deterministic order events: valid, odd and broken, each with what a pipeline has to make of
//! it.
//!
//! ```
//! use omnisync_testkit::generate::{Expectation, OrderGenerator};
//!
//! let events: Vec<_> = OrderGenerator::new(7).take(3).collect();
//! assert!(events.iter().all(|event| matches!(event.expectation, Expectation::Accepted { .. })));
//!
//! let mut file = Vec::new();
//! let tally = OrderGenerator::new(7).with_invalid(50).write_ndjson(1_000, &mut file).unwrap();
//! assert_eq!(tally.events, 1_000);
//! assert!(tally.dead_letters > 0);
//! ```

mod expectation;
mod invalid;
mod order;
mod places;
mod words;

pub use expectation::{Expectation, Tally};
pub use invalid::InvalidKind;

use std::collections::VecDeque;
use std::io::{self, Write};

use bytes::Bytes;

use crate::rng::SplitMix64;
use order::{Draft, EventType, Stamp};

/// How many recent orders can be repeated, updated or cancelled.
const RECENT_ORDERS_MAX: usize = 256;

/// An overtaken event comes at most this many events after the one that overtook it.
const OVERTAKEN_BY_MAX: u32 = 16;

/// An event and what a pipeline has to make of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedEvent {
    /// A `CloudEvents` envelope on one line, without the line break. Broken events may be no JSON.
    pub bytes: Bytes,
    /// What has to become of it, when events are handled in the order of generation.
    pub expectation: Expectation,
}

/// Generates order events without end. The same seed and settings give the same bytes.
///
/// Shares are in per mille of all events; what they leave over are new valid orders. Without any
/// share every event is a valid new order.
#[derive(Debug, Clone)]
pub struct OrderGenerator {
    rng: SplitMix64,
    prefix: String,
    invalid: u32,
    invalid_kinds: Vec<InvalidKind>,
    duplicates: u32,
    updates: u32,
    cancellations: u32,
    out_of_order: u32,
    awkward: u32,
    orders: u64,
    emitted: u64,
    recent: VecDeque<Known>,
    overtaken: VecDeque<(u64, GeneratedEvent)>,
}

/// The latest accepted revision of an order.
#[derive(Debug, Clone)]
struct Known {
    draft: Draft,
    stamp: Stamp,
    revision: u32,
    bytes: Bytes,
}

impl OrderGenerator {
    /// Valid new orders, 2 % of them with [awkward](Self::with_awkward) texts.
    pub fn new(seed: u64) -> Self {
        Self {
            rng: SplitMix64::new(seed),
            prefix: "ORD".to_owned(),
            invalid: 0,
            invalid_kinds: InvalidKind::by_default().collect(),
            duplicates: 0,
            updates: 0,
            cancellations: 0,
            out_of_order: 0,
            awkward: 20,
            orders: 0,
            emitted: 0,
            recent: VecDeque::new(),
            overtaken: VecDeque::new(),
        }
    }

    /// A bit of everything: 5 % invalid, 5 % duplicates, 8 % updates, 2 % cancellations, 2 % out
    /// of order.
    pub fn mixed(seed: u64) -> Self {
        Self::new(seed)
            .with_invalid(50)
            .with_duplicates(50)
            .with_updates(80)
            .with_cancellations(20)
            .with_out_of_order(20)
    }

    /// What order numbers begin with. Default `ORD`.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Events to be set aside, of all kinds.
    #[must_use]
    pub fn with_invalid(mut self, per_mille: u32) -> Self {
        self.invalid = per_mille;
        self
    }

    /// The kinds of invalid events to draw from. Default those of [`InvalidKind::by_default`].
    #[must_use]
    pub fn with_invalid_kinds(mut self, kinds: impl IntoIterator<Item = InvalidKind>) -> Self {
        self.invalid_kinds = kinds.into_iter().collect();
        self
    }

    /// Repetitions of accepted events, half of them under a new event id.
    #[must_use]
    pub fn with_duplicates(mut self, per_mille: u32) -> Self {
        self.duplicates = per_mille;
        self
    }

    /// Newer revisions of known orders.
    #[must_use]
    pub fn with_updates(mut self, per_mille: u32) -> Self {
        self.updates = per_mille;
        self
    }

    /// Cancellations of known orders.
    #[must_use]
    pub fn with_cancellations(mut self, per_mille: u32) -> Self {
        self.cancellations = per_mille;
        self
    }

    /// New orders whose first revision comes some events after their second.
    #[must_use]
    pub fn with_out_of_order(mut self, per_mille: u32) -> Self {
        self.out_of_order = per_mille;
        self
    }

    /// Orders, in per mille of the new ones, whose texts hold quotes, commas, tabs, line breaks,
    /// emoji, right-to-left script, combining accents, or 250 characters. They are valid.
    /// Default 20.
    #[must_use]
    pub fn with_awkward(mut self, per_mille: u32) -> Self {
        self.awkward = per_mille;
        self
    }

    /// Writes `events` events, one a line, and counts them.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_ndjson(&mut self, events: usize, mut out: impl Write) -> io::Result<Tally> {
        let mut tally = Tally::default();
        for event in self.take(events) {
            out.write_all(&event.bytes)?;
            out.write_all(b"\n")?;
            tally.count(&event.expectation);
        }
        out.flush()?;
        Ok(tally)
    }

    fn draw(&mut self) -> GeneratedEvent {
        let mut draw = self.rng.below(1_000);
        let mut falls_in = |share: u32| {
            let hit = draw < share;
            draw = draw.saturating_sub(share);
            hit
        };
        if falls_in(self.invalid) {
            return self.invalid_event();
        }
        let event = if falls_in(self.duplicates) {
            self.duplicate()
        } else if falls_in(self.updates) {
            self.change(EventType::Updated)
        } else if falls_in(self.cancellations) {
            self.change(EventType::Cancelled)
        } else if falls_in(self.out_of_order) {
            return self.overtaking();
        } else {
            None
        };
        // Nothing to repeat or change yet: begin with a new order.
        event.unwrap_or_else(|| self.new_order())
    }

    fn draft(&mut self) -> (Draft, Stamp) {
        self.orders += 1;
        let order_id = format!("{}-{:08}", self.prefix, self.orders);
        let stamp = Stamp::of_order(self.orders, &mut self.rng);
        let awkward = self.rng.chance(self.awkward);
        (Draft::new(order_id, &stamp, awkward, &mut self.rng), stamp)
    }

    fn new_order(&mut self) -> GeneratedEvent {
        let (draft, stamp) = self.draft();
        self.accept(draft, stamp, 1)
    }

    fn accept(&mut self, draft: Draft, stamp: Stamp, revision: u32) -> GeneratedEvent {
        let bytes = Bytes::from(draft.render(&stamp));
        let order_id = draft.order_id.clone();
        let expectation = if stamp.event_type == EventType::Cancelled {
            Expectation::Cancelled { order_id, revision }
        } else {
            Expectation::Accepted { order_id, revision }
        };
        if self.recent.len() == RECENT_ORDERS_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(Known {
            draft,
            stamp,
            revision,
            bytes: bytes.clone(),
        });
        GeneratedEvent { bytes, expectation }
    }

    fn invalid_event(&mut self) -> GeneratedEvent {
        let (draft, stamp) = self.draft();
        let kind = self
            .rng
            .pick(&self.invalid_kinds)
            .copied()
            .unwrap_or(InvalidKind::Truncated);
        let bytes = Bytes::from(kind.spoil(draft.render(&stamp), &mut self.rng));
        let reason = kind.reason();
        GeneratedEvent {
            bytes,
            expectation: Expectation::DeadLetter { kind, reason },
        }
    }

    fn duplicate(&mut self) -> Option<GeneratedEvent> {
        let at = self.recent_index();
        let known = self.recent.get(at)?;
        let order_id = known.draft.order_id.clone();
        let bytes = if self.rng.chance(500) {
            known.bytes.clone()
        } else {
            Bytes::from(known.draft.render(&known.stamp.under_new_id(&mut self.rng)))
        };
        Some(GeneratedEvent {
            bytes,
            expectation: Expectation::Duplicate { order_id },
        })
    }

    fn change(&mut self, event_type: EventType) -> Option<GeneratedEvent> {
        let at = self.recent_index();
        let open = self.recent.get(at)?.stamp.event_type != EventType::Cancelled;
        let known = if open {
            self.recent.remove(at)?
        } else {
            return None;
        };
        let stamp = known.stamp.later(event_type, &mut self.rng);
        let mut draft = known.draft;
        if event_type == EventType::Updated {
            draft.amend(&mut self.rng);
        }
        Some(self.accept(draft, stamp, known.revision + 1))
    }

    fn overtaking(&mut self) -> GeneratedEvent {
        let (draft, stamp) = self.draft();
        let first = Bytes::from(draft.render(&stamp));
        let order_id = draft.order_id.clone();
        let expectation = Expectation::Superseded {
            order_id,
            revision: 1,
        };
        let mut amended = draft;
        amended.amend(&mut self.rng);
        let later = stamp.later(EventType::Updated, &mut self.rng);
        let due = self.emitted + 1 + u64::from(self.rng.below(OVERTAKEN_BY_MAX));
        self.overtaken.push_back((
            due,
            GeneratedEvent {
                bytes: first,
                expectation,
            },
        ));
        self.accept(amended, later, 2)
    }

    fn recent_index(&mut self) -> usize {
        let bound = u32::try_from(self.recent.len()).unwrap_or(u32::MAX);
        usize::try_from(self.rng.below(bound)).unwrap_or_default()
    }
}

impl Iterator for OrderGenerator {
    type Item = GeneratedEvent;

    fn next(&mut self) -> Option<GeneratedEvent> {
        let due = self
            .overtaken
            .front()
            .is_some_and(|(due, _)| *due <= self.emitted);
        let late = if due {
            self.overtaken.pop_front()
        } else {
            None
        };
        let event = match late {
            Some((_, event)) => event,
            None => self.draw(),
        };
        self.emitted += 1;
        Some(event)
    }
}

#[cfg(test)]
mod tests;
