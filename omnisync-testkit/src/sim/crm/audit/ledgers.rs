//! What is checked when a ledger is stored.

use omnisync_core::crm::ledger::{
    Base, Choice, ConflictState, ConflictSubject, IntentKind, LinkRecord, Presence, Verdict,
};
use omnisync_core::crm::{
    FieldName, ForeignId, LinkId, Patch, ReferenceTarget, SystemName, Text, Value,
};
use omnisync_core::port::Content;
use serde::Deserialize;

use super::super::systems::{CODE, System, field, pointing_at};
use super::{Auditor, Books, Known};

/// A stream's document, as far as an auditor has to know it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StreamView {
    #[serde(default)]
    gaps: u64,
    #[serde(default)]
    covered: u64,
    #[serde(default)]
    behind: bool,
    #[serde(default)]
    pass: Option<serde_json::Value>,
}

/// A record's document, as far as an auditor has to know it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordView {
    system: SystemName,
    id: ForeignId,
    #[serde(default)]
    link: Option<LinkId>,
}

impl StreamView {
    /// It says that nothing is missing.
    const fn is_whole(&self) -> bool {
        !self.behind && self.pass.is_none() && self.covered >= self.gaps
    }
}

impl Auditor {
    pub(super) fn link_stored(&self, books: &mut Books, record: LinkRecord) {
        if let Some(known) = books.links.get(&record.link) {
            self.check_versions(&known.record, &record);
            self.check_origins(books, &known.record, &record);
            self.check_answers(known, &mut books.answers, &record);
        }
        for (system, member) in &record.members {
            let Some(intent) = member.intent.as_ref().filter(|one| !one.acknowledged) else {
                continue;
            };
            let known = books.announced.iter();
            let mut same =
                known.filter(|(link, of, one)| (*link, of, one) == (record.link, system, intent));
            if same.next().is_some() {
                continue;
            }
            let old = intent.fields.iter().find(|(field, written)| {
                let held = member.fields.get(field.as_str());
                held.is_some_and(|held| held.synced >= written.version)
            });
            if let Some((field, _)) = old {
                let detail = format!("{field} is written to {system}, which follows it already");
                self.violate("I-S9", detail);
            }
            let announced = (record.link, system.clone(), intent.clone());
            books.announced.push(announced);
        }
        self.learn(books, record);
    }

    /// Takes in a link as it is stored now.
    pub(super) fn learn(&self, books: &mut Books, record: LinkRecord) {
        let before = books.links.remove(&record.link);
        let decided = before
            .as_ref()
            .map_or(0, |known| known.record.decisions_made);
        let mut known = before.unwrap_or_else(|| Known {
            record: record.clone(),
            agreed: std::collections::BTreeSet::new(),
            contested: std::collections::BTreeSet::new(),
            parked: std::collections::BTreeSet::new(),
            life_contested: false,
        });
        for (field, base) in record.fields.iter() {
            known.agreed.insert((field.clone(), base.value.clone()));
        }
        for conflict in &record.conflicts {
            match &conflict.subject {
                ConflictSubject::Field { field } | ConflictSubject::Oscillation { field } => {
                    for side in &conflict.sides {
                        let value = (field.clone(), side.value.clone());
                        known.contested.insert(value);
                    }
                }
                ConflictSubject::DeleteVersusEdit => known.life_contested = true,
                // A merge that a rule decided is somebody's removal, and no more.
                ConflictSubject::Merge { .. } => known.life_contested |= conflict.is_open(),
                ConflictSubject::DuplicateKey { other: Some(_), .. } => {
                    known.life_contested |= record.life.held == Some(conflict.id);
                    // Its sides say which key each has.
                    let keys = conflict.sides.iter().filter(|side| side.value.is_some());
                    let keys = keys.map(|side| (field(CODE), side.value.clone()));
                    known.contested.extend(keys);
                }
                _ => {}
            }
        }
        let new = record.decisions_made.saturating_sub(decided);
        let new = usize::try_from(new).unwrap_or_default();
        for decision in record.decisions.iter().rev().take(new) {
            for field in &decision.fields {
                self.sim.mark(verdict_mark(&field.verdict));
                let value = || (field.field.clone(), field.observed.clone());
                match field.verdict {
                    // Whoever was overruled reads it in the decision.
                    Verdict::Overruled { .. } => {
                        known.contested.insert(value());
                    }
                    Verdict::Parked => {
                        known.parked.insert(value());
                    }
                    _ => {}
                }
            }
            if let Some(life) = &decision.life {
                self.sim.mark(life_mark(life));
            }
        }
        self.meet(books, &record);
        known.record = record;
        books.links.insert(known.record.link, known);
    }

