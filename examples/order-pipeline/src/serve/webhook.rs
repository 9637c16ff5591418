//! The webhook on this server: which requests reach the handler, and how a body is read.
//!
//! What is answered to them is the handler's
//! ([`omnisync_adapters_azure::event_grid`]); on top of it come
//!
//! | answer | meaning |
//! |---|---|
//! | 408 | the body did not come in time |
//! | 503 | the body broke off in the middle: what is missing may come the next time |

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};
use futures::StreamExt as _;
use omnisync_adapters_azure::event_grid::{Admission, Begun, EventGridHandler};
use tokio::time::timeout;

/// Time that a body may take to come: a sender that stops in the middle must not hold a place for
/// ever.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// How soon a body that broke off may come again.
const RETRY_AFTER_SECONDS: &str = "1";

pub(super) fn router(handler: EventGridHandler) -> Router {
    Router::new()
        .route("/", any(handle))
        .route("/health", get(|| async { StatusCode::NO_CONTENT }))
        .with_state(Arc::new(handler))
}

async fn handle(State(handler): State<Arc<EventGridHandler>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match handler.begin(&parts).await {
        Begun::Answer(answer) => answer.map(Body::from),
        // Only now is the body asked for: nobody makes this server keep one who may not deliver.
        Begun::Body(admission) => deliver(admission, body).await,
    }
}

async fn deliver(admission: Admission<'_>, body: Body) -> Response {
    let bytes_max = admission.body_bytes_max();
    match timeout(BODY_TIMEOUT, collect(body, bytes_max)).await {
        Ok(Ok(body)) => admission.deliver(body).await.map(Body::from),
        Ok(Err(Unread::TooLarge)) => admission.too_large().map(Body::from),
        Ok(Err(Unread::BrokenOff)) => {
            let again = [(header::RETRY_AFTER, RETRY_AFTER_SECONDS)];
            (StatusCode::SERVICE_UNAVAILABLE, again).into_response()
        }
        Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
    }
}

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unread {
    TooLarge,
    BrokenOff,
}

/// The whole body.
async fn collect(body: Body, bytes_max: usize) -> Result<Bytes, Unread> {
    let mut bytes = Vec::new();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Unread::BrokenOff)?;
        if bytes.len().saturating_add(chunk.len()) > bytes_max {
            return Err(Unread::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.into())
}
