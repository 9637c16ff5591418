use std::collections::BTreeMap;

use omnisync_adapters_salesforce::cdc::{
    ChangeEvent, EncodedEvent, EventHeader, FieldPath, FieldState, FieldValue, HeaderOnly,
    PlainEvent, RecordRef, ReplayId,
};
use serde::{Serialize, Serializer};

/// What is known about an event.
pub(crate) struct About {
    id: Option<String>,
    schema_id: Option<String>,
    replay_id: Option<ReplayId>,
    decoded: Decoded,
}

enum Decoded {
    Full(Box<ChangeEvent>),
    Plain(Box<ChangeEvent>),
    Header(Box<HeaderOnly>),
}

impl About {
    pub(crate) fn decoded(event: EncodedEvent, decoded: ChangeEvent) -> Self {
        Self {
            id: event.id,
            schema_id: Some(event.schema_id),
            replay_id: event.replay_id,
            decoded: Decoded::Full(Box::new(decoded)),
        }
    }

    pub(crate) fn header(event: EncodedEvent, header: HeaderOnly) -> Self {
        Self {
            id: event.id,
            schema_id: Some(event.schema_id),
            replay_id: event.replay_id,
            decoded: Decoded::Header(Box::new(header)),
        }
    }

    pub(crate) fn plain(event: PlainEvent) -> Self {
        Self {
            id: event.id,
            schema_id: event.schema_id,
            replay_id: event.replay_id,
            decoded: Decoded::Plain(Box::new(event.event)),
        }
    }

    fn header_of(&self) -> &EventHeader {
        match &self.decoded {
            Decoded::Full(event) | Decoded::Plain(event) => event.header(),
            Decoded::Header(header) => &header.header,
        }
    }

    fn event(&self) -> Option<&ChangeEvent> {
        match &self.decoded {
            Decoded::Full(event) | Decoded::Plain(event) => Some(event),
            Decoded::Header(_) => None,
        }
    }
}

/// A line of the output: an event as it is about one of its records.
#[derive(Serialize)]
pub(crate) struct Line<'a> {
    entity: &'a str,
    /// Null where the event names no record.
    record_id: Option<String>,
    change_type: &'a str,
    change_origin: &'a str,
    commit_user: Option<&'a str>,
    commit_number: Option<i64>,
    commit_timestamp: Option<i64>,
    sequence_number: Option<i32>,
    transaction_key: Option<&'a str>,
    replay_id: Option<String>,
    event_id: Option<&'a str>,
    schema_id: Option<&'a str>,
    /// `full` with the schema, `header` without it, `json` where somebody else decoded it.
    decoded: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nulled: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Values<'a>>,
    /// Differences instead of values.
    #[serde(skip_serializing_if = "Option::is_none")]
    diffs: Option<Values<'a>>,
    /// What the header lists, by names of lists, where there is no schema to expand it with.
    #[serde(skip_serializing_if = "Option::is_none")]
    bitmaps: Option<BTreeMap<&'static str, &'a [String]>>,
}

impl<'a> Line<'a> {
    /// A line for each record, and one for an event without any.
    pub(crate) fn each(about: &'a About) -> impl Iterator<Item = Self> {
        let records = &about.header_of().record_ids;
        let nobody = records.is_empty().then_some(None);
        let records = records.iter().map(Some).chain(nobody);
        records.map(|record| Self::of(about, record))
    }

    fn of(about: &'a About, record: Option<&RecordRef>) -> Self {
        let header = about.header_of();
        let event = about.event();
        Self {
            entity: &header.entity_name,
            record_id: record.map(ToString::to_string),
            change_type: header.change_type.as_str(),
            change_origin: header.change_origin.as_str(),
            commit_user: header.commit_user.as_deref(),
            commit_number: header.commit_number,
            commit_timestamp: header.committed_at.map(|at| at.timestamp_millis()),
            sequence_number: header.sequence_number,
            transaction_key: header.transaction_key.as_deref(),
            replay_id: about.replay_id.as_ref().map(ToString::to_string),
            event_id: about.id.as_deref(),
            schema_id: about.schema_id.as_deref(),
            decoded: match about.decoded {
                Decoded::Full(_) => "full",
                Decoded::Plain(_) => "json",
                Decoded::Header(_) => "header",
            },
            changed: event.map(|event| names(event.changed())),
            nulled: event.map(|event| names(event.nulled())),
            values: event.map(Values::of),
            diffs: event.map(Values::diffs).filter(|diffs| !diffs.0.is_empty()),
            bitmaps: event.is_none().then(|| bitmaps(header)),
        }
    }
}

fn bitmaps(header: &EventHeader) -> BTreeMap<&'static str, &[String]> {
    BTreeMap::from([
        ("changed", header.changed_fields.as_slice()),
        ("diff", header.diff_fields.as_slice()),
        ("nulled", header.nulled_fields.as_slice()),
    ])
}

fn names(paths: &[FieldPath]) -> Vec<&str> {
    paths.iter().map(FieldPath::as_str).collect()
}

/// Values by the names of their fields, in the order of the schema.
struct Values<'a>(Vec<(&'a str, Option<&'a FieldValue>)>);

impl<'a> Values<'a> {
    /// The values of the fields that changed: null where one changed to nothing.
    fn of(event: &'a ChangeEvent) -> Self {
        let is_changed = |path: &FieldPath| {
            event.changed().iter().any(|changed| {
                let rest = path.as_str().strip_prefix(changed.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
        };
        let value = |(path, state): (&'a FieldPath, &'a FieldState)| match state {
            FieldState::Changed(value) => Some((path.as_str(), Some(value))),
            FieldState::Nulled if is_changed(path) => Some((path.as_str(), None)),
            _ => None,
        };
        Self(event.fields().filter_map(value).collect())
    }

    fn diffs(event: &'a ChangeEvent) -> Self {
        let value = |(path, state): (&'a FieldPath, &'a FieldState)| match state {
            FieldState::Diff(value) => Some((path.as_str(), Some(value))),
            _ => None,
        };
        Self(event.fields().filter_map(value).collect())
    }
}

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(name, value)| (name, value.map(Shown))))
    }
}

/// A value as JSON. Bytes are shown in hex.
struct Shown<'a>(&'a FieldValue);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            FieldValue::Boolean(value) => to.serialize_bool(*value),
            FieldValue::Integer(value) => to.serialize_i64(*value),
            FieldValue::Double(value) => to.serialize_f64(*value),
            FieldValue::Text(text) => to.serialize_str(text),
            FieldValue::Bytes(bytes) => {
                let digit = |number: u8| char::from_digit(number.into(), 16);
                let digits = bytes
                    .iter()
                    .flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]);
                to.serialize_str(&digits.flatten().collect::<String>())
            }
            FieldValue::List(items) => {
                to.collect_seq(items.iter().map(|item| item.as_ref().map(Shown)))
            }
            _ => to.serialize_none(),
        }
    }
}
