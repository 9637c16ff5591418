//! What a run did, for people and for programs.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::process::ExitCode;

use omnisync_core::crm::ledger::{
    Choice, Conflict, ConflictState, ConflictSubject, LinkRecord, Verdict,
};
use omnisync_core::crm::{ReferenceTarget, SystemName, Value};
use omnisync_core::flow::OpenConflict;
use serde::Serialize;

use crate::check::{self, Finding};
use crate::error::HostError;
use crate::office::{Office, Worked};
use crate::wire::Trouble;

/// Lines of one kind that people are shown; programs get all.
const LINES_MAX: usize = 12;

/// What a run did.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunReport {
    seed: u64,
    /// Links by entity.
    records: BTreeMap<String, usize>,
    /// Writes until both systems had the first records.
    first_writes: usize,
    /// What people did afterwards.
    edits: usize,
    /// Changes that automations made afterwards.
    automation_changes: usize,
    /// Writes of ours afterwards.
    writes: usize,
    writes_per_edit: f64,
    /// Every write, by kind.
    writes_by_kind: BTreeMap<&'static str, usize>,
    /// Events that the systems sent, with those that came twice.
    events: usize,
    /// Events that never came: what they were about is found by asking.
    lost_events: usize,
    /// Reads of records.
    looks: u64,
    /// Writes before which somebody changed the record.
    interrupted_writes: u32,
    /// Writes whose answer was lost.
    lost_answers: u32,
    /// Failures that were taken up again.
    failures: u64,
    /// Fields that showed what we had written.
    echoes: usize,
    /// Fields that showed a system's own way of writing it.
    normalised: usize,
    /// Fields that came to the agreed value in another way.
    no_ops: usize,
    /// Fields with a change that was taken over.
    applied: usize,
    conflicts: Vec<ConflictLine>,
    open_conflicts: usize,
    /// Records that something is in the way of.
    parked: usize,
    converged: bool,
    differences: Vec<Finding>,
    silently_overwritten: Vec<Finding>,
}

/// A conflict with what each side says.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConflictLine {
    id: String,
    record: String,
    about: String,
    sides: Vec<SideLine>,
    open: bool,
    decided_by: Option<String>,
    taken: Option<SystemName>,
    /// What was decided, in words.
    decision: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
struct SideLine {
    system: SystemName,
    value: Option<Value>,
}

/// What was counted when the first records were in both systems.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) edits: usize,
    pub(crate) writes: usize,
    pub(crate) automation_changes: usize,
}

impl Counts {
    pub(crate) fn of(office: &Office) -> Self {
        Self {
            edits: check::edits_of_people(office),
            writes: check::our_writes(office).values().sum(),
            automation_changes: check::automations(office),
        }
    }
}

impl RunReport {
    pub(crate) async fn of(
        office: &Office,
        seed: u64,
        first: Counts,
        worked: Worked,
        trouble: &Trouble,
    ) -> Result<Self, HostError> {
        let links = office.links().await?;
        let now = Counts::of(office);
        let (edits, writes) = (now.edits - first.edits, now.writes - first.writes);
        let differences = check::differences(office, &links)?;
        let silently_overwritten = check::overwritten(office, &links);
        let mut records: BTreeMap<String, usize> = BTreeMap::new();
        for link in &links {
            *records.entry(link.entity.to_string()).or_default() += 1;
        }
        let verdicts = Verdicts::of(&links);
        let conflicts: Vec<_> = links.iter().flat_map(conflicts_of).collect();
        let obstacles = links.iter().filter(|link| {
            let mut members = link.members.values();
            members.any(|member| !member.awaiting.is_empty() || member.obstacle.is_some())
        });
        Ok(Self {
            seed,
            records,
            first_writes: first.writes,
            edits,
            automation_changes: now.automation_changes - first.automation_changes,
            writes,
            writes_per_edit: ratio(writes, edits),
            writes_by_kind: check::our_writes(office),
            events: worked.hints,
            lost_events: worked.lost_hints,
            looks: worked.looks,
            interrupted_writes: trouble.quicker(),
            lost_answers: trouble.lost(),
            failures: worked.failures,
            echoes: verdicts.echoes,
            normalised: verdicts.normalised,
            no_ops: verdicts.no_ops,
            applied: verdicts.applied,
            open_conflicts: conflicts.iter().filter(|line| line.open).count(),
            conflicts,
            parked: obstacles.count(),
            converged: differences.is_empty(),
            differences,
            silently_overwritten,
        })
    }

