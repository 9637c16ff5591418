//! Data packages of Dynamics 365 Finance & Operations: field maps, writer and verifier.
//!
//! A package is a zip archive with data files, a manifest that maps their columns to staging
//! fields, and a package header. [`FieldMap`] says how orders become rows, [`PackageWriter`]
//! writes a package, and [`read_package`] reads one back and checks it. All of it is a pure
//! function of its input: same orders, same bytes.

mod check;
mod compile;
mod countries;
mod csv;
mod csv_read;
mod data_file;
mod default_map;
mod deflate;
mod digits;
mod entity;
mod error;
mod field_map;
mod format;
mod header;
mod json_net;
mod json_read;
mod keys;
mod limits;
mod manifest;
mod mapping;
mod package;
mod problem;
mod reader;
mod record;
mod record_text;
mod rows;
mod scratch;
mod unicode;
mod value;
mod verify;
mod xml;
mod xml_read;
mod zip_file;
mod zip_guard;

#[cfg(test)]
mod tests;

pub use compile::{COLUMNS_MAX, CompiledMap};
pub use entity::{CSV_UNICODE, EntityData, EntityMap};
pub use error::{
    FieldError, FieldErrorKind, FieldMapError, MapError, ReadError, Refusal, WriteError, XmlError,
};
pub use field_map::{
    Column, DateFormat, EntityFieldMap, FieldMap, Format, Layout, Otherwise, Source,
};
pub use format::DixfFormat;
pub use header::PackageHeader;
pub use limits::ReadLimits;
pub use manifest::Manifest;
pub use mapping::{MappedOrder, line_key};
pub use package::{PackageWriter, WriteOptions};
pub use problem::{Problem, ProblemKind};
pub use reader::{Package, PackageEntity};
pub use record::{Member, Opaque};
pub use rows::{Row, Rows};
pub use verify::{EntityReport, KeyColumns, PackageReport, read_package};
pub use xml::{Attribute, Element, INSTANCE_NAMESPACE, Node, PACKAGE_NAMESPACE, XmlLimits};