    /// Which records are part of a link as it is stored now, and which version of each it met first.
    fn meet(&self, books: &mut Books, record: &LinkRecord) {
        let link = record.link;
        let members = record.members.iter();
        let members: Vec<_> = members
            .filter_map(|(system, member)| Some((system, member.id.clone()?, &member.seen)))
            .collect();
        books
            .met
            .retain(|(of, id), _| *of != link || members.iter().any(|(_, one, _)| one == id));
        for (system, id, seen) in members {
            let log = self.system(system).map(|system| system.crm.changes_log(0));
            let mut log = log.into_iter().flatten();
            let first = log.find(|one| one.record.id == id && Some(&one.version) == seen.as_ref());
            if let Some(first) = first {
                let met = books.met.entry((link, id.clone()));
                met.or_insert(first.number);
            }
            books.homes.entry(id).or_default().insert(link);
        }
    }

    /// What is agreed gets a new version with every change, and never an old one.
    fn check_versions(&self, before: &LinkRecord, after: &LinkRecord) {
        let fell = |what: &str, before: u64, after: u64| {
            let detail = format!("the version of {what} fell from {before} to {after}");
            self.violate("I-S6", detail);
        };
        for (field, old) in before.fields.iter() {
            match after.fields.get(field.as_str()) {
                None => fell(field.as_str(), old.version, 0),
                Some(new) if new.version < old.version => {
                    fell(field.as_str(), old.version, new.version);
                }
                Some(new) if new.version == old.version && new.value != old.value => {
                    let detail = format!("{field} has two values in version {}", new.version);
                    self.violate("I-S6", detail);
                }
                Some(_) => {}
            }
        }
        let (old, new) = (&before.life, &after.life);
        if new.version < old.version {
            fell("its life", old.version, new.version);
        }
        if new.version == old.version && new.alive != old.alive {
            self.violate("I-S6", format!("two lives in version {}", new.version));
        }
        for (system, member) in &before.members {
            let Some(now) = after.members.get(system) else {
                self.violate("I-S6", format!("{system} is no member any more"));
                continue;
            };
            if now.id != member.id && member.id.is_some() {
                // What cannot be brought back is forgotten, and created anew; another record took
                // its place.
                continue;
            }
            // One that nobody knew the end of may land behind a later version, which has to be told
            // once more.
            let landed = member.unfinished.as_ref();
            for (field, held) in member.fields.iter() {
                let name = field.as_str();
                let synced = now.fields.get(name).map_or(0, |one| one.synced);
                let late = landed.and_then(|write| write.fields.get(name));
                let is_late = late.is_some_and(|write| write.version == synced);
                if synced < held.synced && !is_late {
                    fell(&format!("{field} at {system}"), held.synced, synced);
                }
            }
        }
    }

    /// A value is agreed because a person set it, not because we wrote it.
    fn check_origins(&self, books: &Books, before: &LinkRecord, after: &LinkRecord) {
        for (field, base) in after.fields.iter() {
            let old = before.fields.get(field.as_str());
            if old.is_some_and(|old| old.version == base.version || old.value == base.value) {
                continue;
            }
            let Some(system) = self.system(&base.origin) else {
                continue;
            };
            // Where the map does not know what a system makes of values, what was written without
            // an answer cannot be told from a person's work.
            let value = books.by_key(base.value.as_ref());
            let is_first_nothing = base.value.is_none() && base.version == 1;
            let is_set = is_first_nothing || person_set(system, field, value.as_ref());
            if !system.plan.is_known || is_set {
                continue;
            }
            // A record that was another link's has from there what it brings.
            if books.was_of_another(after, field, base) || was_chosen(after, base) {
                continue;
            }
            let detail = format!(
                "{field} is agreed as {} has it, where nobody set it",
                base.origin
            );
            self.violate("I-S4", detail);
        }
    }

    /// A record says which link it belongs to, which may not be stored yet.
    pub(super) fn record_stored(&self, books: &mut Books, content: &Content) {
        let Ok(view) = serde_json::from_str::<RecordView>(content.body.get()) else {
            return;
        };
        let system = self.system(&view.system);
        let code = system.and_then(|system| system.code(&view.id));
        if let (Some(link), Some(code)) = (view.link, code) {
            books.founded.entry(link).or_insert(code);
        }
    }

