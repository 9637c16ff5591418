use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::crm::{EntityError, EntityName, FieldName, SystemName, ValueKind};

/// Why one field of a record cannot be read or written. It names the field, never what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Error)]
#[error("{field} in {system}: {reason}")]
#[serde(rename_all = "camelCase")]
pub struct FieldRefusal {
    /// The field of the entity.
    pub field: FieldName,
    /// The system.
    pub system: SystemName,
    /// Why.
    pub reason: RefusalReason,
}

/// Why a field is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Error)]
#[serde(rename_all = "camelCase", tag = "kind")]
#[non_exhaustive]
pub enum RefusalReason {
    /// The map does not speak of the field.
    #[error("the map does not speak of it")]
    NotMapped,
    /// The system works the field out by itself.
    #[error("it is read only")]
    ReadOnly,
    /// The value is not of the field's kind.
    #[error("the value is of another kind than the field")]
    WrongKind,
    /// The system holds another kind of value than the map says.
    #[error("the system holds another kind of value than the map says")]
    WrongNative,
    /// The text is not what it should stand for: no number, no date, no id.
    #[error("the text is not of the form that the map says")]
    Malformed,
    /// The table has no such value. Add it to the entity and to the tables of all systems.
    #[error("the table of the map has no such value")]
    UnknownChoice,
    /// The text does not fit.
    #[error("the text has more than {chars_max} UTF-16 code units")]
    #[serde(rename_all = "camelCase")]
    TooLong {
        /// Longest text in UTF-16 code units.
        chars_max: u32,
    },
    /// The number or time is outside of what the system or an exact calculation can hold.
    #[error("the value is out of range")]
    OutOfRange,
    /// The part of a joined text holds the text that separates parts.
    #[error("the text holds the separator of the joined field")]
    HoldsSeparator,
    /// The joined text has more parts than there are fields.
    #[error("the joined field has too many parts")]
    TooManyParts,
    /// The other parts of a joined text cannot be read, so writing this one would destroy them.
    #[error("the other parts of the joined field cannot be read")]
    OtherPartsUnknown,
    /// The reference is to another entity.
    #[error("the reference is to another entity")]
    WrongEntity,
    /// The reference does not name its record as this system needs it.
    #[error("the reference is not resolved for this system")]
    Unresolved,
}

/// Why a field map cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MapError {
    /// The entity itself is wrong.
    #[error("the entity is wrong")]
    Entity(#[source] EntityError),
    /// The map is of another entity.
    #[error("the map is of {map}, and the entity is {entity}")]
    OtherEntity {
        /// The entity of the map.
        map: EntityName,
        /// The entity that it was compiled for.
        entity: EntityName,
    },
    /// A name given to the builder is none.
    #[error("{name:?} is no name: use letters, digits, `_`, `-` and `.`")]
    Name {
        /// The text.
        name: String,
    },
    /// The system's object has no name.
    #[error("the object has no name")]
    NoObject,
    /// The entity has no such field.
    #[error("the entity has no field {field}")]
    UnknownField {
        /// The field.
        field: FieldName,
    },
    /// The lens is for another kind of field.
    #[error("the lens of {field} does not fit values of kind {kind:?}")]
    Kind {
        /// The field.
        field: FieldName,
        /// What its values are.
        kind: ValueKind,
    },
    /// Two rules write one native field.
    #[error("{native} is written twice")]
    WrittenTwice {
        /// The native field.
        native: FieldName,
    },
    /// One rule writes a native field that another reads.
    #[error("{native} is written by one rule and read by another")]
    Shared {
        /// The native field.
        native: FieldName,
    },
    /// Two rules read one field.
    #[error("{field} is read twice: let one rule read it and the others only write")]
    ReadTwice {
        /// The field.
        field: FieldName,
    },
    /// A table of choices is not total and injective.
    #[error("the table of {field} {problem}")]
    Table {
        /// The field.
        field: FieldName,
        /// What is wrong with it.
        problem: TableProblem,
    },
    /// The spellings of yes and no are missing, the same, or no single values.
    #[error("the spellings of yes and no of {field} are missing, ambiguous or no single values")]
    Spelling {
        /// The field.
        field: FieldName,
    },
    /// A scale beyond what a decimal can have.
    #[error("the scale of {field} is above {scale_max}")]
    Scale {
        /// The field.
        field: FieldName,
        /// Most digits behind the point.
        scale_max: u32,
    },
    /// A factor that is not above zero.
    #[error("the factor of {field} is not above zero")]
    Factor {
        /// The field.
        field: FieldName,
    },
    /// A least value above the greatest.
    #[error("the range of {field} is empty")]
    Range {
        /// The field.
        field: FieldName,
    },
    /// A longest text of no character, or texts to be cut without a longest one.
    #[error("the longest text of {native} is missing or zero")]
    CharsMax {
        /// The native field.
        native: FieldName,
    },
    /// A zone further from UTC than any is.
    #[error("the offset of {field} is beyond {minutes_max} minutes")]
    Offset {
        /// The field.
        field: FieldName,
        /// Largest distance from UTC.
        minutes_max: i32,
    },
    /// A separator that is empty or ends as it begins.
    #[error("the separator of {native} is empty or ends as it begins")]
    Separator {
        /// The native field.
        native: FieldName,
    },
    /// A join of fewer than two fields, or with one field twice.
    #[error("{native} does not join two or more different fields")]
    Parts {
        /// The native field.
        native: FieldName,
    },
    /// A field of the natural key is not both read and written.
    #[error("{field} is part of the natural key and must be both read and written")]
    KeyOneWay {
        /// The field.
        field: FieldName,
    },
    /// A field of the natural key may be cut, so that two records become one.
    #[error("{field} is part of the natural key and must not be cut")]
    KeyTruncated {
        /// The field.
        field: FieldName,
    },
}

/// What is wrong with a table of choices.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TableProblem {
    /// The field has an option that the table lacks.
    #[error("lacks the option {option:?}")]
    Missing {
        /// The option.
        option: String,
    },
    /// The table has an option that the field lacks.
    #[error("has {option:?}, which is no option of the field")]
    Unknown {
        /// The option.
        option: String,
    },
    /// One option stands in two lines.
    #[error("has {option:?} twice")]
    Repeated {
        /// The option.
        option: String,
    },
    /// Two options have the same native value.
    #[error("writes {option:?} as it writes another option")]
    Ambiguous {
        /// The later of the two.
        option: String,
    },
    /// The native value is empty, no single value, or cannot be told apart in a joined text.
    #[error("writes {option:?} as something that cannot be read back")]
    Unreadable {
        /// The option.
        option: String,
    },
}
