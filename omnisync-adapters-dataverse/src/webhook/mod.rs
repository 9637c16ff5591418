#![doc = include_str!("docs.md")]

mod callback;
mod context;
mod date;
mod decoder;
mod delta;
mod describe;
mod error;
mod hints;
mod read;
mod row;
mod value;

pub use callback::CallbackRow;
pub use context::{BusinessEvent, ExecutionContext, LIMITS, says_size_exceeded};
pub use date::ClrDate;
pub use decoder::ContextDecoder;
pub use delta::{DELTA_LIMITS, DeltaPage, DeltaRow, NextLink};
pub use describe::describe;
pub use error::DecodeError;
pub use row::RowColumns;
pub use value::{Columns, ContextValue, Entity, EntityReference, Parameters, Raw};
