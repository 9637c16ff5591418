use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::model::Order;
use super::rule::{Rule, Violation};

/// Whether `totalAmount` has to match the lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TotalPolicy {
    /// What a mismatch does. Default: warn, since many order systems include taxes.
    pub mode: TotalMode,
    /// Largest difference that still matches, in the order's currency. Default 0.01.
    pub tolerance: Decimal,
    /// Whether the total contains the freight. Default: either is fine.
    pub freight: FreightInTotal,
}

impl Default for TotalPolicy {
    fn default() -> Self {
        Self {
            mode: TotalMode::Warn,
            tolerance: Decimal::new(1, 2),
            freight: FreightInTotal::Either,
        }
    }
}

/// What a total that does not match does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TotalMode {
    /// Nothing: the total is not checked.
    Off,
    /// The order is accepted with a warning.
    Warn,
    /// The order is refused.
    Enforce,
}

/// Whether a total contains the freight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FreightInTotal {
    /// The total is the sum of the lines.
    Excluded,
    /// The total is the sum of the lines and the freight.
    Included,
    /// The total may be either.
    Either,
}

/// A total that does not match.
pub(super) struct TotalMismatch {
    pub(super) violation: Violation,
    pub(super) enforced: bool,
}

/// Compares the total with the discounted lines, rounded line by line.
pub(super) fn check_total(order: &Order, policy: &TotalPolicy) -> Option<TotalMismatch> {
    let enforced = match policy.mode {
        TotalMode::Off => return None,
        TotalMode::Warn => false,
        TotalMode::Enforce => true,
    };
    let lines = order.lines_total();
    let with_freight = lines + order.freight.unwrap_or_default();
    let matches = |expected: Decimal| (order.total_amount - expected).abs() <= policy.tolerance;
    let fits = match policy.freight {
        FreightInTotal::Excluded => matches(lines),
        FreightInTotal::Included => matches(with_freight),
        FreightInTotal::Either => matches(lines) || matches(with_freight),
    };
    (!fits).then(|| TotalMismatch {
        violation: Violation {
            pointer: "/totalAmount".to_owned(),
            rule: Rule::TotalMismatch,
        },
        enforced,
    })
}