    /// True if both systems hold the same and nothing was lost on the way.
    fn is_good(&self) -> bool {
        self.converged && self.silently_overwritten.is_empty()
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        if self.is_good() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    /// Prints it for people, or for a program.
    pub(crate) fn print(&self, json: bool) -> Result<(), HostError> {
        let text = if json {
            let text = serde_json::to_string(self).map_err(io::Error::from);
            text.map_err(HostError::failed("print the result"))? + "\n"
        } else {
            self.table()
        };
        say(&text)
    }

    fn table(&self) -> String {
        let mut lines = Vec::new();
        let mut row = |name: &str, value: String| lines.push(format!("  {name:<32}{value:>10}"));
        for (entity, count) in &self.records {
            row(&format!("records of {entity}"), count.to_string());
        }
        row(
            "writes for the first records",
            self.first_writes.to_string(),
        );
        row("edits of people", self.edits.to_string());
        row(
            "changes of automations",
            self.automation_changes.to_string(),
        );
        row("writes", self.writes.to_string());
        row("writes per edit", format!("{:.2}", self.writes_per_edit));
        row("events heard", self.events.to_string());
        row("events that never came", self.lost_events.to_string());
        row("records looked at", self.looks.to_string());
        row(
            "people who were quicker",
            self.interrupted_writes.to_string(),
        );
        row("answers that were lost", self.lost_answers.to_string());
        row("fields taken over", self.applied.to_string());
        row("fields that were echoes", self.echoes.to_string());
        row("fields rewritten by a system", self.normalised.to_string());
        row("fields that agreed already", self.no_ops.to_string());
        row("conflicts", self.conflicts.len().to_string());
        row("  that wait for a person", self.open_conflicts.to_string());
        row("parked", self.parked.to_string());
        row(
            "silently overwritten",
            self.silently_overwritten.len().to_string(),
        );
        row(
            "converged",
            if self.converged { "yes" } else { "no" }.to_owned(),
        );
        // Those that wait for somebody first.
        let mut conflicts: Vec<_> = self.conflicts.iter().collect();
        conflicts.sort_by_key(|line| !line.open);
        let conflicts = conflicts.into_iter().map(ConflictLine::text).collect();
        list(&mut lines, "conflicts", conflicts);
        list(&mut lines, "differences", texts(&self.differences));
        list(
            &mut lines,
            "silently overwritten",
            texts(&self.silently_overwritten),
        );
        lines.push(String::new());
        lines.join("\n")
    }
}

fn texts(findings: &[Finding]) -> Vec<String> {
    let findings = findings.iter();
    findings
        .map(|finding| format!("{} in {}: {}", finding.record, finding.system, finding.what))
        .collect()
}

fn list(lines: &mut Vec<String>, title: &str, texts: Vec<String>) {
    if texts.is_empty() {
        return;
    }
    lines.push(format!("{title}:"));
    let left = texts.len().saturating_sub(LINES_MAX);
    let shown = texts.into_iter().take(LINES_MAX);
    lines.extend(shown.map(|text| format!("  {text}")));
    if left > 0 {
        lines.push(format!("  and {left} more: --json has them all"));
    }
}

#[derive(Debug, Default)]
struct Verdicts {
    echoes: usize,
    normalised: usize,
    no_ops: usize,
    applied: usize,
}

impl Verdicts {
    fn of(links: &[LinkRecord]) -> Self {
        let mut counts = Self::default();
        let decisions = links.iter().flat_map(|link| &link.decisions);
        for field in decisions.flat_map(|decision| &decision.fields) {
            match field.verdict {
                Verdict::Echo => counts.echoes += 1,
                Verdict::Normalised => counts.normalised += 1,
                Verdict::NoOp => counts.no_ops += 1,
                Verdict::Applied => counts.applied += 1,
                _ => {}
            }
        }
        counts
    }
}

/// The conflicts of a record.
pub(crate) fn conflicts_of(link: &LinkRecord) -> impl Iterator<Item = ConflictLine> {
    let record = check::name_of(link);
    let conflicts = link.conflicts.iter();
    conflicts.map(move |conflict| ConflictLine::of(record.clone(), conflict))
}

impl ConflictLine {
    fn of(record: String, conflict: &Conflict) -> Self {
        let (decided_by, choice) = match &conflict.state {
            ConflictState::Resolved { by, choice, .. }
            | ConflictState::Propagated { by, choice } => (Some(by.clone()), Some(choice)),
            _ => (None, None),
        };
        let taken = match choice {
            Some(Choice::Take { system }) => Some(system.clone()),
            _ => None,
        };
        let sides = conflict.sides.iter().map(|side| SideLine {
            system: side.system.clone(),
            value: side.value.clone(),
        });
        Self {
            id: conflict.id.to_string(),
            record,
            about: about(&conflict.subject),
            sides: sides.collect(),
            open: conflict.is_open(),
            decided_by,
            taken,
            decision: choice.map(decision),
        }
    }

