//! The stream of events, and what a test makes of it.
//!
//! Positions count the events that were never handed out, from 0; a method that finds no event
//! there does nothing and gives `false`.

use omnisync_core::error::{ErrorKind, PortError};

use super::FakeCrm;
use super::feed::CrmEvent;

impl FakeCrm {
    /// The next events that were never handed out, at most so many. Nothing tells of lost ones.
    pub fn take_events(&self, events_max: usize) -> Vec<CrmEvent> {
        self.settled().feed.take(events_max)
    }

    /// The events behind the one with the number `after`; 0 for all that are kept.
    ///
    /// # Errors
    /// `NotFound` when events behind it are lost: the cursor is too old.
    pub fn events_after(&self, after: u64, events_max: usize) -> Result<Vec<CrmEvent>, PortError> {
        let read = self.settled().feed.read(after, events_max);
        read.ok_or_else(|| {
            PortError::new(ErrorKind::NotFound, "crm.events_after")
                .with_detail(format!("events behind {after} are not kept any more"))
        })
    }

    /// The highest number of an event: whoever subscribes now begins behind it.
    pub fn last_event(&self) -> u64 {
        self.settled().feed.issued()
    }

    /// How many events were never handed out.
    pub fn events_waiting(&self) -> usize {
        self.settled().feed.waiting()
    }

    /// An event comes again, behind all others.
    pub fn duplicate_event(&self, at: usize) -> bool {
        self.settled().feed.duplicate(at)
    }

    /// Two events change places.
    pub fn swap_events(&self, at: usize, with: usize) -> bool {
        self.settled().feed.swap(at, with)
    }

    /// An event becomes one with the next event about the same record, whoever made the two
    /// changes. The later one stays: its user, its time, and the fields of both.
    pub fn coalesce_event(&self, at: usize) -> bool {
        self.settled().feed.coalesce(at)
    }

    /// The first event names the records of the second too, which goes: as equal changes of one
    /// transaction come.
    pub fn gather_events(&self, at: usize, with: usize) -> bool {
        self.settled().feed.gather(at, with)
    }

    /// An event does not tell who made the change.
    pub fn anonymise_event(&self, at: usize) -> bool {
        self.settled().feed.anonymise(at)
    }

    /// An event tells no more than its records: something happened to them.
    pub fn blur_event(&self, at: usize) -> bool {
        self.settled().feed.blur(at, false)
    }

    /// An event tells no more than its object: anything may have happened to any record.
    pub fn overflow_event(&self, at: usize) -> bool {
        self.settled().feed.blur(at, true)
    }

    /// An event never comes.
    pub fn drop_event(&self, at: usize) -> bool {
        self.settled().feed.drop_event(at)
    }

    /// Events up to this number are not kept any more, and cursors before it are too old.
    pub fn lose_events_up_to(&self, number: u64) {
        self.settled().feed.lose_up_to(number);
    }
}
