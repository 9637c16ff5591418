use chrono::{DateTime, Utc};
use omnisync_core::crm::{Native, Origin};
use omnisync_core::json::Json;
use uuid::Uuid;

use super::read::Member;

/// Columns of a row as the Web API writes them: lookups as `_<column>_value`, without annotations.
///
/// Expanded records and numbers of more digits than can be kept exactly are left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RowColumns(Vec<(String, Native)>);

impl RowColumns {
    /// The names and values, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Native)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a column by its name in the row.
    pub fn get(&self, name: &str) -> Option<&Native> {
        self.iter()
            .find_map(|(key, value)| (key == name).then_some(value))
    }

    /// The record that a lookup points at.
    pub fn lookup(&self, column: &str) -> Option<Uuid> {
        guid(self.get(&format!("_{column}_value"))?.as_text()?)
    }

    /// The text for people that the connector adds for an option: nothing to decide by.
    pub fn label(&self, column: &str) -> Option<&str> {
        self.get(&format!("_{column}_label"))?.as_text()
    }

    /// Reads the members but those that are `taken`.
    pub(super) fn read(members: &[Member<'_>], taken: &[&str]) -> Self {
        let columns = members.iter().filter_map(|(name, value)| {
            if name.contains('@') || taken.contains(&name.as_ref()) {
                return None;
            }
            let value = Native::try_from(value).ok()?;
            Some((name.clone().into_owned(), value))
        });
        Self(columns.collect())
    }

    /// When the row was changed last.
    pub(super) fn modified(&self) -> Option<DateTime<Utc>> {
        let text = self.get("modifiedon")?.as_text()?;
        let date = DateTime::parse_from_rfc3339(text).ok()?;
        Some(date.to_utc())
    }

    /// Who changed the row last.
    pub(super) fn origin(&self) -> Origin {
        Origin {
            user: self
                .lookup("modifiedby")
                .map(|id| id.as_hyphenated().to_string()),
            client: None,
        }
    }
}

/// A GUID in any spelling, if it is not all zero.
pub(super) fn guid(text: &str) -> Option<Uuid> {
    let id = Uuid::try_parse(text.trim()).ok()?;
    (!id.is_nil()).then_some(id)
}

/// The GUID of a member; `None` where it is missing or none.
pub(super) fn member_guid(row: &Json<'_>, name: &str) -> Option<Uuid> {
    guid(row.get(name)?.as_str()?)
}
