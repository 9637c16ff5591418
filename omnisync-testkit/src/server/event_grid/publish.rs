//! What a topic takes: pure.

use axum::http::StatusCode;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// An event as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) id: String,
    /// Its JSON, to the byte.
    pub(super) text: String,
}

/// Why a body is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
}

impl Refusal {
    pub(super) fn body(self) -> String {
        let Self { code, .. } = self;
        serde_json::json!({"error": {"code": code, "message": code, "details": []}}).to_string()
    }
}

/// All events of a body, or none.
pub(super) fn read(body: &[u8], bytes_max: usize) -> Result<Vec<Event>, Refusal> {
    if body.len() > bytes_max {
        return Err(Refusal {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            code: "PayloadTooLarge",
        });
    }
    let events: Option<Vec<Event>> = serde_json::from_slice::<Vec<&RawValue>>(body)
        .ok()
        .and_then(|elements| elements.into_iter().map(event).collect());
    events.ok_or(Refusal {
        status: StatusCode::BAD_REQUEST,
        code: "InputJsonInvalid",
    })
}

fn event(raw: &RawValue) -> Option<Event> {
    let members: Map<String, Value> = serde_json::from_str(raw.get()).ok()?;
    let text = |name: &str| {
        let text = members.get(name)?.as_str()?;
        (!text.is_empty()).then_some(text)
    };
    text("source")?;
    text("type")?;
    if text("specversion")? != "1.0" {
        return None;
    }
    Some(Event {
        id: text("id")?.to_owned(),
        text: raw.get().to_owned(),
    })
}
