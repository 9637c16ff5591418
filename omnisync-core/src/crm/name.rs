use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::id::{IdError, text_id};

const fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// Document stores forbid these in keys, and no key carries control characters.
fn is_key_char(c: char) -> bool {
    !c.is_control() && !matches!(c, '/' | '\\' | '?' | '#')
}

text_id!(
    /// A system that takes part, as the host calls it: `salesforce`, `dynamics`, `sap`.
    SystemName, "system name", 32, is_name_char
);

text_id!(
    /// Kind of a shared record: `Account`, `Product`.
    EntityName, "entity name", 64, is_name_char
);

text_id!(
    /// A field: of an entity (`shippingCity`), or of a system's own object (`ShippingCity`,
    /// `address1_city`).
    FieldName, "field name", 128, is_name_char
);

text_id!(
    /// Identity of a record in its system: a Salesforce id, a Dataverse GUID. Compared as it
    /// is: adapters bring the spellings of one id into one form.
    ForeignId, "record id", 128, is_key_char
);

text_id!(
    /// Opaque version of a record in its system. Whether tokens can be ordered is a matter of the
    /// system; everything here compares them for equality.
    VersionToken, "version token", 128, |c| !c.is_control()
);

/// Names that stand in the code itself; a test reads every one of them.
impl FieldName {
    pub(in crate::crm) fn known(text: &'static str) -> Self {
        debug_assert!(Self::new(text).is_ok(), "{text:?} is no field name");
        Self(SmolStr::new_static(text))
    }
}

/// As of [`FieldName`].
impl EntityName {
    pub(in crate::crm) fn known(text: &'static str) -> Self {
        debug_assert!(Self::new(text).is_ok(), "{text:?} is no entity name");
        Self(SmolStr::new_static(text))
    }
}

/// What stands for people in the place of a system.
const PERSON: &str = "person";

impl SystemName {
    /// People at the desk, where the system is named that a value comes from. No system of a landscape
    /// may be called so.
    pub fn person() -> Self {
        debug_assert!(Self::new(PERSON).is_ok(), "{PERSON:?} is no system name");
        Self(PERSON.into())
    }

    /// True for [`person`](Self::person).
    pub fn is_person(&self) -> bool {
        self.as_str() == PERSON
    }
}

/// Identity of one record across all systems.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LinkId(uuid::Uuid);

impl LinkId {
    /// The link that 16 bytes stand for, marked as a custom (version 8) UUID.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl fmt::Debug for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for LinkId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        uuid::Uuid::try_parse(text)
            .map(Self)
            .map_err(|_| IdError::Malformed { what: "link id" })
    }
}
