use std::fmt;

use chrono::{DateTime, Utc};
use omnisync_core::crm::{ChangeKind, FieldName, Hint, HintScope, Origin};

use super::avro::{Datum, DecodeLimits, Reader};
use super::error::DecodeError;
use super::record_id::{RecordRef, normalize_id};

/// The field that every change event starts with.
pub(super) const HEADER: &str = "ChangeEventHeader";

/// Longest name of an object.
const ENTITY_CHARS_MAX: usize = 128;

/// What an event says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventHeader {
    /// The object: `Account`, `Some__c`.
    pub entity_name: String,
    /// All the records that were changed alike, in the order of the event.
    pub record_ids: Vec<RecordRef>,
    /// What happened to them.
    pub change_type: ChangeType,
    /// By which interface and client.
    pub change_origin: ChangeOrigin,
    /// The same for all events of one transaction.
    pub transaction_key: Option<String>,
    /// Order within the transaction, from 1; numbers can be missing.
    pub sequence_number: Option<i32>,
    /// When the transaction was committed.
    pub committed_at: Option<DateTime<Utc>>,
    /// Order of the transactions, exactly. Clients that cannot keep it send 0, which is none.
    pub commit_number: Option<i64>,
    /// Id of the user, in 18 characters. Always of who made this change, other than the field
    /// `LastModifiedById`, which an event leaves out unless it differs from the time before.
    pub commit_user: Option<String>,
    /// Fields that lost their value, as sent: bitmaps, or names where a client expanded them.
    pub nulled_fields: Vec<String>,
    /// Fields whose value is sent as a difference, as sent.
    pub diff_fields: Vec<String>,
    /// Fields that changed, as sent.
    pub changed_fields: Vec<String>,
}

/// What happened to the records of an event.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChangeType {
    /// Created.
    Create,
    /// Changed.
    Update,
    /// Deleted.
    Delete,
    /// Taken back from the bin.
    Undelete,
    /// Created, in a way the event cannot tell.
    GapCreate,
    /// Changed, in a way the event cannot tell.
    GapUpdate,
    /// Deleted, in a way the event cannot tell.
    GapDelete,
    /// Taken back, in a way the event cannot tell.
    GapUndelete,
    /// So many records of the object changed at once that none is named.
    GapOverflow,
    /// The record as it is, without a change.
    Snapshot,
    /// A word that is not known here.
    Unknown(String),
}

/// The change types that have a word, in the order of the newest schemas: the number by which a
/// payload names one has stayed the same in all of them.
const CHANGE_TYPES: [(&str, ChangeType); 10] = [
    ("CREATE", ChangeType::Create),
    ("UPDATE", ChangeType::Update),
    ("DELETE", ChangeType::Delete),
    ("UNDELETE", ChangeType::Undelete),
    ("GAP_CREATE", ChangeType::GapCreate),
    ("GAP_UPDATE", ChangeType::GapUpdate),
    ("GAP_DELETE", ChangeType::GapDelete),
    ("GAP_UNDELETE", ChangeType::GapUndelete),
    ("GAP_OVERFLOW", ChangeType::GapOverflow),
    ("SNAPSHOT", ChangeType::Snapshot),
];

impl ChangeType {
    /// The word of the header.
    pub fn as_str(&self) -> &str {
        if let Self::Unknown(word) = self {
            return word;
        }
        let known = CHANGE_TYPES.iter().find(|(_, change)| change == self);
        known.map_or("", |(word, _)| word)
    }

    /// True where the event cannot tell what changed, so that records have to be read again.
    pub const fn is_gap(&self) -> bool {
        matches!(
            self,
            Self::GapCreate
                | Self::GapUpdate
                | Self::GapDelete
                | Self::GapUndelete
                | Self::GapOverflow
        )
    }

