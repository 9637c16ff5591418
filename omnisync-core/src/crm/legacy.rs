//! The envelope by which systems before this one passed changes of CRM records on.

mod date;
mod values;

use chrono::{DateTime, SecondsFormat, Utc};
use thiserror::Error;

use crate::json::{self, Json, JsonError, JsonErrorKind, Limits, Pointer};

pub use values::{LegacySource, LegacyValue, LegacyValues};

/// What an envelope may hold at most: it travels as one message of an event hub, which ends at
/// 1 MB.
const LIMITS: Limits = Limits {
    bytes_max: 1024 * 1024,
    depth_max: 8,
    values_max: 10_000,
};

/// A change of a record in the form that the consumers of the older integration read: one shape
/// for all entities, with the fields as a JSON object in a text.
///
/// It is read as it was written in practice: every field is optional, blanks stand for nothing,
/// `Products` means `Product`, operations come in any case, and tabs and line ends may stand
/// unescaped between members. What was broken by a quote that nobody escaped is refused and never
/// guessed at. Written envelopes are strict JSON.
///
/// ```
/// use omnisync_core::crm::{LegacyEnvelope, LegacyEntity, LegacyOperation};
///
/// let body = br#"{"Operation":"CREATE","Entity":"Products","Values":"{\"ProductName\":\"20\\\" CRT\"}"}"#;
/// let envelope = LegacyEnvelope::read(body)?;
/// assert_eq!(envelope.operation, LegacyOperation::Create);
/// assert_eq!(envelope.entity, LegacyEntity::Product);
/// assert_eq!(envelope.values.text("ProductName"), Some("20\" CRT"));
/// assert_eq!(LegacyEnvelope::read(envelope.to_json().as_bytes())?, envelope);
/// # Ok::<(), omnisync_core::crm::LegacyError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyEnvelope {
    /// What was done.
    pub operation: LegacyOperation,
    /// To what.
    pub entity: LegacyEntity,
    /// The fields.
    pub values: LegacyValues,
    /// `CreatedDate`: when it was sent, not when the record was created.
    pub created: Option<DateTime<Utc>>,
    /// `UpdatedDate`: when it was sent, not when the record was changed.
    pub updated: Option<DateTime<Utc>>,
}

/// What an envelope says was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LegacyOperation {
    /// The record was created.
    Create,
    /// It was changed.
    Update,
    /// It was deleted.
    Delete,
}

/// What an envelope is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LegacyEntity {
    /// An account.
    Customer,
    /// A product, or its price.
    Product,
    /// A store.
    Store,
    /// One line of an order.
    SalesOrders,
    /// A currency.
    Currency,
    /// Which ids of two systems are one record.
    MasterDataMapping,
}

