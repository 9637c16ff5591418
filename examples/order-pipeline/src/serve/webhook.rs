//! What the webhook answers.
//!
//! | answer | meaning |
//! |---|---|
//! | 200 | every event is durable |
//! | 400 | some event can never be accepted: typed problems in the body, the others are durable |
//! | 413 | the body is larger than a batch may be |
//! | 415 | a form of CloudEvents that is not JSON |
//! | 429 | too much at once: come again after `Retry-After` |
//! | 503 | the store failed: nothing of this request is certain, send it again |

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use omnisync_core::event::{
    Decoded, EventError, EventLimits, Reason, decode_http, webhook::WebhookPolicy,
};
use omnisync_core::flow::{Fate, Intaken};
use omnisync_core::order::intake::Verdict;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::host::Host;

/// How long a sender is asked to wait when too much comes at once.
const RETRY_AFTER_SECONDS: &str = "1";

#[derive(Debug)]
struct Webhook {
    host: Arc<Host>,
    policy: WebhookPolicy,
    requests: Semaphore,
    body_bytes_max: usize,
}

pub(super) fn router(host: Arc<Host>, origin: &str, requests_max: usize) -> Router {
    let webhook = Webhook {
        host,
        policy: WebhookPolicy {
            origins: vec![origin.to_owned()],
            ..WebhookPolicy::default()
        },
        requests: Semaphore::new(requests_max),
        body_bytes_max: EventLimits::default().batch_bytes_max,
    };
    Router::new()
        .route("/", post(deliver).options(handshake))
        .route("/health", get(|| async { StatusCode::NO_CONTENT }))
        .with_state(Arc::new(webhook))
}

/// Consents to deliveries from an origin, or does not.
async fn handshake(State(webhook): State<Arc<Webhook>>, headers: HeaderMap) -> Response {
    match webhook.policy.answer(pairs(&headers)) {
        Ok(consent) => {
            let mut response = answer(StatusCode::OK, None);
            for (name, value) in consent.headers() {
                if let Ok(value) = HeaderValue::from_str(&value) {
                    response
                        .headers_mut()
                        .insert(HeaderName::from_static(name), value);
                }
            }
            response
        }
        Err(error) => problem(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

async fn deliver(State(webhook): State<Arc<Webhook>>, request: Request) -> Response {
    let Ok(_permit) = webhook.requests.try_acquire() else {
        let mut response = problem(StatusCode::TOO_MANY_REQUESTS, "too many requests at once");
        response.headers_mut().insert(
            header::RETRY_AFTER,
            HeaderValue::from_static(RETRY_AFTER_SECONDS),
        );
        return response;
    };
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, webhook.body_bytes_max).await else {
        return problem(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is larger than a batch may be",
        );
    };
    match decode(&parts.headers, &body) {
        Ok(decoded) => {
            let intakes = webhook.host.ingest.accept(decoded.into_each()).await;
            summary(&intakes)
        }
        Err(error) => refused(&error),
    }
}

fn decode(headers: &HeaderMap, body: &Bytes) -> Result<Decoded, EventError> {
    decode_http(pairs(headers), body)
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
}

fn refused(error: &EventError) -> Response {
    let status = match error.reason() {
        Reason::TooLarge | Reason::TooManyEvents => StatusCode::PAYLOAD_TOO_LARGE,
        Reason::UnsupportedFormat => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        _ => StatusCode::BAD_REQUEST,
    };
    let results = json!([{
        "problem": error.dead_letter_reason().as_str(),
        "detail": error.to_string(),
        "pointer": error.pointer().to_string(),
    }]);
    answer(status, Some(json!({ "results": results })))
}

/// One answer for all events of a request, and what became of each.
fn summary(intakes: &[Intaken]) -> Response {
    let mut status = StatusCode::OK;
    let mut results = Vec::with_capacity(intakes.len());
    for intaken in intakes {
        let order = intaken.order.as_ref().map(|order| order.as_str());
        results.push(match &intaken.fate {
            Fate::Stored(Verdict::RevisionConflict) => {
                status = worse(status, StatusCode::BAD_REQUEST);
                json!({
                    "order": order,
                    "problem": "RevisionConflict",
                    "detail": "the order is known with other content for this revision",
                })
            }
            Fate::Stored(verdict) => json!({ "order": order, "verdict": format!("{verdict:?}") }),
            Fate::Refused(refusal) => {
                status = worse(status, StatusCode::BAD_REQUEST);
                json!({
                    "problem": refusal.reason.as_str(),
                    "detail": refusal.detail,
                    "violations": refusal.violations,
                })
            }
            Fate::Failed(error) => {
                status = worse(status, StatusCode::SERVICE_UNAVAILABLE);
                json!({ "order": order, "problem": error.kind().to_string() })
            }
        });
    }
    let mut response = answer(status, Some(json!({ "results": results })));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(
            header::RETRY_AFTER,
            HeaderValue::from_static(RETRY_AFTER_SECONDS),
        );
    }
    response
}

fn worse(one: StatusCode, other: StatusCode) -> StatusCode {
    if other.as_u16() > one.as_u16() {
        other
    } else {
        one
    }
}

fn problem(status: StatusCode, detail: &str) -> Response {
    answer(status, Some(json!({ "detail": detail })))
}

fn answer(status: StatusCode, body: Option<Value>) -> Response {
    let (body, json) = match body {
        Some(body) => (Body::from(body.to_string()), true),
        None => (Body::empty(), false),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    if json {
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
    }
    response
}
