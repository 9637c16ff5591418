//! Making an announced write.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::documents::Documents;
use super::landscape::{CrmSystem, Landscape};
use super::look::for_system;
use crate::crm::field_map::{CompiledFieldMap, RefusalReason};
use crate::crm::ledger::{Intent, IntentKind, LinkRecord, SyncPolicy, Target};
use crate::crm::{FieldName, Fields, Native, SystemName, Value};
use crate::error::{ErrorKind, PortError, Retry};
use crate::port::{Creation, CrmRecord, RecordUpdate, Removal, WriteReceipt};

/// How long a write that failed for a while is left alone, where nobody says how long.
const PAUSE: Duration = Duration::from_secs(5);

/// How long a document that cannot be read is left alone.
pub(super) const UNREADABLE_PAUSE: TimeDelta = TimeDelta::minutes(10);

/// What says that a person has something to decide.
const CONFLICT_MARK: &str = "Conflict";

/// A write, in the words of its system.
#[derive(Debug)]
pub(super) enum Prepared {
    Ready(Fields<Native>),
    /// Nothing of it can be written now.
    Blocked(String),
}

/// Puts the fields of an announced write in the words of its system. Those that cannot be written
/// now are taken out of it.
pub(super) async fn prepare(
    documents: &Documents,
    record: &mut LinkRecord,
    system: &CrmSystem,
    map: &CompiledFieldMap,
    current: &Fields<Native>,
) -> Result<Prepared, PortError> {
    let name = system.name();
    let Some(intent) = record.members.get(name).and_then(|m| m.intent.clone()) else {
        return Ok(Prepared::Blocked("nothing is announced".to_owned()));
    };
    let mut values = Fields::new();
    for (field, written) in intent.fields.iter() {
        let spellings = for_system(documents, name, written.value.as_ref()).await?;
        let fitting = spellings
            .into_iter()
            .flatten()
            .find(|value| fits(map, field, value.as_ref()));
        if let Some(value) = fitting {
            values.insert(field.clone(), value);
        } else if needs(&intent, map, field) || !record.withhold(name, field) {
            let reason = format!("{field} points at a record that {name} does not have yet");
            return Ok(Prepared::Blocked(reason));
        }
    }
    loop {
        match map.put(&values, current) {
            Ok(natives) => return Ok(Prepared::Ready(natives)),
            Err(refusals) => {
                let Some(refusal) = refusals.first() else {
                    return Ok(Prepared::Blocked("the map refuses the write".to_owned()));
                };
                let reason = refusal.to_string();
                let left = record.withhold(name, &refusal.field);
                let gone = values.remove(refusal.field.as_str()).is_some();
                if !left || !gone {
                    return Ok(Prepared::Blocked(reason));
                }
            }
        }
    }
}

/// A record is not created without what it is known by.
fn needs(intent: &Intent, map: &CompiledFieldMap, field: &FieldName) -> bool {
    intent.kind == IntentKind::Create && map.key_fields().contains(field)
}

/// True if the field of the map takes a reference in this spelling. Other refusals are told with
/// their reason where the whole write is put together.
fn fits(map: &CompiledFieldMap, field: &FieldName, value: Option<&Value>) -> bool {
    let one = [(field.clone(), value.cloned())].into_iter().collect();
    map.put(&one, &Fields::new()).map_or_else(
        |refusals| {
            let mut reasons = refusals.iter().map(|refusal| refusal.reason);
            reasons.all(|reason| reason != RefusalReason::Unresolved)
        },
        |_| true,
    )
}

