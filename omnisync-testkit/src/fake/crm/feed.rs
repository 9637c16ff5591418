//! Events about changes, and what becomes of them on their way.

use std::collections::VecDeque;
use std::sync::Arc;

use omnisync_core::crm::{ChangeKind, FieldName, Hint, HintScope, Origin};

use super::record::CrmState;

/// An event with its place in the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrmEvent {
    /// Its place. Later events have higher ones; some may be left out.
    pub number: u64,
    /// What it says.
    pub hint: Hint,
    /// What the record was right after the change; `None` where the event names the record only, or
    /// several.
    pub after: Option<Arc<CrmState>>,
}

/// The events that the system keeps.
#[derive(Debug, Default)]
pub(super) struct Feed {
    events: VecDeque<CrmEvent>,
    issued: u64,
    /// Everything up to here was handed out once.
    handed_out: u64,
    /// Everything up to here is gone.
    lost: u64,
}

impl Feed {
    pub(super) fn push(&mut self, hint: Hint, after: Option<Arc<CrmState>>) {
        self.issued += 1;
        self.events.push_back(CrmEvent {
            number: self.issued,
            hint,
            after,
        });
    }

    /// The events behind `after`; `None` when some of them are gone.
    pub(super) fn read(&mut self, after: u64, events_max: usize) -> Option<Vec<CrmEvent>> {
        if after < self.lost {
            return None;
        }
        let behind = self.events.iter().filter(|event| event.number > after);
        let read: Vec<CrmEvent> = behind.take(events_max).cloned().collect();
        if let Some(last) = read.last() {
            self.handed_out = self.handed_out.max(last.number);
        }
        Some(read)
    }

    pub(super) fn take(&mut self, events_max: usize) -> Vec<CrmEvent> {
        let after = self.handed_out.max(self.lost);
        self.read(after, events_max).unwrap_or_default()
    }

    /// How many events were never handed out.
    pub(super) fn waiting(&self) -> usize {
        let handed_out = self.handed_out;
        let events = self.events.iter().rev();
        events.take_while(|event| event.number > handed_out).count()
    }

    /// The last number that was given to an event.
    pub(super) const fn issued(&self) -> u64 {
        self.issued
    }

    fn index(&self, at: usize) -> Option<usize> {
        let waiting = self.waiting();
        (at < waiting).then(|| self.events.len() - waiting + at)
    }

    fn event(&mut self, at: usize) -> Option<&mut CrmEvent> {
        let index = self.index(at)?;
        self.events.get_mut(index)
    }

    fn hint(&mut self, at: usize) -> Option<&mut Hint> {
        self.event(at).map(|event| &mut event.hint)
    }

    pub(super) fn duplicate(&mut self, at: usize) -> bool {
        let again = self.event(at).cloned();
        again
            .map(|event| self.push(event.hint, event.after))
            .is_some()
    }

    pub(super) fn swap(&mut self, at: usize, with: usize) -> bool {
        let (Some(first), Some(second)) = (self.event(at).cloned(), self.event(with).cloned())
        else {
            return false;
        };
        for (at, event) in [(at, second), (with, first)] {
            if let Some(place) = self.event(at) {
                (place.hint, place.after) = (event.hint, event.after);
            }
        }
        true
    }

    pub(super) fn coalesce(&mut self, at: usize) -> bool {
        let Some(first) = self.hint(at).cloned() else {
            return false;
        };
        let later = (at + 1..self.waiting()).find(|later| {
            self.hint(*later)
                .is_some_and(|hint| hint.object == first.object && hint.scope == first.scope)
        });
        let Some(later) = later else {
            return false;
        };
        let joined = self.hint(later).map(|last| {
            last.kind = joined_kind(first.kind, last.kind);
            last.fields = joined_fields(&first.fields, &last.fields);
        });
        joined.is_some() && self.drop_event(at)
    }

    pub(super) fn gather(&mut self, at: usize, with: usize) -> bool {
        if at == with {
            return false;
        }
        let (Some(first), Some(second)) = (self.hint(at).cloned(), self.hint(with).cloned()) else {
            return false;
        };
        let (HintScope::Records(ids), HintScope::Records(others)) = (first.scope, second.scope)
        else {
            return false;
        };
        if first.object != second.object || first.kind != second.kind {
            return false;
        }
        let mut all = ids;
        let new = others.into_iter().filter(|id| !all.contains(id));
        let new: Vec<_> = new.collect();
        all.extend(new);
        if let Some(event) = self.event(at) {
            event.hint.scope = HintScope::Records(all);
            event.hint.fields = joined_fields(&first.fields, &second.fields);
            event.after = None;
        }
        self.drop_event(with)
    }

    pub(super) fn blur(&mut self, at: usize, everything: bool) -> bool {
        let blurred = self.event(at).map(|event| {
            event.after = None;
            let hint = &mut event.hint;
            hint.kind = ChangeKind::Gap;
            hint.origin = Origin::default();
            hint.fields.clear();
            if everything {
                hint.scope = HintScope::Everything;
            }
        });
        blurred.is_some()
    }

    pub(super) fn anonymise(&mut self, at: usize) -> bool {
        let hidden = self.hint(at).map(|hint| hint.origin = Origin::default());
        hidden.is_some()
    }

    pub(super) fn drop_event(&mut self, at: usize) -> bool {
        let index = self.index(at);
        index.is_some_and(|index| self.events.remove(index).is_some())
    }

    pub(super) fn lose_up_to(&mut self, number: u64) {
        self.lost = self.lost.max(number.min(self.issued));
        let lost = self.lost;
        self.events.retain(|event| event.number > lost);
    }
}

/// What one event says that stands for two.
const fn joined_kind(first: ChangeKind, last: ChangeKind) -> ChangeKind {
    match (first, last) {
        (ChangeKind::Gap, _) | (_, ChangeKind::Gap) => ChangeKind::Gap,
        (ChangeKind::Create, ChangeKind::Update) => ChangeKind::Create,
        (ChangeKind::Undelete, ChangeKind::Update) => ChangeKind::Undelete,
        (_, last) => last,
    }
}

fn joined_fields(first: &[FieldName], last: &[FieldName]) -> Vec<FieldName> {
    let mut all: Vec<FieldName> = first.iter().chain(last).cloned().collect();
    all.sort();
    all.dedup();
    all
}
