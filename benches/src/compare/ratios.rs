//! Ratios of pairs that were measured in the same round.

use serde::{Deserialize, Serialize};

/// How much ratios of a machine at rest may be off.
const DRIFT: std::ops::RangeInclusive<f64> = 0.93..=1.07;

/// Ratios of some rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ratios {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Ratios {
    /// `None` without any ratio.
    pub(crate) fn of(mut ratios: Vec<f64>) -> Option<Self> {
        ratios.sort_by(f64::total_cmp);
        let middle = ratios.len() / 2;
        let median = if ratios.len().is_multiple_of(2) {
            f64::midpoint(*ratios.get(middle.checked_sub(1)?)?, *ratios.get(middle)?)
        } else {
            *ratios.get(middle)?
        };
        Some(Self {
            median,
            min: *ratios.first()?,
            max: *ratios.last()?,
        })
    }

    /// Whether these are ratios that one contestant may have with itself.
    pub(crate) fn is_steady(&self) -> bool {
        DRIFT.contains(&self.median)
    }
}

impl std::fmt::Display for Ratios {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { median, min, max } = self;
        write!(f, "{median:.2} ({min:.2}-{max:.2})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let odd = Ratios::of(vec![3.0, 1.0, 2.0]).unwrap();
        assert_eq!((odd.median, odd.min, odd.max), (2.0, 1.0, 3.0));
        let even = Ratios::of(vec![4.0, 1.0, 2.0, 3.0]).unwrap();
        assert_eq!((even.median, even.min, even.max), (2.5, 1.0, 4.0));
        assert_eq!(Ratios::of(Vec::new()), None);
    }

    #[test]
    fn ratios_that_drift_are_not_steady() {
        let steady = |ratio| Ratios::of(vec![ratio]).unwrap().is_steady();
        assert!(steady(1.0) && steady(0.93) && steady(1.07));
        assert!(!steady(0.92) && !steady(1.08));
    }
}
