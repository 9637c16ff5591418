//! What people ask after a run, and what they decide.

use std::path::Path;

use omnisync_core::PortError;
use omnisync_core::crm::ledger::{
    Choice, ConflictId, Decision, FieldPolicy, LinkRecord, Presence, Verdict,
};
use omnisync_core::crm::{EntityName, FieldKind, ForeignId, Native, SystemName};
use omnisync_core::flow::CrmPage;
use omnisync_core::port::DocumentKey;

use crate::check;
use crate::data::DataFolder;
use crate::error::HostError;
use crate::office::Office;
use crate::report::{ConflictLine, conflicts_of, say, show};
use crate::systems::{ENTITIES, entities};
use crate::{DecisionArgs, values, waits};

/// Documents that a page of a list comes of.
const PAGE_DOCUMENTS: usize = 200;

/// Differences that are told one by one.
const DIFFERENCES_MAX: usize = 20;

/// Tells what is known of a record and why.
pub(crate) async fn explain(
    record: &str,
    system: Option<&SystemName>,
    data: &Path,
) -> Result<(), HostError> {
    let (folder, kept) = DataFolder::of_run(data)?;
    let office = Office::resume(&folder, kept)?;
    let links = office.links().await?;
    let found: Vec<&LinkRecord> = links
        .iter()
        .filter(|link| is_meant(link, record, system))
        .collect();
    if found.is_empty() {
        let story = unlinked(&office, record, system).await?;
        return say(&story.ok_or_else(|| HostError::UnknownRecord(record.to_owned()))?);
    }
    let mut text = String::new();
    for link in found {
        text.push_str(&story(link));
    }
    say(&text)
}

fn is_meant(link: &LinkRecord, record: &str, system: Option<&SystemName>) -> bool {
    let mut members = link.members.iter();
    let by_id = members.any(|(of, member)| {
        let id = member.id.as_ref().map(ForeignId::as_str);
        system.is_none_or(|system| system == of) && id == Some(record)
    });
    let by_key = link.natural_key.as_deref() == Some(record);
    let takes_part = system.is_none_or(|system| link.members.contains_key(system));
    by_id || takes_part && (by_key || link.link.to_string() == record)
}

/// A record that belongs to no link.
async fn unlinked(
    office: &Office,
    record: &str,
    system: Option<&SystemName>,
) -> Result<Option<String>, HostError> {
    let Ok(id) = ForeignId::new(record) else {
        return Ok(None);
    };
    for (name, _) in office.crms() {
        if system.is_some_and(|system| system != name) {
            continue;
        }
        for entity in ENTITIES {
            let entity = EntityName::new(entity)?;
            let found = office.desk.explain(&entity, name, &id).await?;
            if let Some(found) = found {
                let reason = found.waits_for.unwrap_or_else(|| "nothing".to_owned());
                let hints = found.hints;
                return Ok(Some(format!(
                    "{entity} {id} of {name} belongs to no link after {hints} hints: {reason}\n"
                )));
            }
        }
    }
    Ok(None)
}

fn story(link: &LinkRecord) -> String {
    let mut lines = vec![format!("{}, link {}", check::name_of(link), link.link)];
    let life = if link.life.alive { "in use" } else { "removed" };
    let waits = if link.life.held.is_some() {
        ", waits for a person"
    } else {
        ""
    };
    lines.push(format!(
        "agreed: {life}, said by {}{waits}",
        link.life.origin
    ));
    for (system, member) in &link.members {
        let id = member.id.as_ref().map_or("no record", ForeignId::as_str);
        let presence = match &member.presence {
            Presence::None => "not there yet".to_owned(),
            Presence::InUse => "in use".to_owned(),
            Presence::Gone => "removed".to_owned(),
            Presence::Merged { into } => format!("merged into {into}"),
        };
        lines.push(format!("  {:<12} {id:<16} {presence}", system.as_str()));
        let waits = waits::of_member(member).into_iter();
        lines.extend(waits.map(|wait| format!("    {wait}")));
    }
    lines.push("fields:".to_owned());
    for (field, base) in link.fields.iter() {
        let held = if base.held.is_some() {
            ", waits for a person"
        } else {
            ""
        };
        let value = show(base.value.as_ref());
        let (version, origin) = (base.version, &base.origin);
        lines.push(format!(
            "  {field} = {value} (version {version} of {origin}{held})"
        ));
    }
    let kept = link.decisions.len();
    let made = link.decisions_made;
    lines.push(format!("decisions: {made}, of which {kept} are kept"));
    for decision in &link.decisions {
        tell(decision, &mut lines);
    }
    let conflicts: Vec<String> = conflicts_of(link)
        .map(|line| format!("  {}", line.text()))
        .collect();
    if !conflicts.is_empty() {
        lines.push("conflicts:".to_owned());
        lines.extend(conflicts);
    }
    lines.push(String::new());
    lines.join("\n")
}

