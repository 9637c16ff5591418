//! Whether a write of ours took away what nobody had seen.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use omnisync_core::crm::ledger::{LinkRecord, Verdict};
use omnisync_core::crm::{FieldName, ForeignId, Native, SystemName, Value};
use omnisync_testkit::fake::crm::{ChangeCause, CrmChange};

use super::{Finding, Links, name_of};
use crate::office::Office;

/// Looks through everything that happened in the CRMs for a write of ours that took away a value
/// which the ledger had never seen: somebody's work, lost without a trace.
///
/// A value that lost to another has to be in a conflict with it.
pub(crate) fn overwritten(office: &Office, links: &[LinkRecord]) -> Vec<Finding> {
    let known = Links::new(links);
    let mut findings: Vec<Finding> = links.iter().flat_map(unrecorded).collect();
    for (system, crm) in office.crms() {
        let mut witness = Witness {
            office,
            system,
            links: &known,
            theirs: BTreeMap::new(),
            findings: Vec::new(),
        };
        for change in crm.changes_log(0) {
            witness.take(&change);
        }
        findings.append(&mut witness.findings);
    }
    findings
}

/// Decisions between two values that are not both in the conflict which the decision names. Old
/// conflicts of a record are forgotten one day, so only those that are kept can be looked at.
fn unrecorded(link: &LinkRecord) -> Vec<Finding> {
    let mut findings = Vec::new();
    let kept = u64::try_from(link.conflicts.len()).unwrap_or(u64::MAX);
    let all_are_kept = kept == link.conflicts_made;
    for decision in &link.decisions {
        for field in &decision.fields {
            let (Verdict::Superseded { conflict }
            | Verdict::Overruled {
                conflict: Some(conflict),
            }) = &field.verdict
            else {
                continue;
            };
            let named = link.conflicts.iter().find(|one| one.id == *conflict);
            let holds = |value: &Option<Value>| {
                named.is_none_or(|named| named.sides.iter().any(|side| side.value == *value))
            };
            let is_lost = named.is_none() && all_are_kept;
            if is_lost || !holds(&field.observed) || !holds(&field.agreed) {
                findings.push(Finding {
                    record: name_of(link),
                    system: decision.system.clone(),
                    what: format!("a value of {} lost and is in no conflict", field.field),
                });
            }
        }
    }
    findings
}

struct Witness<'a> {
    office: &'a Office,
    system: &'a SystemName,
    links: &'a Links<'a>,
    /// Values that others wrote and that are still there.
    theirs: BTreeMap<(ForeignId, FieldName), Native>,
    findings: Vec<Finding>,
}

impl Witness<'_> {
    fn take(&mut self, change: &CrmChange) {
        let id = &change.record.id;
        if !change.cause.is_ours() {
            for field in change.changed() {
                let place = (id.clone(), field.field.clone());
                self.theirs.insert(place, field.to.clone());
            }
            return;
        }
        if change.cause == ChangeCause::Remove {
            let theirs = std::mem::take(&mut self.theirs);
            let (lost, left): (BTreeMap<_, _>, BTreeMap<_, _>) =
                theirs.into_iter().partition(|((of, _), _)| of == id);
            self.theirs = left;
            for ((_, field), value) in &lost {
                self.look(change, field, value);
            }
            return;
        }
        for field in change.changed() {
            let place = (id.clone(), field.field.clone());
            if let Some(value) = self.theirs.remove(&place)
                && field.asked.is_some()
            {
                self.look(change, &field.field, &value);
            }
        }
    }

    /// Whether the ledger knew `value` when our write took it away.
    fn look(&mut self, change: &CrmChange, native: &FieldName, value: &Native) {
        let mut maps = self.office.maps_of(self.system);
        let Some(map) = maps.find(|map| map.object() == change.record.object) else {
            return;
        };
        let held = [(native.clone(), value.clone())].into_iter().collect();
        for (field, read) in map.get(&held) {
            let value = self.links.resolved(read.ok().flatten());
            let link = self.links.of(self.system, &change.record.id);
            let seen = link.is_some_and(|link| self.saw(link, &field, value.as_ref(), change.at));
            if !seen {
                self.findings.push(Finding {
                    record: link.map_or_else(|| change.record.id.to_string(), name_of),
                    system: self.system.clone(),
                    what: format!("{field} was overwritten before anybody had seen it"),
                });
            }
        }
    }

    /// True if the last thing that was seen of the field before the write was this value. Within
    /// one instant nobody can tell before from after.
    fn saw(
        &self,
        link: &LinkRecord,
        field: &FieldName,
        value: Option<&Value>,
        at: DateTime<Utc>,
    ) -> bool {
        let sights = link
            .decisions
            .iter()
            .filter(|one| one.system == *self.system);
        let sights = sights.filter(|decision| decision.at <= at);
        let sights = sights.flat_map(|decision| {
            let fields = decision.fields.iter().filter(|one| one.field == *field);
            fields.map(|one| (decision.at, one.observed.as_ref()))
        });
        let sights: Vec<_> = sights.collect();
        let last_before = sights.iter().rev().find(|(seen_at, _)| *seen_at < at);
        let at_once = sights.iter().filter(|(seen_at, _)| *seen_at == at);
        last_before
            .into_iter()
            .chain(at_once)
            .any(|(_, seen)| *seen == value)
    }
}
