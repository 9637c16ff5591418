//! What an event says about records of the synchronization.

use omnisync_core::crm::{ChangeKind, FieldName, Hint, HintScope, Origin};
use uuid::Uuid;

use super::context::ExecutionContext;
use super::date::ClrDate;
use super::error::DecodeError;
use super::read;
use super::value::{ContextValue, Entity};

/// Columns that the platform writes with every change.
const SYSTEM_COLUMNS: [&str; 11] = [
    "createdby",
    "createdon",
    "createdonbehalfby",
    "modifiedby",
    "modifiedon",
    "modifiedonbehalfby",
    "overriddencreatedon",
    "importsequencenumber",
    "timezoneruleversionnumber",
    "utcconversiontimezonecode",
    "versionnumber",
];

/// Variable in which the platform hands the `tag` of a request on.
const TAG: &str = "tag";

/// Longest name of a message within an identity, in characters.
const MESSAGE_CHARS_MAX: usize = 100;

/// A record that an event is about.
struct Subject<'c> {
    object: Option<&'c str>,
    id: Option<Uuid>,
    /// The record as the event has it.
    entity: Option<&'c Entity>,
}

impl ExecutionContext {
    /// What the event says: one hint for each record that it names. Cut events name their primary
    /// record only.
    ///
    /// # Errors
    /// [`DecodeError::NoRecord`] where it names none, as messages that are not about records do.
    pub fn hints(&self) -> Result<Vec<Hint>, DecodeError> {
        let kind = self.kind();
        let mut subjects = self.subjects();
        if subjects.is_empty() {
            subjects.push(Subject {
                object: None,
                id: None,
                entity: None,
            });
        }
        let hints = subjects.iter().map(|subject| self.hint(kind, subject));
        hints.collect()
    }

    /// Says whether two deliveries are the same event: every attempt to deliver it gives the same
    /// text. Events carry no id of their own, so it is organization, operation, depth, message and
    /// record; those of Finance & Operations carry one. `None` where the operation is missing.
    pub fn identity(&self) -> Option<String> {
        if let Some(id) = &self.business_event.id {
            return Some(format!("event:{}", plain(id)));
        }
        let operation = self.operation?;
        let organization = self.organization.unwrap_or_default();
        let record = self.record.unwrap_or_default();
        let depth = self.depth.unwrap_or_default();
        let message = plain(self.message.as_deref().unwrap_or_default());
        Some(format!(
            "{organization}:{operation}:{depth}:{message}:{record}"
        ))
    }

    /// What kind of change the message is.
    pub fn kind(&self) -> ChangeKind {
        let word = self.message.as_deref().or_else(|| {
            let name = self.business_event.name.as_deref()?;
            name.rsplit_once('_').map(|(_, word)| word)
        });
        match word.unwrap_or_default().to_ascii_lowercase().as_str() {
            "create" | "createmultiple" => ChangeKind::Create,
            "update"
            | "updatemultiple"
            | "assign"
            | "setstate"
            | "setstatedynamicentity"
            | "associate"
            | "disassociate"
            | "merge" => ChangeKind::Update,
            "delete" | "deletemultiple" => ChangeKind::Delete,
            "restore" => ChangeKind::Undelete,
            _ => ChangeKind::Unknown,
        }
    }

    fn hint(&self, kind: ChangeKind, subject: &Subject<'_>) -> Result<Hint, DecodeError> {
        let object = subject.object.or(self.entity.as_deref());
        let object = object.ok_or(DecodeError::NoRecord)?;
        // A name that cannot be a table is not carried further.
        FieldName::new(object).map_err(|_| DecodeError::NoRecord)?;
        let created = || self.output.get("id").and_then(ContextValue::as_guid);
        let id = subject.id.or(self.record).or_else(created);
        let id = id.ok_or(DecodeError::NoRecord)?;
        Ok(Hint {
            object: object.to_owned(),
            scope: HintScope::Records(vec![read::record_id(id)?]),
            kind,
            origin: Origin {
                user: self
                    .initiating_user
                    .map(|id| id.as_hyphenated().to_string()),
                client: self.tag().map(str::to_owned),
            },
            at: subject
                .entity
                .and_then(|entity| entity.attributes.get("modifiedon")?.as_date())
                .map(|date| date.instant)
                .or_else(|| self.operation_time()),
            fields: self.fields(subject.entity, id),
        })
    }

