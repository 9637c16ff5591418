//! CloudEvents 1.0.2, strictly: what is read here keeps every rule of the specification.
//!
//! A [`CloudEvent`] cannot be wrong: its fields are private and every way to make one checks the
//! same rules. Events are read with [`CloudEvent::from_json`], [`parse_batch`],
//! [`parse_batch_each`] or [`decode_http`], made with [`CloudEvent::builder`], and written with
//! [`CloudEvent::to_json`], [`batch_to_json`] or the functions for HTTP. An [`EventError`] says
//! which rule was broken where, without quoting the payload.
//!
//! ```
//! use omnisync_core::event::{CloudEvent, EventData, Reason};
//!
//! let json = br#"{"specversion": "1.0", "id": "1", "source": "/orders",
//!                 "type": "com.example.order.created", "data": {"orderId": "A-1"}}"#;
//! let event = CloudEvent::from_json(json)?;
//! assert_eq!(event.source(), "/orders");
//! assert!(matches!(event.data(), EventData::Json(_)));
//! assert_eq!(CloudEvent::from_json(event.to_json().as_bytes())?, event);
//!
//! let error = CloudEvent::from_json(br#"{"specversion": "1.0", "id": ""}"#).unwrap_err();
//! assert_eq!((error.reason(), error.attribute()), (Reason::Empty, Some("id")));
//! # Ok::<(), omnisync_core::event::EventError>(())
//! ```

mod attribute;
mod builder;
mod draft;
mod envelope;
mod error;
mod header;
mod http;
mod limits;
pub mod media_type;
mod reader;
#[cfg(test)]
mod tests;
mod time;
mod trace;
mod uri;
pub mod webhook;
mod writer;

pub use attribute::ExtensionValue;
pub use builder::EventBuilder;
pub use envelope::{CloudEvent, EventData};
pub use error::{EventError, Reason};
pub use header::encode as encode_header_value;
pub use http::{Decoded, HttpMessage, batch_to_http, decode_http, decode_http_with};
pub use limits::EventLimits;
pub use reader::{parse_batch, parse_batch_each, parse_batch_each_with};
pub use time::Timestamp;
pub use trace::TraceParent;
pub use writer::{batch_to_json, write_batch};

pub(crate) use time::parse_utc;
