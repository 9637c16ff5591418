#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod error;
pub mod id;
mod instant;
pub mod json;
mod secret;

pub mod batch;
pub mod crm;
pub mod event;
pub mod order;

pub mod dixf;
pub mod package;
pub mod policy;

pub mod flow;
pub mod port;

pub use error::{ErrorKind, PortError, Retry};
pub use secret::Secret;
