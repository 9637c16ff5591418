//! What a worker does in a world.

use std::fmt::Write as _;

use super::audit::in_conflict;
use super::systems::{Cell, Record, remember, rewrite};
use super::{FIELDS, World};
use crate::crm::ledger::{Intent, IntentKind, LinkRecord, Observation, Observed, Step, Target};
use crate::crm::{FieldName, ForeignId, SystemName, Value, VersionToken};

impl World {
    /// One step of the worker. False when there was nothing to do.
    pub(super) fn work(&mut self, faults: bool) -> bool {
        let faults = faults && self.faults < 6;
        // What is not stored is lost with the process.
        let mut link = self.link.clone();
        let step = link.plan(&self.maps, &self.policy, &self.worker, self.now);
        match step {
            Step::Look(target) => {
                self.look(&mut link, &target, faults);
                self.link = link;
                self.note_agreed();
                true
            }
            Step::Find(system) => {
                let at = self.at(&system);
                if self.systems[at].record.is_some() {
                    link.found_created(&system, ForeignId::new("r").unwrap());
                } else {
                    link.overtaken(&system);
                }
                self.link = link;
                true
            }
            Step::Seek(system) => {
                link.not_there(&system);
                self.link = link;
                true
            }
            Step::Write(target) => {
                self.link = link.clone();
                self.write(&mut link, &target, faults);
                true
            }
            Step::Busy(until) | Step::Wait(until) => {
                self.link = link;
                self.now = self.now.max(until);
                false
            }
            Step::Rest => {
                self.link = link;
                false
            }
        }
    }

    fn at(&self, system: &SystemName) -> usize {
        let mut systems = self.systems.iter();
        systems.position(|one| one.name == *system).unwrap()
    }

    fn look(&mut self, link: &mut LinkRecord, target: &Target, faults: bool) {
        let at = self.at(&target.system);
        let mut record = self.systems[at].record.clone().unwrap();
        if faults && self.rng.one_in(8) && !self.systems[at].before.is_empty() {
            self.faults += 1;
            let behind = self.rng.below(self.systems[at].before.len());
            let old = self.systems[at].before[behind].clone();
            // The world of this test reads behind only to states that were read before.
            let token = VersionToken::new(old.version.to_string()).unwrap();
            let member = &link.members[&target.system];
            if member.seen.as_ref() == Some(&token) || member.past.contains(&token) {
                record = old;
            }
        }
        let observation = if record.alive {
            let fields = FIELDS.iter().zip(&record.cells).map(|(field, cell)| {
                let value = cell.value.clone().map(|text| Value::Text(text.into()));
                (FieldName::new(field).unwrap(), Observed::Value(value))
            });
            Observation::Present {
                version: VersionToken::new(record.version.to_string()).unwrap(),
                fields: fields.collect(),
                modified_at: Some(record.at),
            }
        } else {
            Observation::Gone
        };
        let before: Vec<_> = link.conflicts.iter().map(|one| one.id).collect();
        let outlook = link.observe(
            &target.system,
            observation,
            &self.maps,
            &self.policy,
            self.now,
        );
        self.tell(format!("s{at}: look at {}: {outlook:?}", record.version));
        for conflict in &link.conflicts {
            if !before.contains(&conflict.id) {
                let subject = &conflict.subject;
                writeln!(self.story, "    conflict {subject:?} {:?}", conflict.sides).unwrap();
            }
        }
    }

    fn write(&mut self, link: &mut LinkRecord, target: &Target, faults: bool) {
        let at = self.at(&target.system);
        let intent = link.members[&target.system].intent.clone().unwrap();
        let (fails, silent, dies) = if faults && self.rng.one_in(4) {
            self.faults += 1;
            match self.rng.below(4) {
                0 => (true, true, false),
                1 => (false, true, false),
                2 => (false, false, true),
                _ => (true, false, true),
            }
        } else {
            (false, false, false)
        };
        let done = if fails {
            Ok(())
        } else {
            self.perform(at, &intent)
        };
        self.tell(format!(
            "s{at}: {:?} {:?} expecting {:?}: {done:?}, not done {fails}, no answer {silent}, dies {dies}",
            intent.kind,
            intent.fields,
            intent.expect
        ));
        if dies {
            return;
        }
        match done {
            Err(()) => link.overtaken(&target.system),
            Ok(()) if silent || fails => link.unanswered(&target.system),
            Ok(()) => {
                let version = self.systems[at].record.as_ref().unwrap().version;
                link.acknowledged(
                    &target.system,
                    ForeignId::new("r").unwrap(),
                    Some(VersionToken::new(version.to_string()).unwrap()),
                );
            }
        }
        self.link = link.clone();
    }

    fn perform(&mut self, at: usize, intent: &Intent) -> Result<(), ()> {
        let system = &mut self.systems[at];
        if intent.kind == IntentKind::Create {
            if system.record.is_some() {
                return Err(());
            }
            let empty = Cell {
                value: None,
                unnoticed: false,
            };
            system.record = Some(Record {
                version: 1,
                at: self.now,
                alive: true,
                cells: vec![empty; FIELDS.len()],
            });
        } else {
            let record = system.record.as_mut().unwrap();
            let version = record.version.to_string();
            if intent.kind != IntentKind::Restore
                && intent.expect.as_ref().map(VersionToken::as_str) != Some(&version)
            {
                return Err(());
            }
            remember(&mut system.before, record.clone());
            record.version += 1;
            record.at = self.now;
        }
        let record = system.record.as_mut().unwrap();
        match intent.kind {
            IntentKind::Remove => record.alive = false,
            IntentKind::Restore => record.alive = true,
            IntentKind::Create | IntentKind::Update => {}
        }
        for (position, field) in FIELDS.iter().enumerate() {
            let Some(written) = intent.fields.get(field) else {
                continue;
            };
            let cell = &mut record.cells[position];
            let agreed = self.agreed.iter().any(|(at, value)| {
                let shown = value.as_deref().map(|text| rewrite(system.rewrites, text));
                *at == position && (*value == cell.value || shown == cell.value)
            });
            let accounted =
                !cell.unnoticed || agreed || in_conflict(&self.link, field, cell.value.as_deref());
            if !accounted {
                self.lost = Some(format!("s{at} loses {:?} of {field}", cell.value));
            }
            let value = match &written.value {
                Some(Value::Text(text)) => Some(rewrite(system.rewrites, text)),
                _ => None,
            };
            *cell = Cell {
                value,
                unnoticed: false,
            };
        }
        system.hints += 1;
        self.writes += 1;
        Ok(())
    }
}
