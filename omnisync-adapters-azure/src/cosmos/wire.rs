//! Documents as the service keeps them: the members of the body at the top level, where dashboards
//! read them, and everything else in one member of ours.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Datelike, SecondsFormat, TimeDelta, Utc};
use omnisync_core::id::ETag;
use omnisync_core::port::{Content, Document, DocumentKey};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::address::{Address, Place};
use super::json::{Members, survives};

/// The member of ours.
pub(super) const ENVELOPE: &str = "omnisync";
/// Version of this layout.
const LAYOUT: u32 = 1;
/// Largest `ttl`, in seconds.
const TTL_S_MAX: i64 = i32::MAX as i64;

/// What goes around a body.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    /// Version of this layout.
    v: u32,
    #[serde(borrow)]
    collection: Cow<'a, str>,
    #[serde(borrow)]
    state: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    due_at: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    expires_at: Option<Cow<'a, str>>,
    /// Names the write that made this version, so that a writer whose answer was lost knows it.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    write: Option<Cow<'a, str>>,
    /// Members of the body whose names the top level needs for itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", borrow)]
    kept: BTreeMap<Cow<'a, str>, &'a RawValue>,
    /// Members of the body that the service would change, as texts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", borrow)]
    texts: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    /// A body that is no object. It may be `null`, which is not the same as none.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present",
        borrow
    )]
    body: Option<&'a RawValue>,
    /// A body that the service would change, as a text.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    text: Option<Cow<'a, str>>,
}

fn present<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

/// Why a document cannot be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unstorable {
    /// An instant before the year 0 or after 9999.
    Instant,
    /// It cannot be rendered.
    Json,
}

/// The document, ready to be sent.
pub(super) fn encode(
    key: &DocumentKey,
    place: &Place,
    address: &Address,
    content: &Content,
    write: &str,
    now: DateTime<Utc>,
) -> Result<Box<RawValue>, Unstorable> {
    let mut envelope = Envelope {
        v: LAYOUT,
        collection: Cow::Borrowed(key.collection.as_str()),
        state: Cow::Borrowed(&content.state),
        due_at: content.due_at.map(stamp).transpose()?.map(Cow::Owned),
        expires_at: content.expires_at.map(stamp).transpose()?.map(Cow::Owned),
        write: Some(Cow::Borrowed(write)),
        kept: BTreeMap::new(),
        texts: BTreeMap::new(),
        body: None,
        text: None,
    };
    let top = spread(&content.body, place, &mut envelope);
    let item = Item {
        place,
        address,
        ttl: content.expires_at.and_then(|until| ttl(until, now)),
        top,
        envelope,
    };
    serde_json::value::to_raw_value(&item).map_err(|_| Unstorable::Json)
}

/// Divides the body: what it returns goes to the top level.
fn spread<'a>(
    body: &'a RawValue,
    place: &Place,
    envelope: &mut Envelope<'a>,
) -> Vec<(Cow<'a, str>, &'a RawValue)> {
    let json = body.get();
    let Some(members) = members_of(json) else {
        if survives(json) {
            envelope.body = Some(body);
        } else {
            envelope.text = Some(Cow::Borrowed(json));
        }
        return Vec::new();
    };
    let names: HashSet<&str> = members.iter().map(|(name, _)| name.as_ref()).collect();
    if names.len() < members.len() || names.contains("") {
        envelope.text = Some(Cow::Borrowed(json));
        return Vec::new();
    }
    let mut top = Vec::with_capacity(members.len());
    for (name, value) in members {
        if !survives(value.get()) {
            envelope.texts.insert(name, Cow::Borrowed(value.get()));
        } else if is_taken(&name, place) {
            envelope.kept.insert(name, value);
        } else {
            top.push((name, value));
        }
    }
    top
}

fn members_of(json: &str) -> Option<Vec<(Cow<'_, str>, &RawValue)>> {
    serde_json::from_str::<Members<'_>>(json)
        .ok()
        .map(|members| members.0)
}

