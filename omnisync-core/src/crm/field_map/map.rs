use serde::{Deserialize, Serialize};

use super::builder::FieldMapBuilder;
use super::compile;
use super::compiled::CompiledFieldMap;
use super::error::MapError;
use super::lens::{Case, Lens};
use crate::crm::{EntityDefinition, EntityName, FieldName, Native, SystemName};

/// How one object of a system spells an entity: data, not code. [`compile`](Self::compile) checks
/// it once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FieldMap {
    /// The entity.
    pub entity: EntityName,
    /// The system's own name of the object: `Account`, `salesorderdetail`.
    pub object: String,
    /// Letters of the natural key that count as one. Maps of one entity have to agree.
    #[serde(default, skip_serializing_if = "is_default")]
    pub key_case: Case,
    /// One field in one native field.
    pub rules: Vec<Rule>,
    /// Several fields in one native field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub joins: Vec<Join>,
    /// What a new record gets besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constants: Vec<Constant>,
    /// Names given to the builder that are none.
    #[serde(skip)]
    pub(super) bad_names: Vec<String>,
}

/// One field in one native field.
///
/// A field is read by one rule at most. Further rules that only write it are mirrors: they are
/// written together with it, never for themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// The field of the entity.
    pub field: FieldName,
    /// The native field.
    pub native: FieldName,
    /// How the one becomes the other.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lens: Lens,
    /// Which ways the rule goes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub direction: Direction,
    /// Names given to [`new`](Self::new) that are none.
    #[serde(skip)]
    pub(super) bad_names: Vec<String>,
}

/// Several text fields in one native field, one after the other.
///
/// A part that holds the separator is refused, because it could not be told from two parts. Empty
/// parts at the end are left out, so that a text with fewer parts is read with the last ones empty;
/// one with more is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Join {
    /// The parts in their order.
    pub fields: Vec<FieldName>,
    /// The native field.
    pub native: FieldName,
    /// What stands between two parts. It must not end as it begins, or a part could complete it.
    pub separator: String,
    /// True to drop white space around each part.
    #[serde(default, skip_serializing_if = "is_default")]
    pub trim: bool,
    /// Longest whole text in UTF-16 code units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chars_max: Option<u32>,
    /// Which ways the rule goes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub direction: Direction,
}

/// What a new record gets in a native field that no entity speaks of. Records that exist are left
/// alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Constant {
    /// The native field.
    pub native: FieldName,
    /// What it gets.
    pub value: Native,
    /// True to have [`departures`](CompiledFieldMap::departures) name records that hold something
    /// else.
    #[serde(default, skip_serializing_if = "is_default")]
    pub check: bool,
}

/// Which ways a rule goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    /// The native field is read and written.
    #[default]
    Both,
    /// Read only: the system works it out by itself.
    ReadOnly,
    /// Written only: nobody believes what stands there.
    WriteOnly,
}

impl FieldMap {
    /// A map without rules.
    pub fn builder(entity: impl AsRef<str>, object: impl Into<String>) -> FieldMapBuilder {
        FieldMapBuilder::new(entity.as_ref(), object.into())
    }

    /// The same map, to be changed.
    pub fn edit(self) -> FieldMapBuilder {
        FieldMapBuilder::from(self)
    }

    /// Checks the map against the entity, and makes it ready to use in `system`.
    ///
    /// # Errors
    /// Everything that is wrong. Native names that the system does not have cannot be found here.
    pub fn compile(
        self,
        entity: &EntityDefinition,
        system: &SystemName,
    ) -> Result<CompiledFieldMap, Vec<MapError>> {
        compile::compile(self, entity, system)
    }
}

impl Direction {
    /// True if the native field is read.
    pub const fn reads(self) -> bool {
        matches!(self, Self::Both | Self::ReadOnly)
    }

    /// True if the native field is written.
    pub const fn writes(self) -> bool {
        matches!(self, Self::Both | Self::WriteOnly)
    }
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
