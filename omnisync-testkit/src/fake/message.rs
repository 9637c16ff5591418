use std::fmt;

use bytes::Bytes;

/// Something to publish.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The bytes.
    pub body: Bytes,
}

impl Message {
    /// A message without headers.
    pub fn new(body: impl Into<Bytes>) -> Self {
        Self {
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

impl fmt::Debug for Message {
    /// Leaves the payload out: bodies hold personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// A message that was set aside, as an operator reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The message, as it was published.
    pub message: Message,
    /// Why it was set aside: the word of a [`DeadLetterReason`](omnisync_core::port::DeadLetterReason), or a word of the back end.
    pub reason: String,
    /// Where in the payload and what to do.
    pub description: String,
}
