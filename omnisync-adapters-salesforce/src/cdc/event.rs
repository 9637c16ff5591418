use std::collections::BTreeSet;
use std::fmt;

use omnisync_core::crm::{FieldName, Hint, Native, NotNative};
use rust_decimal::Decimal;

use super::avro::Datum;
use super::error::DecodeError;
use super::header::{ChangeType, EventHeader};

/// Parts of an address that the platform fills in by itself, a second or so after somebody wrote
/// the rest of it.
pub const DERIVED_CHILDREN: [&str; 3] = ["Latitude", "Longitude", "GeocodeAccuracy"];

/// A field: `Name`, `ShippingAddress.Street`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath {
    text: String,
    is_derived: bool,
}

impl FieldPath {
    pub(super) fn new(name: &str) -> Self {
        Self {
            text: name.to_owned(),
            is_derived: false,
        }
    }

    pub(super) fn child(&self, name: &str, of_address: bool) -> Self {
        Self {
            text: format!("{}.{name}", self.text),
            is_derived: of_address && DERIVED_CHILDREN.contains(&name),
        }
    }

    /// A path that somebody else wrote. Without the schema, an address is known by its name.
    pub(super) fn of_text(text: &str) -> Self {
        match text.rsplit_once('.') {
            Some((parent, name)) => Self::new(parent).child(name, parent.ends_with("Address")),
            None => Self::new(text),
        }
    }

    /// The names from the record on, with dots between them.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// True for a part of an address that the platform fills in, see [`DERIVED_CHILDREN`].
    pub const fn is_derived(&self) -> bool {
        self.is_derived
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

/// The value of a field as the event has it: points in time and dates are milliseconds where the
/// event came as Avro, and texts where it came as JSON.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum FieldValue {
    /// Yes or no.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number as Salesforce keeps it.
    Double(f64),
    /// Text; also ids and picklist values.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Several values.
    List(Vec<Option<Self>>),
}

impl FieldValue {
    /// The value of what was decoded; `None` for null, and for what no field holds.
    pub(super) fn of(datum: Datum) -> Option<Self> {
        Some(match datum {
            Datum::Null => return None,
            Datum::Boolean(value) => Self::Boolean(value),
            Datum::Integer(value) => Self::Integer(value),
            Datum::Double(value) => Self::Double(value),
            Datum::Text(text) => Self::Text(text),
            Datum::Bytes(bytes) => Self::Bytes(bytes),
            Datum::List(items) | Datum::Record(items) => {
                Self::List(items.into_iter().map(Self::of).collect())
            }
            Datum::Map(entries) => Self::List(
                entries
                    .into_iter()
                    .map(|(_, value)| Self::of(value))
                    .collect(),
            ),
        })
    }

    /// The value as the core takes it. A number that is not whole is the shortest decimal that
    /// gives it, which is the one that was entered.
    ///
    /// # Errors
    /// A number of more than 28 digits, or none at all; bytes.
    pub fn to_native(&self) -> Result<Native, NotNative> {
        Ok(match self {
            Self::Boolean(value) => Native::Boolean(*value),
            Self::Integer(value) => Native::Number(Decimal::from(*value)),
            Self::Double(value) => {
                let number = Decimal::from_str_exact(&value.to_string());
                Native::Number(number.map_err(|_| NotNative::Number)?)
            }
            Self::Text(text) => Native::Text(text.clone()),
            Self::Bytes(_) => return Err(NotNative::Object),
            Self::List(items) => {
                let native =
                    |item: &Option<Self>| item.as_ref().map_or(Ok(Native::Null), Self::to_native);
                Native::List(items.iter().map(native).collect::<Result<_, _>>()?)
            }
        })
    }
}

/// Leaves the content out: records hold personal data.
impl fmt::Debug for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(_) => f.write_str("Boolean(..)"),
            Self::Integer(_) => f.write_str("Integer(..)"),
            Self::Double(_) => f.write_str("Double(..)"),
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
            Self::List(items) => write!(f, "List({} items)", items.len()),
        }
    }
}

/// What an event says about a field. That it says nothing is not that the field is empty.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldState {
    /// The field has this value; it may have had another.
    Changed(FieldValue),
    /// The field changed. What is sent is not its value but a difference of two texts.
    Diff(FieldValue),
    /// The field has no value any more.
    Nulled,
    /// The event says nothing about the field.
    Absent,
}

