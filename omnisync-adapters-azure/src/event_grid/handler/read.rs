//! Bodies of deliveries: pure.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use omnisync_core::event::{EventError, EventLimits, decode_http_with};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::receiver::{Pushed, PushedEvent};

const EVENT_TYPE: &str = "aeg-event-type";
const SUBSCRIPTION: &str = "aeg-subscription-name";
const DELIVERY_COUNT: &str = "aeg-delivery-count";

const NOTIFICATION: &str = "Notification";
const VALIDATION: &str = "SubscriptionValidation";
const VALIDATION_EVENT: &str = "Microsoft.EventGrid.SubscriptionValidationEvent";

/// What every media type of CloudEvents begins with.
const CLOUD_EVENTS: &str = "application/cloudevents";
/// Header of an event in binary mode.
const SPEC_VERSION: &str = "ce-specversion";

/// Longest code of a validation, in bytes.
const CODE_BYTES_MAX: usize = 1_024;

/// Names and values, as core reads headers.
pub(super) fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
}

/// The events of a delivery; what is no delivery as a whole is one event that is none.
pub(super) fn delivery(
    headers: &HeaderMap,
    body: &Bytes,
    limits: &EventLimits,
) -> Result<Pushed, EventError> {
    let each = decode_http_with(pairs(headers), body, limits)?.into_each();
    let has_wrong = each.iter().any(Result::is_err);
    let elements = if has_wrong { split(body) } else { Vec::new() };
    let is_split = elements.len() == each.len();
    let events = each
        .into_iter()
        .enumerate()
        .map(|(index, event)| {
            let raw = match (&event, elements.get(index)) {
                (Err(_), Some(element)) if is_split => Some(element.clone()),
                (Err(_), _) => Some(body.clone()),
                (Ok(_), _) => None,
            };
            PushedEvent { event, raw }
        })
        .collect();
    Ok(pushed(headers, events))
}

/// A delivery whose body is no event.
pub(super) fn no_delivery(headers: &HeaderMap, body: Bytes, error: EventError) -> Pushed {
    let event = PushedEvent {
        event: Err(error),
        raw: Some(body),
    };
    pushed(headers, vec![event])
}

fn pushed(headers: &HeaderMap, events: Vec<PushedEvent>) -> Pushed {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    Pushed {
        events,
        subscription: text(SUBSCRIPTION).map(str::to_owned),
        delivery_count: text(DELIVERY_COUNT).and_then(|count| count.parse().ok()),
    }
}

/// The elements of an array, as they stand in the body.
fn split(body: &Bytes) -> Vec<Bytes> {
    let elements: Vec<&RawValue> = serde_json::from_slice(body).unwrap_or_default();
    elements
        .into_iter()
        .map(|element| body.slice_ref(element.get().as_bytes()))
        .collect()
}

/// True for the event by which a subscription in the classic schema begins.
pub(super) fn is_validation(headers: &HeaderMap) -> bool {
    is_kind(headers, VALIDATION)
}

/// True for events that Event Grid says it delivers, and that are no CloudEvents in any mode: the
/// subscription is in another schema.
pub(super) fn is_other_schema(headers: &HeaderMap) -> bool {
    let is_cloud_event = |kind: &HeaderValue| {
        let start = kind.as_bytes().get(..CLOUD_EVENTS.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(CLOUD_EVENTS.as_bytes()))
    };
    is_kind(headers, NOTIFICATION)
        && !headers.contains_key(SPEC_VERSION)
        && !headers.get(CONTENT_TYPE).is_some_and(is_cloud_event)
}

fn is_kind(headers: &HeaderMap, kind: &str) -> bool {
    headers
        .get(EVENT_TYPE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(kind.as_bytes()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ValidationEvent {
    event_type: String,
    data: ValidationData,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ValidationData {
    validation_code: String,
}

/// The code to answer a validation with.
pub(super) fn validation_code(body: &[u8]) -> Option<String> {
    let [event]: [ValidationEvent; 1] = serde_json::from_slice(body).ok()?;
    let code = event.data.validation_code;
    let is_code = (1..=CODE_BYTES_MAX).contains(&code.len())
        && code.bytes().all(|byte| byte.is_ascii_graphic());
    (is_code && event.event_type == VALIDATION_EVENT).then_some(code)
}
