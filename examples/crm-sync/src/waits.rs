//! What waits for something, in words.

use chrono::{DateTime, Utc};
use omnisync_core::crm::ledger::{Awaited, MemberRecord, Obstacle, Refusal};
use omnisync_core::crm::{FieldName, ForeignId, Value};
use omnisync_core::flow::{CrmWaiting, WaitCause};

use crate::report::show;

/// Everything that a record of one system waits for.
pub(crate) fn of_member(member: &MemberRecord) -> Vec<String> {
    let awaited = member.awaited();
    let awaited = awaited.map(|(field, awaited)| reference(field, awaited));
    let refused = member.refused.iter();
    let refused = refused.map(|(field, why)| refusal(field, why));
    let obstacle = member.obstacle.iter().map(obstacle);
    awaited.chain(obstacle).chain(refused).collect()
}

/// A line of the list, and one for each further cause.
pub(crate) fn lines(waiting: &CrmWaiting) -> Vec<String> {
    let id = waiting.id.as_ref().map(ForeignId::as_str);
    let key = waiting.natural_key.as_deref();
    let name = key.or(id).unwrap_or("without a key");
    let (entity, system) = (&waiting.entity, &waiting.system);
    let id = id.unwrap_or("not there yet");
    let causes = waiting.causes.iter().map(cause);
    causes
        .map(|cause| format!("{entity} {name}, {id} in {system}: {cause}"))
        .collect()
}

fn cause(cause: &WaitCause) -> String {
    match cause {
        WaitCause::Reference { field, awaited } => reference(field, awaited),
        WaitCause::Obstacle(one) => obstacle(one),
        WaitCause::Refused {
            field,
            refusal: why,
        } => refusal(field, why),
        WaitCause::Unlinked { reason, until } => {
            let again = until.map_or_else(
                || "once somebody changes it".to_owned(),
                |until| format!("at {}", time(until)),
            );
            format!("belongs to nothing, since {reason}; looked at again {again}")
        }
        _ => "something newer than this program".to_owned(),
    }
}

fn reference(field: &FieldName, awaited: &Awaited) -> String {
    let target = Value::Reference(Box::new(awaited.reference.clone()));
    let target = show(Some(&target));
    let since = awaited.since.map(time).unwrap_or_default();
    let overdue = overdue(awaited.overdue);
    format!("{field} points at {target}, which nobody knows, since {since}{overdue}")
}

fn obstacle(obstacle: &Obstacle) -> String {
    let (reason, since, until) = (&obstacle.reason, time(obstacle.since), time(obstacle.until));
    let overdue = overdue(obstacle.overdue);
    format!("nothing is written since {since}{overdue}: {reason}; tried again at {until}")
}

fn refusal(field: &FieldName, refusal: &Refusal) -> String {
    let (reason, since, until) = (&refusal.reason, time(refusal.since), time(refusal.until));
    let overdue = overdue(refusal.overdue);
    format!("{field} is not written since {since}{overdue}: {reason}; tried again at {until}")
}

fn overdue(told: Option<DateTime<Utc>>) -> &'static str {
    told.map_or("", |_| ", which is overdue")
}

fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}