    /// When it happened by the clock of the operation. A date that was held in another zone may be
    /// wrong by its offset, so it says nothing.
    fn operation_time(&self) -> Option<chrono::DateTime<chrono::Utc>> {
        let in_utc = |date: Option<ClrDate>| date.filter(ClrDate::is_utc);
        in_utc(self.operation_created)
            .or_else(|| in_utc(self.business_event.time))
            .map(|date| date.instant)
    }

    /// The `tag` of the request, which may have been seen further out only.
    fn tag(&self) -> Option<&str> {
        let mut context = Some(self);
        while let Some(current) = context {
            let tag = current.shared.get(TAG).and_then(ContextValue::as_text);
            if let Some(tag) = tag.filter(|tag| !tag.is_empty()) {
                return Some(tag);
            }
            context = current.parent.as_deref();
        }
        None
    }

    fn subjects(&self) -> Vec<Subject<'_>> {
        let Some(input) = &self.input else {
            return Vec::new();
        };
        let mut subjects = Vec::new();
        for name in ["Target", "Targets", "EntityMoniker", "RelatedEntities"] {
            if let Some(value) = input.get(name) {
                collect(value, &mut subjects);
            }
        }
        // The record that was merged into another one is closed by it.
        if let Some(id) = input.get("SubordinateId").and_then(ContextValue::as_guid) {
            let object = subjects.first().and_then(|target| target.object);
            subjects.push(Subject {
                object,
                id: Some(id),
                entity: None,
            });
        }
        subjects
    }

    /// The columns that are said to have changed; none where the event does not tell.
    fn fields(&self, entity: Option<&Entity>, id: Uuid) -> Vec<FieldName> {
        let message = self.message.as_deref().unwrap_or_default();
        let names: Vec<&str> = match entity {
            Some(entity) => entity
                .attributes
                .iter()
                // The only text that is the record's own id is that of its key.
                .filter(|(_, value)| value.as_guid() != Some(id))
                .map(|(name, _)| name)
                .filter(|name| !SYSTEM_COLUMNS.contains(name))
                .collect(),
            None if message.eq_ignore_ascii_case("assign") => vec!["ownerid"],
            None if message.to_ascii_lowercase().starts_with("setstate") => {
                vec!["statecode", "statuscode"]
            }
            None => Vec::new(),
        };
        // A name that cannot be a column leaves the rest in doubt.
        let fields: Result<_, _> = names.into_iter().map(FieldName::new).collect();
        fields.unwrap_or_default()
    }
}

/// The records of a parameter.
fn collect<'c>(value: &'c ContextValue, subjects: &mut Vec<Subject<'c>>) {
    let of_entity = |entity: &'c Entity| Subject {
        object: entity.logical_name.as_deref(),
        id: entity.id,
        entity: Some(entity),
    };
    match value {
        ContextValue::Entity(entity) => subjects.push(of_entity(entity)),
        ContextValue::Entities(entities) => subjects.extend(entities.iter().map(of_entity)),
        ContextValue::Reference(reference) => subjects.push(Subject {
            object: reference.logical_name.as_deref(),
            id: reference.id,
            entity: None,
        }),
        ContextValue::List(values) => {
            for value in values {
                collect(value, subjects);
            }
        }
        _ => {}
    }
}

/// A word from outside that may stand in a key.
fn plain(word: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    word.chars()
        .take(MESSAGE_CHARS_MAX)
        .map(|c| if safe(c) { c } else { '_' })
        .collect()
}
