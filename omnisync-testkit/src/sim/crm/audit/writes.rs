//! What is checked when we changed something in a system.

use omnisync_core::crm::ledger::IntentKind;
use omnisync_core::crm::{ChangeKind, FieldName, ForeignId, Native, Patch, Value};
use omnisync_core::port::CrmSink as _;

use super::super::systems::System;
use super::{Auditor, Books, Known};
use crate::fake::crm::{ChangeCause, CrmChange, FieldChange};

impl Auditor {
    /// Looks at what was written since the last time.
    pub(super) fn sinks_wrote(&self, books: &mut Books) {
        for (at, system) in self.systems.iter().enumerate() {
            let read = books.read.get(at).copied().unwrap_or_default();
            let fresh = system.crm.changes_log(read);
            if fresh.is_empty() {
                continue;
            }
            if let Some(read) = books.read.get_mut(at) {
                *read += fresh.len();
            }
            for change in fresh.iter().filter(|change| change.cause.is_ours()) {
                let mark = system.plan.mark.as_ref();
                let mut asked = change.fields.iter().filter(|one| one.asked.is_some());
                let marks = mark.is_some()
                    && change.cause == ChangeCause::Update
                    && asked.all(|one| Some(&one.field) == mark);
                if marks {
                    books.marks += 1;
                } else {
                    books.writes += 1;
                }
                self.tell(change);
                self.wrote_in(books, system, change);
            }
        }
    }

    /// What was written, for who reads the story.
    fn tell(&self, change: &CrmChange) {
        let fields = change.fields.iter().filter_map(|field| {
            let asked = field.asked.as_ref()?;
            Some(format!(
                "{} {} -> {} ({})",
                field.field,
                spelled(&field.from),
                spelled(&field.to),
                spelled(asked)
            ))
        });
        let fields: Vec<String> = fields.collect();
        let id = &change.record.id;
        self.sim.note(&format_args!(
            "{id} is {} by {:?}: {}",
            change.version,
            change.cause,
            fields.join(", ")
        ));
    }

    fn wrote_in(&self, books: &Books, system: &System, change: &CrmChange) {
        match &change.cause {
            ChangeCause::Create { key } => self.created(books, system, key),
            ChangeCause::Update => {
                self.sim.mark("updated");
                self.check_isolation(books, system, change);
                let changed = change.changed().filter(|field| field.asked.is_some());
                // What a person changes between a look and a write that is not conditional on it,
                // nobody can see.
                for field in changed.filter(|_| system.plan.is_strict) {
                    self.check_overwritten(books, system, change, field);
                }
            }
            ChangeCause::Remove => {
                self.sim.mark("removed");
                self.check_removed(books, system, change);
            }
            ChangeCause::Restore => {
                self.sim.mark("restored");
                self.check_restored(books, system, change);
            }
            _ => {}
        }
    }

    /// A creation is made once in each life of a record.
    fn created(&self, books: &Books, system: &System, key: &str) {
        self.sim.mark("created");
        let log = system.crm.changes_log(0);
        let same = log
            .iter()
            .filter(|one| matches!(&one.cause, ChangeCause::Create { key: of } if of == key));
        let mut same: Vec<_> = same.map(|one| &one.record.id).collect();
        same.retain(|id| system.is_in_use(id));
        // Where neither the system nor the key sees to it, a repeated call creates again.
        if same.len() > 1 && system.crm.capability().creates_once {
            let detail = format!(
                "{} has {} records of one link",
                system.plan.name,
                same.len()
            );
            self.violate("I-S5", detail);
        }
        let link = key.split('.').next().unwrap_or_default();
        if !books.links.keys().any(|known| known.to_string() == link) {
            self.violate("I-S9", format!("{key} was created and never announced"));
        }
    }

