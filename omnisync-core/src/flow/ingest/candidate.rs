use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

use crate::event::{CloudEvent, EventData, EventError};
use crate::id::OrderId;
use crate::json::{self, Json, JsonError, Limits};
use crate::order::{
    Cause, OrderRules, Revision, RevisionContent, Rule, Violation, cancellation_hash, content_hash,
    explicit_revision, validate, validate_order_id,
};
use crate::port::DeadLetterReason;

/// Types of event that make, change and cancel orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EventTypes {
    /// A new order. Default `OMS.Order.Created`.
    pub created: String,
    /// The whole of a changed order. Default `OMS.Order.Updated`.
    pub updated: String,
    /// A cancelled order. Default `OMS.Order.Cancelled`.
    pub cancelled: String,
}

impl Default for EventTypes {
    fn default() -> Self {
        Self {
            created: "OMS.Order.Created".to_owned(),
            updated: "OMS.Order.Updated".to_owned(),
            cancelled: "OMS.Order.Cancelled".to_owned(),
        }
    }
}

/// Why an event is set aside: a word to count by, and where, never what was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The word.
    #[serde(serialize_with = "as_word")]
    pub reason: DeadLetterReason,
    /// What is wrong, for people.
    pub detail: String,
    /// Broken rules of the order, each with its place.
    pub violations: Vec<Violation>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde asks for"
)]
fn as_word<S: serde::Serializer>(reason: &DeadLetterReason, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(reason.as_str())
}

/// Violations that a description lists; the rest is counted.
const VIOLATIONS_LISTED_MAX: usize = 20;

impl Refusal {
    pub(super) fn new(reason: DeadLetterReason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
            violations: Vec::new(),
        }
    }

    fn of_rules(violations: Vec<Violation>) -> Self {
        let mut listed: Vec<String> = violations
            .iter()
            .take(VIOLATIONS_LISTED_MAX)
            .map(ToString::to_string)
            .collect();
        if let Some(more) = violations.len().checked_sub(VIOLATIONS_LISTED_MAX)
            && more > 0
        {
            listed.push(format!("and {more} more"));
        }
        Self {
            reason: DeadLetterReason::ValidationFailure,
            detail: listed.join("; "),
            violations,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.detail)
    }
}

impl From<EventError> for Refusal {
    fn from(error: EventError) -> Self {
        let detail = match error.json_error() {
            Some(json) => format!("{error}: {json}"),
            None => error.to_string(),
        };
        Self::new(error.dead_letter_reason(), detail)
    }
}

impl From<JsonError> for Refusal {
    fn from(error: JsonError) -> Self {
        let reason = if error.kind().is_limit() {
            DeadLetterReason::TooLarge
        } else {
            DeadLetterReason::JsonDeserialiseFailure
        };
        Self::new(reason, error.to_string())
    }
}

/// An event that passed every check and can meet the store.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) order: OrderId,
    pub(super) content: RevisionContent,
    pub(super) warnings: Vec<Violation>,
}

/// Reads an event as a revision of an order: pure.
pub(super) fn candidate(
    event: &CloudEvent,
    types: &EventTypes,
    rules: &OrderRules,
    now: DateTime<Utc>,
) -> Result<Candidate, Refusal> {
    let kind = event.event_type();
    let cancels = kind == types.cancelled;
    if !cancels && kind != types.created && kind != types.updated {
        return Err(Refusal::new(
            DeadLetterReason::UnknownEventType,
            "the type of event is none of those that this pipeline handles",
        ));
    }
    let json = match event.data() {
        EventData::Json(json) => json,
        EventData::None => return Err(null_payload()),
        EventData::Text(_) | EventData::Binary(_) => {
            return Err(Refusal::new(
                DeadLetterReason::JsonDeserialiseFailure,
                "the data is not JSON",
            ));
        }
    };
    let data = json::parse_checked(json, &Limits::default())?;
    if data.is_null() {
        return Err(null_payload());
    }
    let time = event.time().map(crate::event::Timestamp::instant);
    let (order, hash, warnings) = if cancels {
        let order = validate_order_id(&data).map_err(Refusal::of_rules)?;
        let hash = cancellation_hash(&order);
        (order, hash, Vec::new())
    } else {
        let valid = validate(&data, rules).map_err(Refusal::of_rules)?;
        (valid.order.order_id, content_hash(&data), valid.warnings)
    };
    let revision = revision(&data, time, kind == types.created)?;
    let oms_event = event.to_raw_value()?;
    let cause = Cause::Event {
        source: event.source().to_owned(),
        id: event.id().to_owned(),
        traceparent: event.traceparent().map(|trace| trace.to_string()),
    };
    let content = RevisionContent {
        revision,
        content_hash: hash,
        cancels,
        oms_event,
        ingested_at: now,
        waiting_since: time.map_or(now, |time| time.min(now)),
        cause,
    };
    Ok(Candidate {
        order,
        content,
        warnings,
    })
}

fn revision(
    data: &Json<'_>,
    time: Option<DateTime<Utc>>,
    creates: bool,
) -> Result<Revision, Refusal> {
    let number = explicit_revision(data).map_err(|violation| Refusal::of_rules(vec![violation]))?;
    let revision = Revision::new(number, time);
    if revision.is_unordered() && !creates {
        let pointer = "/revision".to_owned();
        return Err(Refusal::of_rules(vec![Violation {
            pointer,
            rule: Rule::NoRevision,
        }]));
    }
    Ok(revision)
}

fn null_payload() -> Refusal {
    Refusal::new(DeadLetterReason::NullPayload, "the event carries no data")
}
