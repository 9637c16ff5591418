//! What was read, as JSON for people.

use chrono::SecondsFormat;
use omnisync_core::crm::{Hint, Native};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::callback::CallbackRow;
use super::context::{BusinessEvent, ExecutionContext};
use super::date::ClrDate;
use super::delta::{DELTA_LIMITS, DeltaPage, DeltaRow, NextLink};
use super::error::DecodeError;
use super::read;
use super::row::RowColumns;
use super::value::{Columns, ContextValue, Entity, EntityReference, Raw};

/// Everything that is read of an event, a call of the connector or a page of change tracking, for
/// people to look at: dates by RFC 3339, GUIDs in one form, decimals as texts, with the hints that
/// come of it. What is missing is left out.
///
/// It shows what records hold. It belongs on a screen, not into a log.
///
/// # Errors
/// [`DecodeError`], as the readers of the three forms.
pub fn describe(body: &[u8]) -> Result<Value, DecodeError> {
    let document = read::document(body, &DELTA_LIMITS)?;
    if DeltaPage::is_meant(&document) {
        return DeltaPage::from_json(&document, None).map(|read| page(&read));
    }
    if CallbackRow::is_meant(&document) {
        return CallbackRow::from_json(&document).map(|read| callback(&read));
    }
    ExecutionContext::from_json(&document, 0).map(|read| event(&read))
}

/// An object without the members that hold nothing.
#[derive(Default)]
struct Members(Map<String, Value>);

impl Members {
    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        let is_nothing = match &value {
            Value::Null => true,
            Value::Array(elements) => elements.is_empty(),
            Value::Object(members) => members.is_empty(),
            _ => false,
        };
        if !is_nothing {
            self.0.insert(name.to_owned(), value);
        }
        self
    }

    fn into_value(self) -> Value {
        Value::Object(self.0)
    }
}

fn event(read: &ExecutionContext) -> Value {
    let hints = match read.hints() {
        Ok(hints) => hints_of(&hints),
        Err(error) => json!({ "refused": error.to_string() }),
    };
    Members::default()
        .with("form", "executionContext")
        .with("identity", read.identity())
        .with("isCut", read.is_cut())
        .with("hints", hints)
        .with("context", context(read))
        .into_value()
}

fn callback(read: &CallbackRow) -> Value {
    Members::default()
        .with("form", "callbackRow")
        .with("message", read.message.clone())
        .with("record", guid(Some(read.record)))
        .with("columns", row(&read.columns))
        .into_value()
}

fn page(read: &DeltaPage) -> Value {
    let rows = read.rows.iter().map(|read| match read {
        DeltaRow::Changed {
            record,
            version,
            columns,
        } => Members::default()
            .with("change", "changed")
            .with("record", guid(Some(*record)))
            .with(
                "version",
                version.as_ref().map(|token| token.as_str().to_owned()),
            )
            .with("columns", row(columns))
            .into_value(),
        DeltaRow::Removed { record, is_deleted } => {
            let change = if *is_deleted { "deleted" } else { "removed" };
            json!({ "change": change, "record": guid(Some(*record)) })
        }
    });
    let (next_page, delta) = match &read.next {
        Some(NextLink::Page(link)) => (Some(link.clone()), None),
        Some(NextLink::Delta(link)) => (None, Some(link.clone())),
        None => (None, None),
    };
    Members::default()
        .with("form", "deltaPage")
        .with("rows", rows.collect::<Vec<_>>())
        .with("nextLink", next_page)
        .with("deltaLink", delta)
        .into_value()
}

fn hints_of(hints: &[Hint]) -> Value {
    serde_json::to_value(hints).unwrap_or_default()
}

fn context(read: &ExecutionContext) -> Value {
    let text = |text: &Option<String>| text.clone();
    let parent = read.parent.as_deref().map(context);
    let owner = read.owning_extension.as_ref().map(reference);
    let unknown = read.unknown.iter();
    let unknown: Map<_, _> = unknown
        .map(|(name, value)| (name.clone(), raw(value)))
        .collect();
    Members::default()
        .with("messageName", text(&read.message))
        .with("primaryEntityName", text(&read.entity))
        .with("primaryEntityId", guid(read.record))
        .with("secondaryEntityName", text(&read.secondary_entity))
        .with("organizationId", guid(read.organization))
        .with("organizationName", text(&read.organization_name))
        .with("businessUnitId", guid(read.business_unit))
        .with("operationId", guid(read.operation))
        .with("requestId", guid(read.request))
        .with("correlationId", guid(read.correlation))
        .with("userId", guid(read.user))
        .with("userObjectId", guid(read.user_object))
        .with("initiatingUserId", guid(read.initiating_user))
        .with("initiatingUserObjectId", guid(read.initiating_user_object))
        .with("initiatingUserAgent", text(&read.initiating_user_agent))
        .with("depth", read.depth)
        .with("mode", read.mode)
        .with("stage", read.stage)
        .with("isolationMode", read.isolation_mode)
        .with("operationCreatedOn", read.operation_created.map(date))
        .with("isInTransaction", read.is_in_transaction)
        .with("isExecutingOffline", read.is_executing_offline)
        .with("isOfflinePlayback", read.is_offline_playback)
        .with("businessEvent", business_event(&read.business_event))
        .with("inputParameters", read.input.as_ref().map(columns))
        .with("outputParameters", columns(&read.output))
        .with("sharedVariables", columns(&read.shared))
        .with("preEntityImages", columns(&read.pre_images))
        .with("postEntityImages", columns(&read.post_images))
        .with("owningExtension", owner)
        .with("unknown", unknown)
        .with("parentContext", parent)
        .into_value()
}