    /// A write carries the fields that were announced, and those only.
    fn check_isolation(&self, books: &Books, system: &System, change: &CrmChange) {
        let name = &system.plan.name;
        let mark = system.plan.mark.as_ref();
        let marks = change.fields.iter().any(|one| Some(&one.field) == mark);
        let fields = change.fields.iter();
        let written: Vec<_> = fields
            .filter(|one| one.asked.is_some() && Some(&one.field) != mark)
            .collect();
        let mut links = books.links_of(name, &change.record.id);
        let covered = links.any(|known| {
            let announced = books.announced_for(known.record.link, name, IntentKind::Update);
            announced.into_iter().any(|intent| {
                let covers = written.iter().all(|field| {
                    let field = system.field_of(&field.field);
                    field.is_some_and(|field| intent.fields.contains(field.as_str()))
                });
                covers && (!marks || intent.mark.is_some())
            })
        });
        if !covered {
            let natives: Vec<&str> = written.iter().map(|one| one.field.as_str()).collect();
            let detail = format!(
                "{} of {} was written and not announced",
                natives.join(", "),
                change.record.id
            );
            self.violate("I-S9", detail);
        }
    }

    /// What a person set was known and noted before it was overwritten.
    fn check_overwritten(
        &self,
        books: &Books,
        system: &System,
        change: &CrmChange,
        field: &FieldChange,
    ) {
        let Some(earlier) = last_change(system, change, field) else {
            return;
        };
        let by_hand = matches!(
            earlier.cause,
            ChangeCause::Person | ChangeCause::Merge { .. }
        );
        if !by_hand || !is_asked(system, &earlier, field) {
            return;
        }
        if let Some(detail) = books.unaccounted(system, &earlier, field, false) {
            self.violate("I-S3", detail);
        }
    }

    /// A record goes because somebody removed it elsewhere, and nobody changed it meanwhile.
    fn check_removed(&self, books: &Books, system: &System, change: &CrmChange) {
        let id = &change.record.id;
        let name = &system.plan.name;
        let Some(known) = books.links_of(name, id).next() else {
            self.violate("I-S7", format!("{id} was removed and belongs to no link"));
            return;
        };
        let others = self.systems.iter().filter(|one| one.plan.name != *name);
        let removed = others.clone().any(|other| {
            let member = known.record.members.get(&other.plan.name);
            let of = member.and_then(|member| member.id.as_ref());
            let log = other.crm.changes_log(0);
            log.iter().any(|one| {
                Some(&one.record.id) == of
                    && matches!(one.cause, ChangeCause::Person | ChangeCause::Merge { .. })
                    && one.kind == ChangeKind::Delete
            })
        });
        if !removed && !known.life_contested {
            self.violate("I-S7", format!("{id} was removed and nobody asked for it"));
        }
        if !system.plan.is_strict {
            return;
        }
        let log = system.crm.changes_log(0);
        let earlier = log.iter().filter(|one| one.number < change.number);
        let of_record: Vec<_> = earlier.filter(|one| one.record.id == *id).collect();
        for (at, one) in of_record.iter().enumerate() {
            if one.cause != ChangeCause::Person {
                continue;
            }
            for field in one.changed() {
                let later = of_record.iter().skip(at + 1);
                let stands = later
                    .flat_map(|later| later.changed())
                    .all(|later| later.field != field.field);
                if !stands {
                    continue;
                }
                if let Some(detail) = books.unaccounted(system, one, field, true) {
                    self.violate("I-S7", detail);
                } else if known.edit_is_lost(system, field) {
                    let detail = format!("an edit of {id} was removed by one who never got it");
                    self.violate("I-S7", detail);
                }
            }
        }
    }

    /// A record comes back because somebody brought it back elsewhere, or a conflict was decided.
    fn check_restored(&self, books: &Books, system: &System, change: &CrmChange) {
        let id = &change.record.id;
        let mut links = books.links_of(&system.plan.name, id);
        let asked = links.any(|known| {
            known.life_contested
                || self.systems.iter().any(|other| {
                    let member = known.record.members.get(&other.plan.name);
                    let of = member.and_then(|member| member.id.as_ref());
                    let log = other.crm.changes_log(0);
                    log.iter().any(|one| {
                        Some(&one.record.id) == of
                            && one.cause == ChangeCause::Person
                            && one.kind == ChangeKind::Undelete
                    })
                })
        });
        if !asked {
            self.violate("I-S7", format!("{id} came back and nobody asked for it"));
        }
    }
}

