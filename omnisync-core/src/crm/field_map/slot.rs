//! Where a field of an entity is found in the system.

use super::error::RefusalReason;
use super::lens::{FieldLens, join_fits};
use super::map::Join;
use crate::crm::{FieldName, Native, SystemName, Value};

/// A field of the entity and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct CompiledField {
    pub(super) reader: Option<Slot>,
    /// The reader first, if it is one.
    pub(super) writers: Vec<Slot>,
}

/// One place of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Slot {
    /// A native field of its own.
    Own(Box<OwnSlot>),
    /// A part of a joined native field.
    Part {
        /// Which join.
        join: usize,
        /// Which part of it.
        part: usize,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OwnSlot {
    pub(super) native: FieldName,
    pub(super) lens: FieldLens,
}

impl OwnSlot {
    /// What is left of `value` when the system has held it.
    pub(super) fn normal(
        &self,
        value: Option<&Value>,
        system: &SystemName,
    ) -> Result<Option<Value>, RefusalReason> {
        // Every system has its own word for a link, so nothing of it is lost anywhere.
        if let Some(Value::Reference(reference)) = value
            && reference.is_resolved()
        {
            return Ok(value.cloned());
        }
        self.lens.written(value, system).map(|(_, read)| read)
    }
}

impl Join {
    /// The parts of what the system holds.
    pub(super) fn split(&self, native: &Native) -> Result<Vec<Option<String>>, RefusalReason> {
        let text = match native {
            Native::Null => "",
            Native::Text(text) => text,
            _ => return Err(RefusalReason::WrongNative),
        };
        let mut parts: Vec<Option<String>> = text
            .split(self.separator.as_str())
            .map(|part| self.kept(part))
            .collect();
        let count = self.fields.len();
        if parts.len() > count {
            let is_empty = parts.iter().skip(count).all(Option::is_none);
            if !is_empty {
                return Err(RefusalReason::TooManyParts);
            }
        }
        parts.resize(count, None);
        Ok(parts)
    }

    /// One part as it will stand between the others.
    pub(super) fn part(&self, value: Option<&Value>) -> Result<Option<String>, RefusalReason> {
        match value {
            None => Ok(None),
            Some(Value::Text(text)) if text.contains(self.separator.as_str()) => {
                match self.kept(text) {
                    Some(kept) if kept.contains(self.separator.as_str()) => {
                        Err(RefusalReason::HoldsSeparator)
                    }
                    kept => Ok(kept),
                }
            }
            Some(Value::Text(text)) => Ok(self.kept(text)),
            Some(_) => Err(RefusalReason::WrongKind),
        }
    }

    /// All parts as the system holds them.
    pub(super) fn whole(&self, parts: &[Option<String>]) -> Result<Native, RefusalReason> {
        let used = parts
            .iter()
            .rposition(Option::is_some)
            .map_or(0, |last| last + 1);
        let texts: Vec<&str> = parts
            .iter()
            .take(used)
            .map(|part| part.as_deref().unwrap_or_default())
            .collect();
        let text = texts.join(&self.separator);
        join_fits(&text, self.chars_max)?;
        Ok(if text.is_empty() {
            Native::Null
        } else {
            Native::Text(text)
        })
    }

    /// What is left of one part when the system has held it.
    pub(super) fn normal(
        &self,
        part: usize,
        value: Option<&Value>,
    ) -> Result<Option<Value>, RefusalReason> {
        let text = self.part(value)?;
        let mut alone = vec![None; part];
        alone.push(text.clone());
        self.whole(&alone)?;
        Ok(text.map(|text| Value::Text(text.into())))
    }

    fn kept(&self, part: &str) -> Option<String> {
        let part = if self.trim { part.trim() } else { part };
        Some(part.to_owned()).filter(|part| !part.is_empty())
    }
}