    /// What the core calls it.
    pub const fn kind(&self) -> ChangeKind {
        match self {
            Self::Create => ChangeKind::Create,
            Self::Update => ChangeKind::Update,
            Self::Delete => ChangeKind::Delete,
            Self::Undelete => ChangeKind::Undelete,
            Self::Snapshot => ChangeKind::Snapshot,
            Self::Unknown(_) => ChangeKind::Unknown,
            _ => ChangeKind::Gap,
        }
    }
}

impl From<&str> for ChangeType {
    fn from(word: &str) -> Self {
        let known = CHANGE_TYPES.iter().find(|(known, _)| *known == word);
        known.map_or_else(
            || Self::Unknown(word.to_owned()),
            |(_, change)| change.clone(),
        )
    }
}

impl fmt::Display for ChangeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// By which interface and client a change was made:
/// `com/salesforce/api/rest/62.0;client=OmniSync`. Empty for changes that the platform makes by
/// itself. Read leniently, because clients end it as they like; nothing safe can be built on it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChangeOrigin(String);

impl ChangeOrigin {
    /// The text of the header.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The interface: `soap`, `rest`, `bulkapi`.
    pub fn api(&self) -> Option<&str> {
        self.path().next()
    }

    /// Its version: `62.0`.
    pub fn version(&self) -> Option<&str> {
        self.path().nth(1)
    }

    /// The client, by the name that it announced itself with, without a slash at its end.
    pub fn client(&self) -> Option<&str> {
        let parameters = self.0.split(';').skip(1);
        parameters
            .filter_map(|parameter| parameter.split_once('='))
            .filter(|(name, _)| name.trim().eq_ignore_ascii_case("client"))
            .map(|(_, client)| client.trim().trim_end_matches('/'))
            .find(|client| !client.is_empty())
    }

    fn path(&self) -> impl Iterator<Item = &str> {
        let path = self.0.split(';').next().unwrap_or_default();
        let path = path
            .trim()
            .strip_prefix("com/salesforce/api/")
            .unwrap_or_default();
        path.split('/').filter(|part| !part.is_empty())
    }
}

impl From<String> for ChangeOrigin {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for ChangeOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What can be said of an event whose schema is not at hand. All schemas start with the same
/// header, so its records, its kind and its origin are certain; which fields changed is not,
/// because the bitmaps count fields of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeaderOnly {
    /// The header. A change type that is not known here is `Unknown` with the number of it.
    pub header: EventHeader,
    /// Bytes of the payload after the header, which were not read.
    pub body_bytes: usize,
}

impl HeaderOnly {
    /// Reads the header off a payload.
    ///
    /// # Errors
    /// The payload does not start with the header of a change event.
    pub fn decode(payload: &[u8], limits: &DecodeLimits) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(payload, limits)?;
        let fields = fixed_header(&mut reader).map_err(|error| error.within(HEADER))?;
        Ok(Self {
            header: EventHeader::new(fields)?,
            body_bytes: reader.left(),
        })
    }

    /// Where to look.
    pub fn hints(&self) -> Vec<Hint> {
        self.header.hints(Vec::new())
    }
}

/// The members of a header, before they are believed.
#[derive(Default)]
pub(super) struct HeaderFields {
    pub(super) entity_name: Option<String>,
    pub(super) record_ids: Vec<String>,
    pub(super) change_type: Option<String>,
    pub(super) change_origin: Option<String>,
    pub(super) transaction_key: Option<String>,
    pub(super) sequence_number: Option<i64>,
    pub(super) commit_timestamp: Option<i64>,
    pub(super) commit_number: Option<i64>,
    pub(super) commit_user: Option<String>,
    pub(super) nulled_fields: Vec<String>,
    pub(super) diff_fields: Vec<String>,
    pub(super) changed_fields: Vec<String>,
}