/// Makes the write.
pub(super) async fn perform(
    system: &CrmSystem,
    map: &CompiledFieldMap,
    record: &LinkRecord,
    target: &Target,
    mut natives: Fields<Native>,
) -> Result<WriteReceipt, PortError> {
    let Some(intent) = record
        .members
        .get(&target.system)
        .and_then(|member| member.intent.as_ref())
    else {
        return Err(PortError::new(ErrorKind::Internal, "crm_sync.write")
            .with_detail("nothing is announced")
            .without_effect());
    };
    if let (Some(mark), Some(field)) = (intent.mark, system.status_field()) {
        let text = if mark {
            Native::Text(CONFLICT_MARK.to_owned())
        } else {
            Native::Null
        };
        natives.insert(field.clone(), text);
    }
    let existing = || {
        let id = target.id.clone().ok_or_else(|| {
            PortError::new(ErrorKind::Internal, "crm_sync.write")
                .with_detail("a record without an id is to be changed")
                .without_effect()
        })?;
        Ok::<_, PortError>(CrmRecord {
            object: map.object().to_owned(),
            id,
        })
    };
    match intent.kind {
        IntentKind::Create => {
            for (field, value) in map.constants() {
                if !natives.contains(field.as_str()) {
                    natives.insert(field, value);
                }
            }
            let creation = Creation {
                object: map.object().to_owned(),
                key: record.creation_key(&target.system, intent),
                natural_key: map.key_natives(),
                fields: natives,
            };
            system.sink().create(creation).await
        }
        IntentKind::Update => {
            let update = RecordUpdate {
                record: existing()?,
                fields: natives,
                expect: intent.expect.clone(),
            };
            system.sink().update(update).await
        }
        IntentKind::Remove => {
            let removal = Removal {
                record: existing()?,
                expect: intent.expect.clone(),
            };
            system.sink().remove(removal).await
        }
        IntentKind::Restore => system.sink().restore(&existing()?).await,
    }
}

/// What to do about a failed write.
#[derive(Debug)]
pub(super) enum Remedy {
    /// Nobody knows whether it was done: look.
    Look,
    /// The record is another one by now: look.
    Overtaken,
    /// There is a record with this key already.
    Exists,
    /// It cannot be brought back: make a new one.
    Forget,
    /// Nothing is written there before then.
    Pause(String, DateTime<Utc>),
    /// These values are not written there before then.
    Refuse(String, DateTime<Utc>),
    /// The same, for a value that the system does not name.
    Invalid(String, DateTime<Utc>),
}

pub(super) fn remedy(
    kind: IntentKind,
    system: &SystemName,
    error: &PortError,
    policy: &SyncPolicy,
    now: DateTime<Utc>,
) -> Remedy {
    if error.is_ambiguous() {
        return Remedy::Look;
    }
    match (error.kind(), kind) {
        (ErrorKind::Conflict, _)
        | (ErrorKind::NotFound, IntentKind::Update | IntentKind::Remove) => Remedy::Overtaken,
        (ErrorKind::AlreadyExists, IntentKind::Create) => Remedy::Exists,
        (ErrorKind::Unsupported | ErrorKind::NotFound, IntentKind::Restore) => Remedy::Forget,
        _ => {
            let reason = format!("{system} refuses the write: {}", error.kind());
            match error.retry() {
                Retry::After(delay) => Remedy::Pause(reason, after(now, delay)),
                Retry::Backoff => Remedy::Pause(reason, after(now, PAUSE)),
                Retry::Never | Retry::AfterFix => {
                    let until = LinkRecord::refused_until(policy, now);
                    // A key that another record has is one value among others, too.
                    if matches!(error.kind(), ErrorKind::Invalid | ErrorKind::AlreadyExists) {
                        Remedy::Invalid(reason, until)
                    } else {
                        Remedy::Refuse(reason, until)
                    }
                }
            }
        }
    }
}

fn after(now: DateTime<Utc>, delay: Duration) -> DateTime<Utc> {
    let delay = TimeDelta::from_std(delay).unwrap_or(TimeDelta::MAX);
    now.checked_add_signed(delay)
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// When a look that failed is taken up again.
pub(super) fn look_again(error: &PortError, now: DateTime<Utc>) -> DateTime<Utc> {
    if error.kind() == ErrorKind::Corrupt {
        return now + UNREADABLE_PAUSE;
    }
    after(now, error.retry_after().unwrap_or(PAUSE))
}

/// The landscape's word for a system and its map, or a mistake in the configuration.
pub(super) fn known<'a>(
    landscape: &'a Landscape,
    record: &LinkRecord,
    system: &SystemName,
) -> Result<(&'a CrmSystem, &'a CompiledFieldMap), PortError> {
    let found = landscape
        .system(system)
        .and_then(|known| Some((known, known.map(&record.entity)?)));
    found.ok_or_else(|| {
        PortError::new(ErrorKind::Misconfigured, "crm_sync.write").with_detail(format!(
            "{system} does not share {} in this landscape",
            record.entity
        ))
    })
}
