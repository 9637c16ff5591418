#![doc = include_str!("docs.md")]

mod avro;
mod bitmap;
mod error;
mod event;
mod header;
mod input;
mod record_id;
mod replay_id;
mod schema;

pub use avro::{AvroProblem, DecodeLimits, SchemaError};
pub use bitmap::BitmapProblem;
pub use error::DecodeError;
pub use event::{ChangeEvent, DERIVED_CHILDREN, FieldPath, FieldState, FieldValue};
pub use header::{ChangeOrigin, ChangeType, EventHeader, HeaderOnly};
pub use input::{EncodedEvent, InputError, PlainEvent, Received, read_events};
pub use record_id::{RecordRef, normalize_id};
pub use replay_id::{NotAReplayId, ReplayId};
pub use schema::EventSchema;