/// True for names that the top level needs for itself. The service adds some that begin with `_`.
fn is_taken(name: &str, place: &Place) -> bool {
    name.starts_with('_') || matches!(name, "id" | "ttl" | ENVELOPE) || name == place.partition_key
}

/// Seconds until the service may remove the document, rounded up. `None` for one that stays
/// longer than the service can say.
fn ttl(until: DateTime<Utc>, now: DateTime<Utc>) -> Option<i64> {
    let left = until.signed_duration_since(now);
    let whole = left.num_seconds();
    let seconds = if left > TimeDelta::seconds(whole) {
        whole + 1
    } else {
        whole
    };
    (seconds <= TTL_S_MAX).then_some(seconds.max(1))
}

/// The instant as a text whose order is the order of time.
fn stamp(instant: DateTime<Utc>) -> Result<String, Unstorable> {
    if (0..=9_999).contains(&instant.year()) {
        Ok(instant.to_rfc3339_opts(SecondsFormat::Nanos, true))
    } else {
        Err(Unstorable::Instant)
    }
}

/// A limit that [`stamp`]s are compared with: any instant has one.
pub(super) fn limit(instant: DateTime<Utc>) -> String {
    match instant.year() {
        ..0 => String::new(),
        // Behind every digit.
        10_000.. => ":".to_owned(),
        _ => stamp(instant).unwrap_or_default(),
    }
}

struct Item<'a> {
    place: &'a Place,
    address: &'a Address,
    ttl: Option<i64>,
    top: Vec<(Cow<'a, str>, &'a RawValue)>,
    envelope: Envelope<'a>,
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("id", &self.address.id)?;
        if !self.place.is_keyed_by_id() {
            map.serialize_entry(&self.place.partition_key, &self.address.partition)?;
        }
        for (name, value) in &self.top {
            map.serialize_entry(name, value)?;
        }
        if let Some(seconds) = self.ttl {
            map.serialize_entry("ttl", &seconds)?;
        }
        map.serialize_entry(ENVELOPE, &self.envelope)?;
        map.end()
    }
}

/// Columns of a query without bodies: what [`Head`] reads.
pub(super) const HEAD_COLUMNS: &str = "c.id, c._etag, c.omnisync.v AS v, c.omnisync.collection AS \
    collection, c.omnisync.state AS state, c.omnisync.dueAt AS dueAt, c.omnisync.expiresAt AS \
    expiresAt";

/// A document without its body.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a> {
    v: u32,
    #[serde(borrow)]
    collection: Cow<'a, str>,
    #[serde(borrow)]
    state: Cow<'a, str>,
    #[serde(default, borrow)]
    due_at: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    expires_at: Option<Cow<'a, str>>,
}

/// What is wrong with a document.
pub(super) type Wrong = &'static str;

/// The members that every item has.
#[derive(Deserialize)]
struct Marks {
    id: String,
    #[serde(rename = "_etag")]
    etag: String,
}

/// Id and tag of an item.
pub(super) fn marks(json: &str) -> Result<(String, ETag), Wrong> {
    let marks: Marks = serde_json::from_str(json).map_err(|_| "an item without an id or a tag")?;
    let etag = ETag::new(marks.etag).map_err(|_| "an unusable tag")?;
    Ok((marks.id, etag))
}

/// Reads a whole item.
pub(super) fn decode(
    json: &str,
    place: &Place,
    key: DocumentKey,
    etag: ETag,
) -> Result<Document, Wrong> {
    let members = members_of(json).ok_or("no object")?;
    let envelope = envelope(&members)?;
    let head = Head {
        v: envelope.v,
        collection: envelope.collection.clone(),
        state: envelope.state.clone(),
        due_at: envelope.due_at.clone(),
        expires_at: envelope.expires_at.clone(),
    };
    let body = body(members, envelope, place)?;
    document(&head, key, etag, Some(body))
}