fn tell(decision: &Decision, lines: &mut Vec<String>) {
    let at = decision.at.format("%H:%M:%S");
    let system = decision.system.as_str();
    if let Some(life) = &decision.life {
        lines.push(format!(
            "  {at} {system:<12} the record itself: {}",
            reason(life)
        ));
    }
    for field in &decision.fields {
        let name = &field.field;
        let observed = show(field.observed.as_ref());
        let why = reason(&field.verdict);
        lines.push(format!(
            "  {at} {system:<12} {name} shows {observed}: {why}"
        ));
    }
}

fn reason(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Echo => "our own write, seen again".to_owned(),
        Verdict::Normalised => "our own write, as the system spells it".to_owned(),
        Verdict::NoOp => "nothing to do, it is agreed already".to_owned(),
        Verdict::Applied => "a change, agreed from now on".to_owned(),
        Verdict::Superseded { conflict } => {
            format!("taken, the other value is in conflict {conflict}")
        }
        Verdict::Overruled {
            conflict: Some(conflict),
        } => format!("put back, this value is in conflict {conflict}"),
        Verdict::Overruled { conflict: None } => {
            "put back, another system is right by rule".to_owned()
        }
        Verdict::Merged => "both values together".to_owned(),
        Verdict::Held { conflict } => format!("a person has to decide conflict {conflict}"),
        Verdict::Parked => "it points at a record that is not known yet".to_owned(),
        Verdict::Unreadable => "the field map cannot read it".to_owned(),
        _ => "something newer than this program".to_owned(),
    }
}

/// Decides a conflict, and tells the systems.
pub(crate) async fn resolve(
    conflict: ConflictId,
    decision: DecisionArgs,
    by: &str,
    data: &Path,
) -> Result<(), HostError> {
    let (folder, kept) = DataFolder::of_run(data)?;
    let office = Office::resume(&folder, kept)?;
    let choice = match decision.take {
        Some(system) => Choice::Take { system },
        None => entered(&office, conflict, &decision.value.unwrap_or_default()).await?,
    };
    let mut text = match &choice {
        Choice::Take { system } => format!("{by} took what {system} has\n"),
        Choice::Value { value } => format!("{by} entered {}\n", show(value.as_ref())),
        _ => String::new(),
    };
    office.desk.resolve(conflict, choice, by).await?;
    office.settle(|_| {}).await?;
    folder.keep(&office.kept())?;
    let written = written(&office);
    if written.is_empty() {
        text.push_str("nothing had to be written\n");
    }
    for line in written {
        text.push_str(&line);
        text.push('\n');
    }
    say(&text)
}

/// What somebody entered, as the field has it that the conflict is about.
async fn entered(office: &Office, conflict: ConflictId, text: &str) -> Result<Choice, HostError> {
    let link = office.desk.link(conflict.link()).await?;
    let kind = link.and_then(|link| {
        let mut all = link.conflicts.iter();
        let field = all.find(|one| one.id == conflict)?.subject.field()?;
        let mut entities = entities().into_iter();
        let entity = entities.find(|entity| entity.name == link.entity)?;
        Some(entity.fields.get(field.as_str())?.kind.clone())
    });
    // What is about no field is refused by the desk, whatever the value.
    let kind = kind.unwrap_or(FieldKind::Text);
    let value = values::read(&kind, text)?;
    Ok(Choice::Value { value })
}

