//! Records that several systems share: what they are, how each system spells them, and what
//! each of them is known to hold.
//!
//! | module | what it is |
//! |---|---|
//! | names | systems, entities, fields, records and links as types |
//! | [`Value`], [`Fields`], [`Patch`] | typed values of a record that belongs to no system |
//! | [`Native`] | values as a system's own interface has them |
//! | [`EntityDefinition`] | the fields of an entity and what identifies it among people |
//! | [`field_map`] | how a system spells an entity: lenses, as data |
//! | [`standard`] | the entities that are built in, and their maps for Salesforce and Dataverse |
//! | [`ledger`] | what every system is known to hold of one record, and what follows |
//! | [`Hint`] | word that a record of a system may have changed: where to look, never what to believe |
//! | [`LegacyEnvelope`] | changes in the form of the integration that came before |

mod entity;
mod fields;
mod hint;
mod legacy;
mod name;
mod native;
mod patch;
mod value;

pub mod field_map;
pub mod ledger;
pub mod standard;

pub use entity::{EntityDefinition, EntityError, FieldDefinition, FieldKind, ValueError};
pub use fields::Fields;
pub use hint::{ChangeKind, Hint, HintScope, Origin};
pub use legacy::{
    LegacyEntity, LegacyEnvelope, LegacyError, LegacyOperation, LegacySource, LegacyValue,
    LegacyValues,
};
pub use name::{EntityName, FieldName, ForeignId, LinkId, SystemName, VersionToken};
pub use native::{Native, NotNative};
pub use patch::Patch;
pub use value::{Reference, ReferenceTarget, Text, Value, ValueKind};
