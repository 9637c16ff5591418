use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How much more a workload may execute, in hundredths of a percent. Runs, clean builds and changes
/// to code that a workload does not execute mostly differ by less than 20; but one that moved what
/// the compiler inlines moved a workload by 175.
const TOLERANCE: i128 = 300;

/// What became of a workload since it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) workload: String,
    recorded: Option<u64>,
    counted: Option<u64>,
}

/// What to make of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    Steady,
    Costlier,
    Cheaper,
    /// It is not recorded, or recorded and gone.
    Unknown,
}

/// The changes of all workloads, in the order of their names.
pub(super) fn compare(
    recorded: &BTreeMap<String, u64>,
    counted: &BTreeMap<String, u64>,
) -> Vec<Change> {
    let names: BTreeSet<&String> = recorded.keys().chain(counted.keys()).collect();
    let change = |name: &String| Change {
        workload: name.clone(),
        recorded: recorded.get(name).copied(),
        counted: counted.get(name).copied(),
    };
    names.into_iter().map(change).collect()
}

impl Change {
    pub(super) fn finding(&self) -> Finding {
        match self.relative() {
            None => Finding::Unknown,
            Some(change) if change > TOLERANCE => Finding::Costlier,
            Some(change) if change < -TOLERANCE => Finding::Cheaper,
            Some(_) => Finding::Steady,
        }
    }

    /// In a few words, within a sentence.
    pub(super) fn brief(&self) -> String {
        let text = self.to_string();
        let amount = text.strip_prefix(&self.workload).unwrap_or_default();
        format!("{} {}", self.workload, amount.trim_start())
    }

    /// In hundredths of a percent of what is recorded, away from zero.
    fn relative(&self) -> Option<i128> {
        let (recorded, counted) = (i128::from(self.recorded?), i128::from(self.counted?));
        let difference = (counted - recorded) * 10_000;
        let rounded = difference.abs().checked_add(recorded - 1)?;
        Some(rounded.checked_div(recorded)? * difference.signum())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<14} ", self.workload)?;
        match (self.relative(), self.counted) {
            (Some(change), _) => {
                let sign = if change < 0 { '-' } else { '+' };
                let size = change.unsigned_abs();
                write!(f, "{sign}{}.{:02} %", size / 100, size % 100)
            }
            (None, Some(_)) => f.write_str("is not recorded"),
            (None, None) => f.write_str("is recorded, and no workload any more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(counts: &[(&str, u64)]) -> BTreeMap<String, u64> {
        let owned = counts
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count));
        owned.collect()
    }

    fn check(recorded: u64, counted: u64, finding: Finding, text: &str) {
        let changes = compare(
            &counts(&[("parser", recorded)]),
            &counts(&[("parser", counted)]),
        );
        let [change] = changes.as_slice() else {
            panic!("not one change");
        };
        assert_eq!(change.finding(), finding, "{counted}");
        assert_eq!(change.to_string(), format!("{:<14} {text}", "parser"));
        assert_eq!(change.brief(), format!("parser {text}"));
    }

    #[test]
    fn a_workload_may_cost_a_little_more_and_no_more_than_that() {
        check(1_000_000, 1_000_000, Finding::Steady, "+0.00 %");
        check(1_000_000, 1_030_000, Finding::Steady, "+3.00 %");
        check(1_000_000, 1_030_100, Finding::Costlier, "+3.01 %");
        check(1_000_000, 970_000, Finding::Steady, "-3.00 %");
        check(1_000_000, 969_900, Finding::Cheaper, "-3.01 %");
        check(1_000_000, 2_500_000, Finding::Costlier, "+150.00 %");
    }

    #[test]
    fn a_workload_without_a_counterpart_is_unknown() {
        check(0, 1, Finding::Unknown, "is not recorded");
        let changes = compare(&counts(&[("old", 1)]), &counts(&[("new", 1)]));
        let texts: Vec<String> = changes.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "new            is not recorded",
                "old            is recorded, and no workload any more"
            ]
        );
        assert!(
            changes
                .iter()
                .all(|change| change.finding() == Finding::Unknown)
        );
    }
}
