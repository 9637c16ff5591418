//! A strict reader for JSON that comes from outside.
//!
//! Grammar and escapes are `serde_json`'s; this module adds what an integration needs on top:
//! numbers keep their exact text, a member name occurs once in an object, sizes and depths have
//! limits, and an error says where it is without quoting the payload. [`Json::canonical`] renders
//! a value so that two spellings of the same content give the same bytes.
//!
//! ```
//! use omnisync_core::json::{self, Limits};
//!
//! let a = json::parse(br#"{"total": 5000.00, "id": "A"}"#, &Limits::default())?;
//! let b = json::parse(br#"{"id": "\u0041", "total": 5e3}"#, &Limits::default())?;
//! assert_eq!(a.get("total").and_then(|total| total.as_number()), Some("5000.00"));
//! assert_eq!(a.content_hash(), b.content_hash());
//! # Ok::<(), json::JsonError>(())
//! ```

mod canonical;
mod error;
mod pointer;
mod reader;
#[cfg(test)]
mod tests;
mod value;

pub use canonical::write_string;
pub use error::{JsonError, JsonErrorKind, Position};
pub use pointer::Pointer;
pub use reader::{Limits, parse};
pub use value::{Json, Value};

pub(crate) use canonical::write_members;
pub(crate) use reader::{parse_checked, split_array};
