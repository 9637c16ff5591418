//! How one value becomes another, kind by kind.

mod choice;
mod number;
mod reference;
mod text;
mod time;

use serde::{Deserialize, Serialize};

pub use choice::{BooleanLens, ChoiceEntry, ChoiceLens, ChoicesLens, ListForm};
pub use number::{DecimalLens, IntegerLens, NumberForm, Rounding};
pub use reference::{ReferenceBy, ReferenceLens};
pub(super) use text::join_fits;
pub use text::{Case, TextLens};
pub use time::{DateForm, DateLens, InstantForm, InstantLens, Precision};

use super::error::{MapError, RefusalReason};
use crate::crm::{FieldKind, FieldName, Native, SystemName, Value};

/// How a value looks in a system. Everywhere, an empty native text is no value.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Lens {
    /// As values of the field's kind usually look: text and numbers as they are, dates and times
    /// as ISO 8601 text, choices by their canonical names, several of them with `;` between,
    /// references by id.
    #[default]
    Plain,
    /// Text.
    Text(TextLens),
    /// A decimal number.
    Decimal(DecimalLens),
    /// A whole number.
    Integer(IntegerLens),
    /// Yes or no.
    Boolean(BooleanLens),
    /// A day.
    Date(DateLens),
    /// A point in time.
    Instant(InstantLens),
    /// One of a list.
    Choice(ChoiceLens),
    /// Any of a list.
    Choices(ChoicesLens),
    /// Another record.
    Reference(ReferenceLens),
}

/// A lens together with the field that it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FieldLens {
    pub(super) lens: Lens,
    pub(super) kind: FieldKind,
}

type Refused<T> = Result<T, RefusalReason>;

impl FieldLens {
    /// Checks that the lens fits the field, and puts what is usual for the field in the place of
    /// [`Lens::Plain`].
    pub(super) fn new(
        lens: Lens,
        field: &FieldName,
        kind: &FieldKind,
        errors: &mut Vec<MapError>,
    ) -> Self {
        let lens = match lens {
            Lens::Plain => usual(kind),
            given => given,
        };
        match (&lens, kind) {
            (Lens::Text(lens), FieldKind::Text | FieldKind::AddressPart) => {
                lens.check(field, errors);
            }
            (Lens::Decimal(lens), FieldKind::Decimal { scale }) => {
                lens.check(field, *scale, errors);
            }
            (Lens::Integer(lens), FieldKind::Integer) => lens.check(field, errors),
            (Lens::Boolean(lens), FieldKind::Boolean) => lens.check(field, errors),
            (Lens::Date(lens), FieldKind::Date) => lens.check(field, errors),
            (Lens::Choice(lens), FieldKind::Choice { options }) => {
                lens.check(field, options, errors);
            }
            (Lens::Choices(lens), FieldKind::Choices { options }) => {
                lens.check(field, options, errors);
            }
            (Lens::Instant(_), FieldKind::Instant)
            | (Lens::Reference(_), FieldKind::Reference { .. }) => {}
            _ => errors.push(MapError::Kind {
                field: field.clone(),
                kind: kind.value_kind(),
            }),
        }
        Self {
            lens,
            kind: kind.clone(),
        }
    }

    /// The value that `native` stands for.
    pub(super) fn read(&self, native: &Native, system: &SystemName) -> Refused<Option<Value>> {
        if matches!(native, Native::Null) || native.as_text() == Some("") {
            return Ok(match &self.lens {
                Lens::Boolean(lens) => lens.default.map(Value::Boolean),
                _ => None,
            });
        }
        match (&self.lens, &self.kind) {
            (Lens::Text(lens), _) => lens.read(native),
            (Lens::Decimal(lens), FieldKind::Decimal { scale }) => lens.read(native, *scale),
            (Lens::Integer(lens), _) => lens.read(native),
            (Lens::Boolean(lens), _) => lens.read(native),
            (Lens::Date(lens), _) => lens.read(native),
            (Lens::Instant(lens), _) => lens.read(native),
            (Lens::Choice(lens), _) => lens.read(native),
            (Lens::Choices(lens), _) => lens.read(native),
            (Lens::Reference(lens), FieldKind::Reference { entity }) => {
                lens.read(native, entity, system)
            }
            _ => Err(RefusalReason::WrongKind),
        }
    }

    /// What the system has to hold for `value`.
    pub(super) fn write(&self, value: Option<&Value>, system: &SystemName) -> Refused<Native> {
        let Some(value) = value else {
            return Ok(match &self.lens {
                Lens::Boolean(lens) => lens.write(lens.default),
                _ => Native::Null,
            });
        };
        match (&self.lens, value, &self.kind) {
            (Lens::Text(lens), Value::Text(text), _) => lens.write(text),
            (Lens::Decimal(lens), Value::Decimal(value), FieldKind::Decimal { scale }) => {
                lens.write(*value, *scale)
            }
            (Lens::Integer(lens), Value::Integer(value), _) => lens.write(*value),
            (Lens::Boolean(lens), Value::Boolean(value), _) => Ok(lens.write(Some(*value))),
            (Lens::Date(lens), Value::Date(value), _) => lens.write(*value),
            (Lens::Instant(lens), Value::Instant(value), _) => lens.write(*value),
            (Lens::Choice(lens), Value::Choice(option), _) => lens.write(option),
            (Lens::Choices(lens), Value::Choices(options), _) => lens.write(options),
            (
                Lens::Reference(lens),
                Value::Reference(reference),
                FieldKind::Reference { entity },
            ) => lens.write(reference, entity, system),
            _ => Err(RefusalReason::WrongKind),
        }
    }

    /// What the system has to hold for `value`, and what it is read as then.
    pub(super) fn written(
        &self,
        value: Option<&Value>,
        system: &SystemName,
    ) -> Refused<(Native, Option<Value>)> {
        let native = self.write(value, system)?;
        let read = self.read(&native, system)?;
        Ok((native, read))
    }

    /// True if values may lose what tells two of them apart.
    pub(super) fn cuts(&self) -> bool {
        matches!(&self.lens, Lens::Text(lens) if lens.truncate)
    }
}

fn usual(kind: &FieldKind) -> Lens {
    match kind {
        FieldKind::Text | FieldKind::AddressPart => Lens::Text(TextLens::default()),
        FieldKind::Decimal { .. } => Lens::Decimal(DecimalLens::default()),
        FieldKind::Integer => Lens::Integer(IntegerLens::default()),
        FieldKind::Boolean => Lens::Boolean(BooleanLens::default()),
        FieldKind::Date => Lens::Date(DateLens::default()),
        FieldKind::Instant => Lens::Instant(InstantLens::default()),
        FieldKind::Choice { options } => Lens::Choice(ChoiceLens::by_name(options)),
        FieldKind::Choices { options } => Lens::Choices(ChoicesLens::by_name(options)),
        FieldKind::Reference { .. } => Lens::Reference(ReferenceLens::default()),
    }
}