impl Books {
    /// Why nobody could know of the value that stood in a field before.
    fn unaccounted(
        &self,
        system: &System,
        earlier: &CrmChange,
        field: &FieldChange,
        stays: bool,
    ) -> Option<String> {
        let shared = system.field_of(&field.field)?;
        let value = if stays { &field.to } else { &field.from };
        let value = system.read(&field.field, value).said()?;
        let id = &earlier.record.id;
        let shown = self.shown.get(id).copied().unwrap_or_default();
        if shown < earlier.number {
            return Some(format!(
                "{shared} of {id} was overwritten before it was read"
            ));
        }
        // A record that joins gets what it lacks, whether it ever had it or not; also what somebody
        // typed and took away again unseen.
        let links = self.links_of(&system.plan.name, id);
        let met = links.filter_map(|of| self.met.get(&(of.record.link, id.clone())));
        let met = met.max().copied().unwrap_or_default();
        if value.is_none() && (earlier.number <= met || self.was_always_empty(system, id, field)) {
            return None;
        }
        let noted = self.links_of(&system.plan.name, id).any(|known| {
            // Of what leads nowhere yet people know by the decision. Nothing is written over it; where
            // somebody was asked, the record may go with it.
            let parked = known
                .parked
                .iter()
                .filter(|_| stays && known.life_contested);
            let all = known.agreed.iter().chain(&known.contested).chain(parked);
            let mut of_field = all.filter(|(of, _)| *of == shared);
            of_field.any(|(_, noted)| {
                let noted = self.by_key(noted.as_ref());
                let noted = noted.map(|noted| system.by_key(noted));
                is_same(system, &shared, noted.as_ref(), value.as_ref())
            })
        });
        (!noted).then(|| format!("{shared} of {id} was overwritten and is noted nowhere"))
    }
}

impl Books {
    /// No read of the record ever showed anything in the field.
    fn was_always_empty(&self, system: &System, id: &ForeignId, field: &FieldChange) -> bool {
        let log = system.crm.changes_log(0);
        let of_record = log.iter().filter(|one| one.record.id == *id);
        let changes = of_record.filter_map(|one| {
            let of = one.of(field.field.as_str())?;
            Some((one.number, &of.to))
        });
        let mut values: Vec<(u64, &Native)> = changes.collect();
        values.reverse();
        let sights = self.sights.get(id).into_iter().flatten();
        sights.into_iter().all(|sight| {
            let at = values.iter().find(|(number, _)| number <= sight);
            at.is_none_or(|(_, value)| **value == Native::Null)
        })
    }
}

impl Known {
    /// The agreed value is the one that stands here, the system that removed the record never
    /// had it, and no conflict says so.
    fn edit_is_lost(&self, system: &System, field: &FieldChange) -> bool {
        if self.life_contested || self.record.life.origin == system.plan.name {
            return false;
        }
        let Some(shared) = system.field_of(&field.field) else {
            return false;
        };
        let base = self.record.fields.get(shared.as_str());
        let Some(base) = base.filter(|base| base.origin == system.plan.name) else {
            return false;
        };
        let deleter = self.record.members.get(&self.record.life.origin);
        deleter.is_some_and(|member| {
            let held = member.fields.get(shared.as_str());
            held.is_none_or(|held| held.synced < base.version)
        })
    }
}

fn spelled(value: &Native) -> String {
    match value {
        Native::Null => "nothing".to_owned(),
        Native::Number(number) => number.to_string(),
        Native::Text(text) => format!("{text:?}"),
        other => format!("{other:?}"),
    }
}

/// Whoever made the change asked for the value, which no trigger has put in place of theirs.
fn is_asked(system: &System, change: &CrmChange, field: &FieldChange) -> bool {
    let of = change.of(field.field.as_str());
    of.is_some_and(|of| match &of.asked {
        None => false,
        Some(asked) => *asked == of.to || !system.plan.is_known,
    })
}

/// The last change of the field before `change`.
fn last_change(system: &System, change: &CrmChange, field: &FieldChange) -> Option<CrmChange> {
    let log = system.crm.changes_log(0);
    let earlier = log
        .into_iter()
        .rev()
        .filter(|one| one.number < change.number && one.record.id == change.record.id);
    earlier
        .into_iter()
        .find(|one| one.changed().any(|of| of.field == field.field))
}

/// Both values are one, as the system shows it.
pub(super) fn is_same(
    system: &System,
    field: &FieldName,
    noted: Option<&Value>,
    value: Option<&Value>,
) -> bool {
    if noted == value {
        return true;
    }
    let value = Patch::from(value.cloned());
    system.foreseen(field, noted) == value || system.shows(field, noted) == value
}
