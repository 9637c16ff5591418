use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use omnisync_core::event::EventLimits;
use omnisync_core::{ErrorKind, PortError};
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::{debug, error, warn};

use super::authentication::{Authentication, DeliveryTokens, Refused};
use super::config::{EventGridHandlerConfig, wrong};
use super::receiver::{DeliveryReceiver, Taken};
use super::secrets::DeliverySecrets;
use super::{answer, read};

/// The webhook that Event Grid delivers to, without a server.
///
/// Hand it whole requests ([`handle`](Self::handle)), or let it judge the head of a request before
/// the body is read ([`begin`](Self::begin)): then nobody who may not deliver makes the server
/// keep anything. The module's documentation tells what is answered when.
#[derive(Debug)]
pub struct EventGridHandler {
    receiver: Arc<dyn DeliveryReceiver>,
    authentication: Authentication,
    config: EventGridHandlerConfig,
    limits: EventLimits,
    places: Semaphore,
}

/// The parts of an [`EventGridHandler`].
#[must_use = "a handler exists once it was built"]
pub struct EventGridHandlerBuilder {
    receiver: Arc<dyn DeliveryReceiver>,
    config: EventGridHandlerConfig,
    secrets: Option<Arc<dyn DeliverySecrets>>,
    tokens: Option<Arc<dyn DeliveryTokens>>,
    is_open: bool,
}

impl EventGridHandlerBuilder {
    /// Replaces the default settings.
    pub fn with_config(mut self, config: EventGridHandlerConfig) -> Self {
        self.config = config;
        self
    }

    /// Takes deliveries that know a shared secret, in the query or a header.
    pub fn with_secrets(mut self, secrets: Arc<dyn DeliverySecrets>) -> Self {
        self.secrets = Some(secrets);
        self
    }

    /// Takes deliveries with a bearer token that passes. With shared secrets, both have to hold.
    pub fn with_tokens(mut self, tokens: Arc<dyn DeliveryTokens>) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// Takes deliveries from whoever reaches the server: something in front of it has to know who
    /// that is.
    pub fn without_authentication(mut self) -> Self {
        self.is_open = true;
        self
    }

    /// The handler.
    ///
    /// # Errors
    /// `Misconfigured` for a setting that cannot be, and when nothing says who may deliver.
    pub fn build(self) -> Result<EventGridHandler, PortError> {
        let header = self.config.check()?;
        let is_closed = self.secrets.is_some() || self.tokens.is_some();
        if is_closed == self.is_open {
            return Err(wrong(
                "say who may deliver: shared secrets, tokens, or without_authentication, which \
                 excludes the others",
            ));
        }
        let places = self
            .config
            .deliveries_at_once_max
            .min(Semaphore::MAX_PERMITS);
        Ok(EventGridHandler {
            receiver: self.receiver,
            authentication: Authentication {
                secrets: self.secrets,
                tokens: self.tokens,
                query: self.config.secret_query.clone(),
                header,
            },
            limits: self.config.limits(),
            places: Semaphore::new(places),
            config: self.config,
        })
    }
}

impl fmt::Debug for EventGridHandlerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventGridHandlerBuilder")
            .field("receiver", &self.receiver)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// What the head of a request leads to.
#[derive(Debug)]
pub enum Begun<'a> {
    /// The answer: the body does not matter.
    Answer(Response<Bytes>),
    /// The body is to be read.
    Body(Admission<'a>),
}

/// A place for a delivery that may come in; dropping it gives the place back.
pub struct Admission<'a> {
    handler: &'a EventGridHandler,
    headers: &'a HeaderMap,
    _place: SemaphorePermit<'a>,
}

impl fmt::Debug for Admission<'_> {
    /// Leaves the headers out: secrets travel in them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").finish_non_exhaustive()
    }
}

impl EventGridHandler {
    /// Begins a handler whose events go to `receiver`.
    pub fn builder(receiver: Arc<dyn DeliveryReceiver>) -> EventGridHandlerBuilder {
        EventGridHandlerBuilder {
            receiver,
            config: EventGridHandlerConfig::default(),
            secrets: None,
            tokens: None,
            is_open: false,
        }
    }

