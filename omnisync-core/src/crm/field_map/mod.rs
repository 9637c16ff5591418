//! How one system spells the fields of an entity: data that is checked once and then reads and
//! writes.
//!
//! A [`FieldMap`] is a set of lenses. [`get`](CompiledFieldMap::get) takes the values of an entity
//! out of what a system holds, [`put`](CompiledFieldMap::put) says what has to be written for some
//! values, and [`normal`](CompiledFieldMap::normal) says what is left of a value once the system
//! has held it. With `c` for `normal`, every map that compiles keeps these laws:
//!
//! | law | what it says |
//! |---|---|
//! | get-put | putting back what was read writes nothing |
//! | put-get | what was put is read as `c` of it |
//! | normal | `c(c(v)) = c(v)`, and what is read is normal already or cannot be written at all |
//! | put-put | the second of two puts decides what is read |
//! | isolation | a put writes the native fields of its own fields, and every other field reads as before |
//!
//! `law_tests!` of the testkit checks them on thousands of values.
//!
//! ```
//! use omnisync_core::crm::field_map::{FieldMap, Lens, Rule, TextLens};
//! use omnisync_core::crm::{EntityDefinition, Native, SystemName};
//!
//! let entity: EntityDefinition = serde_json::from_str(
//!     r#"{ "name": "Brand", "naturalKey": ["code"], "fields": {
//!         "code": { "kind": "text", "required": true },
//!         "since": { "kind": "date" } } }"#,
//! )?;
//! let map = FieldMap::builder("Brand", "Brand__c")
//!     .rule(Rule::new("code", "Code__c").with_lens(Lens::Text(TextLens::trimmed())))
//!     .rename("since", "Since__c")
//!     .build()
//!     .compile(&entity, &SystemName::new("salesforce")?)
//!     .map_err(|errors| format!("{errors:?}"))?;
//! let held = [("Code__c".parse()?, Native::Text(" B-7 ".to_owned()))].into_iter().collect();
//! let values = map.get(&held).into_iter().map(|(field, value)| Ok((field, value?)));
//! let values = values.collect::<Result<_, omnisync_core::crm::field_map::FieldRefusal>>()?;
//! assert_eq!(map.key_of(&values).as_deref(), Some("B-7"));
//! assert!(map.put(&values, &held).is_ok_and(|writes| writes.is_empty()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod builder;
mod compile;
mod compiled;
mod error;
mod key;
mod lens;
mod map;
mod slot;
#[cfg(test)]
mod tests;

pub use builder::FieldMapBuilder;
pub use compiled::CompiledFieldMap;
pub use error::{FieldRefusal, MapError, RefusalReason, TableProblem};
pub use lens::{
    BooleanLens, Case, ChoiceEntry, ChoiceLens, ChoicesLens, DateForm, DateLens, DecimalLens,
    InstantForm, InstantLens, IntegerLens, Lens, ListForm, NumberForm, Precision, ReferenceBy,
    ReferenceLens, Rounding, TextLens,
};
pub use map::{Constant, Direction, FieldMap, Join, Rule};
