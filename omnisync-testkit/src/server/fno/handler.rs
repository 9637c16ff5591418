//! The way of a request: limit, faults, sign-in, action, and what spoils the answer.

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State as Shared};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use futures::future::ready;
use futures::{StreamExt as _, stream};
use tokio::sync::watch;
use tokio::task::yield_now;

use super::actions::{self, Reply};
use super::answer::Answer;
use super::blob::{self, BlobRequest};
use super::fault::{Fault, Route};
use super::inspect::RequestView;
use super::state::{Fno, State};
use super::wire::Wire;
use super::{connector, job_details, token, url};

const ACTIONS: &str = "/data/DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities.";
const DETAILS: &str = "/data/DataManagementExecutionJobDetails";
const ENQUEUE: &str = "/api/connector/enqueue/";
const JOB_STATUS: &str = "/api/connector/jobstatus/";
const TOKEN: &str = "/oauth2/v2.0/token";

/// What a server hands to each of its requests.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    pub(crate) fno: Fno,
    pub(crate) stopping: watch::Receiver<bool>,
}

/// Answers a request, or cuts its connection.
pub(crate) async fn handle(
    Shared(desk): Shared<Desk>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let mut view = RequestView {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        status: None,
    };
    let fno = desk.fno.clone();
    let sent = tokio::select! {
        sent = exchange(&fno, &parts, body) => sent,
        () = told(desk.stopping) => None,
    };
    view.status = sent.as_ref().map(|sent| sent.status);
    fno.lock().journal.push(view);
    sent.map_or_else(
        || {
            wire.cut();
            Response::new(Body::empty())
        },
        Sent::into_response,
    )
}

async fn told(mut stopping: watch::Receiver<bool>) {
    // A server that is gone stops as well.
    drop(stopping.wait_for(|stopping| *stopping).await);
}

/// An answer on its way out.
struct Sent {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
    /// Less than the body, when the connection ends within it.
    cut: bool,
}

/// The answer of a request; `None` when it gets none.
async fn exchange(fno: &Fno, parts: &Parts, body: Body) -> Option<Sent> {
    let path = parts.uri.path();
    let route = route_of(parts.method.as_str(), path);
    let counted = path.starts_with("/data/") || path.starts_with("/api/");
    let _place = match admit(fno, counted) {
        Ok(place) => place,
        Err(answer) => return Some(whole(answer)),
    };
    let fault = take_fault(fno, route);
    let now = fno.lock().now();
    match &fault {
        Some(Fault::Throttled(after)) => return Some(whole(throttled(after.header(now)))),
        Some(Fault::Unavailable) => {
            return Some(whole(Answer::html(503, "Service Unavailable")));
        }
        Some(Fault::ErrorPage) => {
            return Some(whole(Answer::html(500, "Runtime Error")));
        }
        Some(Fault::Redirect) => return Some(whole(sign_in(fno))),
        Some(Fault::CutBefore) => return None,
        _ => {}
    }
    let limit = fno.lock().options.body_bytes_max;
    let Ok(body) = to_bytes(body, limit).await else {
        return Some(whole(Answer::html(413, "Request Entity Too Large")));
    };
    if fault == Some(Fault::Stalled) {
        released(fno, None).await;
    }
    let answer = match fno.change(|state| dispatch(state, parts, body)) {
        Reply::Now(answer) => answer,
        Reply::WhenEnded(answer, execution) => {
            released(fno, Some(&execution)).await;
            answer
        }
    };
    spoil(answer, fault.as_ref())
}

/// A place among the requests at once.
struct Place(Option<Fno>);

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(fno) = &self.0 {
            fno.change(|state| {
                state.admitted.running = state.admitted.running.saturating_sub(1);
            });
        }
    }
}

fn admit(fno: &Fno, counted: bool) -> Result<Place, Answer> {
    if !counted {
        return Ok(Place(None));
    }
    fno.change(|state| {
        let now = state.now();
        if let Some(limit) = state.limit
            && !state.admitted.admit(&limit, now)
        {
            return Err(throttled(limit.retry_after.header(now)));
        }
        state.admitted.running += 1;
        Ok(Place(Some(fno.clone())))
    })
}

/// The next fault that is for this route or for any.
fn take_fault(fno: &Fno, route: Route) -> Option<Fault> {
    let mut state = fno.lock();
    let position = state
        .faults
        .iter()
        .position(|(wanted, _)| wanted.is_none_or(|wanted| wanted == route))?;
    state.faults.remove(position).map(|(_, fault)| fault)
}

/// Waits until somebody releases what is held, or an import ends.
async fn released(fno: &Fno, execution: Option<&str>) {
    let before = fno.lock().releases;
    fno.until(|state| {
        let ended = execution.is_some_and(|id| {
            let execution = state.executions.get(id);
            execution.is_none_or(super::execution::Execution::has_ended)
        });
        state.releases > before || ended
    })
    .await;
}

fn throttled(retry_after: Option<String>) -> Answer {
    let answer = Answer::new(429, "text/plain; charset=utf-8", "Too many requests");
    match retry_after {
        Some(after) => answer.with("retry-after", after),
        None => answer,
    }
}

