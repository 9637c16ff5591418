use std::fmt;

use omnisync_core::crm::Native;
use omnisync_core::json::{Json, Value};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::date::ClrDate;
use super::error::DecodeError;
use super::read::{self, Member};

/// A value of an event, by its `__type` where one is written and by its shape where none is.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContextValue {
    /// No value.
    Null,
    /// Yes or no.
    Boolean(bool),
    /// A number, exactly.
    Number(Decimal),
    /// Text, and GUIDs: nothing tells them apart but [`ContextValue::as_guid`].
    Text(String),
    /// A date.
    Date(ClrDate),
    /// One of a list of options, by its number.
    Choice(i64),
    /// Several of them.
    Choices(Vec<i64>),
    /// An amount of money, in the currency of its record.
    Money(Decimal),
    /// Another record.
    Reference(EntityReference),
    /// A record with columns.
    Entity(Box<Entity>),
    /// Several records.
    Entities(Vec<Entity>),
    /// A column of a joined record.
    Aliased {
        /// The table.
        entity: Option<String>,
        /// The column.
        attribute: Option<String>,
        /// Its value.
        value: Box<Self>,
    },
    /// Several values.
    List(Vec<Self>),
    /// Something else, as it was written.
    Other {
        /// The `__type`, without its namespace.
        type_name: Option<String>,
        /// The text of the value.
        raw: Raw,
    },
}

/// JSON text of what is not known here.
#[derive(Clone, PartialEq, Eq)]
pub struct Raw(pub String);

/// A record of an event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Entity {
    /// Logical name of its table.
    pub logical_name: Option<String>,
    /// Its id.
    pub id: Option<Uuid>,
    /// Its columns: of an update only those that were set, and some that the platform adds.
    pub attributes: Columns,
    /// Texts for people, in the form of the user's country: nothing to read values from.
    pub formatted: Columns,
    /// Its alternate keys.
    pub keys: Columns,
    /// Its version, where the platform says it.
    pub row_version: Option<String>,
}

/// Another record that a value points at.
#[derive(Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct EntityReference {
    /// Logical name of its table.
    pub logical_name: Option<String>,
    /// Its id.
    pub id: Option<Uuid>,
    /// What people call it.
    pub name: Option<String>,
    /// Its alternate keys.
    pub keys: Columns,
    /// Its version, where the platform says it.
    pub row_version: Option<String>,
}

/// Named values, in their order: columns of a record, parameters of a message, variables, images.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Columns(Vec<(String, ContextValue)>);

/// Parameters of a message.
pub type Parameters = Columns;

impl Columns {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names and values, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ContextValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The first value of the name.
    pub fn get(&self, name: &str) -> Option<&ContextValue> {
        self.iter()
            .find_map(|(key, value)| (key == name).then_some(value))
    }

    /// Reads an array of `{"key", "value"}`.
    pub(super) fn read(json: &Json<'_>) -> Result<Self, DecodeError> {
        let elements = read::elements(json)?.iter().enumerate();
        let pairs = elements
            .map(|(index, element)| pair(element).map_err(|error| error.below_index(index)));
        pairs.collect::<Result<_, _>>().map(Self)
    }
}

fn pair(json: &Json<'_>) -> Result<(String, ContextValue), DecodeError> {
    read::members(json)?;
    let key = json.get("key").ok_or(DecodeError::expected("a key"))?;
    let key = read::text(key)
        .and_then(|key| key.ok_or(DecodeError::expected("a key")))
        .map_err(|error| error.below("key"))?;
    let value = match json.get("value") {
        Some(value) => ContextValue::read(value).map_err(|error| error.below("value"))?,
        None => ContextValue::Null,
    };
    Ok((key, value))
}

impl ContextValue {
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The GUID that a text is; one of zeros only is none.
    pub fn as_guid(&self) -> Option<Uuid> {
        let id = Uuid::try_parse(self.as_text()?.trim()).ok()?;
        (!id.is_nil()).then_some(id)
    }

    /// The date, if it is one.
    pub const fn as_date(&self) -> Option<ClrDate> {
        match self {
            Self::Date(date) => Some(*date),
            _ => None,
        }
    }

    /// What it is, as a word for messages.
    pub const fn kind_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "boolean",
            Self::Number(_) => "number",
            Self::Text(_) => "text",
            Self::Date(_) => "date",
            Self::Choice(_) => "choice",
            Self::Choices(_) => "choices",
            Self::Money(_) => "money",
            Self::Reference(_) => "reference",
            Self::Entity(_) => "entity",
            Self::Entities(_) => "entities",
            Self::Aliased { .. } => "aliased",
            Self::List(_) => "list",
            Self::Other { .. } => "other",
        }
    }

    pub(super) fn read(json: &Json<'_>) -> Result<Self, DecodeError> {
        Ok(match &json.value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Boolean(*value),
            Value::Number(_) => exact(json).map_or_else(|| Self::other(json, None), Self::Number),
            Value::String(text) => ClrDate::parse(text)
                .map_or_else(|| Self::Text(text.clone().into_owned()), Self::Date),
            Value::Array(elements) => Self::list(elements)?,
            Value::Object(members) => Self::object(json, members)?,
        })
    }

    fn list(elements: &[Json<'_>]) -> Result<Self, DecodeError> {
        let values = elements
            .iter()
            .enumerate()
            .map(|(index, element)| Self::read(element).map_err(|error| error.below_index(index)));
        let values: Vec<Self> = values.collect::<Result<_, _>>()?;
        let options = values.iter().map(|value| match value {
            Self::Choice(option) => Some(*option),
            _ => None,
        });
        match options.collect::<Option<Vec<i64>>>() {
            Some(options) if !options.is_empty() => Ok(Self::Choices(options)),
            _ => Ok(Self::List(values)),
        }
    }

    fn object(json: &Json<'_>, members: &[Member<'_>]) -> Result<Self, DecodeError> {
        let type_name = json.get("__type").and_then(Json::as_str).map(short_name);
        let read = match type_name {
            Some("Entity") => Some(Self::Entity(Box::new(Entity::read(members)?))),
            Some("EntityReference") => Some(Self::Reference(EntityReference::read(members)?)),
            Some("OptionSetValue") => json
                .get("Value")
                .and_then(|value| read::integer(value).ok()?)
                .map(Self::Choice),
            Some("Money") => json.get("Value").and_then(exact).map(Self::Money),
            Some("EntityCollection") => Some(entities(json)?),
            Some("AliasedValue") => Some(aliased(json)?),
            Some(_) => None,
            None => by_shape(json, members)?,
        };
        Ok(read.unwrap_or_else(|| Self::other(json, type_name)))
    }

    fn other(json: &Json<'_>, type_name: Option<&str>) -> Self {
        Self::Other {
            type_name: type_name.map(str::to_owned),
            raw: Raw(json.raw.to_owned()),
        }
    }
}

