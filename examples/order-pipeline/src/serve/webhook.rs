//! What the webhook answers.
//!
//! | answer | meaning |
//! |---|---|
//! | 200 | every event is durable |
//! | 400 | some event can never be accepted: typed problems in the body, the others are durable |
//! | 408 | the body did not come in time |
//! | 413 | the body is larger than a batch may be |
//! | 415 | a form of CloudEvents that is not JSON |
//! | 429 | too much at once: come again after `Retry-After` |
//! | 503 | the store failed: nothing of this request is certain, send it again |

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use futures::StreamExt as _;
use omnisync_core::ErrorKind;
use omnisync_core::event::{EventError, EventLimits, Reason, decode_http, webhook::WebhookPolicy};
use omnisync_core::flow::{Fate, Intaken};
use omnisync_core::id::OrderId;
use omnisync_core::order::intake::Verdict;
use omnisync_core::port::DeadLetterReason;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::error;

use crate::host::Host;

/// Time that a body may take to come: a sender that stops in the middle must not hold a place for
/// ever.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
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
            response
                .headers_mut()
                .insert(header::ALLOW, HeaderValue::from_static("OPTIONS, POST"));
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
    let body = match timeout(BODY_TIMEOUT, collect(body, webhook.body_bytes_max)).await {
        Ok(Ok(body)) => body,
        Ok(Err(problem)) => return problem,
        Err(_) => return problem(StatusCode::REQUEST_TIMEOUT, "the body did not come in time"),
    };
    match decode_http(pairs(&parts.headers), &body) {
        Ok(decoded) => {
            let intakes = webhook.host.ingest.accept(decoded.into_each()).await;
            summary(&intakes)
        }
        Err(error) => refused(&error),
    }
}

/// The whole body, or the answer that refuses it.
async fn collect(body: Body, bytes_max: usize) -> Result<Vec<u8>, Response> {
    let too_large = || {
        let detail = "the body is larger than a batch may be";
        problem(StatusCode::PAYLOAD_TOO_LARGE, detail)
    };
    // What announces itself as too large is refused before it is sent.
    if usize::try_from(body.size_hint().lower()).map_or(true, |bytes| bytes > bytes_max) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk
            .map_err(|_| problem(StatusCode::BAD_REQUEST, "the body broke off in the middle"))?;
        if bytes.len().saturating_add(chunk.len()) > bytes_max {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
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
        let order = intaken.order.as_ref().map(OrderId::as_str);
        results.push(match &intaken.fate {
            Fate::Stored(Verdict::RevisionConflict) => {
                status = worse(status, StatusCode::BAD_REQUEST);
                json!({
                    "order": order,
                    "problem": DeadLetterReason::RevisionConflict.as_str(),
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
            Fate::Failed(error) if error.kind() == ErrorKind::TooLarge => {
                status = worse(status, StatusCode::PAYLOAD_TOO_LARGE);
                json!({ "order": order, "problem": DeadLetterReason::TooLarge.as_str() })
            }
            Fate::Failed(error) => {
                // The sender cannot repair the store; whoever runs it can.
                error!(error = %error.report(), "the store did not take an order");
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
