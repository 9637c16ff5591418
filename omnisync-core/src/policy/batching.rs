use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Duration, Utc};
use croner::Cron;
use croner::parser::{CronParser, Seconds};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::retry::RetryPolicy;

/// The windows of the order-pipeline design.
const EVERY_FOUR_HOURS: &str = "0 0 */4 * * *";

/// When waiting orders become a batch, and how large a batch may be.
///
/// An order belongs to the first window that closes after the order was recorded; one that
/// arrives late is batched at once. Age and number trigger without a window, so that work never
/// waits for a clock that missed its tick.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BatchPolicy {
    /// When windows close; `None` for age and number alone. Default: 00:00, 04:00, … UTC.
    pub schedule: Option<Schedule>,
    /// Longest time that an order waits for a batch, in seconds. Default 14,400 (4 hours).
    pub age_seconds_max: u32,
    /// Most orders in a batch; as many waiting orders trigger one. Default 10,000.
    pub orders_max: usize,
    /// Most bytes of order events in a batch; one order is always taken. Default 134,217,728
    /// (128 MiB).
    pub event_bytes_max: u64,
    /// How long a worker holds a batch without renewing, in seconds. Default 60.
    pub lease_seconds: u32,
    /// Delays of a batch that somebody has to repair; the batches behind it go on meanwhile.
    pub retry: RetryPolicy,
}

impl Default for BatchPolicy {
    fn default() -> Self {
        Self {
            schedule: Schedule::new(EVERY_FOUR_HOURS).ok(),
            age_seconds_max: 4 * 60 * 60,
            orders_max: 10_000,
            event_bytes_max: 128 * 1024 * 1024,
            lease_seconds: 60,
            retry: RetryPolicy::default(),
        }
    }
}

/// What waits for a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Number of orders, counted up to the most that one batch takes.
    pub orders: usize,
    /// Since when the oldest of them waits.
    pub oldest: DateTime<Utc>,
}

/// Why a batch is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Trigger {
    /// A window closed after the oldest order was recorded.
    Window {
        /// When it closed.
        #[serde(with = "crate::instant")]
        closed_at: DateTime<Utc>,
    },
    /// The oldest order waits as long as allowed.
    Age,
    /// As many orders wait as a batch takes.
    Full,
    /// The host asked for a batch now.
    Requested,
}

impl BatchPolicy {
    /// Whether `backlog` becomes a batch at `now`.
    pub fn trigger(&self, now: DateTime<Utc>, backlog: &Backlog) -> Option<Trigger> {
        if backlog.orders == 0 {
            return None;
        }
        if backlog.orders >= self.orders_max {
            return Some(Trigger::Full);
        }
        if now - backlog.oldest >= self.age_max() {
            return Some(Trigger::Age);
        }
        let closed_at = self.schedule.as_ref()?.last_at_or_before(now)?;
        (backlog.oldest <= closed_at).then_some(Trigger::Window { closed_at })
    }

    /// Until when an order that waits since `since` is in a batch at the latest.
    pub fn deadline(&self, since: DateTime<Utc>) -> DateTime<Utc> {
        let by_age = since
            .checked_add_signed(self.age_max())
            .unwrap_or(DateTime::<Utc>::MAX_UTC);
        let by_window = self
            .schedule
            .as_ref()
            .and_then(|schedule| schedule.first_at_or_after(since));
        by_window.map_or(by_age, |window| window.min(by_age))
    }

    /// How long a worker holds a batch without renewing.
    pub fn lease(&self) -> Duration {
        Duration::seconds(self.lease_seconds.into())
    }

    fn age_max(&self) -> Duration {
        Duration::seconds(self.age_seconds_max.into())
    }
}

/// A cron expression in UTC with an offset: `0 0 */4 * * *` and 15 minutes close a window at
/// 00:15, 04:15, … The expression has five fields, or six with seconds first.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "ScheduleText", into = "ScheduleText")]
pub struct Schedule {
    expression: String,
    cron: Box<Cron>,
    offset: Duration,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScheduleText {
    cron: String,
    #[serde(default)]
    offset_seconds: u32,
}

/// The text is not a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{expression:?} is not a cron expression: {reason}")]
pub struct ScheduleError {
    expression: String,
    reason: String,
}

impl Schedule {
    /// A schedule from a cron expression.
    ///
    /// # Errors
    /// Says what is wrong with the expression.
    pub fn new(expression: &str) -> Result<Self, ScheduleError> {
        let error = |reason: String| ScheduleError {
            expression: expression.to_owned(),
            reason,
        };
        let cron = CronParser::builder()
            .seconds(Seconds::Optional)
            .build()
            .parse(expression)
            .map_err(|cause| error(cause.to_string()))?;
        Ok(Self {
            expression: expression.to_owned(),
            cron: Box::new(cron),
            offset: Duration::zero(),
        })
    }

