use omnisync_core::crm::{ChangeKind, FieldName, Hint, HintScope};
use omnisync_core::json::Json;
use uuid::Uuid;

use super::context::LIMITS;
use super::error::DecodeError;
use super::read;
use super::row::{self, RowColumns};

const MESSAGE: &str = "SdkMessage";
const RECORD: &str = "ItemInternalId";

/// The body with which the Dataverse connector of Logic Apps and Power Automate calls back: the
/// whole row, with the message that changed it. It names neither its table nor the columns that
/// changed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallbackRow {
    /// `SdkMessage`: `Create`, `Update`, `Delete`.
    pub message: Option<String>,
    /// `ItemInternalId`: which record it is.
    pub record: Uuid,
    /// The row.
    pub columns: RowColumns,
}

impl CallbackRow {
    /// Reads the body of a call.
    ///
    /// # Errors
    /// [`DecodeError::Json`], and [`DecodeError::Unexpected`] where the record is not named.
    pub fn read(body: &[u8]) -> Result<Self, DecodeError> {
        Self::from_json(&read::document(body, &LIMITS)?)
    }

    /// True for bodies that are meant to be of this form.
    pub(super) fn is_meant(document: &Json<'_>) -> bool {
        document.get(MESSAGE).is_some() || document.get(RECORD).is_some()
    }

    pub(super) fn from_json(document: &Json<'_>) -> Result<Self, DecodeError> {
        let members = read::members(document)?;
        let message = match document.get(MESSAGE) {
            Some(message) => read::filled_text(message).map_err(|error| error.below(MESSAGE))?,
            None => None,
        };
        let record = row::member_guid(document, RECORD)
            .ok_or_else(|| DecodeError::expected("the guid of the record").below(RECORD))?;
        Ok(Self {
            message,
            record,
            columns: RowColumns::read(members, &[MESSAGE, RECORD]),
        })
    }

    /// What kind of change the message is.
    pub fn kind(&self) -> ChangeKind {
        let message = self.message.as_deref().unwrap_or_default();
        match message.to_ascii_lowercase().as_str() {
            "create" => ChangeKind::Create,
            "update" => ChangeKind::Update,
            "delete" => ChangeKind::Delete,
            _ => ChangeKind::Unknown,
        }
    }

    /// What it says about its record, which is one of the table `object`: the one that the call was
    /// registered for.
    ///
    /// # Errors
    /// [`DecodeError::NoRecord`] where `object` is no logical name.
    pub fn hint(&self, object: &str) -> Result<Hint, DecodeError> {
        FieldName::new(object).map_err(|_| DecodeError::NoRecord)?;
        Ok(Hint {
            object: object.to_owned(),
            scope: HintScope::Records(vec![read::record_id(self.record)?]),
            kind: self.kind(),
            origin: self.columns.origin(),
            at: self.columns.modified(),
            fields: Vec::new(),
        })
    }
}