fn sign_in(fno: &Fno) -> Answer {
    let location = format!("{}/namespaces/AXSF/", fno.lock().base_url);
    Answer::redirect(&location)
}

fn spoil(mut answer: Answer, fault: Option<&Fault>) -> Option<Sent> {
    match fault {
        Some(Fault::CutAfter) => return None,
        Some(Fault::CutWithin) => {
            return Some(Sent {
                cut: true,
                ..whole(answer)
            });
        }
        Some(Fault::Truncated) => answer.body.truncate(answer.body.len() / 2),
        Some(Fault::Oversized(bytes)) => {
            let mut body = answer.body.to_vec();
            body.resize((*bytes).max(body.len()), b' ');
            answer.body = body.into();
        }
        _ => {}
    }
    Some(whole(answer))
}

fn whole(answer: Answer) -> Sent {
    Sent {
        status: answer.status,
        headers: answer.headers,
        body: answer.body,
        cut: false,
    }
}

impl Sent {
    fn into_response(self) -> Response {
        let length = self.body.len();
        let body = if self.cut {
            let half = self.body.slice(..length / 2);
            let cut = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
            let half = stream::once(ready(Ok(half)));
            // What was written goes out while the rest lets wait for itself.
            let cut = stream::once(async move {
                yield_now().await;
                Err(cut)
            });
            Body::from_stream(half.chain(cut))
        } else {
            Body::from(self.body)
        };
        let mut response = Response::new(body);
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.append(HeaderName::from_static(name), value);
            }
        }
        if self.cut {
            headers.insert("content-length", length.into());
        }
        response
    }
}

fn route_of(method: &str, path: &str) -> Route {
    if path.starts_with(blob::FOLDER) {
        return match method {
            "PUT" => Route::Upload,
            _ => Route::Download,
        };
    }
    if path.ends_with(TOKEN) {
        return Route::Token;
    }
    if path.starts_with(ENQUEUE) {
        return Route::Enqueue;
    }
    if path.starts_with(JOB_STATUS) {
        return Route::JobStatus;
    }
    if path == DETAILS {
        return Route::JobDetails;
    }
    match path.strip_prefix(ACTIONS) {
        Some("GetAzureWriteUrl") => Route::WriteUrl,
        Some("ImportFromPackage" | "ImportFromPackageAsync") => Route::Import,
        Some("GetExecutionSummaryStatus") => Route::Status,
        Some("GetExecutionErrors") => Route::Errors,
        Some("GenerateImportTargetErrorKeysFile") => Route::GenerateKeys,
        Some("GetImportTargetErrorKeysFileUrl") => Route::KeysUrl,
        Some("GetImportStagingErrorFileUrl") => Route::StagingUrl,
        _ => Route::Other,
    }
}

fn header<'p>(parts: &'p Parts, name: &str) -> Option<&'p str> {
    parts
        .headers
        .get(name)
        .and_then(|value| value.to_str().ok())
}

fn dispatch(state: &mut State, parts: &Parts, body: Bytes) -> Reply {
    let path = parts.uri.path();
    let query = parts.uri.query().unwrap_or_default();
    let method = parts.method.as_str();
    if path.starts_with(blob::FOLDER) {
        let request = BlobRequest {
            method,
            path,
            query,
            authorized: parts.headers.contains_key("authorization"),
            blob_type: header(parts, "x-ms-blob-type"),
            body,
        };
        return Reply::Now(blob::answer(state, &request));
    }
    let tenant = path.strip_suffix(TOKEN).map(|path| path.trim_matches('/'));
    if let (Some(tenant), "POST") = (tenant, method) {
        let tenant = url::decode(tenant).unwrap_or_default();
        return Reply::Now(token::issue(state, &tenant, &body));
    }
    if let Some(refusal) = token::check(state, header(parts, "authorization")) {
        return Reply::Now(refusal);
    }
    if path.starts_with("/api/connector/") && state.options.on_premises {
        let location = format!("{}/namespaces/AXSF/", state.base_url);
        return Reply::Now(Answer::redirect(&location));
    }
    if let (Some(action), "POST") = (path.strip_prefix(ACTIONS), method) {
        return actions::run(state, action, &body);
    }
    if let (Some(activity), "POST") = (path.strip_prefix(ENQUEUE), method) {
        let activity = url::decode(activity).unwrap_or_default();
        let external = header(parts, "x-ms-dyn-externalidentifier");
        let answer = connector::enqueue(state, &activity, query, external, body);
        return Reply::Now(answer);
    }
    if let (Some(activity), "GET") = (path.strip_prefix(JOB_STATUS), method) {
        let activity = url::decode(activity).unwrap_or_default();
        return Reply::Now(connector::job_status(state, &activity, query));
    }
    if (path, method) == (DETAILS, "GET") {
        return Reply::Now(job_details::answer(state, query));
    }
    Reply::Now(Answer::odata_error(
        404,
        "No HTTP resource was found that matches the request.",
    ))
}