/// Images and the owning extension come without a `__type`.
fn by_shape(json: &Json<'_>, members: &[Member<'_>]) -> Result<Option<ContextValue>, DecodeError> {
    let is_array = |name| {
        json.get(name)
            .is_some_and(|value| value.as_array().is_some())
    };
    if is_array("Attributes") {
        let entity = Entity::read(members)?;
        return Ok(Some(ContextValue::Entity(Box::new(entity))));
    }
    if is_array("Entities") {
        return entities(json).map(Some);
    }
    if json.get("LogicalName").is_some() && json.get("Id").is_some() {
        let reference = EntityReference::read(members)?;
        return Ok(Some(ContextValue::Reference(reference)));
    }
    Ok(None)
}

fn entities(json: &Json<'_>) -> Result<ContextValue, DecodeError> {
    let Some(list) = json.get("Entities") else {
        return Ok(ContextValue::Entities(Vec::new()));
    };
    let read = |element: &Json<'_>| Entity::read(read::members(element)?);
    let elements = read::elements(list).map_err(|error| error.below("Entities"))?;
    let entities = elements.iter().enumerate().map(|(index, element)| {
        read(element).map_err(|error| error.below_index(index).below("Entities"))
    });
    entities
        .collect::<Result<_, _>>()
        .map(ContextValue::Entities)
}

fn aliased(json: &Json<'_>) -> Result<ContextValue, DecodeError> {
    let name = |name: &str| match json.get(name) {
        Some(value) => read::text(value).map_err(|error| error.below(name)),
        None => Ok(None),
    };
    let value = match json.get("Value") {
        Some(value) => ContextValue::read(value).map_err(|error| error.below("Value"))?,
        None => ContextValue::Null,
    };
    Ok(ContextValue::Aliased {
        entity: name("EntityLogicalName")?,
        attribute: name("AttributeLogicalName")?,
        value: Box::new(value),
    })
}

impl Entity {
    /// Members that are not known here say nothing about the record.
    fn read(members: &[Member<'_>]) -> Result<Self, DecodeError> {
        let mut entity = Self::default();
        for (name, value) in members {
            let read = match name.as_ref() {
                "LogicalName" => read::table(value).map(|read| entity.logical_name = read),
                "Id" => read::guid(value).map(|read| entity.id = read),
                "Attributes" => Columns::read(value).map(|read| entity.attributes = read),
                "FormattedValues" => Columns::read(value).map(|read| entity.formatted = read),
                "KeyAttributes" => Columns::read(value).map(|read| entity.keys = read),
                "RowVersion" => read::version(value).map(|read| entity.row_version = read),
                _ => Ok(()),
            };
            read.map_err(|error| error.below(name))?;
        }
        Ok(entity)
    }
}

impl EntityReference {
    pub(super) fn read(members: &[Member<'_>]) -> Result<Self, DecodeError> {
        let mut reference = Self::default();
        for (name, value) in members {
            let read = match name.as_ref() {
                "LogicalName" => read::table(value).map(|read| reference.logical_name = read),
                "Id" => read::guid(value).map(|read| reference.id = read),
                "Name" => read::text(value).map(|read| reference.name = read),
                "KeyAttributes" => Columns::read(value).map(|read| reference.keys = read),
                "RowVersion" => read::version(value).map(|read| reference.row_version = read),
                _ => Ok(()),
            };
            read.map_err(|error| error.below(name))?;
        }
        Ok(reference)
    }
}

/// `Entity` of `Entity:http://schemas.microsoft.com/xrm/2011/Contracts`.
fn short_name(type_name: &str) -> &str {
    type_name
        .split_once(':')
        .map_or(type_name, |(name, _)| name)
}

/// A number without rounding; `None` for one with more digits than fit, and for other values.
fn exact(json: &Json<'_>) -> Option<Decimal> {
    match Native::try_from(json) {
        Ok(Native::Number(number)) => Some(number),
        _ => None,
    }
}

/// Leaves the content out: records hold personal data.
impl fmt::Debug for ContextValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entity(entity) => entity.fmt(f),
            Self::Entities(entities) => f.debug_list().entries(entities).finish(),
            Self::Reference(reference) => reference.fmt(f),
            Self::List(values) => f.debug_list().entries(values).finish(),
            Self::Null => f.write_str("null"),
            other => write!(f, "{}(..)", other.kind_name()),
        }
    }
}

/// Leaves the name out: it is often that of a person.
impl fmt::Debug for EntityReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntityReference")
            .field("logical_name", &self.logical_name)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Leaves the content out: nobody knows what it is.
impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Raw({} bytes)", self.0.len())
    }
}
