use serde::{Deserialize, Serialize};

use super::super::error::{MapError, RefusalReason};
use super::super::map::is_default;
use super::Refused;
use crate::crm::{FieldName, Native, Value};

/// How text looks in a system. What the lens changes, it changes in both directions, so that a
/// system which holds another spelling of the same text is left alone.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TextLens {
    /// True to drop white space at both ends.
    #[serde(skip_serializing_if = "is_default")]
    pub trim: bool,
    /// Letters that count as one.
    #[serde(skip_serializing_if = "is_default")]
    pub case: Case,
    /// Longest text in UTF-16 code units, which is what both systems count. A longer one is
    /// refused.
    #[serde(skip_serializing_if = "is_default")]
    pub chars_max: Option<u32>,
    /// True to cut a text that is too long instead.
    #[serde(skip_serializing_if = "is_default")]
    pub truncate: bool,
}

/// Letters that count as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Case {
    /// None: `a` and `A` are two.
    #[default]
    Keep,
    /// Everything in small letters.
    Lower,
    /// Everything in capitals.
    Upper,
}

impl Case {
    /// The text in this case.
    pub fn fold(self, text: &str) -> String {
        match self {
            Self::Keep => text.to_owned(),
            Self::Lower => text.to_lowercase(),
            Self::Upper => text.to_uppercase(),
        }
    }
}

impl TextLens {
    /// Text without white space at its ends.
    pub fn trimmed() -> Self {
        Self {
            trim: true,
            ..Self::default()
        }
    }

    /// Refuses texts with more than `chars_max` UTF-16 code units.
    #[must_use]
    pub fn with_chars_max(mut self, chars_max: u32) -> Self {
        self.chars_max = Some(chars_max);
        self
    }

    /// Cuts texts that are too long.
    #[must_use]
    pub fn truncated(mut self) -> Self {
        self.truncate = true;
        self
    }

    /// Sets which letters count as one.
    #[must_use]
    pub fn with_case(mut self, case: Case) -> Self {
        self.case = case;
        self
    }

    pub(super) fn check(&self, field: &FieldName, errors: &mut Vec<MapError>) {
        let is_zero = self.chars_max == Some(0);
        if is_zero || (self.truncate && self.chars_max.is_none()) {
            errors.push(MapError::CharsMax {
                native: field.clone(),
            });
        }
    }

    pub(super) fn read(&self, native: &Native) -> Refused<Option<Value>> {
        let text = native.as_text().ok_or(RefusalReason::WrongNative)?;
        Ok(Some(self.shaped(text))
            .filter(|text| !text.is_empty())
            .map(|text| Value::Text(text.into())))
    }

    pub(super) fn write(&self, text: &str) -> Refused<Native> {
        let text = self.shaped(text);
        match self.chars_max {
            Some(chars_max) if !fits(&text, chars_max) => Err(RefusalReason::TooLong { chars_max }),
            _ if text.is_empty() => Ok(Native::Null),
            _ => Ok(Native::Text(text)),
        }
    }

    fn shaped(&self, text: &str) -> String {
        let trimmed = |text: &str| {
            let kept = if self.trim { text.trim() } else { text };
            kept.to_owned()
        };
        let text = self.case.fold(&trimmed(text));
        match self.chars_max.filter(|_| self.truncate) {
            // The cut may lay bare white space that stood inside.
            Some(chars_max) => trimmed(&cut(&text, chars_max)),
            None => text,
        }
    }
}

/// True if a joined text is not too long.
pub(in super::super) fn join_fits(text: &str, chars_max: Option<u32>) -> Refused<()> {
    match chars_max {
        Some(chars_max) if !fits(text, chars_max) => Err(RefusalReason::TooLong { chars_max }),
        _ => Ok(()),
    }
}

fn units_max(chars_max: u32) -> usize {
    usize::try_from(chars_max).unwrap_or(usize::MAX)
}

fn fits(text: &str, chars_max: u32) -> bool {
    // No text has more code units than bytes.
    text.len() <= units_max(chars_max) || text.encode_utf16().count() <= units_max(chars_max)
}

/// The longest beginning of whole characters that fits.
fn cut(text: &str, chars_max: u32) -> String {
    let mut units = 0;
    text.chars()
        .take_while(|c| {
            units += c.len_utf16();
            units <= units_max(chars_max)
        })
        .collect()
}
