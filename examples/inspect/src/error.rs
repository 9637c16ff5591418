use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use omnisync_adapters_dataverse::webhook;
use omnisync_adapters_salesforce::cdc::{InputError, SchemaError};
use omnisync_core::dixf::{ReadError, XmlError};
use omnisync_core::event::EventError;
use thiserror::Error;

/// Why nothing, or nothing more, is shown.
#[derive(Debug, Error)]
pub(crate) enum InspectError {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write what was found")]
    Output(#[source] io::Error),
    #[error("{} holds no schema of a change event", path.display())]
    Schema { path: PathBuf, source: SchemaError },
    #[error("{} holds no events", path.display())]
    Events { path: PathBuf, source: InputError },
    #[error("{} is no event of Dynamics 365", path.display())]
    Dataverse {
        path: PathBuf,
        source: webhook::DecodeError,
    },
    #[error("{} is no package", path.display())]
    Package { path: PathBuf, source: ReadError },
    #[error("{} cannot be taken out of the package", path.display())]
    Entry {
        path: PathBuf,
        source: zip::result::ZipError,
    },
    #[error("{} is not the file of a package", path.display())]
    Xml { path: PathBuf, source: XmlError },
    #[error("{} holds no cloud events", path.display())]
    CloudEvents { path: PathBuf, source: EventError },
    #[error("{case}: line {line} is not what it should be")]
    SelfTest { case: &'static str, line: usize },
}

impl InspectError {
    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Read {
            path: path.to_owned(),
            source,
        }
    }
}

/// The error with everything that caused it, on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
