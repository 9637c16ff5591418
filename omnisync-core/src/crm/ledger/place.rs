//! What a look shows beside what is known: an older state, the same, or news.

use chrono::{DateTime, Utc};

use super::member::{Held, Intent, IntentKind, MemberRecord, Presence};
use super::observe::Observed;
use crate::crm::fields::Fields;
use crate::crm::name::{FieldName, VersionToken};
use crate::crm::patch::Patch;

/// How often in a row a version that was before, or an earlier time of change, is taken for an answer
/// from the past. After that it is what the system has: an answer from the past that nobody had seen
/// before was believed, the clocks of the system's nodes differ, or an import set the time back.
const STALE_LOOKS_MAX: u32 = 8;

/// Where a version stands among those that are known.
pub(super) enum Placed {
    Stale,
    Known,
    New,
}

impl MemberRecord {
    /// A look that shows the version that was seen last.
    pub(super) fn known(&mut self) {
        self.look = false;
        self.stale_looks = 0;
        let seen = self.modified_at;
        self.told
            .retain(|told| seen.is_some_and(|seen| told.at > seen));
        // Its maker may only sleep, and make the write later.
        let open = |one: &Intent| one.kind == IntentKind::Update && !one.acknowledged;
        if let Some(intent) = self.intent.take().filter(open) {
            self.unfinished = Some(intent);
        }
    }

    /// True if every field is as it was last seen, or was written since, and nothing else can follow
    /// from the look.
    pub(super) fn is_as_it_was(&self, fields: &Fields<Observed>) -> bool {
        let rests = self.presence == Presence::InUse
            && self.unfinished.is_none()
            && self.awaiting.is_empty()
            && self.unreadable.is_empty()
            && !self.unseen;
        let mut is_known = rests;
        if rests {
            for_news(fields, &self.fields, |_, _| {
                is_known = false;
                false
            });
        }
        is_known
    }

    /// `shown` is the number of fields that are seen.
    pub(super) fn place(
        &self,
        version: &VersionToken,
        shown: usize,
        modified_at: Option<DateTime<Utc>>,
    ) -> Placed {
        let removed = matches!(self.presence, Presence::Gone | Presence::Merged { .. });
        let is_seen = self.seen.as_ref() == Some(version);
        let was_before = if is_seen {
            removed
        } else {
            self.past.contains(version)
        };
        if was_before && self.stale_looks < STALE_LOOKS_MAX {
            return Placed::Stale;
        }
        if let (Some(at), Some(known)) = (modified_at, self.modified_at)
            && at < known
            && self.stale_looks < STALE_LOOKS_MAX
        {
            return Placed::Stale;
        }
        if !is_seen {
            return Placed::New;
        }
        let acknowledged = self
            .intent
            .as_ref()
            .is_some_and(|intent| intent.acknowledged);
        if acknowledged
            && self
                .receipt
                .as_ref()
                .is_some_and(|receipt| receipt != version)
        {
            return Placed::Stale;
        }
        // A field that is mapped since is not known, whatever the version.
        let is_whole = !self.unseen && shown <= self.fields.len() + self.unreadable.len();
        if is_whole && self.awaiting.is_empty() && self.presence == Presence::InUse {
            Placed::Known
        } else {
            Placed::New
        }
    }
}

/// The fields that are not as they were last seen.
pub(super) fn news<'a>(
    fields: &'a Fields<Observed>,
    held: &Fields<Held>,
) -> Vec<(&'a FieldName, &'a Observed)> {
    let mut news = Vec::new();
    for_news(fields, held, |field, observed| {
        news.push((field, observed));
        true
    });
    news
}

/// Calls `tell` with each field that is not as it was last seen, until it says that it has enough.
fn for_news<'a>(
    fields: &'a Fields<Observed>,
    held: &Fields<Held>,
    mut tell: impl FnMut(&'a FieldName, &'a Observed) -> bool,
) {
    let mut known = held.iter().peekable();
    for (field, observed) in fields.iter() {
        // Names that come from one map are the same to a pointer: equal is asked before less.
        let shadow = loop {
            match known.peek() {
                Some((name, held)) if *name == field => break Some(&held.shadow),
                Some((name, _)) if *name < field => {
                    known.next();
                }
                _ => break None,
            }
        };
        let is_known = match (observed, shadow) {
            (Observed::Value(Some(value)), Some(Patch::Set(shadow))) => value == shadow,
            (Observed::Value(None), Some(Patch::Null)) => true,
            _ => false,
        };
        if !is_known && !tell(field, observed) {
            return;
        }
        if shadow.is_some() {
            known.next();
        }
    }
}