/// Why a text is no envelope. No message quotes it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LegacyError {
    /// The envelope is no JSON.
    #[error("the envelope is not acceptable json")]
    Json(#[source] JsonError),
    /// The text of `Values` is no JSON: mostly a quote that its producer did not escape.
    #[error("the values of the envelope are not acceptable json")]
    Values(#[source] JsonError),
    /// A member that has to be there is not.
    #[error("the envelope has no {0}")]
    Missing(&'static str),
    /// A member has another type.
    #[error("expected {expected} at {pointer:?} of the envelope")]
    Unexpected {
        /// What belongs there.
        expected: &'static str,
        /// Where: in the envelope, or below `/Values` in its values.
        pointer: Pointer,
    },
    /// None of create, update and delete.
    #[error("the operation of the envelope is none that is known")]
    Operation,
    /// None of the entities.
    #[error("the entity of the envelope is none that is known")]
    Entity,
    /// A date is neither milliseconds since 1970 nor by ISO 8601.
    #[error("no date at {pointer:?} of the envelope: use milliseconds since 1970 or iso 8601")]
    Date {
        /// Where.
        pointer: Pointer,
    },
}

impl LegacyEnvelope {
    /// Reads an envelope. Members that it does not know are left out.
    ///
    /// # Errors
    /// Every [`LegacyError`]: the text belongs among the dead letters.
    pub fn read(bytes: &[u8]) -> Result<Self, LegacyError> {
        match json::parse(bytes, &LIMITS) {
            Ok(document) => Self::from_document(&document),
            Err(error) if error.kind() == JsonErrorKind::Syntax => {
                let escaped = with_escaped_controls(bytes);
                // The place in the text as it came is the one that helps.
                let document =
                    json::parse(&escaped, &LIMITS).map_err(|_| LegacyError::Json(error))?;
                Self::from_document(&document)
            }
            Err(error) => Err(LegacyError::Json(error)),
        }
    }

    /// The envelope as strict JSON on one line.
    pub fn to_json(&self) -> String {
        let mut out = String::from(r#"{"Operation":"#);
        json::write_string(&mut out, self.operation.as_str());
        out.push_str(r#","Entity":"#);
        json::write_string(&mut out, self.entity.as_str());
        out.push_str(r#","Values":"#);
        json::write_string(&mut out, &self.values.to_json());
        for (name, date) in [("CreatedDate", self.created), ("UpdatedDate", self.updated)] {
            if let Some(date) = date {
                out.push(',');
                json::write_string(&mut out, name);
                out.push(':');
                json::write_string(&mut out, &date.to_rfc3339_opts(SecondsFormat::AutoSi, true));
            }
        }
        out.push('}');
        out
    }

    fn from_document(document: &Json<'_>) -> Result<Self, LegacyError> {
        if document.as_object().is_none() {
            return Err(LegacyError::Unexpected {
                expected: "an object",
                pointer: Pointer::root(),
            });
        }
        let required =
            |name: &'static str| text_of(document, name)?.ok_or(LegacyError::Missing(name));
        let date = |name: &'static str| {
            let text = text_of(document, name)?.map_or("", str::trim);
            if text.is_empty() {
                return Ok(None);
            }
            let pointer = || Pointer::root().child(name);
            let date = date::parse(text);
            date.map(Some)
                .ok_or_else(|| LegacyError::Date { pointer: pointer() })
        };
        Ok(Self {
            operation: LegacyOperation::parse(required("Operation")?)?,
            entity: LegacyEntity::parse(required("Entity")?)?,
            values: LegacyValues::read(required("Values")?)?,
            created: date("CreatedDate")?,
            updated: date("UpdatedDate")?,
        })
    }
}

impl LegacyOperation {
    /// The word that is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "Create",
            Self::Update => "Update",
            Self::Delete => "Delete",
        }
    }

    fn parse(text: &str) -> Result<Self, LegacyError> {
        let known = [Self::Create, Self::Update, Self::Delete];
        let mut known = known.into_iter();
        known
            .find(|operation| operation.as_str().eq_ignore_ascii_case(text.trim()))
            .ok_or(LegacyError::Operation)
    }
}

impl LegacyEntity {
    /// The word that is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "Customer",
            Self::Product => "Product",
            Self::Store => "Store",
            Self::SalesOrders => "SalesOrders",
            Self::Currency => "Currency",
            Self::MasterDataMapping => "MasterDataMapping",
        }
    }

    fn parse(text: &str) -> Result<Self, LegacyError> {
        Ok(match text.trim() {
            "Customer" => Self::Customer,
            // Sent for deleted prices.
            "Product" | "Products" => Self::Product,
            "Store" => Self::Store,
            "SalesOrders" => Self::SalesOrders,
            "Currency" => Self::Currency,
            "MasterDataMapping" => Self::MasterDataMapping,
            _ => return Err(LegacyError::Entity),
        })
    }
}

/// The text of a member; `None` where it is missing or null.
fn text_of<'d>(document: &'d Json<'_>, name: &'static str) -> Result<Option<&'d str>, LegacyError> {
    let Some(member) = document.get(name).filter(|member| !member.is_null()) else {
        return Ok(None);
    };
    let text = member.as_str();
    text.map(Some).ok_or_else(|| LegacyError::Unexpected {
        expected: "a string",
        pointer: Pointer::root().child(name),
    })
}

/// The text with tabs and line ends inside its strings escaped: the values were pasted into the
/// envelope as they were laid out.
fn with_escaped_controls(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 16);
    let mut inside = false;
    let mut escaped = false;
    for &byte in bytes {
        match byte {
            b'\t' if inside => out.extend(b"\\t"),
            b'\r' if inside => out.extend(b"\\r"),
            b'\n' if inside => out.extend(b"\\n"),
            byte => out.push(byte),
        }
        inside ^= byte == b'"' && !escaped;
        escaped = inside && byte == b'\\' && !escaped;
    }
    out
}

#[cfg(test)]
mod tests;
