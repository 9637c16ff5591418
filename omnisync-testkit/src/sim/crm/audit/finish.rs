//! What holds once everything is at rest.

use std::collections::BTreeSet;

use omnisync_core::crm::ledger::{ConflictState, ConflictSubject, LinkRecord, Presence};
use omnisync_core::crm::{ChangeKind, FieldName, Patch, Value};

use super::super::super::violation::Violation;
use super::super::systems::{CODE, System};
use super::ledgers::is_in_use;
use super::{Auditor, Books, Finish};
use crate::fake::crm::{CrmRow, Standing};

impl Auditor {
    /// The whole of what has to be true in the end.
    pub(in super::super) fn audit(&self, finish: &Finish) -> Result<(), Violation> {
        let books = self.books();
        for link in &finish.links {
            if link.conflicts_told != link.conflicts_made {
                let detail = format!(
                    "of {} conflicts of {} people were told {}",
                    link.conflicts_made, link.link, link.conflicts_told
                );
                return Err(Violation::new("I-S3", detail));
            }
            self.check_convergence(&books, link, &finish.links)?;
        }
        self.check_identity(&books, finish)?;
        check_keys(finish)?;
        check_merges(&books, finish)?;
        books.check_gaps()?;
        self.check_writes(&books, finish)
    }

    fn check_convergence(
        &self,
        books: &Books,
        link: &LinkRecord,
        links: &[LinkRecord],
    ) -> Result<(), Violation> {
        let differs = |detail: String| Err(Violation::new("I-S1", detail));
        if let Some(open) = link.open_conflicts().next() {
            return differs(format!("conflict {} is open", open.id));
        }
        for system in &self.systems {
            let name = &system.plan.name;
            let member = link.members.get(name);
            let row = member
                .and_then(|member| member.id.as_ref())
                .and_then(|id| system.crm.snapshot(id));
            let Some(row) = row else {
                if !link.life.alive || link.fields.is_empty() || system.is_taken(link) {
                    continue;
                }
                return differs(format!("{name} has no record of {:?}", link.natural_key));
            };
            let alive = row.state.standing == Standing::Active;
            let believed = member.is_some_and(|member| is_in_use(&member.presence));
            if alive != link.life.alive || alive != believed {
                return differs(format!(
                    "{} is in use {alive}, known as {believed}, agreed is {}",
                    row.record.id, link.life.alive
                ));
            }
            if !alive || system.is_taken(link) {
                continue;
            }
            let is_key_taken = system.is_key_taken(link, &BTreeSet::new());
            for (field, base) in link.fields.iter() {
                if is_key_taken && field.as_str() == CODE {
                    continue;
                }
                if system.waits_for_a_record(link, field, links, &self.systems) {
                    continue;
                }
                let value = books.by_key(base.value.as_ref());
                if !holds(system, &row, field, value.as_ref()) {
                    return differs(format!(
                        "{} does not hold version {} of {field}",
                        row.record.id, base.version
                    ));
                }
            }
        }
        Ok(())
    }

    /// One record in use for each key in each system, or a conflict that says so.
    fn check_identity(&self, books: &Books, finish: &Finish) -> Result<(), Violation> {
        let told: BTreeSet<_> = finish
            .links
            .iter()
            .flat_map(|link| &link.conflicts)
            .filter_map(|conflict| match &conflict.subject {
                ConflictSubject::DuplicateKey { id, .. } => Some(id),
                _ => None,
            })
            .collect();
        let apart = finish.links.iter().flat_map(|link| link.apart.values());
        let told: BTreeSet<_> = told.into_iter().chain(apart.flatten()).collect();
        for code in books.people.codes.iter().chain(&books.people.former) {
            for system in &self.systems {
                let rows = system.rows(code).into_iter();
                let in_use = rows.filter(|row| row.state.standing == Standing::Active);
                let in_use: Vec<CrmRow> = in_use.collect();
                let is_told = in_use.iter().any(|row| told.contains(&row.record.id));
                if in_use.len() > 1 && !is_told {
                    let detail = format!(
                        "{} has {} records {code} and nobody is told",
                        system.plan.name,
                        in_use.len()
                    );
                    return Err(Violation::new("I-S5", detail));
                }
                let unlinked = in_use.iter().find(|row| {
                    let id = &row.record.id;
                    books.links_of(&system.plan.name, id).next().is_none() && !told.contains(id)
                });
                if let Some(row) = unlinked {
                    let detail = format!("{} belongs to no link", row.record.id);
                    return Err(Violation::new("I-S5", detail));
                }
            }
        }
        Ok(())
    }

    /// Answers of systems to our writes until a person is asked.
    fn answers_max(&self) -> u64 {
        2 * u64::try_from(self.systems.len()).unwrap_or_default() + 1
    }