    /// Answers a whole request.
    ///
    /// # Cancel safety
    /// Dropping the future gives the delivery up as a sender does that hangs up: it comes again.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        match self.begin(&parts).await {
            Begun::Answer(answer) => answer,
            Begun::Body(admission) => admission.deliver(body).await,
        }
    }

    /// Judges the head of a request: method, size, place and authentication.
    pub async fn begin<'a>(&'a self, parts: &'a Parts) -> Begun<'a> {
        match self.admit(parts).await {
            Ok(admission) => Begun::Body(admission),
            Err(answer) => Begun::Answer(answer),
        }
    }

    /// Largest body that is worth reading, in bytes.
    pub const fn body_bytes_max(&self) -> usize {
        self.config.body_bytes_max
    }

    async fn admit<'a>(&'a self, parts: &'a Parts) -> Result<Admission<'a>, Response<Bytes>> {
        if !self.has_small_head(parts) {
            // Event Grid never gives 431 up, and the same headers come every time.
            let detail = "there are too many headers, or they are too large";
            return Err(answer::problem(StatusCode::BAD_REQUEST, detail));
        }
        match parts.method {
            Method::POST => {}
            Method::OPTIONS => return Err(self.handshake(&parts.headers)),
            _ => return Err(answer::method_not_allowed()),
        }
        let length = parts.headers.get(CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        let bytes_max = u64::try_from(self.config.body_bytes_max).unwrap_or(u64::MAX);
        if length.is_some_and(|length| length > bytes_max) {
            return Err(too_large());
        }
        let Ok(place) = self.places.try_acquire() else {
            let detail = "too many deliveries at once";
            let status = StatusCode::TOO_MANY_REQUESTS;
            return Err(answer::come_again(status, detail, self.wait()));
        };
        self.authenticate(parts).await?;
        let origins = &self.config.webhook;
        if self.config.origin_required && !origins.allows_delivery(read::pairs(&parts.headers)) {
            let detail = "the origin has no consent";
            return Err(answer::problem(StatusCode::FORBIDDEN, detail));
        }
        Ok(Admission {
            handler: self,
            headers: &parts.headers,
            _place: place,
        })
    }

    fn has_small_head(&self, parts: &Parts) -> bool {
        let target = parts
            .uri
            .path_and_query()
            .map_or(0, |target| target.as_str().len());
        let headers = parts.headers.iter();
        let bytes = headers.fold(target, |bytes, (name, value)| {
            bytes.saturating_add(name.as_str().len() + value.len())
        });
        parts.headers.len() <= self.config.headers_max && bytes <= self.config.header_bytes_max
    }

    async fn authenticate(&self, parts: &Parts) -> Result<(), Response<Bytes>> {
        let Err(refused) = self.authentication.check(parts).await else {
            return Ok(());
        };
        Err(match refused {
            Refused::Unknown(why) => {
                warn!(reason = why, "a delivery was not let in");
                answer::not_known(why, self.authentication.tokens.is_some())
            }
            Refused::NotAllowed(why) => {
                warn!(reason = why, "a delivery was not let in");
                answer::problem(StatusCode::FORBIDDEN, why)
            }
            Refused::Unavailable { error, retry_after } => {
                error!(error = %error.report(), "nobody can say who may deliver");
                answer::come_again(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "it is not known now who may deliver",
                    retry_after.unwrap_or_else(|| self.wait()),
                )
            }
        })
    }

    /// Consents to deliveries from an origin, or does not. Consent by a callback is never given:
    /// the sender names the URL, so fetching it is not this handler's to do.
    fn handshake(&self, headers: &HeaderMap) -> Response<Bytes> {
        match self.config.webhook.answer(read::pairs(headers)) {
            Ok(consent) => answer::consent(&consent),
            Err(error) => {
                warn!(reason = %error, "a handshake got no consent");
                answer::problem(StatusCode::BAD_REQUEST, &error.to_string())
            }
        }
    }

    fn wait(&self) -> Duration {
        Duration::from_secs(self.config.retry_after_seconds.into())
    }
}

impl Admission<'_> {
    /// Largest body that is worth reading, in bytes.
    pub const fn body_bytes_max(&self) -> usize {
        self.handler.config.body_bytes_max
    }

    /// The answer for a body that has more bytes than that.
    pub fn too_large(&self) -> Response<Bytes> {
        too_large()
    }

    /// Hands the events of the body to the receiver and says what became of them.
    pub async fn deliver(self, body: Bytes) -> Response<Bytes> {
        let handler = self.handler;
        if body.len() > handler.config.body_bytes_max {
            return too_large();
        }
        if read::is_validation(self.headers) {
            return handler.validate(&body);
        }
        if read::is_other_schema(self.headers) {
            return handler.other_schema();
        }
        let pushed = match read::delivery(self.headers, &body, &handler.limits) {
            Ok(pushed) => pushed,
            Err(error) => match answer::unreadable(&error) {
                Some(answer) => return answer,
                None => read::no_delivery(self.headers, body, error),
            },
        };
        let count = pushed.events.len();
        debug!(
            events = count,
            subscription = pushed.subscription.as_deref(),
            delivery_count = pushed.delivery_count,
            "delivery"
        );
        let mut taken = if count == 0 {
            Vec::new()
        } else {
            handler.receiver.receive(pushed).await
        };
        if taken.len() != count {
            error!(
                events = count,
                answers = taken.len(),
                "the receiver did not answer every event"
            );
            // Nobody knows which answer is for which event.
            let unknown = PortError::new(ErrorKind::Internal, "event_grid.receive");
            taken = (0..count).map(|_| Taken::again(&unknown)).collect();
        }
        answer::summary(taken, handler.wait())
    }
}

impl EventGridHandler {
    /// Somebody here or at the subscription has to repair this, and a refusal would lose every
    /// event until then.
    fn other_schema(&self) -> Response<Bytes> {
        const DETAIL: &str = "the subscription delivers in a schema other than CloudEvents 1.0; \
                              change its delivery schema";
        error!(
            answers_validation_events = self.config.answers_validation_events,
            "{DETAIL}; answers_validation_events lets such a subscription begin"
        );
        answer::come_again(StatusCode::SERVICE_UNAVAILABLE, DETAIL, self.wait())
    }

    fn validate(&self, body: &[u8]) -> Response<Bytes> {
        if !self.config.answers_validation_events {
            let detail = "validation events are not answered here; subscribe in the CloudEvents \
                          schema, or enable answers_validation_events";
            return answer::problem(StatusCode::BAD_REQUEST, detail);
        }
        read::validation_code(body).map_or_else(
            || answer::problem(StatusCode::BAD_REQUEST, "the body is no validation event"),
            |code| answer::validation(&code),
        )
    }
}

fn too_large() -> Response<Bytes> {
    let detail = "the body is larger than a batch may be";
    answer::problem(StatusCode::PAYLOAD_TOO_LARGE, detail)
}
