//! Answers: pure.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use omnisync_core::event::webhook::Consent;
use omnisync_core::event::{EventError, Reason};
use serde_json::{Map, Value, json};

use super::receiver::{Taken, TakenStatus};

/// Methods that a webhook knows.
const METHODS: HeaderValue = HeaderValue::from_static("OPTIONS, POST");

/// An answer with a sentence in it.
pub(super) fn problem(status: StatusCode, detail: &str) -> Response<Bytes> {
    with_json(status, &json!({ "detail": detail }))
}

pub(super) fn come_again(status: StatusCode, detail: &str, wait: Duration) -> Response<Bytes> {
    wait_for(problem(status, detail), wait)
}

pub(super) fn not_known(detail: &str, by_token: bool) -> Response<Bytes> {
    let mut response = problem(StatusCode::UNAUTHORIZED, detail);
    if by_token {
        let bearer = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(WWW_AUTHENTICATE, bearer);
    }
    response
}

pub(super) fn method_not_allowed() -> Response<Bytes> {
    let detail = "events are delivered by POST";
    let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, detail);
    response.headers_mut().insert(ALLOW, METHODS);
    response
}

pub(super) fn consent(consent: &Consent) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.insert(ALLOW, METHODS);
    for (name, value) in consent.headers() {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}

pub(super) fn validation(code: &str) -> Response<Bytes> {
    with_json(StatusCode::OK, &json!({ "validationResponse": code }))
}

/// The answer to a body in a format that comes again when it can be read. Every other body that is
/// no delivery is the receiver's to keep.
pub(super) fn unreadable(error: &EventError) -> Option<Response<Bytes>> {
    if error.reason() != Reason::UnsupportedFormat {
        return None;
    }
    let results = json!([{
        "problem": error.dead_letter_reason().as_str(),
        "detail": error.to_string(),
        "pointer": error.pointer().to_string(),
    }]);
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Some(with_json(status, &json!({ "results": results })))
}

/// One answer for all events of a delivery, and what became of each.
pub(super) fn summary(taken: Vec<Taken>, wait: Duration) -> Response<Bytes> {
    let worst = taken.iter().map(Taken::status).max();
    let asked = taken.iter().filter_map(|taken| taken.retry_after).max();
    let results: Vec<Map<String, Value>> = taken.into_iter().map(|taken| taken.told).collect();
    let status = match worst {
        None | Some(TakenStatus::Kept) => StatusCode::OK,
        Some(TakenStatus::Refused) => StatusCode::BAD_REQUEST,
        Some(TakenStatus::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
        Some(TakenStatus::Again) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let response = with_json(status, &json!({ "results": results }));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        wait_for(response, asked.unwrap_or(wait))
    } else {
        response
    }
}

fn wait_for(mut response: Response<Bytes>, wait: Duration) -> Response<Bytes> {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

fn with_json(status: StatusCode, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
