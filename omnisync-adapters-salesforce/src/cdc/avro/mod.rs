//! Avro, as far as change events use it: schemas and binary data without a container.
//!
//! A reader of its own, because the one that everybody uses takes a payload that ends too early for
//! one whose remaining texts and unions are null. In a change event null is a statement, and an
//! early end is how a wrong schema shows. Here every byte is accounted for, and sizes have limits
//! that belong to the call and not to the process. `apache-avro` writes what the tests read, and
//! has to read the same from it.

mod reader;
mod schema;
#[cfg(test)]
mod tests;

pub(super) use reader::{Datum, Reader};
pub(super) use schema::{Field, Schema, Type};

pub use reader::{AvroProblem, DecodeLimits};
pub use schema::SchemaError;
