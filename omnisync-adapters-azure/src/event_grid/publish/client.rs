use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use omnisync_core::port::Clock;
use omnisync_core::{ErrorKind, PortError};
use omnisync_http::{Call, Client, HttpError, Repeat};

use super::credential::Authorizer;
use super::wire;

const PUBLISH: &str = "event_grid.publish";

/// As the service asks for it.
const BATCH: HeaderValue =
    HeaderValue::from_static("application/cloudevents-batch+json; charset=utf-8");

/// A topic.
#[derive(Debug)]
pub(super) struct GridClient {
    http: Client,
    topic: Uri,
    authorizer: Authorizer,
    clock: Arc<dyn Clock>,
}

/// What became of a request.
#[derive(Debug)]
pub(super) enum Sent {
    /// The topic has every event of it.
    Taken,
    /// It is larger than the topic takes. `is_open`: an attempt before had no answer.
    TooLarge { is_open: bool },
    /// The topic finds something wrong in it, and took none of this attempt.
    Malformed { code: Option<String>, is_open: bool },
    /// Something that concerns every request.
    Failed { error: PortError, is_open: bool },
}

impl GridClient {
    pub(super) fn new(
        http: Client,
        topic: Uri,
        authorizer: Authorizer,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            http,
            topic,
            authorizer,
            clock,
        }
    }

    /// Sends a batch. Attempts are the same to the byte: whoever receives events knows them by
    /// source and id.
    pub(super) async fn send(&self, body: Bytes) -> Sent {
        let request = match self.request(body) {
            Ok(request) => request,
            Err(error) => {
                return Sent::Failed {
                    error,
                    is_open: false,
                };
            }
        };
        let mut call = Call::new(PUBLISH, request).with_repeat(Repeat::Safe);
        if !self.authorizer.is_bearer() {
            call = call.without_token();
        }
        match self.http.send(call).await {
            Ok(response) if response.status() == StatusCode::OK => Sent::Taken,
            Ok(response) => Sent::Failed {
                error: no_topic(response.status()),
                is_open: true,
            },
            Err(error) => parse_error(error),
        }
    }

    fn request(&self, body: Bytes) -> Result<Request<Bytes>, PortError> {
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.topic.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, BATCH);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some((name, value)) = self.authorizer.header(self.clock.now())? {
            headers.insert(name, value);
        }
        Ok(request)
    }
}

/// Success is 200 and nothing else, by the service's documentation and in Microsoft's clients:
/// another status of success comes from something in between, which may keep nothing.
fn no_topic(status: StatusCode) -> PortError {
    PortError::new(ErrorKind::Misconfigured, PUBLISH).with_detail(format!(
        "status {}, which no topic answers: check endpoint, and what stands in front of it",
        status.as_u16()
    ))
}

/// What a refusal means. The text of the service is not told: it may quote events.
fn parse_error(error: HttpError) -> Sent {
    let code = error
        .response()
        .and_then(|response| wire::error_code(response.body()));
    let is_open = error.is_effect_open();
    let (kind, advice) = match error.status() {
        Some(StatusCode::PAYLOAD_TOO_LARGE) => return Sent::TooLarge { is_open },
        Some(StatusCode::BAD_REQUEST) => return Sent::Malformed { code, is_open },
        Some(StatusCode::UNAUTHORIZED) => (
            ErrorKind::Denied,
            "check the key or token, the clock of this machine, and that the topic allows the way \
             of authentication",
        ),
        Some(StatusCode::FORBIDDEN) => (
            ErrorKind::Denied,
            "give the identity the role EventGrid Data Sender, and look at the network rules of \
             the topic",
        ),
        Some(StatusCode::NOT_FOUND) => (
            ErrorKind::Misconfigured,
            "there is no such topic: check endpoint",
        ),
        Some(status) if status.is_redirection() => (ErrorKind::Misconfigured, "check endpoint"),
        _ => {
            return Sent::Failed {
                error: error.into(),
                is_open,
            };
        }
    };
    let advice = match code {
        Some(code) => format!("{code}; {advice}"),
        None => advice.to_owned(),
    };
    Sent::Failed {
        error: error.explained(kind, &advice).into(),
        is_open,
    }
}
