use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::fields::Fields;
use super::name::{EntityName, FieldName};
use super::value::{Value, ValueKind};

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

/// Why a field cannot have a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ValueError {
    /// A record is not without the field.
    #[error("the field cannot be empty")]
    Required,
    /// The value is of another kind.
    #[error("the field holds values of kind {expected:?}")]
    Kind {
        /// What the values of the field are.
        expected: ValueKind,
    },
    /// Nothing, spelled as a value.
    #[error("a text or a set without anything in it is no value: leave the field empty")]
    Nothing,
    /// A number with more digits than the field keeps.
    #[error("the field keeps {scale} digits behind the point")]
    Scale {
        /// Digits behind the point.
        scale: u32,
    },
    /// None of the options.
    #[error("the field has no such option")]
    UnknownOption,
    /// A record of another entity.
    #[error("the field points at records of another entity")]
    WrongEntity,
    /// A record that nobody knows.
    #[error("the record that it points at is not known")]
    Unresolved,
}

impl FieldDefinition {
    /// Checks that the field can have this value. Whether a record is known that it points at is not
    /// to be seen here.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, value: Option<&Value>) -> Result<(), ValueError> {
        let Some(value) = value else {
            return if self.required {
                Err(ValueError::Required)
            } else {
                Ok(())
            };
        };
        let has = |options: &[String], one: &str| options.iter().any(|option| option == one);
        let problem = match (&self.kind, value) {
            (FieldKind::Text | FieldKind::AddressPart, Value::Text(text)) => {
                text.is_empty().then_some(ValueError::Nothing)
            }
            (FieldKind::Decimal { scale }, Value::Decimal(number)) => {
                let is_finer = number.normalize().scale() > *scale;
                is_finer.then_some(ValueError::Scale { scale: *scale })
            }
            (FieldKind::Choice { options }, Value::Choice(one)) => {
                (!has(options, one)).then_some(ValueError::UnknownOption)
            }
            (FieldKind::Choices { .. }, Value::Choices(all)) if all.is_empty() => {
                Some(ValueError::Nothing)
            }
            (FieldKind::Choices { options }, Value::Choices(all)) => {
                let is_known = all.iter().all(|one| has(options, one));
                (!is_known).then_some(ValueError::UnknownOption)
            }
            (FieldKind::Reference { entity }, Value::Reference(reference)) => {
                (reference.entity != *entity).then_some(ValueError::WrongEntity)
            }
            (kind, value) => {
                let expected = kind.value_kind();
                (value.kind() != expected).then_some(ValueError::Kind { expected })
            }
        };
        problem.map_or(Ok(()), Err)
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::crm::value::{Reference, ReferenceTarget};

    #[track_caller]
    fn check(kind: FieldKind, value: &Value, expected: Result<(), ValueError>) {
        let field = FieldDefinition {
            kind,
            required: false,
        };
        assert_eq!(field.check(Some(value)), expected, "{value:?}");
    }

    fn options() -> Vec<String> {
        vec!["Red".to_owned(), "Blue".to_owned()]
    }

    fn set(all: &[&str]) -> Value {
        Value::Choices(all.iter().map(|one| (*one).to_owned()).collect())
    }

    #[test]
    fn a_field_takes_values_of_its_kind_only() {
        let kind = |expected| Err(ValueError::Kind { expected });
        let text = || Value::Text("7".into());
        check(FieldKind::Text, &text(), Ok(()));
        check(FieldKind::AddressPart, &text(), Ok(()));
        check(FieldKind::Integer, &text(), kind(ValueKind::Integer));
        check(FieldKind::Integer, &Value::Integer(7), Ok(()));
        check(FieldKind::Boolean, &Value::Boolean(true), Ok(()));
        let number = |text: &str| Value::Decimal(text.parse().unwrap());
        let decimal = FieldKind::Decimal { scale: 2 };
        check(decimal.clone(), &number("1.5000"), Ok(()));
        check(
            decimal.clone(),
            &Value::Integer(1),
            kind(ValueKind::Decimal),
        );
        let too_fine = Err(ValueError::Scale { scale: 2 });
        check(decimal, &number("1.505"), too_fine);
    }

    #[test]
    fn nothing_is_spelled_by_no_value() {
        let nothing = Err(ValueError::Nothing);
        check(FieldKind::Text, &Value::Text("".into()), nothing);
        let choices = FieldKind::Choices { options: options() };
        check(choices, &Value::Choices(BTreeSet::new()), nothing);
        let mut field = FieldDefinition {
            kind: FieldKind::Text,
            required: false,
        };
        assert_eq!(field.check(None), Ok(()));
        field.required = true;
        assert_eq!(field.check(None), Err(ValueError::Required));
    }

    #[test]
    fn an_option_and_an_entity_have_to_be_those_of_the_field() {
        let choice = || FieldKind::Choice { options: options() };
        let unknown = Err(ValueError::UnknownOption);
        check(choice(), &Value::Choice("Red".into()), Ok(()));
        check(choice(), &Value::Choice("red".into()), unknown);
        let choices = || FieldKind::Choices { options: options() };
        check(choices(), &set(&["Red", "Blue"]), Ok(()));
        check(choices(), &set(&["Red", "Green"]), unknown);
        let reference = |entity: &str| {
            Value::Reference(Box::new(Reference {
                entity: EntityName::new(entity).unwrap(),
                target: ReferenceTarget::Key("EUR".into()),
            }))
        };
        let kind = || FieldKind::Reference {
            entity: EntityName::new("Currency").unwrap(),
        };
        check(kind(), &reference("Currency"), Ok(()));
        check(kind(), &reference("Country"), Err(ValueError::WrongEntity));
    }
}
