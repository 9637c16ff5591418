use std::io;
use std::net::Ipv4Addr;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::publish::Refusal;
use super::topic::EventGrid;

/// Largest body that is read to be refused, in bytes.
const READ_BYTES_MAX: usize = 16 << 20;

/// A topic on a loopback port, for publishers. It stops when it is dropped.
#[derive(Debug)]
pub struct EventGridServer {
    grid: EventGrid,
    base_url: String,
    running: JoinHandle<io::Result<()>>,
}

impl EventGridServer {
    /// Serves a topic on a free port. Publishers prove themselves by the key alone.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn serve(grid: EventGrid) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let base_url = format!("http://{}", listener.local_addr()?);
        let router = Router::new()
            .fallback(publish)
            .layer(DefaultBodyLimit::max(READ_BYTES_MAX))
            .with_state(grid.clone());
        Ok(Self {
            grid,
            base_url,
            running: tokio::spawn(axum::serve(listener, router).into_future()),
        })
    }

    /// Where events are published.
    pub fn endpoint(&self) -> String {
        format!("{}/api/events", self.base_url)
    }

    /// The topic.
    pub const fn grid(&self) -> &EventGrid {
        &self.grid
    }
}

impl Drop for EventGridServer {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn publish(
    State(grid): State<EventGrid>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let key = headers.get("aeg-sas-key");
    let kind = headers.get("content-type");
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let refused = |status, code| Err(Refusal { status, code });
    let taken = if method != Method::POST || uri.path() != "/api/events" {
        refused(StatusCode::NOT_FOUND, "NotFound")
    } else if !grid.has_key(key.and_then(|key| key.to_str().ok())) {
        refused(StatusCode::UNAUTHORIZED, "Unauthorized")
    } else if uri.query() != Some("api-version=2018-01-01")
        || !kind.starts_with("application/cloudevents-batch+json")
    {
        refused(StatusCode::BAD_REQUEST, "BadRequest")
    } else {
        grid.take(&body)
    };
    let Err(refusal) = taken else {
        return Response::new(Body::empty());
    };
    let mut response = Response::new(Body::from(refusal.body()));
    *response.status_mut() = refusal.status;
    response
}
