use std::fmt;

use thiserror::Error;

use crate::json::{JsonError, JsonErrorKind, Pointer};
use crate::port::DeadLetterReason;

/// The rule that an event breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The text is not acceptable JSON; the source of the error says why.
    Json,
    /// The event or the batch has more bytes than allowed.
    TooLarge,
    /// The batch has more events than allowed.
    TooManyEvents,
    /// The event has more attributes than allowed.
    TooManyAttributes,
    /// A required attribute is absent or `null`.
    Missing,
    /// An attribute is empty that must not be.
    Empty,
    /// A value is of a JSON type that is not allowed here.
    WrongType,
    /// `specversion` is not `1.0`.
    UnsupportedVersion,
    /// An attribute name has characters other than `a`–`z` and `0`–`9`, or is reserved.
    BadName,
    /// A text holds a control character or a noncharacter.
    BadCharacter,
    /// A number has a fraction or an exponent, or does not fit 32 bits.
    NotAnInteger,
    /// A time does not follow RFC 3339, or names a moment that does not exist.
    BadTimestamp,
    /// The offset of a time does not follow RFC 3339.
    BadOffset,
    /// The offset of a time is not between -23:59 and +23:59.
    OffsetOutOfRange,
    /// A text is not a URI (for `dataschema`) or not a URI reference (for `source`).
    BadUri,
    /// A text is not a media type.
    BadMediaType,
    /// A text is not base64 with padding.
    BadBase64,
    /// `data` and `data_base64` are both present.
    MutuallyExclusive,
    /// A header value has wrong quoting or percent-encoding, or does not decode to UTF-8.
    BadEncoding,
    /// A header occurs twice.
    Repeated,
    /// A header or a media type must not be used here.
    Forbidden,
    /// The content type announces an event format other than JSON in UTF-8.
    UnsupportedFormat,
}

impl Reason {
    /// The code that is logged and counted.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::TooLarge => "too_large",
            Self::TooManyEvents => "too_many_events",
            Self::TooManyAttributes => "too_many_attributes",
            Self::Missing => "missing",
            Self::Empty => "empty",
            Self::WrongType => "wrong_type",
            Self::UnsupportedVersion => "unsupported_version",
            Self::BadName => "bad_name",
            Self::BadCharacter => "bad_character",
            Self::NotAnInteger => "not_an_integer",
            Self::BadTimestamp => "bad_timestamp",
            Self::BadOffset => "bad_offset",
            Self::OffsetOutOfRange => "offset_out_of_range",
            Self::BadUri => "bad_uri",
            Self::BadMediaType => "bad_media_type",
            Self::BadBase64 => "bad_base64",
            Self::MutuallyExclusive => "mutually_exclusive",
            Self::BadEncoding => "bad_encoding",
            Self::Repeated => "repeated",
            Self::Forbidden => "forbidden",
            Self::UnsupportedFormat => "unsupported_format",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why bytes are not an event. Holds no text of the payload other than names on the way to the
/// place.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("invalid event: {reason}{}", At(.pointer))]
pub struct EventError {
    reason: Reason,
    attribute: Option<Box<str>>,
    pointer: Pointer,
    #[source]
    json: Option<Box<JsonError>>,
}

impl EventError {
    /// An error about the event as a whole.
    pub(super) const fn new(reason: Reason) -> Self {
        Self {
            reason,
            attribute: None,
            pointer: Pointer::root(),
            json: None,
        }
    }

    /// An error about an attribute with a legal name, or about `data`.
    pub(super) fn about(reason: Reason, attribute: &str) -> Self {
        Self {
            attribute: Some(attribute.into()),
            ..Self::at_name(reason, attribute)
        }
    }

    /// An error about a member whose name is not that of an attribute.
    pub(super) fn at_name(reason: Reason, name: &str) -> Self {
        Self {
            pointer: Pointer::root().child(name),
            ..Self::new(reason)
        }
    }

    /// An error of the JSON reader about the text at `outer`.
    pub(super) fn json(error: JsonError, outer: &Pointer) -> Self {
        let reason = match error.kind() {
            JsonErrorKind::TooLarge => Reason::TooLarge,
            _ => Reason::Json,
        };
        Self {
            pointer: error.pointer().clone().within(outer),
            json: Some(Box::new(error)),
            ..Self::new(reason)
        }
    }

    /// Puts the place into the element `index` of a batch.
    pub(super) fn in_element(mut self, index: usize) -> Self {
        self.pointer = self.pointer.within(&Pointer::root().index(index));
        self
    }

    /// The rule that was broken.
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// The attribute (or `data`) that breaks the rule, where it is one and its name is legal.
    pub fn attribute(&self) -> Option<&str> {
        self.attribute.as_deref()
    }

    /// Where the rule is broken, in the JSON form of the event or batch, also when it came as
    /// HTTP headers.
    pub const fn pointer(&self) -> &Pointer {
        &self.pointer
    }

    /// What the JSON reader said, when it refused the text. Its place is seen from the text that
    /// was read: the event, also within a batch, or the data in the body of a message.
    pub fn json_error(&self) -> Option<&JsonError> {
        self.json.as_deref()
    }

    /// Under which word an event with this error is set aside.
    pub fn dead_letter_reason(&self) -> DeadLetterReason {
        let beyond_limit = self
            .json_error()
            .is_some_and(|error| error.kind().is_limit());
        match self.reason {
            _ if beyond_limit => DeadLetterReason::TooLarge,
            Reason::TooLarge | Reason::TooManyEvents | Reason::TooManyAttributes => {
                DeadLetterReason::TooLarge
            }
            Reason::Json => DeadLetterReason::JsonDeserialiseFailure,
            _ => DeadLetterReason::InvalidCloudEvent,
        }
    }
}

struct At<'a>(&'a Pointer);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_root() {
            return Ok(());
        }
        write!(f, " at {}", self.0)
    }
}
