use chrono::{DateTime, Datelike as _, Duration, NaiveDate, NaiveTime, SecondsFormat, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::super::error::{MapError, RefusalReason};
use super::super::map::is_default;
use super::Refused;
use crate::crm::{FieldName, Native, Value};

/// Largest distance of a zone from UTC.
const OFFSET_MINUTES_MAX: i32 = 18 * 60;
/// Years that every form can hold.
const YEARS: std::ops::RangeInclusive<i32> = 1..=9_999;

/// How a day looks in a system.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DateLens {
    /// The form.
    pub form: DateForm,
}

/// Forms of a day. A day in a form of time begins at midnight of a zone with a fixed offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum DateForm {
    /// Text: `2026-03-14`.
    #[default]
    Iso,
    /// Milliseconds since 1970, as a number.
    #[serde(rename_all = "camelCase")]
    EpochMs {
        /// Distance of the zone from UTC, to the east.
        offset_minutes: i32,
    },
    /// Text of the point in time at which the day begins, written in UTC.
    #[serde(rename_all = "camelCase")]
    DateTime {
        /// Distance of the zone from UTC, to the east.
        offset_minutes: i32,
    },
}

/// How a point in time looks in a system.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct InstantLens {
    /// The form.
    #[serde(skip_serializing_if = "is_default")]
    pub form: InstantForm,
    /// What is kept of it.
    #[serde(skip_serializing_if = "is_default")]
    pub precision: Precision,
}

/// Forms of a point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum InstantForm {
    /// Text by RFC 3339, written in UTC. An offset without a colon is read as well.
    #[default]
    Rfc3339,
    /// Milliseconds since 1970, as a number.
    EpochMs,
}

/// What is kept of a point in time. The rest is cut off, towards the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Precision {
    /// Whole seconds.
    Seconds,
    /// Whole milliseconds.
    #[default]
    Millis,
}

impl DateLens {
    /// A day in this form.
    pub const fn new(form: DateForm) -> Self {
        Self { form }
    }

    pub(super) fn check(&self, field: &FieldName, errors: &mut Vec<MapError>) {
        let offset_minutes = self.form.offset_minutes();
        if !(-OFFSET_MINUTES_MAX..=OFFSET_MINUTES_MAX).contains(&offset_minutes) {
            errors.push(MapError::Offset {
                field: field.clone(),
                minutes_max: OFFSET_MINUTES_MAX,
            });
        }
    }

    pub(super) fn read(&self, native: &Native) -> Refused<Option<Value>> {
        let date = match self.form {
            DateForm::Iso => iso_date(text(native)?).ok_or(RefusalReason::Malformed)?,
            DateForm::EpochMs { .. } => self.day_of(epoch(native)?)?,
            DateForm::DateTime { .. } => self.day_of(parse_instant(text(native)?)?)?,
        };
        Ok(Some(Value::Date(date)))
    }

    pub(super) fn write(&self, date: NaiveDate) -> Refused<Native> {
        if !YEARS.contains(&date.year()) {
            return Err(RefusalReason::OutOfRange);
        }
        Ok(match self.form {
            DateForm::Iso => Native::Text(date.format("%Y-%m-%d").to_string()),
            DateForm::EpochMs { .. } => {
                Native::Number(Decimal::from(self.start_of(date)?.timestamp_millis()))
            }
            DateForm::DateTime { .. } => Native::Text(rfc3339(self.start_of(date)?)?),
        })
    }

    fn offset(&self) -> Duration {
        Duration::minutes(self.form.offset_minutes().into())
    }

    fn day_of(&self, at: DateTime<Utc>) -> Refused<NaiveDate> {
        at.naive_utc()
            .checked_add_signed(self.offset())
            .map(|local| local.date())
            .ok_or(RefusalReason::OutOfRange)
    }

    fn start_of(&self, date: NaiveDate) -> Refused<DateTime<Utc>> {
        date.and_time(NaiveTime::MIN)
            .checked_sub_signed(self.offset())
            .map(|start| start.and_utc())
            .ok_or(RefusalReason::OutOfRange)
    }
}

impl DateForm {
    const fn offset_minutes(self) -> i32 {
        match self {
            Self::Iso => 0,
            Self::EpochMs { offset_minutes } | Self::DateTime { offset_minutes } => offset_minutes,
        }
    }
}

impl InstantLens {
    /// A point in time in this form, with this precision.
    pub const fn new(form: InstantForm, precision: Precision) -> Self {
        Self { form, precision }
    }

    pub(super) fn read(&self, native: &Native) -> Refused<Option<Value>> {
        let at = match self.form {
            InstantForm::Rfc3339 => parse_instant(text(native)?)?,
            InstantForm::EpochMs => epoch(native)?,
        };
        self.precision.cut(at).map(|at| Some(Value::Instant(at)))
    }

    pub(super) fn write(&self, at: DateTime<Utc>) -> Refused<Native> {
        let at = self.precision.cut(at)?;
        Ok(match self.form {
            InstantForm::Rfc3339 => Native::Text(rfc3339(at)?),
            InstantForm::EpochMs => Native::Number(Decimal::from(at.timestamp_millis())),
        })
    }
}

impl Precision {
    /// Goes through a number, which also does away with leap seconds.
    fn cut(self, at: DateTime<Utc>) -> Refused<DateTime<Utc>> {
        let millis = at.timestamp_millis();
        let kept = match self {
            Self::Seconds => millis.div_euclid(1_000) * 1_000,
            Self::Millis => millis,
        };
        from_millis(kept)
    }
}

fn from_millis(millis: i64) -> Refused<DateTime<Utc>> {
    DateTime::from_timestamp_millis(millis).ok_or(RefusalReason::OutOfRange)
}

fn text(native: &Native) -> Refused<&str> {
    native.as_text().ok_or(RefusalReason::WrongNative)
}

fn epoch(native: &Native) -> Refused<DateTime<Utc>> {
    let Native::Number(number) = native else {
        return Err(RefusalReason::WrongNative);
    };
    if !number.is_integer() {
        return Err(RefusalReason::Malformed);
    }
    from_millis(i64::try_from(*number).map_err(|_| RefusalReason::OutOfRange)?)
}

/// Four digits, two and two: `chrono` alone would also take signs, blanks and missing zeros.
fn iso_date(text: &str) -> Option<NaiveDate> {
    let is_iso = text.len() == 10
        && text.bytes().enumerate().all(|(position, byte)| {
            if matches!(position, 4 | 7) {
                byte == b'-'
            } else {
                byte.is_ascii_digit()
            }
        });
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(date).filter(|date| is_iso && YEARS.contains(&date.year()))
}

fn parse_instant(text: &str) -> Refused<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"))
        .map(|at| at.to_utc())
        .map_err(|_| RefusalReason::Malformed)
}

fn rfc3339(at: DateTime<Utc>) -> Refused<String> {
    if !YEARS.contains(&at.year()) {
        return Err(RefusalReason::OutOfRange);
    }
    Ok(at.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}
