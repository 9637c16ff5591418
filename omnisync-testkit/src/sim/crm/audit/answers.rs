//! Whether systems that answer each other are stopped.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use omnisync_core::crm::ledger::{Base, LinkRecord};
use omnisync_core::crm::{FieldName, LinkId, Patch};
use omnisync_core::port::Clock as _;

use super::super::systems::System;
use super::{Auditor, Known};
use crate::fake::crm::ChangeCause;

/// Time in which answers are counted as quick ones: half of what the rules count in, since the clocks
/// of workers differ.
const WHILE: TimeDelta = TimeDelta::seconds(300);

/// Time in which all answers are counted, again half of what the rules do.
const LONG: TimeDelta = TimeDelta::hours(12);

/// Answers for each system that are too many in a day, whatever they say.
const ANSWERS_MAX: usize = 16;

impl Auditor {
    /// What systems do by themselves gives a field so many new versions, and then a person is asked.
    pub(super) fn check_answers(
        &self,
        known: &Known,
        answers: &mut BTreeMap<(LinkId, FieldName), Vec<DateTime<Utc>>>,
        after: &LinkRecord,
    ) {
        let now = self.sim.clock().now();
        for (field, base) in after.fields.iter() {
            let before = known.record.fields.get(field.as_str());
            let is_new = before.is_some_and(|before| before.version < base.version);
            if !is_new {
                continue;
            }
            let of_field = answers.entry((after.link, field.clone())).or_default();
            let system = self.system(&base.origin);
            if !system.is_some_and(|system| is_automatic(system, after, field, base)) {
                of_field.clear();
                continue;
            }
            of_field.retain(|at| now - *at <= LONG);
            of_field.push(now);
            let lately = of_field.iter().filter(|at| now - **at <= WHILE).count();
            let counts = [
                (lately, self.most_lately(known, field)),
                (of_field.len(), ANSWERS_MAX * self.systems.len()),
            ];
            for (count, most) in counts {
                if count > most + self.apart() {
                    let detail =
                        format!("automations gave {field} {count} versions, and nobody is asked");
                    self.violate("I-S8", detail);
                }
            }
        }
    }

    /// Values that come again count for a circle once each came twice.
    fn most_lately(&self, known: &Known, field: &FieldName) -> usize {
        let agreed = known.agreed.iter().filter(|(of, _)| of == field).count();
        2 * agreed.max(self.systems.len())
    }

    /// The one that is too many. A change of one's own value is no answer to anybody, nor is one of a
    /// system that was behind, which faults delay.
    fn apart(&self) -> usize {
        let faults = usize::try_from(self.sim.faults()).unwrap_or(usize::MAX);
        (1 + self.systems.len()).saturating_add(faults)
    }
}

/// The system itself set the field to the agreed value last.
fn is_automatic(system: &System, link: &LinkRecord, field: &FieldName, base: &Base) -> bool {
    let member = link.members.get(&system.plan.name);
    let Some(id) = member.and_then(|member| member.id.as_ref()) else {
        return false;
    };
    let log = system.crm.changes_log(0);
    let of_record = log.iter().rev().filter(|one| one.record.id == *id);
    let agreed = Patch::from(base.value.clone());
    let mut setting = of_record.filter(|one| {
        one.changed().any(|change| {
            system.field_of(&change.field).as_ref() == Some(field)
                && system.read(&change.field, &change.to) == agreed
        })
    });
    setting
        .next()
        .is_some_and(|one| one.cause == ChangeCause::Automation)
}
