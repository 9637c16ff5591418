use omnisync_core::json;

use super::avro::{Datum, DecodeLimits, Field, Reader, Schema, SchemaError, Type};
use super::bitmap;
use super::error::DecodeError;
use super::event::{ChangeEvent, FieldPath, FieldValue, Leaf, Lists};
use super::header::{EventHeader, HEADER};

/// What the name of a schema's record ends in.
const EVENT_SUFFIX: &str = "ChangeEvent";

/// The schema that an event was written with. The order of its fields decides what the bytes and
/// the bitmaps of the event mean, so an event is decoded with the schema that it names and with no
/// other: schemas never change, and are worth keeping for ever by their id.
#[derive(Debug)]
pub struct EventSchema {
    schema: Schema,
    name: String,
    header: Vec<String>,
    shapes: Vec<Shape>,
}

/// A field of the record and what its bitmaps can name.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) path: FieldPath,
    /// The fields of the record that it can hold; none where it holds none.
    pub(super) children: Vec<FieldPath>,
    /// It can also hold a value without children.
    is_switchable: bool,
}

impl EventSchema {
    /// Reads the JSON that `GetSchema` answers.
    ///
    /// # Errors
    /// Not JSON, not an Avro schema, or not one of a change event.
    pub fn parse(schema_json: &[u8]) -> Result<Self, SchemaError> {
        Self::parse_within(schema_json, &json::Limits::default())
    }

    /// The same for schemas of another size.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_within(schema_json: &[u8], limits: &json::Limits) -> Result<Self, SchemaError> {
        let schema = Schema::parse(schema_json, limits)?;
        let Type::Record { name, fields } = schema.get(schema.root()) else {
            return Err(SchemaError::NotAChangeEvent("it is not a record"));
        };
        let header = fields.first().filter(|field| field.name == HEADER);
        let header = header.map(|field| schema.get(field.of));
        let Some(Type::Record { fields: header, .. }) = header else {
            let problem = "its first field is not a `ChangeEventHeader`";
            return Err(SchemaError::NotAChangeEvent(problem));
        };
        let header = header.iter().map(|field| field.name.clone()).collect();
        let shapes = fields.iter().map(|field| Shape::of(&schema, field));
        Ok(Self {
            name: name.clone(),
            header,
            shapes: shapes.collect(),
            schema,
        })
    }

    /// Name of the record: `AccountChangeEvent`, `Some__ChangeEvent`.
    pub fn record_name(&self) -> &str {
        &self.name
    }

    /// The fields in their order, the header first. Bit n of a bitmap is the n-th.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = &FieldPath> {
        self.shapes.iter().map(|shape| &shape.path)
    }

    /// Reads a payload to its last byte.
    ///
    /// # Errors
    /// The payload, its header or its bitmaps do not fit this schema, or a limit is passed. That a
    /// payload was written with another schema shows in nearly every case, but it need not: two
    /// schemas can differ in a field that the event leaves out.
    pub fn decode(
        &self,
        payload: &[u8],
        limits: &DecodeLimits,
    ) -> Result<ChangeEvent, DecodeError> {
        let mut reader = Reader::new(payload, limits)?;
        let datum = reader.datum(&self.schema)?;
        if reader.left() > 0 {
            return Err(DecodeError::LeftOver {
                offset: payload.len() - reader.left(),
                bytes: reader.left(),
            });
        }
        let Datum::Record(values) = datum else {
            return Err(DecodeError::Header(HEADER));
        };
        let mut values = values.into_iter();
        let Some(Datum::Record(header)) = values.next() else {
            return Err(DecodeError::Header(HEADER));
        };
        let header = EventHeader::of_record(&self.header, header)?;
        self.check_entity(&header.entity_name)?;

        let expand = |list, elements: &[String]| {
            bitmap::expand(elements, self).map_err(|problem| DecodeError::Bitmap { list, problem })
        };
        let lists = Lists {
            changed: expand("changedFields", &header.changed_fields)?,
            nulled: expand("nulledFields", &header.nulled_fields)?,
            diff: expand("diffFields", &header.diff_fields)?,
        };
        let mut leaves = Vec::new();
        for (shape, value) in self.shapes.iter().skip(1).zip(values) {
            shape.leaves(value, &mut leaves);
        }
        ChangeEvent::of_schema(header, lists, leaves)
    }

    pub(super) fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    fn check_entity(&self, entity: &str) -> Result<(), DecodeError> {
        if is_event_of(&self.name, entity) {
            return Ok(());
        }
        Err(DecodeError::Entity {
            entity: entity.to_owned(),
            schema: self.name.clone(),
        })
    }
}

/// Whether the events of `entity` have records named `record`: `AccountChangeEvent` of `Account`,
/// `Some__ChangeEvent` of `Some__c`.
fn is_event_of(record: &str, entity: &str) -> bool {
    let Some(stem) = record.strip_suffix(EVENT_SUFFIX) else {
        return false;
    };
    match stem.strip_suffix("__") {
        None => stem == entity,
        Some(stem) => entity
            .rsplit_once("__")
            .is_some_and(|(entity, suffix)| entity == stem && !suffix.is_empty()),
    }
}

impl Shape {
    fn of(schema: &Schema, field: &Field) -> Self {
        let of = schema.get(field.of);
        let (record, is_switchable) = match of {
            Type::Union(branches) => {
                let branches = || branches.iter().map(|branch| schema.get(*branch));
                let is_record = |branch: &&Type| matches!(branch, Type::Record { .. });
                let is_plain = |branch: &Type| !matches!(branch, Type::Record { .. } | Type::Null);
                (branches().find(is_record), branches().any(is_plain))
            }
            other => (Some(other), false),
        };
        let Some(Type::Record { name, fields }) = record else {
            return Self {
                path: FieldPath::new(&field.name),
                children: Vec::new(),
                is_switchable,
            };
        };
        let doc = field.doc.as_deref().unwrap_or_default();
        let is_address = name == "Address" || doc.starts_with("Data:Address");
        let path = FieldPath::new(&field.name);
        let child = |child: &Field| path.child(&child.name, is_address);
        Self {
            children: fields.iter().map(child).collect(),
            path,
            is_switchable,
        }
    }

    /// Takes a value apart into those that have no children.
    fn leaves(&self, value: Datum, leaves: &mut Vec<Leaf>) {
        match value {
            Datum::Record(values) => {
                for (path, value) in self.children.iter().zip(values) {
                    leaves.push(Leaf::new(path.clone(), FieldValue::of(value)));
                }
            }
            Datum::Null if !self.children.is_empty() && !self.is_switchable => {
                let absent = |path: &FieldPath| Leaf::new(path.clone(), None);
                leaves.extend(self.children.iter().map(absent));
            }
            value => leaves.push(Leaf::new(self.path.clone(), FieldValue::of(value))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_is_named_after_the_object() {
        for (record, entity) in [
            ("AccountChangeEvent", "Account"),
            ("Product2ChangeEvent", "Product2"),
            ("Some__ChangeEvent", "Some__c"),
            ("ns__Some__ChangeEvent", "ns__Some__c"),
        ] {
            assert!(is_event_of(record, entity), "{record} {entity}");
        }
        for (record, entity) in [
            ("AccountChangeEvent", "Contact"),
            ("AccountChangeEvent", "Account__c"),
            ("Some__ChangeEvent", "Some"),
            ("Some__ChangeEvent", "Some__"),
            ("Some__ChangeEvent", "Other__c"),
            ("Some__e", "Some__c"),
        ] {
            assert!(!is_event_of(record, entity), "{record} {entity}");
        }
    }
}
