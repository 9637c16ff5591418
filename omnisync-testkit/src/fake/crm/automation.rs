//! Changes that a system makes by itself, after those of others.

use chrono::{DateTime, Utc};
use omnisync_core::crm::{Fields, ForeignId, Native};

use super::engine::Engine;
use super::log::{ChangeCause, CrmChange};
use super::wish::{Actor, Wish};

/// An automation that will run.
#[derive(Debug)]
pub(super) struct Pending {
    due_at: DateTime<Utc>,
    record: ForeignId,
    automation: usize,
}

impl Engine<'_> {
    /// Automations do not follow automations.
    pub(super) fn schedule(&mut self, object: &str, change: &CrmChange) {
        let Some(object) = self.options.objects.get(object) else {
            return;
        };
        if change.cause == ChangeCause::Automation || self.inner.automations_are_off {
            return;
        }
        for (index, automation) in object.automations.iter().enumerate() {
            if change
                .changed()
                .any(|field| automation.when.contains(&field.field))
            {
                let due_at = self.now.checked_add_signed(automation.delay);
                self.inner.pending.push(Pending {
                    due_at: due_at.unwrap_or(DateTime::<Utc>::MAX_UTC),
                    record: change.record.id.clone(),
                    automation: index,
                });
            }
        }
    }

    /// Runs the automations whose time has come, or all of them. How many changed something.
    pub(super) fn automate(&mut self, all: bool) -> usize {
        let now = self.now;
        let pending = std::mem::take(&mut self.inner.pending);
        let (due, waiting): (Vec<_>, Vec<_>) = pending
            .into_iter()
            .partition(|pending| all || pending.due_at <= now);
        self.inner.pending = waiting;
        let before = self.inner.log.len();
        for pending in due {
            self.follow_up(&pending);
        }
        self.inner.log.len() - before
    }

    /// What an automation may not do, it leaves undone.
    fn follow_up(&mut self, pending: &Pending) -> Option<()> {
        let record = self.inner.records.get(&pending.record)?;
        let object = self.options.objects.get(&record.object)?;
        let automation = object.automations.get(pending.automation)?;
        if !record.is_in_use() {
            return None;
        }
        let fields: Fields<Native> = automation
            .sets
            .iter()
            .map(|(field, to)| (field.clone(), to.of(field, &record.now.fields)))
            .filter(|(field, value)| record.now.fields.get(field.as_str()) != Some(value))
            .collect();
        if fields.is_empty() {
            return None;
        }
        let actor = Actor {
            user: automation.user.clone(),
            cause: ChangeCause::Automation,
        };
        self.change(&pending.record, Wish::update(fields), &actor)
            .ok()
    }
}
