use std::fmt;

use omnisync_core::crm::field_map::{CompiledFieldMap, FieldRefusal};
use omnisync_core::crm::{FieldName, Fields, Native, Value};

/// What the laws are about. Its methods are those of [`CompiledFieldMap`].
pub trait Mapping: fmt::Debug {
    /// True if the field is read from where it is written.
    fn reads_back(&self, field: &str) -> bool;

    /// True if the field can be written.
    fn writable(&self, field: &str) -> bool;

    /// The native fields that a put of `field` may write.
    fn natives_of(&self, field: &str) -> Vec<FieldName>;

    /// The values of a record.
    fn get(&self, native: &Fields<Native>) -> Fields<Result<Option<Value>, FieldRefusal>>;

    /// What has to be written so that exactly these fields have these values.
    ///
    /// # Errors
    /// One refusal for each field that cannot be written.
    fn put(
        &self,
        values: &Fields<Option<Value>>,
        current: &Fields<Native>,
    ) -> Result<Fields<Native>, Vec<FieldRefusal>>;

    /// What is left of `value` once the system has held it.
    ///
    /// # Errors
    /// The system cannot hold the value.
    fn normal(&self, field: &str, value: &Option<Value>) -> Result<Option<Value>, FieldRefusal>;
}

impl Mapping for CompiledFieldMap {
    fn reads_back(&self, field: &str) -> bool {
        self.reads_back(field)
    }

    fn writable(&self, field: &str) -> bool {
        self.writable(field)
    }

    fn natives_of(&self, field: &str) -> Vec<FieldName> {
        self.natives_of(field).cloned().collect()
    }

    fn get(&self, native: &Fields<Native>) -> Fields<Result<Option<Value>, FieldRefusal>> {
        self.get(native)
    }

    fn put(
        &self,
        values: &Fields<Option<Value>>,
        current: &Fields<Native>,
    ) -> Result<Fields<Native>, Vec<FieldRefusal>> {
        self.put(values, current)
    }

    fn normal(&self, field: &str, value: &Option<Value>) -> Result<Option<Value>, FieldRefusal> {
        self.normal(field, value)
    }
}
