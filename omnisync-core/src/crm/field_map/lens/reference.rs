use serde::{Deserialize, Serialize};

use super::super::error::RefusalReason;
use super::super::map::is_default;
use super::Refused;
use super::text::Case;
use crate::crm::{EntityName, ForeignId, Native, Reference, ReferenceTarget, SystemName, Value};

/// How a reference to another record looks in a system.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ReferenceLens {
    /// What stands in the native field.
    #[serde(skip_serializing_if = "is_default")]
    pub by: ReferenceBy,
    /// Letters of a key that count as one.
    #[serde(skip_serializing_if = "is_default")]
    pub case: Case,
}

/// What names the other record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ReferenceBy {
    /// Its id in the system: [`ReferenceTarget::Foreign`].
    #[default]
    Id,
    /// Its natural key, without white space at the ends: [`ReferenceTarget::Key`].
    Key,
}

impl ReferenceLens {
    /// By natural key.
    pub fn by_key() -> Self {
        Self {
            by: ReferenceBy::Key,
            case: Case::Keep,
        }
    }

    /// Sets which letters of a key count as one.
    #[must_use]
    pub fn with_case(mut self, case: Case) -> Self {
        self.case = case;
        self
    }

    pub(super) fn read(
        &self,
        native: &Native,
        entity: &EntityName,
        system: &SystemName,
    ) -> Refused<Option<Value>> {
        let text = native.as_text().ok_or(RefusalReason::WrongNative)?;
        let target = match self.by {
            ReferenceBy::Id => ReferenceTarget::Foreign {
                system: system.clone(),
                id: ForeignId::new(text).map_err(|_| RefusalReason::Malformed)?,
            },
            ReferenceBy::Key => match self.key(text) {
                key if key.is_empty() => return Ok(None),
                key => ReferenceTarget::Key(key.into()),
            },
        };
        Ok(Some(Value::from(Reference {
            entity: entity.clone(),
            target,
        })))
    }

    pub(super) fn write(
        &self,
        reference: &Reference,
        entity: &EntityName,
        system: &SystemName,
    ) -> Refused<Native> {
        if reference.entity != *entity {
            return Err(RefusalReason::WrongEntity);
        }
        match (self.by, &reference.target) {
            (ReferenceBy::Id, ReferenceTarget::Foreign { system: of, id }) if of == system => {
                Ok(Native::Text(id.as_str().to_owned()))
            }
            (ReferenceBy::Key, ReferenceTarget::Key(key)) => Ok(match self.key(key) {
                key if key.is_empty() => Native::Null,
                key => Native::Text(key),
            }),
            _ => Err(RefusalReason::Unresolved),
        }
    }

    fn key(&self, text: &str) -> String {
        self.case.fold(text.trim())
    }
}