    pub(super) fn stream_stored(&self, books: &mut Books, key: &str, content: &Content) {
        let Ok(view) = serde_json::from_str::<StreamView>(content.body.get()) else {
            return;
        };
        let name = key.split(':').next().unwrap_or_default();
        let Some(system) = self
            .systems
            .iter()
            .find(|one| one.plan.name.as_str() == name)
        else {
            return;
        };
        let gap = books.gaps.entry(system.plan.object.clone()).or_default();
        if view.gaps > gap.written {
            gap.written = view.gaps;
            gap.asked = false;
        } else if view.is_whole() && !gap.asked && gap.written > 0 {
            let detail = format!("changes of {name} were lost and nobody asked for them");
            self.violate("I-S10", detail);
        }
    }
}

impl Books {
    /// The links of which a record is part.
    pub(super) fn links_of<'b>(
        &'b self,
        system: &'b SystemName,
        id: &'b ForeignId,
    ) -> impl Iterator<Item = &'b Known> {
        self.links.values().filter(move |known| {
            let member = known.record.members.get(system);
            member.is_some_and(|member| member.id.as_ref() == Some(id))
        })
    }

    /// The value; what points at a link names its key, which all systems share.
    pub(super) fn by_key(&self, value: Option<&Value>) -> Option<Value> {
        if let Some(Value::Reference(reference)) = value
            && let ReferenceTarget::Link(link) = reference.target
        {
            let known = self.links.get(&link);
            let key = known.and_then(|known| known.record.natural_key.as_deref());
            let key = key
                .map(Text::from)
                .or_else(|| self.founded.get(&link).cloned());
            if let Some(key) = key {
                return Some(pointing_at(&reference.entity, key));
            }
        }
        value.cloned()
    }

    /// The record that the link has in the system was part of another link, left that, and this one
    /// never wrote the value there.
    fn was_of_another(&self, after: &LinkRecord, field: &FieldName, base: &Base) -> bool {
        let (link, system) = (after.link, &base.origin);
        let member = after.members.get(system);
        let Some(id) = member.and_then(|member| member.id.as_ref()) else {
            return false;
        };
        let mut homes = self.homes.get(id).into_iter().flatten();
        let has_left = |home: &LinkId| {
            *home != link && self.links_of(system, id).all(|of| of.record.link != *home)
        };
        let mut announced = self.announced.iter();
        homes.any(has_left)
            && !announced.any(|(of, at, intent)| {
                let written = intent.fields.get(field.as_str());
                (*of, at) == (link, system) && written.is_some_and(|one| one.value == base.value)
            })
    }

    /// Writes of these kinds that were announced for a link and a system.
    pub(super) fn announced_for(
        &self,
        link: LinkId,
        system: &SystemName,
        kind: IntentKind,
    ) -> impl Iterator<Item = &omnisync_core::crm::ledger::Intent> {
        let announced = self.announced.iter();
        announced
            .filter(move |(of, at, intent)| (*of, at, intent.kind) == (link, system, kind))
            .map(|(_, _, intent)| intent)
    }
}

/// A person said that the record is the one that is meant, which brings what it holds.
fn was_chosen(link: &LinkRecord, base: &Base) -> bool {
    let member = link.members.get(&base.origin);
    let id = member.and_then(|member| member.id.as_ref());
    link.conflicts.iter().any(|conflict| match &conflict.state {
        ConflictState::Resolved { choice, .. } | ConflictState::Propagated { choice, .. } => {
            matches!(choice, Choice::Record { id: chosen } if Some(chosen) == id)
        }
        _ => false,
    })
}

/// A person or the system itself set the field to this value there.
fn person_set(system: &System, field: &FieldName, value: Option<&Value>) -> bool {
    let log = system.crm.changes_log(0);
    let by_others = log.iter().flat_map(|one| {
        let whole = !one.cause.is_ours();
        let fields = one.fields.iter();
        fields.filter(move |field| whole || field.asked.as_ref() != Some(&field.to))
    });
    by_others.into_iter().any(|change| {
        system.field_of(&change.field).as_ref() == Some(field)
            && system.read(&change.field, &change.to) == Patch::from(value.cloned())
    })
}

const fn verdict_mark(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Echo => "echo",
        Verdict::Normalised => "normalised",
        Verdict::NoOp => "no news",
        Verdict::Applied => "applied",
        Verdict::Superseded { .. } => "superseded",
        Verdict::Overruled { .. } => "overruled",
        Verdict::Merged => "merged",
        Verdict::Held { .. } => "held",
        Verdict::Parked => "parked",
        _ => "not understood",
    }
}

const fn life_mark(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Echo => "life: echo",
        Verdict::Normalised => "life: normalised",
        Verdict::NoOp => "life: no news",
        Verdict::Applied => "life: applied",
        Verdict::Held { .. } => "life: held",
        _ => "life: other",
    }
}

/// True if the member is in use, as far as is known.
pub(super) const fn is_in_use(presence: &Presence) -> bool {
    matches!(presence, Presence::InUse)
}