    /// The same windows, closing `offset` later.
    #[must_use]
    pub fn with_offset(mut self, offset: std::time::Duration) -> Self {
        self.offset = Duration::from_std(offset).unwrap_or_default();
        self
    }

    fn last_at_or_before(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let shifted = instant.checked_sub_signed(self.offset)?;
        let last = self.cron.find_previous_occurrence(&shifted, true).ok()?;
        last.checked_add_signed(self.offset)
    }

    fn first_at_or_after(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let shifted = instant.checked_sub_signed(self.offset)?;
        let first = self.cron.find_next_occurrence(&shifted, true).ok()?;
        first.checked_add_signed(self.offset)
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} + {} s", self.expression, self.offset.num_seconds())
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.expression == other.expression && self.offset == other.offset
    }
}

impl Eq for Schedule {}

impl FromStr for Schedule {
    type Err = ScheduleError;
    fn from_str(expression: &str) -> Result<Self, ScheduleError> {
        Self::new(expression)
    }
}

impl TryFrom<ScheduleText> for Schedule {
    type Error = ScheduleError;
    fn try_from(text: ScheduleText) -> Result<Self, ScheduleError> {
        let offset = std::time::Duration::from_secs(text.offset_seconds.into());
        Ok(Self::new(&text.cron)?.with_offset(offset))
    }
}

impl From<Schedule> for ScheduleText {
    fn from(schedule: Schedule) -> Self {
        Self {
            cron: schedule.expression,
            offset_seconds: u32::try_from(schedule.offset.num_seconds()).unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone;

    fn at(hour: u32, minute: u32) -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 3, 14, hour, minute, 0).unwrap()
    }

    fn one(oldest: DateTime<Utc>) -> Backlog {
        Backlog { orders: 1, oldest }
    }

    #[test]
    fn a_window_takes_what_was_recorded_before_it_closed() {
        let policy = BatchPolicy::default();
        assert!(policy.schedule.is_some());
        assert_eq!(policy.trigger(at(3, 59), &one(at(1, 0))), None);
        let closed_at = at(4, 0);
        assert_eq!(
            policy.trigger(at(4, 0), &one(at(1, 0))),
            Some(Trigger::Window { closed_at })
        );
        assert_eq!(policy.trigger(at(4, 30), &one(at(4, 1))), None);
    }

    #[test]
    fn a_late_arrival_does_not_wait_for_another_window() {
        let policy = BatchPolicy::default();
        let closed_at = at(4, 0);
        assert_eq!(
            policy.trigger(at(5, 0), &one(at(3, 59))),
            Some(Trigger::Window { closed_at })
        );
    }

    #[test]
    fn an_offset_moves_the_windows() {
        let schedule: Schedule =
            serde_json::from_str(r#"{"cron":"0 0 */4 * * *","offset_seconds":900}"#).unwrap();
        let policy = BatchPolicy {
            schedule: Some(schedule),
            ..BatchPolicy::default()
        };
        assert_eq!(policy.trigger(at(4, 10), &one(at(1, 0))), None);
        assert!(policy.trigger(at(4, 15), &one(at(1, 0))).is_some());
        assert_eq!(policy.deadline(at(1, 0)), at(4, 15));
    }

    #[test]
    fn age_and_number_trigger_without_a_window() {
        let policy = BatchPolicy {
            schedule: None,
            orders_max: 5,
            ..BatchPolicy::default()
        };
        assert_eq!(policy.trigger(at(3, 59), &one(at(0, 0))), None);
        assert_eq!(policy.trigger(at(4, 0), &one(at(0, 0))), Some(Trigger::Age));
        let full = Backlog {
            orders: 5,
            oldest: at(0, 0),
        };
        assert_eq!(policy.trigger(at(0, 1), &full), Some(Trigger::Full));
    }

    #[test]
    fn nothing_waiting_is_no_batch() {
        let policy = BatchPolicy::default();
        assert_eq!(
            policy.trigger(
                at(4, 0),
                &Backlog {
                    orders: 0,
                    oldest: at(0, 0)
                }
            ),
            None
        );
    }

    #[test]
    fn a_schedule_survives_its_stored_form_and_refuses_nonsense() {
        let schedule = Schedule::new(EVERY_FOUR_HOURS)
            .unwrap()
            .with_offset(std::time::Duration::from_secs(9));
        let text = serde_json::to_string(&schedule).unwrap();
        assert_eq!(serde_json::from_str::<Schedule>(&text).unwrap(), schedule);
        assert!(Schedule::new("every now and then").is_err());
        assert!(Schedule::new("*/15 * * * *").is_ok());
    }
}