    /// No more writes than there are changes to tell.
    fn check_writes(&self, books: &Books, finish: &Finish) -> Result<(), Violation> {
        let mut edits = 0;
        let mut unforeseen = 0;
        for system in &self.systems {
            for change in system.crm.changes_log(0) {
                // What a system changes by itself, in one transaction with a write of ours or
                // later, is told like the edits of people.
                let ours = change.cause.is_ours();
                let shared = change
                    .changed()
                    .filter(|field| !ours || field.asked.as_ref() != Some(&field.to))
                    .filter(|field| system.field_of(&field.field).is_some())
                    .count();
                if ours {
                    edits += u64::try_from(shared).unwrap_or(u64::MAX);
                    continue;
                }
                edits += match change.kind {
                    ChangeKind::Create | ChangeKind::Delete | ChangeKind::Undelete => 1,
                    _ => u64::try_from(shared).unwrap_or(u64::MAX),
                };
            }
            if !system.plan.is_known {
                unforeseen += 1;
            }
        }
        let faults = self.sim.faults();
        // In one version with a write of ours, an edit makes what the system rewrote look like
        // somebody's work too.
        let mut unclear = if unforeseen > 0 { edits + faults } else { 0 };
        if unforeseen > 0 && self.systems.iter().any(|one| !one.plan.tells_versions) {
            // Every answer to a write without a receipt may be a person's, until there are so many
            // that a person is asked.
            unclear += (edits + books.resolved + faults) * self.answers_max();
        }
        let others = u64::try_from(self.systems.len())
            .unwrap_or_default()
            .saturating_sub(1);
        let enough = others * (edits + books.resolved + unclear) + faults + finish.stale_reads;
        if books.writes > enough {
            let detail = format!(
                "{} writes for {edits} edits, {} decisions, {faults} faults",
                books.writes, books.resolved
            );
            return Err(Violation::new("I-S2", detail));
        }
        // A mark comes and goes in every system.
        let conflicts: u64 = finish.links.iter().map(|link| link.conflicts_made).sum();
        if books.marks > 2 * (others + 1) * conflicts + faults + finish.stale_reads {
            let detail = format!("{} marks for {conflicts} conflicts", books.marks);
            return Err(Violation::new("I-S2", detail));
        }
        Ok(())
    }
}

/// One link in use for each key.
fn check_keys(finish: &Finish) -> Result<(), Violation> {
    let mut seen = BTreeSet::new();
    for link in &finish.links {
        let mut members = link.members.values();
        let in_use = link.life.alive && members.any(|member| is_in_use(&member.presence));
        let Some(key) = link.natural_key.as_ref().filter(|_| in_use) else {
            continue;
        };
        if !seen.insert(key) {
            let detail = format!("two links have the key {key}");
            return Err(Violation::new("I-S5", detail));
        }
    }
    Ok(())
}

/// A merge is told, and what was agreed about the record that is gone is kept with the one that is
/// left.
fn check_merges(books: &Books, finish: &Finish) -> Result<(), Violation> {
    let violated = |detail: String| Err(Violation::new("I-S7", detail));
    for link in &finish.links {
        let mut told = link.conflicts.iter().filter_map(|one| match &one.subject {
            ConflictSubject::Merge { link, .. } => Some((link, &one.state)),
            _ => None,
        });
        let ended_by = link.members.get(&link.life.origin);
        let merged = ended_by.filter(|one| matches!(one.presence, Presence::Merged { .. }));
        if merged.is_some() && !link.life.alive && told.clone().next().is_none() {
            return violated(format!("{} was merged and nobody is told", link.link));
        }
        let followed = told.find_map(|(winner, state)| match state {
            ConflictState::Resolved { by, .. } | ConflictState::Propagated { by, .. }
                if by == "policy" =>
            {
                *winner
            }
            _ => None,
        });
        // A record that was brought back after all has lost nothing.
        let followed = followed.filter(|winner| *winner != link.link && !link.life.alive);
        let Some(winner) = followed else {
            continue;
        };
        let Some(kept) = books.links.get(&winner) else {
            return violated(format!("{winner} is not there"));
        };
        for (field, base) in link.fields.iter() {
            let value = (field.clone(), base.value.clone());
            let is_kept = kept.agreed.contains(&value) || kept.contested.contains(&value);
            if base.value.is_some() && !is_kept {
                return violated(format!("{field} of {} is kept nowhere", link.link));
            }
        }
    }
    Ok(())
}

impl Books {
    fn check_gaps(&self) -> Result<(), Violation> {
        let open = self.gaps.iter().find(|(_, gap)| !gap.asked);
        open.map_or(Ok(()), |(object, _)| {
            let detail = format!("changes of {object} were lost and nobody asked for them");
            Err(Violation::new("I-S10", detail))
        })
    }
}

/// The field holds what the system made of the value when we wrote it, a trigger in the same
/// transaction too; what somebody typed since and took away again left nothing.
fn was_written(system: &System, row: &CrmRow, field: &FieldName, value: Option<&Value>) -> bool {
    let log = system.crm.changes_log(0);
    let ours = log
        .iter()
        .filter(|one| one.record.id == row.record.id && one.cause.is_ours());
    let mut touched = ours.filter_map(|one| {
        let mut fields = one.fields.iter();
        fields.find(|of| system.field_of(&of.field).as_ref() == Some(field))
    });
    touched.next_back().is_some_and(|touched| {
        let asked = touched.asked.as_ref();
        row.state.fields.get(touched.field.as_str()) == Some(&touched.to)
            && asked
                .is_some_and(|one| system.read(&touched.field, one) == Patch::from(value.cloned()))
    })
}

/// The record holds the value, or what its system makes of it.
fn holds(system: &System, row: &CrmRow, field: &FieldName, value: Option<&Value>) -> bool {
    let natives = system.plan.compiled.natives_of(field.as_str());
    let mut held = natives.filter_map(|native| {
        let held = row.state.fields.get(native.as_str())?;
        system.read(native, held).said()
    });
    let Some(held) = held.next() else {
        return false;
    };
    if was_written(system, row, field, value) {
        return true;
    }
    let held = Patch::from(held);
    held == Patch::from(value.cloned())
        || system.foreseen(field, value) == held
        || system.shows(field, value) == held
}