/// Lists the conflicts that wait for a person.
pub(crate) async fn conflicts(data: &Path) -> Result<(), HostError> {
    let (folder, kept) = DataFolder::of_run(data)?;
    let office = Office::resume(&folder, kept)?;
    let page = async |from: Option<&str>| office.desk.open_conflicts(from, PAGE_DOCUMENTS).await;
    let lines = every_page(page, |open| [ConflictLine::open(open).text()]).await?;
    say_sorted(lines, "nothing waits for a person")
}

/// Lists what waits for something but a decision.
pub(crate) async fn waiting(data: &Path) -> Result<(), HostError> {
    let (folder, kept) = DataFolder::of_run(data)?;
    let office = Office::resume(&folder, kept)?;
    let page = async |from: Option<&str>| office.desk.waiting(from, PAGE_DOCUMENTS).await;
    let lines = every_page(page, waits::lines).await?;
    say_sorted(lines, "nothing waits")
}

/// The lines of a list, up to its end.
async fn every_page<T, L: IntoIterator<Item = String>>(
    page: impl AsyncFn(Option<&str>) -> Result<CrmPage<T>, PortError>,
    lines_of: impl Fn(&T) -> L,
) -> Result<Vec<String>, HostError> {
    let mut lines = Vec::new();
    let mut from = None;
    loop {
        let found = page(from.as_deref()).await?;
        lines.extend(found.items.iter().flat_map(&lines_of));
        lines.extend(found.unreadable.iter().map(unreadable));
        from = found.continuation;
        if from.is_none() {
            return Ok(lines);
        }
    }
}

fn unreadable(key: &DocumentKey) -> String {
    format!("{key} cannot be read: mend or remove the document")
}

/// A list comes in no order.
fn say_sorted(mut lines: Vec<String>, if_none: &str) -> Result<(), HostError> {
    if lines.is_empty() {
        lines.push(if_none.to_owned());
    }
    lines.sort();
    lines.push(String::new());
    say(&lines.join("\n"))
}

/// What we wrote since the run was taken up again.
fn written(office: &Office) -> Vec<String> {
    let mut lines = Vec::new();
    for (system, crm) in office.crms() {
        for change in crm.changes_log(0) {
            if !change.cause.is_ours() {
                continue;
            }
            let mut words: Vec<String> = change
                .fields
                .iter()
                .map(|field| format!("{} = {}", field.field, shown(&field.to)))
                .collect();
            if words.is_empty() {
                words.push(format!("{:?}", change.kind).to_lowercase());
            }
            let (object, id) = (&change.record.object, &change.record.id);
            lines.push(format!("{system} {object} {id}: {}", words.join(", ")));
        }
    }
    lines
}

fn shown(native: &Native) -> String {
    match native {
        Native::Null => "nothing".to_owned(),
        Native::Boolean(yes) => yes.to_string(),
        Native::Number(number) => number.to_string(),
        Native::Text(text) => format!("{text:?}"),
        Native::List(elements) => {
            let elements: Vec<String> = elements.iter().map(shown).collect();
            format!("[{}]", elements.join(", "))
        }
    }
}

/// Tells what other rules would have decided otherwise. Changes nothing.
pub(crate) async fn what_if(default: FieldPolicy, data: &Path) -> Result<(), HostError> {
    let (folder, kept) = DataFolder::of_run(data)?;
    let office = Office::resume(&folder, kept)?;
    let policy = office.policy().clone().with_default(default);
    let mut lines = Vec::new();
    let mut count = 0;
    for link in office.links().await? {
        for one in office.desk.what_if(link.link, &policy).await? {
            count += 1;
            if lines.len() < DIFFERENCES_MAX {
                let (field, system, would) = (&one.field, &one.system, &one.would);
                let (name, was) = (check::name_of(&link), reason(&one.was));
                lines.push(format!(
                    "  {name}, {field} of {system}: was {was}; would be {would}"
                ));
            }
        }
    }
    let left = count - lines.len();
    lines.insert(0, format!("{count} decisions would be others"));
    if left > 0 {
        lines.push(format!("  and {left} more"));
    }
    lines.push(String::new());
    say(&lines.join("\n"))
}
