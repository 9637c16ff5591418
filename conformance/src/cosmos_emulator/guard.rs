//! Refusals of the real service that the emulator leaves out.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, Method};
use serde_json::Value;

use super::Recorded;

/// What makes the gateway refuse a query across partitions.
const UNSERVED: [&str; 11] = [
    " ORDER BY ",
    " TOP ",
    " DISTINCT ",
    " GROUP BY ",
    " OFFSET ",
    " LIMIT ",
    "COUNT(",
    "SUM(",
    "AVG(",
    "MIN(",
    "MAX(",
];
const NOT_SERVED: &str = "The provided cross partition query can not be directly served by the \
    gateway.";
/// Longest id, in bytes.
const ID_BYTES_MAX: usize = 1_023;
/// Where a query goes on that began with an empty page.
const EMPTY: &str = "empty-page";
const CONTINUATION: &str = "x-ms-continuation";

/// The refusal of the real service, if it has one.
pub(super) fn refused(request: &Recorded) -> Option<Response> {
    if request.header("authorization").is_empty() {
        return Some(refusal(401, 0, "Required Header authorization is missing."));
    }
    if request.is_query() && is_unserved(request) {
        return Some(not_served());
    }
    let stores = [Method::POST, Method::PUT].contains(&request.method);
    let is_batch = !request.header("x-ms-cosmos-is-batch-request").is_empty();
    if request.is_document_write() && stores && !is_batch {
        return wrong_document(&request.body).map(|what| refusal(400, 0, what));
    }
    None
}

/// The refusal by which clients notice that they have to ask for a plan.
fn not_served() -> Response {
    let body = serde_json::json!({
        "code": "BadRequest", "message": NOT_SERVED, "additionalErrorInfo": "{}",
    });
    let mut answer = answer(400, body.to_string());
    answer
        .headers_mut()
        .insert("x-ms-substatus", HeaderValue::from(1_004));
    answer
}

/// True for a query that spans partitions and that nobody divided.
fn is_unserved(request: &Recorded) -> bool {
    let is_divided = [
        "x-ms-documentdb-partitionkey",
        "x-ms-documentdb-partitionkeyrangeid",
        "x-ms-start-epk",
    ]
    .into_iter()
    .any(|name| !request.header(name).is_empty());
    if is_divided || request.is_plan() {
        return false;
    }
    let query: Option<Value> = serde_json::from_slice(&request.body).ok();
    let text = query.as_ref().and_then(|query| query.get("query"));
    let text = text.and_then(Value::as_str).unwrap_or_default();
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = format!(" {} ", words.join(" ").to_uppercase());
    UNSERVED.iter().any(|word| text.contains(word))
}

fn wrong_document(body: &[u8]) -> Option<&'static str> {
    let document: Value = serde_json::from_slice(body).ok()?;
    let ttl = document.get("ttl");
    let is_ttl = ttl.is_none_or(|ttl| {
        ttl.as_i64()
            .is_some_and(|seconds| seconds == -1 || (1..=i64::from(i32::MAX)).contains(&seconds))
    });
    if !is_ttl {
        return Some("The input ttl is invalid. Ensure to provide a nonzero positive integer.");
    }
    let id = document.get("id").and_then(Value::as_str)?;
    let is_id = !id.is_empty()
        && id.len() <= ID_BYTES_MAX
        && !id.ends_with(' ')
        && !id.contains(['/', '\\', '?', '#']);
    (!is_id).then_some("The input name is invalid. Ensure to provide a unique non-empty string.")
}

/// The empty page that a query begins with. What goes on behind it asks as if there was none.
pub(super) fn empty_page(request: &mut Recorded) -> Option<Response> {
    if !request.is_query() || request.is_plan() || !request.is_document() {
        return None;
    }
    match request.header(CONTINUATION) {
        "" => {
            let body = r#"{"_rid":"","Documents":[],"_count":0}"#;
            let mut page = answer(200, body.to_owned());
            let headers = page.headers_mut();
            headers.insert(CONTINUATION, HeaderValue::from_static(EMPTY));
            headers.insert("x-ms-request-charge", HeaderValue::from_static("2.5"));
            headers.insert("x-ms-item-count", HeaderValue::from_static("0"));
            Some(page)
        }
        EMPTY => {
            request.headers.remove(CONTINUATION);
            None
        }
        _ => None,
    }
}

/// A refusal in the form of the service.
pub(super) fn refusal(status: u16, substatus: u16, message: &str) -> Response {
    let body = serde_json::json!({ "code": status.to_string(), "message": message });
    let mut answer = answer(status, body.to_string());
    answer
        .headers_mut()
        .insert("x-ms-substatus", HeaderValue::from(substatus));
    answer
}

fn answer(status: u16, body: String) -> Response {
    let mut answer = Response::new(Body::from(Bytes::from(body)));
    *answer.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    answer.headers_mut().insert(
        http::header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    answer
}
