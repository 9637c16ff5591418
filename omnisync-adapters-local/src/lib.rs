#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod system;

#[cfg(any(feature = "sqlite", feature = "folder", feature = "ndjson"))]
mod blocking;
#[cfg(any(feature = "sqlite", feature = "folder", feature = "ndjson"))]
mod file;

#[cfg(any(feature = "folder", feature = "ndjson"))]
mod durable;

#[cfg(feature = "folder")]
#[cfg_attr(docsrs, doc(cfg(feature = "folder")))]
pub mod folder;
#[cfg(feature = "ndjson")]
#[cfg_attr(docsrs, doc(cfg(feature = "ndjson")))]
pub mod ndjson;
#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub mod sqlite;

pub use system::{SystemClock, SystemIds};

#[cfg(feature = "folder")]
#[cfg_attr(docsrs, doc(cfg(feature = "folder")))]
pub use folder::{FolderBlobStage, FolderConfig};
#[cfg(feature = "ndjson")]
#[cfg_attr(docsrs, doc(cfg(feature = "ndjson")))]
pub use ndjson::{NdjsonConfig, NdjsonSource};
#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub use sqlite::{SqliteConfig, SqliteStateStore};

/// The host in the project's README is a test of this crate.
#[cfg(all(doctest, feature = "sqlite", feature = "folder", feature = "ndjson"))]
#[doc = include_str!("../../README.md")]
mod readme {}