impl EventHeader {
    pub(super) fn new(fields: HeaderFields) -> Result<Self, DecodeError> {
        let entity_name = fields.entity_name.filter(|name| is_entity(name));
        let change_type = fields.change_type.filter(|word| !word.is_empty());
        let record_ids: Option<Vec<RecordRef>> = fields
            .record_ids
            .iter()
            .map(|id| RecordRef::parse(id))
            .collect();
        let sequence_number = fields.sequence_number.map(i32::try_from).transpose();
        let instant = |millis| DateTime::from_timestamp_millis(millis);
        let committed_at = fields
            .commit_timestamp
            .map(|at| instant(at).ok_or(at))
            .transpose();
        let user = |text: String| {
            let id = normalize_id(&text);
            id.map_or(text, |id| id.as_str().to_owned())
        };
        Ok(Self {
            entity_name: entity_name.ok_or(DecodeError::Header("entityName"))?,
            record_ids: record_ids.ok_or(DecodeError::Header("recordIds"))?,
            change_type: change_type
                .as_deref()
                .map(ChangeType::from)
                .ok_or(DecodeError::Header("changeType"))?,
            change_origin: fields.change_origin.unwrap_or_default().into(),
            transaction_key: fields.transaction_key.filter(|key| !key.is_empty()),
            sequence_number: sequence_number.map_err(|_| DecodeError::Header("sequenceNumber"))?,
            committed_at: committed_at.map_err(|_| DecodeError::Header("commitTimestamp"))?,
            commit_number: fields.commit_number.filter(|number| *number != 0),
            commit_user: fields.commit_user.filter(|user| !user.is_empty()).map(user),
            nulled_fields: fields.nulled_fields,
            diff_fields: fields.diff_fields,
            changed_fields: fields.changed_fields,
        })
    }

    /// The header that was decoded with a schema, whose fields are called `names`.
    pub(super) fn of_record(names: &[String], values: Vec<Datum>) -> Result<Self, DecodeError> {
        let mut fields = HeaderFields::default();
        for (name, value) in names.iter().zip(values) {
            let wrong = |name| move || DecodeError::Header(name);
            match name.as_str() {
                "entityName" => fields.entity_name = text(value),
                "recordIds" => fields.record_ids = texts(value).ok_or_else(wrong("recordIds"))?,
                "changeType" => fields.change_type = text(value),
                "changeOrigin" => fields.change_origin = text(value),
                "transactionKey" => fields.transaction_key = text(value),
                "sequenceNumber" => fields.sequence_number = integer(&value),
                "commitTimestamp" => fields.commit_timestamp = integer(&value),
                "commitNumber" => fields.commit_number = integer(&value),
                "commitUser" => fields.commit_user = text(value),
                "nulledFields" => {
                    fields.nulled_fields = texts(value).ok_or_else(wrong("nulledFields"))?;
                }
                "diffFields" => {
                    fields.diff_fields = texts(value).ok_or_else(wrong("diffFields"))?;
                }
                "changedFields" => {
                    fields.changed_fields = texts(value).ok_or_else(wrong("changedFields"))?;
                }
                _ => {}
            }
        }
        Self::new(fields)
    }

    /// True when the event names no record, or not all: those of the object have to be compared.
    pub fn is_about_everything(&self) -> bool {
        self.change_type == ChangeType::GapOverflow
            || self.record_ids.is_empty()
            || self.record_ids.iter().any(|record| record.id().is_none())
    }

    /// Where to look, with the fields that are said to have changed.
    pub(super) fn hints(&self, fields: Vec<FieldName>) -> Vec<Hint> {
        let (scope, kind) = if self.is_about_everything() {
            (HintScope::Everything, ChangeKind::Gap)
        } else {
            let ids = self.record_ids.iter().filter_map(RecordRef::id);
            (
                HintScope::Records(ids.cloned().collect()),
                self.change_type.kind(),
            )
        };
        vec![Hint {
            object: self.entity_name.clone(),
            scope,
            kind,
            origin: Origin {
                user: self.commit_user.clone(),
                client: self.change_origin.client().map(str::to_owned),
            },
            at: self.committed_at,
            fields,
        }]
    }
}

