//! Rules that refuse rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::entity::{HEADERS, ORDER};

/// Refuses rows, or lets them pass.
pub type Rule = Arc<dyn Fn(&RuleRow<'_>) -> Option<RowError> + Send + Sync>;

/// A row on its way into a table.
#[derive(Debug, Clone, Copy)]
pub struct RuleRow<'r> {
    /// Entity label.
    pub entity: &'r str,
    /// Company.
    pub company: &'r str,
    /// Values by staging column.
    pub columns: &'r BTreeMap<String, String>,
}

impl RuleRow<'_> {
    /// A value; empty when the row has no such column.
    pub fn get(&self, column: &str) -> &str {
        self.columns.get(column).map_or("", String::as_str)
    }
}

/// Why a row was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    /// The service's code, such as `DMF1959`.
    pub code: Option<String>,
    /// The service's message.
    pub message: String,
}

impl RowError {
    /// An error without a code.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            code: None,
            message: message.into(),
        }
    }

    /// An error with a code.
    pub fn with_code(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: Some(code.to_owned()),
            message: message.into(),
        }
    }

    /// Code and message as the service writes them in one text.
    pub fn text(&self) -> String {
        match &self.code {
            Some(code) => format!("{code}: {}", self.message),
            None => self.message.clone(),
        }
    }
}

/// A rule that refuses the headers of this share of all orders. Which ones depends on nothing but
/// their numbers, and their lines find no header.
pub fn refuse_share(share: f64) -> Rule {
    Arc::new(move |row| {
        let order = row.get(ORDER);
        let refused = row.entity == HEADERS && place(order) < share;
        refused.then(|| RowError::new(format!("Sales order {order} was refused by a rule")))
    })
}

/// Where a text falls between 0 and 1. Numbers that follow each other fall far apart.
fn place(text: &str) -> f64 {
    let hash = text.bytes().fold(0x811C_9DC5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    let hash = (hash ^ (hash >> 16)).wrapping_mul(0x85EB_CA6B);
    let hash = (hash ^ (hash >> 13)).wrapping_mul(0xC2B2_AE35);
    f64::from(hash ^ (hash >> 16)) / (f64::from(u32::MAX) + 1.0)
}
