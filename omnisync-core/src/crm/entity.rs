use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::fields::Fields;
use super::name::{EntityName, FieldName};
use super::value::ValueKind;

/// What a kind of record consists of. The built-in ones are in `crm::standard`; a host may define
/// any.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EntityDefinition {
    /// Its name.
    pub name: EntityName,
    /// Its fields.
    pub fields: Fields<FieldDefinition>,
    /// The fields whose values identify a record among people: an account number, a code. Two
    /// records with the same are one. Empty: records of two systems are never taken for the same
    /// by what they say.
    #[serde(default)]
    pub natural_key: Vec<FieldName>,
}

/// One field of an entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FieldDefinition {
    /// What its values are.
    pub kind: FieldKind,
    /// A record without it is not created anywhere.
    #[serde(default)]
    pub required: bool,
}

/// What the values of a field are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum FieldKind {
    /// Text.
    Text,
    /// A part of a postal address, as text: parts change one by one.
    AddressPart,
    /// A decimal number with at most `scale` digits behind the point.
    Decimal {
        /// Digits behind the point.
        scale: u32,
    },
    /// A whole number.
    Integer,
    /// Yes or no.
    Boolean,
    /// A day.
    Date,
    /// A point in time.
    Instant,
    /// One of these.
    Choice {
        /// The canonical names.
        options: Vec<String>,
    },
    /// Any of these.
    Choices {
        /// The canonical names.
        options: Vec<String>,
    },
    /// A record of another entity.
    Reference {
        /// Which one.
        entity: EntityName,
    },
}

impl FieldKind {
    /// The kind of the field's values.
    pub const fn value_kind(&self) -> ValueKind {
        match self {
            Self::Text | Self::AddressPart => ValueKind::Text,
            Self::Decimal { .. } => ValueKind::Decimal,
            Self::Integer => ValueKind::Integer,
            Self::Boolean => ValueKind::Boolean,
            Self::Date => ValueKind::Date,
            Self::Instant => ValueKind::Instant,
            Self::Choice { .. } => ValueKind::Choice,
            Self::Choices { .. } => ValueKind::Choices,
            Self::Reference { .. } => ValueKind::Reference,
        }
    }
}

/// Why an entity cannot be defined so.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EntityError {
    /// The natural key names a field that the entity does not have.
    #[error("the natural key of {entity} names {field}, which is no field of it")]
    UnknownKeyField {
        /// The entity.
        entity: EntityName,
        /// The field.
        field: FieldName,
    },
    /// A field of the natural key may be empty.
    #[error("the natural key of {entity} has {field}, which is not required")]
    OptionalKeyField {
        /// The entity.
        entity: EntityName,
        /// The field.
        field: FieldName,
    },
}

impl EntityDefinition {
    /// Checks that the natural key is made of required fields.
    ///
    /// # Errors
    /// Names the field that is not.
    pub fn check(&self) -> Result<(), EntityError> {
        for field in &self.natural_key {
            let entity = || self.name.clone();
            match self.fields.get(field.as_str()) {
                Some(definition) if definition.required => {}
                Some(_) => {
                    return Err(EntityError::OptionalKeyField {
                        entity: entity(),
                        field: field.clone(),
                    });
                }
                None => {
                    return Err(EntityError::UnknownKeyField {
                        entity: entity(),
                        field: field.clone(),
                    });
                }
            }
        }
        Ok(())
    }
}