/// The header as all schemas have it.
fn fixed_header(reader: &mut Reader<'_>) -> Result<HeaderFields, DecodeError> {
    let of = |name: &'static str| move |error: DecodeError| error.within(name);
    let texts = |reader: &mut Reader<'_>| reader.list(Reader::text);
    Ok(HeaderFields {
        entity_name: Some(reader.text().map_err(of("entityName"))?),
        record_ids: texts(reader).map_err(of("recordIds"))?,
        change_type: Some(change_type(reader.int().map_err(of("changeType"))?)),
        change_origin: Some(reader.text().map_err(of("changeOrigin"))?),
        transaction_key: Some(reader.text().map_err(of("transactionKey"))?),
        sequence_number: Some(reader.int().map_err(of("sequenceNumber"))?.into()),
        commit_timestamp: Some(reader.long().map_err(of("commitTimestamp"))?),
        commit_number: Some(reader.long().map_err(of("commitNumber"))?),
        commit_user: Some(reader.text().map_err(of("commitUser"))?),
        nulled_fields: texts(reader).map_err(of("nulledFields"))?,
        diff_fields: texts(reader).map_err(of("diffFields"))?,
        changed_fields: texts(reader).map_err(of("changedFields"))?,
    })
}

/// The word for the number of a change type.
fn change_type(number: i32) -> String {
    let known = usize::try_from(number)
        .ok()
        .and_then(|index| CHANGE_TYPES.get(index));
    known.map_or_else(|| number.to_string(), |(word, _)| (*word).to_owned())
}

fn is_entity(name: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=ENTITY_CHARS_MAX).contains(&name.len()) && name.bytes().all(is_name)
}

fn text(value: Datum) -> Option<String> {
    match value {
        Datum::Text(text) => Some(text),
        _ => None,
    }
}

const fn integer(value: &Datum) -> Option<i64> {
    match value {
        Datum::Integer(number) => Some(*number),
        _ => None,
    }
}

fn texts(value: Datum) -> Option<Vec<String>> {
    match value {
        Datum::List(items) => items.into_iter().map(text).collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(origin: &str, api: Option<&str>, version: Option<&str>, client: Option<&str>) {
        let origin = ChangeOrigin::from(origin.to_owned());
        let actual = (origin.api(), origin.version(), origin.client());
        assert_eq!(actual, (api, version, client), "{origin}");
    }

    #[test]
    fn an_origin_is_read_leniently() {
        let (soap, rest) = (Some("soap"), Some("rest"));
        check("", None, None, None);
        check(
            "com/salesforce/api/rest/62.0;client=OmniSync",
            rest,
            Some("62.0"),
            Some("OmniSync"),
        );
        check(
            "com/salesforce/api/soap/66.0;client=Internal/",
            soap,
            Some("66.0"),
            Some("Internal"),
        );
        check(
            "com/salesforce/api/soap/58.0;client=",
            soap,
            Some("58.0"),
            None,
        );
        check("com/salesforce/api/rest", rest, None, None);
        check("a;b;CLIENT=x;client=y", None, None, Some("x"));
        check(
            "com/salesforce/api/rest/62.0; client = a=b ",
            rest,
            Some("62.0"),
            Some("a=b"),
        );
        check(";;=;ü=", None, None, None);
    }

    #[test]
    fn every_change_type_has_its_word() {
        for (word, change) in CHANGE_TYPES {
            assert_eq!(ChangeType::from(word), change);
            assert_eq!(change.as_str(), word);
            assert_eq!(change.is_gap(), word.starts_with("GAP_"), "{word}");
            assert_eq!(change.is_gap(), change.kind() == ChangeKind::Gap, "{word}");
        }
        let new = ChangeType::from("MERGE");
        assert_eq!(new, ChangeType::Unknown("MERGE".to_owned()));
        assert_eq!((new.as_str(), new.kind()), ("MERGE", ChangeKind::Unknown));
    }
}