/// A change event: who changed what of which records.
///
/// A merged event is about several records, all of which were changed alike.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeEvent {
    header: EventHeader,
    lists: Lists,
    says_what_changed: bool,
    fields: Vec<(FieldPath, FieldState)>,
    unlisted: Vec<(FieldPath, FieldValue)>,
}

/// The fields that a header names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Lists {
    pub(super) changed: Vec<FieldPath>,
    pub(super) nulled: Vec<FieldPath>,
    pub(super) diff: Vec<FieldPath>,
}

/// A field without children, and its value in the body of the event.
pub(super) struct Leaf {
    path: FieldPath,
    value: Option<FieldValue>,
}

impl Leaf {
    pub(super) const fn new(path: FieldPath, value: Option<FieldValue>) -> Self {
        Self { path, value }
    }
}

impl ChangeEvent {
    /// An event that was decoded with its schema: the body has all fields, and the lists alone say
    /// which of them an update is about.
    pub(super) fn of_schema(
        header: EventHeader,
        lists: Lists,
        leaves: Vec<Leaf>,
    ) -> Result<Self, DecodeError> {
        let nulled = Names::of(&lists.nulled);
        let contradiction = leaves
            .iter()
            .find(|leaf| leaf.value.is_some() && nulled.cover(&leaf.path));
        if let Some(leaf) = contradiction {
            return Err(DecodeError::NulledWithValue {
                field: leaf.path.to_string(),
            });
        }
        Ok(Self::new(header, lists, true, leaves))
    }

    /// An event as a client of the Pub/Sub API decoded it: the same, but the lists may have got
    /// lost. Then every value may be new.
    pub(super) fn of_client(header: EventHeader, lists: Lists, leaves: Vec<Leaf>) -> Self {
        let is_listed =
            !(lists.changed.is_empty() && lists.nulled.is_empty() && lists.diff.is_empty());
        if is_listed || header.change_type != ChangeType::Update {
            return Self::new(header, lists, is_listed, leaves);
        }
        let changed = leaves.iter().filter(|leaf| leaf.value.is_some());
        let lists = Lists {
            changed: changed.map(|leaf| leaf.path.clone()).collect(),
            ..Lists::default()
        };
        Self::new(header, lists, false, leaves)
    }

    /// An event of the Streaming API: what did not change is not in it, and null is a value.
    pub(super) fn of_streaming(header: EventHeader, leaves: Vec<Leaf>) -> Self {
        let mut lists = Lists::default();
        if !has_whole_record(&header.change_type) {
            for leaf in &leaves {
                let list = match leaf.value {
                    Some(_) => &mut lists.changed,
                    None => &mut lists.nulled,
                };
                list.push(leaf.path.clone());
            }
        }
        Self::new(header, lists, true, leaves)
    }

    fn new(header: EventHeader, lists: Lists, says_what_changed: bool, leaves: Vec<Leaf>) -> Self {
        let sorter = Sorter {
            changed: Names::of(&lists.changed),
            nulled: Names::of(&lists.nulled),
            diff: Names::of(&lists.diff),
            whole: has_whole_record(&header.change_type),
            silent: header.change_type == ChangeType::Delete || header.change_type.is_gap(),
        };
        let mut fields = Vec::new();
        let mut unlisted = Vec::new();
        for Leaf { path, value } in leaves {
            match sorter.state(&path, value) {
                (FieldState::Absent, Some(value)) => unlisted.push((path, value)),
                (FieldState::Absent, None) => {}
                (state, _) => fields.push((path, state)),
            }
        }
        Self {
            header,
            lists,
            says_what_changed,
            fields,
            unlisted,
        }
    }

    /// What the event says about itself.
    pub const fn header(&self) -> &EventHeader {
        &self.header
    }

    /// The fields that are said to have changed, in the order of the schema: empty for a new
    /// record. A field stands for its children where all of it changed.
    pub fn changed(&self) -> &[FieldPath] {
        &self.lists.changed
    }

    /// The fields that are said to have lost their value.
    pub fn nulled(&self) -> &[FieldPath] {
        &self.lists.nulled
    }

    /// The fields whose values are sent as differences.
    pub fn diff(&self) -> &[FieldPath] {
        &self.lists.diff
    }