fn business_event(read: &BusinessEvent) -> Value {
    Members::default()
        .with("businessEventId", read.name.clone())
        .with("eventId", read.id.clone())
        .with("eventTime", read.time.map(date))
        .into_value()
}

/// Names and values; a name that occurs again is numbered, so that nothing is left out.
fn columns(read: &Columns) -> Value {
    let mut members = Map::new();
    for (name, read) in read.iter() {
        let mut key = name.to_owned();
        let mut number = 2_usize;
        while members.contains_key(&key) {
            key = format!("{name}#{number}");
            number += 1;
        }
        members.insert(key, value(read));
    }
    Value::Object(members)
}

fn value(read: &ContextValue) -> Value {
    match read {
        ContextValue::Null => Value::Null,
        ContextValue::Boolean(truth) => Value::Bool(*truth),
        ContextValue::Number(number) => Value::String(number.to_string()),
        ContextValue::Text(text) => match read.as_guid() {
            Some(id) => guid(Some(id)),
            None => Value::String(text.clone()),
        },
        ContextValue::Date(read) => date(*read),
        ContextValue::Choice(option) => json!({ "choice": option }),
        ContextValue::Choices(options) => json!({ "choices": options }),
        ContextValue::Money(amount) => json!({ "money": amount.to_string() }),
        ContextValue::Reference(read) => json!({ "reference": reference(read) }),
        ContextValue::Entity(read) => json!({ "entity": entity(read) }),
        ContextValue::Entities(list) => {
            json!({ "entities": list.iter().map(entity).collect::<Vec<_>>() })
        }
        ContextValue::Aliased {
            entity,
            attribute,
            value: inner,
        } => json!({
            "aliased": { "entity": entity, "attribute": attribute, "value": value(inner) }
        }),
        ContextValue::List(values) => Value::Array(values.iter().map(value).collect()),
        ContextValue::Other {
            type_name,
            raw: text,
        } => json!({ "other": raw(text), "type": type_name }),
    }
}

fn entity(read: &Entity) -> Value {
    Members::default()
        .with("logicalName", read.logical_name.clone())
        .with("id", guid(read.id))
        .with("rowVersion", read.row_version.clone())
        .with("keys", columns(&read.keys))
        .with("attributes", columns(&read.attributes))
        .with("formattedValues", columns(&read.formatted))
        .into_value()
}

fn reference(read: &EntityReference) -> Value {
    Members::default()
        .with("logicalName", read.logical_name.clone())
        .with("id", guid(read.id))
        .with("name", read.name.clone())
        .with("rowVersion", read.row_version.clone())
        .with("keys", columns(&read.keys))
        .into_value()
}

fn row(read: &RowColumns) -> Value {
    let columns = read.iter();
    Value::Object(
        columns
            .map(|(name, value)| (name.to_owned(), native(value)))
            .collect(),
    )
}

fn native(read: &Native) -> Value {
    match read {
        Native::Null => Value::Null,
        Native::Boolean(truth) => Value::Bool(*truth),
        Native::Number(number) => Value::String(number.to_string()),
        Native::Text(text) => Value::String(text.clone()),
        Native::List(values) => Value::Array(values.iter().map(native).collect()),
    }
}

/// With the offset in which it was held, where one was written.
fn date(read: ClrDate) -> Value {
    let offset = read
        .offset_minutes
        .and_then(|minutes| chrono::FixedOffset::east_opt(minutes.checked_mul(60)?));
    Value::String(match offset {
        Some(offset) if !read.is_utc() => read
            .instant
            .with_timezone(&offset)
            .to_rfc3339_opts(SecondsFormat::AutoSi, true),
        _ => read.instant.to_rfc3339_opts(SecondsFormat::AutoSi, true),
    })
}

fn guid(id: Option<Uuid>) -> Value {
    id.map_or(Value::Null, |id| {
        Value::String(id.as_hyphenated().to_string())
    })
}

/// Text of JSON that was read already; where its numbers do not fit it stays a text.
fn raw(read: &Raw) -> Value {
    serde_json::from_str(&read.0).unwrap_or_else(|_| Value::String(read.0.clone()))
}