/// Reads the answer of a query for [`HEAD_COLUMNS`].
pub(super) fn decode_head(json: &str, key: DocumentKey, etag: ETag) -> Result<Document, Wrong> {
    let head: Head<'_> = serde_json::from_str(json).map_err(|_| UNREADABLE)?;
    document(&head, key, etag, None)
}

/// Stands for an item that cannot be read, so that it fails alone: the body is the whole item as a
/// text, which is no document of any type.
pub(super) fn unreadable(json: &str, key: DocumentKey, etag: ETag, bodies: bool) -> Document {
    #[derive(Default, Deserialize)]
    struct Loose {
        #[serde(default)]
        omnisync: serde_json::Value,
        #[serde(default)]
        state: serde_json::Value,
    }
    let loose: Loose = serde_json::from_str(json).unwrap_or_default();
    // A query without bodies asks for the state itself.
    let state = if bodies {
        loose.omnisync.get("state").and_then(|state| state.as_str())
    } else {
        loose.state.as_str()
    };
    Document {
        key,
        state: state.unwrap_or_default().to_owned(),
        due_at: None,
        expires_at: None,
        body: bodies
            .then(|| serde_json::value::to_raw_value(json).ok())
            .flatten(),
        etag,
    }
}

/// The write that made this version of an item.
pub(super) fn write_of(json: &str) -> Option<String> {
    let members = members_of(json)?;
    Some(envelope(&members).ok()?.write?.into_owned())
}

const UNREADABLE: Wrong = "a member `omnisync` that cannot be read";

fn envelope<'a>(members: &[(Cow<'a, str>, &'a RawValue)]) -> Result<Envelope<'a>, Wrong> {
    let found = members.iter().find(|(name, _)| name == ENVELOPE);
    let (_, raw) = found.ok_or("no member `omnisync`: another program wrote it")?;
    serde_json::from_str(raw.get()).map_err(|_| UNREADABLE)
}

fn document(
    head: &Head<'_>,
    key: DocumentKey,
    etag: ETag,
    body: Option<Box<RawValue>>,
) -> Result<Document, Wrong> {
    if head.v != LAYOUT {
        return Err("a layout that this version does not know");
    }
    if head.collection != key.collection.as_str() {
        return Err("a document of another collection");
    }
    Ok(Document {
        key,
        state: head.state.clone().into_owned(),
        due_at: head.due_at.as_deref().map(instant).transpose()?,
        expires_at: head.expires_at.as_deref().map(instant).transpose()?,
        body,
        etag,
    })
}

fn instant(text: &str) -> Result<DateTime<Utc>, Wrong> {
    DateTime::parse_from_rfc3339(text)
        .map(|instant| instant.with_timezone(&Utc))
        .map_err(|_| "an instant that cannot be read")
}

/// Puts the body together again.
fn body(
    members: Vec<(Cow<'_, str>, &RawValue)>,
    envelope: Envelope<'_>,
    place: &Place,
) -> Result<Box<RawValue>, Wrong> {
    const NO_JSON: Wrong = "a body that is not JSON";
    if let Some(text) = envelope.text {
        return RawValue::from_string(text.into_owned()).map_err(|_| NO_JSON);
    }
    if let Some(body) = envelope.body {
        return Ok(body.to_owned());
    }
    let mut whole: Vec<(Cow<'_, str>, Cow<'_, RawValue>)> = members
        .into_iter()
        .filter(|(name, _)| !is_taken(name, place))
        .map(|(name, value)| (name, Cow::Borrowed(value)))
        .collect();
    let kept = envelope.kept.into_iter();
    whole.extend(kept.map(|(name, value)| (name, Cow::Borrowed(value))));
    for (name, text) in envelope.texts {
        let value = RawValue::from_string(text.into_owned()).map_err(|_| NO_JSON)?;
        whole.push((name, Cow::Owned(value)));
    }
    serde_json::value::to_raw_value(&Whole(whole)).map_err(|_| NO_JSON)
}

struct Whole<'a>(Vec<(Cow<'a, str>, Cow<'a, RawValue>)>);

impl Serialize for Whole<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

#[cfg(test)]
mod tests;
