use std::fmt;
use std::sync::Arc;

use omnisync_core::{ErrorKind, PortError};

/// What a token is for, such as `https://storage.azure.com/.default`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope(Arc<str>);

/// What a scope ends in that means a whole resource.
const DEFAULT: &str = "/.default";

impl Scope {
    /// The scope of this name.
    ///
    /// # Errors
    /// `Invalid` when it is empty or holds anything but printable ASCII.
    pub fn new(name: impl Into<String>) -> Result<Self, PortError> {
        let name = name.into();
        let is_printable = name.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if name.trim().is_empty() || !is_printable {
            let error = PortError::new(ErrorKind::Invalid, "token.scope");
            return Err(error.with_detail(
                "the scope is empty or not printable ASCII; give one such as \
                 https://storage.azure.com/.default",
            ));
        }
        Ok(Self(name.into()))
    }

    /// All that an application may do with the resource at `url`: `url/.default`.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn of_resource(url: &str) -> Result<Self, PortError> {
        Self::new(format!("{}{DEFAULT}", url.trim_end_matches('/')))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The resource, by which managed identities name it.
    pub fn resource(&self) -> &str {
        self.0.strip_suffix(DEFAULT).unwrap_or(&self.0)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