    /// False for an update whose lists a client lost: what it has values for may have changed.
    pub const fn says_what_changed(&self) -> bool {
        self.says_what_changed
    }

    /// Everything that is said about fields without children, in the order of the schema.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = (&FieldPath, &FieldState)> {
        self.fields.iter().map(|(path, state)| (path, state))
    }

    /// What is said about a field without children, `ShippingAddress.Street` or `Phone`.
    pub fn state(&self, path: &str) -> &FieldState {
        let find = |path: &str| self.fields.iter().find(|(known, _)| known.as_str() == path);
        // A person's name that can be a company's as well is nulled as a whole.
        let of_parent = || {
            let (parent, _) = path.rsplit_once('.')?;
            find(parent).filter(|(_, state)| *state == FieldState::Nulled)
        };
        find(path)
            .or_else(of_parent)
            .map_or(&FieldState::Absent, |(_, state)| state)
    }

    /// Values that the event carries without saying that they changed: the enriched fields of the
    /// channel. If none was configured, the event was decoded with a schema that is not its own.
    pub fn unlisted(&self) -> impl ExactSizeIterator<Item = (&FieldPath, &FieldValue)> {
        self.unlisted.iter().map(|(path, value)| (path, value))
    }

    /// True when nothing changed but what the platform fills in by itself, see
    /// [`DERIVED_CHILDREN`]: the event that follows the one in which somebody wrote an address, with
    /// another user and no origin.
    pub fn is_derived_only(&self) -> bool {
        let Lists {
            changed,
            nulled,
            diff,
        } = &self.lists;
        let mut named = changed.iter().chain(nulled).chain(diff).peekable();
        named.peek().is_some() && named.all(FieldPath::is_derived)
    }

    /// Where to look. One hint names all records; one without records asks for all there are.
    pub fn hints(&self) -> Vec<Hint> {
        self.header.hints(self.hinted_fields().unwrap_or_default())
    }

    /// The fields for a hint; none at all rather than some of them.
    fn hinted_fields(&self) -> Option<Vec<FieldName>> {
        if !self.says_what_changed {
            return None;
        }
        let Lists {
            changed,
            nulled,
            diff,
        } = &self.lists;
        let mut fields = Vec::new();
        for path in changed.iter().chain(nulled).chain(diff) {
            let name = FieldName::new(path.as_str()).ok()?;
            if !fields.contains(&name) {
                fields.push(name);
            }
        }
        Some(fields)
    }
}

/// Whether the body of such an event is the record, and not what changed of it.
const fn has_whole_record(change: &ChangeType) -> bool {
    matches!(
        change,
        ChangeType::Create | ChangeType::Undelete | ChangeType::Snapshot
    )
}

/// Says of a field what the event says of it.
struct Sorter<'a> {
    changed: Names<'a>,
    nulled: Names<'a>,
    diff: Names<'a>,
    /// Every value is one of the record.
    whole: bool,
    /// No value says anything.
    silent: bool,
}

impl Sorter<'_> {
    /// The state, and the value where the state has none.
    fn state(
        &self,
        path: &FieldPath,
        value: Option<FieldValue>,
    ) -> (FieldState, Option<FieldValue>) {
        if self.silent {
            return (FieldState::Absent, value);
        }
        let is_listed = self.changed.cover(path) || self.diff.cover(path);
        match value {
            _ if self.nulled.cover(path) => (FieldState::Nulled, None),
            Some(value) if self.diff.cover(path) => (FieldState::Diff(value), None),
            Some(value) if is_listed || self.whole => (FieldState::Changed(value), None),
            None if is_listed => (FieldState::Nulled, None),
            value => (FieldState::Absent, value),
        }
    }
}

/// The fields of a list, to be asked for.
struct Names<'a>(BTreeSet<&'a str>);

impl<'a> Names<'a> {
    fn of(paths: &'a [FieldPath]) -> Self {
        Self(paths.iter().map(FieldPath::as_str).collect())
    }

    /// Whether the list names the field, or one that it is part of.
    fn cover(&self, path: &FieldPath) -> bool {
        let mut path = Some(path.as_str());
        while let Some(name) = path {
            if self.0.contains(name) {
                return true;
            }
            path = name.rsplit_once('.').map(|(parent, _)| parent);
        }
        false
    }
}
