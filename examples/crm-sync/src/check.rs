//! Whether the run did what it is for, judged from outside: by what the CRMs hold and what
//! happened in them, not by what the flows say of themselves.

#[cfg(test)]
mod tests;
mod witness;

use std::collections::BTreeMap;

use omnisync_core::crm::field_map::CompiledFieldMap;
use omnisync_core::crm::ledger::{LinkRecord, MemberRecord, Presence};
use omnisync_core::crm::{
    ChangeKind, Fields, ForeignId, Reference, ReferenceTarget, SystemName, Value,
};
use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::fake::crm::{ChangeCause, CrmRow, FakeCrm, Standing};
use serde::Serialize;

use crate::error::HostError;
use crate::office::Office;
use crate::systems::{Crm, Manners};

pub(crate) use witness::overwritten;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Finding {
    pub(crate) record: String,
    pub(crate) system: SystemName,
    pub(crate) what: String,
}

/// Finds links by the ids that systems have for their records.
struct Links<'a> {
    all: &'a [LinkRecord],
    by_id: BTreeMap<(&'a SystemName, &'a ForeignId), &'a LinkRecord>,
}

impl<'a> Links<'a> {
    fn new(all: &'a [LinkRecord]) -> Self {
        let members = all.iter().flat_map(|link| {
            let members = link.members.iter();
            members.filter_map(move |(system, member)| {
                let id = member.id.as_ref()?;
                Some(((system, id), link))
            })
        });
        Self {
            all,
            by_id: members.collect(),
        }
    }

    fn of(&self, system: &SystemName, id: &ForeignId) -> Option<&'a LinkRecord> {
        self.by_id.get(&(system, id)).copied()
    }

    /// The same reference by its link.
    fn resolved(&self, value: Option<Value>) -> Option<Value> {
        let Some(Value::Reference(reference)) = value else {
            return value;
        };
        let link = match &reference.target {
            ReferenceTarget::Link(link) => Some(*link),
            ReferenceTarget::Foreign { system, id } => self.of(system, id).map(|link| link.link),
            ReferenceTarget::Key(key) => {
                let mut same = self.all.iter().filter(|link| {
                    link.entity == reference.entity
                        && link.natural_key.as_deref() == Some(key.as_str())
                });
                same.next().map(|link| link.link)
            }
        };
        let target = link.map_or(reference.target, ReferenceTarget::Link);
        Some(Value::from(Reference {
            entity: reference.entity,
            target,
        }))
    }
}

/// Compares both CRMs with the ledger, field by field. What waits for a person is left out.
pub(crate) fn differences(
    office: &Office,
    links: &[LinkRecord],
) -> Result<Vec<Finding>, HostError> {
    let known = Links::new(links);
    let mut findings = Vec::new();
    for crm in Crm::BOTH {
        let system = crm.name()?;
        let Some(fake) = office.crm(&system) else {
            continue;
        };
        // It keeps what it is given in its own spelling, and does nothing else.
        let options = crm.options(Manners::Spelling)?;
        let judge = Judge {
            office,
            system: &system,
            links: &known,
            speller: FakeCrm::new(std::sync::Arc::new(ManualClock::default()), options),
        };
        for row in fake.records() {
            let is_shared = known.of(&system, &row.record.id).is_some();
            if row.state.standing == Standing::Active && !is_shared {
                findings.push(Finding {
                    record: row.record.id.to_string(),
                    system: system.clone(),
                    what: "it belongs to no link".to_owned(),
                });
            }
        }
        for link in links {
            judge.link(link, fake, &mut findings);
        }
    }
    Ok(findings)
}

struct Judge<'a> {
    office: &'a Office,
    system: &'a SystemName,
    links: &'a Links<'a>,
    speller: FakeCrm,
}

