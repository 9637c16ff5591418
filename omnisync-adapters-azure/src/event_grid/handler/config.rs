use http::HeaderName;
use omnisync_core::event::EventLimits;
use omnisync_core::event::webhook::WebhookPolicy;
use omnisync_core::{ErrorKind, PortError};
use serde::{Deserialize, Serialize};

/// What a webhook takes and how much of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EventGridHandlerConfig {
    /// Who gets consent in the handshake, and for how many deliveries a minute. Default nobody;
    /// Event Grid calls itself `eventgrid.azure.net`.
    pub webhook: WebhookPolicy,
    /// Takes deliveries only when they repeat an origin of [`Self::webhook`]. It is a claim and
    /// proves nothing. Default false.
    pub origin_required: bool,
    /// Answers the validation event by which subscriptions in the classic schema of Event Grid
    /// begin. Default false: subscriptions in the CloudEvents schema begin with the handshake.
    /// Only CloudEvents are read: what such a subscription delivers waits at Event Grid until its
    /// delivery schema is changed.
    pub answers_validation_events: bool,
    /// Parameter of the query that carries the shared secret. Default `code`.
    pub secret_query: String,
    /// Header that carries the shared secret. Default `x-omnisync-secret`.
    pub secret_header: String,
    /// Largest body, in bytes. Default 1,114,112: the largest batch that Event Grid delivers, and
    /// some slack.
    pub body_bytes_max: usize,
    /// Largest event, in bytes. Default 1,048,576.
    pub event_bytes_max: usize,
    /// Events of a batch. Default 5,000, the most that Event Grid delivers.
    pub batch_events_max: usize,
    /// Headers of a request. Default 128.
    pub headers_max: usize,
    /// Target and headers of a request, in bytes. Default 65,536.
    pub header_bytes_max: usize,
    /// Deliveries that are handled at the same time; more are told to come again. Default 256.
    pub deliveries_at_once_max: usize,
    /// When a sender is asked to come again, unless the receiver knows better, in seconds.
    /// Default 1. Event Grid keeps to its own schedule.
    pub retry_after_seconds: u32,
}

impl Default for EventGridHandlerConfig {
    fn default() -> Self {
        Self {
            webhook: WebhookPolicy::default(),
            origin_required: false,
            answers_validation_events: false,
            secret_query: "code".to_owned(),
            secret_header: "x-omnisync-secret".to_owned(),
            body_bytes_max: 1_114_112,
            event_bytes_max: 1_048_576,
            batch_events_max: 5_000,
            headers_max: 128,
            header_bytes_max: 65_536,
            deliveries_at_once_max: 256,
            retry_after_seconds: 1,
        }
    }
}

impl EventGridHandlerConfig {
    /// The origin of deliveries by Event Grid.
    pub const ORIGIN: &'static str = "eventgrid.azure.net";

    /// The defaults, with consent to Event Grid.
    pub fn for_event_grid() -> Self {
        Self::default().with_origin(Self::ORIGIN)
    }

    /// Consents to deliveries from `origin`; `*` stands for any.
    #[must_use]
    pub fn with_origin(mut self, origin: impl Into<String>) -> Self {
        self.webhook.origins.push(origin.into());
        self
    }

    /// Sets [`Self::webhook`].
    #[must_use]
    pub fn with_webhook(mut self, policy: WebhookPolicy) -> Self {
        self.webhook = policy;
        self
    }

    /// Sets [`Self::origin_required`].
    #[must_use]
    pub fn with_origin_required(mut self, required: bool) -> Self {
        self.origin_required = required;
        self
    }

    /// Sets [`Self::answers_validation_events`].
    #[must_use]
    pub fn with_validation_events(mut self, answered: bool) -> Self {
        self.answers_validation_events = answered;
        self
    }

    /// Sets [`Self::body_bytes_max`].
    #[must_use]
    pub fn with_body_bytes_max(mut self, bytes: usize) -> Self {
        self.body_bytes_max = bytes;
        self
    }

    /// Sets [`Self::deliveries_at_once_max`].
    #[must_use]
    pub fn with_deliveries_at_once_max(mut self, deliveries: usize) -> Self {
        self.deliveries_at_once_max = deliveries;
        self
    }

    pub(super) fn limits(&self) -> EventLimits {
        EventLimits {
            event_bytes_max: self.event_bytes_max,
            batch_events_max: self.batch_events_max,
            batch_bytes_max: self.body_bytes_max,
            ..EventLimits::default()
        }
    }

    /// The header of the secret.
    pub(super) fn check(&self) -> Result<HeaderName, PortError> {
        let settings = [
            (self.body_bytes_max == 0, "body_bytes_max is 0"),
            (self.event_bytes_max == 0, "event_bytes_max is 0"),
            (self.batch_events_max == 0, "batch_events_max is 0"),
            (self.headers_max == 0, "headers_max is 0"),
            (self.header_bytes_max == 0, "header_bytes_max is 0"),
            (
                self.deliveries_at_once_max == 0,
                "deliveries_at_once_max is 0",
            ),
            (self.secret_query.is_empty(), "secret_query is empty"),
            (
                self.origin_required && self.webhook.origins.is_empty(),
                "origin_required is set, and no origin gets consent",
            ),
        ];
        if let Some((_, what)) = settings.into_iter().find(|(is_wrong, _)| *is_wrong) {
            return Err(wrong(what));
        }
        HeaderName::from_bytes(self.secret_header.as_bytes())
            .map_err(|_| wrong("secret_header is no name of a header"))
    }
}

pub(super) fn wrong(what: &'static str) -> PortError {
    PortError::new(ErrorKind::Misconfigured, "event_grid.handler.build").with_detail(what)
}