    /// One that a person has to decide.
    pub(crate) fn open(open: &OpenConflict) -> Self {
        let key = open.natural_key.clone();
        let key = key.unwrap_or_else(|| open.conflict.id.link().to_string());
        Self::of(format!("{} {key}", open.entity), &open.conflict)
    }

    pub(crate) fn text(&self) -> String {
        let sides = self.sides.iter().map(|side| {
            // Only a record as a whole has no values to speak of.
            if self.sides.iter().all(|side| side.value.is_none()) {
                side.system.to_string()
            } else {
                format!("{} {}", side.system, show(side.value.as_ref()))
            }
        });
        let sides: Vec<String> = sides.collect();
        let state = match (&self.decision, &self.decided_by) {
            (Some(decision), Some(by)) => format!("{decision} by {by}"),
            _ => format!("open, {}", self.id),
        };
        let (record, about) = (&self.record, &self.about);
        format!("{record}, {about}: {} ({state})", sides.join(" against "))
    }
}

fn decision(choice: &Choice) -> String {
    match choice {
        Choice::Take { system } => system.to_string(),
        Choice::Value { value } => show(value.as_ref()),
        Choice::Record { id } => id.to_string(),
        Choice::Apart => "another thing".to_owned(),
        _ => "something newer than this program".to_owned(),
    }
}

fn about(subject: &ConflictSubject) -> String {
    match subject {
        ConflictSubject::Field { field } => field.to_string(),
        ConflictSubject::DeleteVersusEdit => "removed and changed".to_owned(),
        ConflictSubject::DuplicateKey { system, id, other } => match other {
            None => format!("{id} of {system} has its key"),
            Some(other) => format!("{id} of {system} has the key of {other}"),
        },
        ConflictSubject::Oscillation { field } => format!("{field} keeps changing"),
        ConflictSubject::Merge { system, into, .. } => {
            format!("merged into {into} in {system}")
        }
        _ => "something newer than this program".to_owned(),
    }
}

/// A value as people write it.
pub(crate) fn show(value: Option<&Value>) -> String {
    let Some(value) = value else {
        return "nothing".to_owned();
    };
    match value {
        Value::Text(text) | Value::Choice(text) => format!("{text:?}"),
        Value::Decimal(number) => number.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Boolean(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::Date(day) => day.to_string(),
        Value::Instant(at) => at.to_rfc3339(),
        Value::Choices(all) => format!("{all:?}"),
        Value::Reference(reference) => {
            let target = match &reference.target {
                ReferenceTarget::Link(link) => link.to_string(),
                ReferenceTarget::Foreign { id, .. } => id.to_string(),
                ReferenceTarget::Key(key) => key.to_string(),
            };
            format!("{} {target}", reference.entity)
        }
        _ => "something newer than this program".to_owned(),
    }
}

/// Prints for people.
pub(crate) fn say(text: &str) -> Result<(), HostError> {
    let mut out = io::stdout().lock();
    let printed = out.write_all(text.as_bytes());
    printed.map_err(HostError::failed("print the result"))
}

/// To two digits; 0 of nothing.
fn ratio(a: usize, b: usize) -> f64 {
    let hundredths = (a * 100).checked_div(b).unwrap_or_default();
    f64::from(u32::try_from(hundredths).unwrap_or(u32::MAX)) / 100.0
}