impl Judge<'_> {
    fn link(&self, link: &LinkRecord, crm: &FakeCrm, findings: &mut Vec<Finding>) {
        let mut find = |what: String| {
            findings.push(Finding {
                record: name_of(link),
                system: self.system.clone(),
                what,
            });
        };
        let member = link.members.get(self.system);
        let row = member
            .and_then(|member| member.id.as_ref())
            .and_then(|id| crm.snapshot(id));
        if link.life.held.is_some() {
            return;
        }
        let (Some(member), Some(row)) = (member, row) else {
            if link.life.alive {
                find("it has no record".to_owned());
            }
            return;
        };
        let is_there = row.state.standing == Standing::Active;
        if is_there != link.life.alive || is_there != (member.presence == Presence::InUse) {
            find("it is not as alive as agreed".to_owned());
            return;
        }
        if !is_there {
            return;
        }
        if member.intent.is_some() || member.look {
            find("something is left to do".to_owned());
        }
        if let Some(map) = self.office.map(self.system, &link.entity) {
            self.fields(link, member, &row, map, &mut find);
        }
    }

    fn fields(
        &self,
        link: &LinkRecord,
        member: &MemberRecord,
        row: &CrmRow,
        map: &CompiledFieldMap,
        find: &mut impl FnMut(String),
    ) {
        let spelled = self.spelled(link, map);
        for (field, read) in map.get(&row.state.fields) {
            let name = field.as_str();
            let Ok(shown) = read else {
                find(format!("{field} cannot be read"));
                continue;
            };
            let shown = self.links.resolved(shown);
            let held = member.fields.get(name);
            let shadow = held.and_then(|held| held.shadow.clone().said());
            if shadow.flatten() != shown {
                find(format!("{field} holds what nobody has seen"));
            }
            let Some(base) = link.fields.get(name).filter(|base| base.held.is_none()) else {
                continue;
            };
            if map.writable(name) && held.is_none_or(|held| held.synced != base.version) {
                find(format!("{field} is behind"));
            }
            let as_agreed = shown == base.value;
            let as_spelled = spelled.get(name).is_some_and(|spelling| *spelling == shown);
            if !as_agreed && !as_spelled {
                find(format!("{field} is another value than agreed"));
            }
        }
    }

    /// What the system makes of the agreed values.
    fn spelled(&self, link: &LinkRecord, map: &CompiledFieldMap) -> Fields<Option<Value>> {
        let mut values: Fields<Option<Value>> = link
            .fields
            .iter()
            .filter(|(field, base)| {
                let is_reference = matches!(base.value, Some(Value::Reference(_)));
                map.writable(field.as_str()) && !is_reference
            })
            .map(|(field, base)| (field.clone(), base.value.clone()))
            .collect();
        let natives = match map.put(&values, &Fields::new()) {
            Ok(natives) => natives,
            Err(refusals) => {
                for refusal in refusals {
                    values.remove(refusal.field.as_str());
                }
                map.put(&values, &Fields::new()).unwrap_or_default()
            }
        };
        let written = self.speller.create_by("speller", map.object(), natives);
        let row = written.ok().and_then(|id| self.speller.snapshot(&id));
        let Some(row) = row else {
            return Fields::new();
        };
        let read = map.get(&row.state.fields).into_iter();
        read.filter_map(|(field, read)| Some((field, read.ok()?)))
            .collect()
    }
}

/// How people call a record.
pub(crate) fn name_of(link: &LinkRecord) -> String {
    let key = link.natural_key.clone();
    format!(
        "{} {}",
        link.entity,
        key.unwrap_or_else(|| link.link.to_string())
    )
}

/// Every change that a person made.
pub(crate) fn edits_of_people(office: &Office) -> usize {
    let logs = office.crms().map(|(_, crm)| crm.changes_log(0));
    let people = logs.map(|log| {
        let people = log
            .iter()
            .filter(|change| change.cause == ChangeCause::Person);
        people.count()
    });
    people.sum()
}

/// Our writes, by what they did.
pub(crate) fn our_writes(office: &Office) -> BTreeMap<&'static str, usize> {
    let mut writes = BTreeMap::new();
    for (_, crm) in office.crms() {
        for change in crm.changes_log(0) {
            if change.cause.is_ours() {
                *writes.entry(word(change.kind)).or_default() += 1;
            }
        }
    }
    writes
}

const fn word(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Create => "create",
        ChangeKind::Delete => "remove",
        ChangeKind::Undelete => "restore",
        _ => "update",
    }
}

/// Changes that automations made.
pub(crate) fn automations(office: &Office) -> usize {
    let logs = office.crms().map(|(_, crm)| crm.changes_log(0));
    logs.map(|log| {
        let theirs = log
            .iter()
            .filter(|change| change.cause == ChangeCause::Automation);
        theirs.count()
    })
    .sum()
}
