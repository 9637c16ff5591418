use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderName, HeaderValue, USER_AGENT};
use http::{HeaderMap, StatusCode};
use omnisync_core::policy::Refused;
use omnisync_core::port::{Clock, IdSource};
use omnisync_core::{ErrorKind, PortError};

use crate::budget::SharedBudget;
use crate::call::Call;
use crate::config::ClientConfig;
use crate::endpoint::{Plain, require_private};
use crate::error::HttpError;
use crate::retry_after::retry_after;
use crate::retry_budget::RetryBudget;
use crate::throttle::{SharedThrottle, TurnGuard, later};
use crate::token::{AccessToken, Scope, TokenCache};
use crate::transport::{Request, Response, Transport};

const BUILD: &str = "http.client.build";

/// Names a call, so that the peer's support can find it. The same for every attempt.
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");

/// What a peer refused, read from its answer.
pub type RefusalReader = fn(&Response) -> Refused;

/// Sends calls: with a token, in turn, again where that is safe, and within every limit.
///
/// This is the only layer that repeats requests. Clones share everything: connections, tokens, the
/// throttle and the budgets. [`Client::builder`] shows the parts.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    config: ClientConfig,
    user_agent: HeaderValue,
    tokens: Option<(TokenCache, Scope)>,
    throttle: Option<SharedThrottle>,
    refusal: RefusalReader,
    budget: Option<SharedBudget>,
    retry_budget: RetryBudget,
}

impl Client {
    /// Begins a client that sends by `transport`.
    pub fn builder(
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> ClientBuilder {
        ClientBuilder {
            transport,
            clock,
            ids,
            config: ClientConfig::default(),
            tokens: None,
            throttle: None,
            budget: None,
            refusal: |_| Refused::Requests,
        }
    }

    /// Sends a call and gives the answer when it is a success: 2xx, or 304 for a conditional read.
    ///
    /// # Errors
    /// [`HttpError`] for everything else. It keeps the answer, so that the adapter can read what
    /// the service says. A wait that is longer than `wait_ms_max` is not slept through: it is
    /// `Throttled` or `Unavailable` with `retry_after`. So is a budget without calls, whatever the
    /// wait: nothing is sent then.
    ///
    /// # Cancel safety
    /// Dropping the future gives the call up; the effect of an attempt on its way is open.
    pub async fn send(&self, call: Call) -> Result<Response, HttpError> {
        let inner = &*self.inner;
        inner.check(&call)?;
        inner.retry_budget.pay_in();
        let request_id = inner.request_id(&call);
        let (mut attempts, mut is_renewed, mut was_open) = (0, false, false);
        loop {
            attempts += 1;
            let mut token = None;
            let result = inner.attempt(&call, &mut token, &request_id).await;
            let error = match result {
                Ok(response) => return Ok(response),
                Err(error) => error.after(attempts, was_open, &request_id),
            };
            was_open = error.is_effect_open();
            if !is_renewed && inner.renew(token.as_ref(), error.status()) {
                is_renewed = true;
                attempts -= 1;
                continue;
            }
            let Some(delay) = inner.delay(&call, attempts, &error) else {
                return Err(error);
            };
            tracing::debug!(
                operation = call.operation,
                attempt = attempts,
                status = error.status().map(|status| status.as_u16()),
                delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
                "request is repeated"
            );
            let until = later(inner.clock.now(), delay);
            inner.clock.sleep_until(until).await;
        }
    }

    /// The clock of the client.
    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.inner.clock
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("transport", &self.inner.transport)
            .field("config", &self.inner.config)
            .field("scope", &self.inner.tokens.as_ref().map(|(_, scope)| scope))
            .finish_non_exhaustive()
    }
}

/// The parts of a [`Client`].
///
/// ```
/// # use std::sync::Arc;
/// # use omnisync_core::port::{Clock, IdSource};
/// use omnisync_http::{Client, ClientConfig, Scope, TokenCache, Transport};
///
/// fn client(
///     transport: Arc<dyn Transport>,
///     tokens: TokenCache,
///     clock: Arc<dyn Clock>,
///     ids: Arc<dyn IdSource>,
/// ) -> Result<Client, omnisync_core::PortError> {
///     Client::builder(transport, clock, ids)
///         .with_config(ClientConfig::default().with_timeout_ms(10_000))
///         .with_tokens(tokens, Scope::of_resource("https://acme.crm4.dynamics.com")?)
///         .build()
/// }
/// ```
pub struct ClientBuilder {
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    config: ClientConfig,
    tokens: Option<(TokenCache, Scope)>,
    throttle: Option<SharedThrottle>,
    budget: Option<SharedBudget>,
    refusal: RefusalReader,
}

impl ClientBuilder {
    /// Replaces the default settings.
    #[must_use]
    pub fn with_config(mut self, config: ClientConfig) -> Self {
        self.config = config;
        self
    }

    /// Authorizes calls by tokens for `scope`.
    #[must_use]
    pub fn with_tokens(mut self, tokens: TokenCache, scope: Scope) -> Self {
        self.tokens = Some((tokens, scope));
        self
    }

    /// Waits for a turn before each attempt.
    #[must_use]
    pub fn with_throttle(mut self, throttle: SharedThrottle) -> Self {
        self.throttle = Some(throttle);
        self
    }

    /// Accounts for each attempt, and makes none when no call is left. Requests for tokens are not
    /// accounted here: their peer is another one.
    #[must_use]
    pub fn with_budget(mut self, budget: SharedBudget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Tells the throttle what a peer refused. Without it, every refusal is about requests.
    #[must_use]
    pub fn with_refusal_reader(mut self, reader: RefusalReader) -> Self {
        self.refusal = reader;
        self
    }

    /// The client.
    ///
    /// # Errors
    /// `Invalid` for a setting out of range.
    pub fn build(self) -> Result<Client, PortError> {
        let wrong = |what| PortError::new(ErrorKind::Invalid, BUILD).with_detail(what);
        if let Some(what) = self.config.wrong() {
            return Err(wrong(what));
        }
        let user_agent = HeaderValue::from_str(&self.config.user_agent)
            .map_err(|_| wrong("user_agent is no header value"))?;
        let ClientConfig {
            retry_percent_max,
            retry_reserve,
            ..
        } = self.config;
        let retry_budget = RetryBudget::new(retry_percent_max, retry_reserve, self.clock.now());
        Ok(Client {
            inner: Arc::new(Inner {
                transport: self.transport,
                clock: self.clock,
                ids: self.ids,
                config: self.config,
                user_agent,
                tokens: self.tokens,
                throttle: self.throttle,
                budget: self.budget,
                refusal: self.refusal,
                retry_budget,
            }),
        })
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("transport", &self.transport)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// Fails when the call must not or cannot be sent.
    fn check(&self, call: &Call) -> Result<(), HttpError> {
        let plain = call.request.extensions().get::<Plain>();
        let plain = plain.copied().unwrap_or(Plain::Loopback);
        require_private(call.request.uri(), plain).map_err(|error| HttpError::url(call, error))?;
        if call.authorize && self.tokens.is_none() {
            let reason = "the client has no token cache; add one, or send the call without token";
            return Err(HttpError::refused(call, reason));
        }
        Ok(())
    }

    /// The name that the call has already, or a new one.
    fn request_id(&self, call: &Call) -> String {
        let own = call.request.headers().get(CLIENT_REQUEST_ID);
        match own.and_then(|id| id.to_str().ok()) {
            Some(id) => id.to_owned(),
            None => self.ids.unique().to_string(),
        }
    }

    async fn token(&self, call: &Call) -> Result<Option<AccessToken>, HttpError> {
        match &self.tokens {
            Some((tokens, scope)) if call.authorize => tokens
                .token(scope)
                .await
                .map(Some)
                .map_err(|error| HttpError::token(call, error)),
            _ => Ok(None),
        }
    }

    /// One attempt, with the token that it leaves in `token`.
    async fn attempt(
        &self,
        call: &Call,
        token: &mut Option<AccessToken>,
        request_id: &str,
    ) -> Result<Response, HttpError> {
        // Nobody fetches a token or stands in line for nothing.
        self.has_calls(call)?;
        *token = self.token(call).await?;
        let request = self.request(call, token.as_ref(), request_id)?;
        let turn = self.turn(call).await?;
        self.spend(call)?;
        let limits = call.limits.unwrap_or_else(|| self.config.limits());
        let response = match self.transport.send(request, limits).await {
            Ok(response) => response,
            Err(error) => return Err(HttpError::unanswered(call, error)),
        };
        let longest = self.config.retry_after_max();
        let wait = retry_after(response.headers(), self.clock.now(), longest);
        if let Some(turn) = turn {
            if is_refusal(response.status(), wait) {
                turn.refused((self.refusal)(&response), wait);
            } else {
                turn.taken();
            }
        }
        let status = response.status();
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        Err(HttpError::answered(call, response, wait))
    }

    async fn turn(&self, call: &Call) -> Result<Option<TurnGuard>, HttpError> {
        match &self.throttle {
            Some(throttle) => throttle
                .turn(self.config.wait_max())
                .await
                .map(Some)
                .map_err(|wait| HttpError::held_back(call, wait)),
            None => Ok(None),
        }
    }

    /// Fails when the budget has no call left.
    fn has_calls(&self, call: &Call) -> Result<(), HttpError> {
        self.budget
            .as_ref()
            .map_or(Ok(()), |budget| budget.check(call.priority))
            .map_err(|wait| HttpError::budget_spent(call, wait))
    }

    fn spend(&self, call: &Call) -> Result<(), HttpError> {
        self.budget
            .as_ref()
            .map_or(Ok(()), |budget| budget.spend(call.priority))
            .map_err(|wait| HttpError::budget_spent(call, wait))
    }

    fn request(
        &self,
        call: &Call,
        token: Option<&AccessToken>,
        request_id: &str,
    ) -> Result<Request, HttpError> {
        let mut request = call.request.clone();
        let headers = request.headers_mut();
        if let Some(token) = token {
            let value = token.header().map_err(|_| {
                HttpError::refused(call, "the token holds characters that no header takes")
            })?;
            headers.insert(AUTHORIZATION, value);
        }
        if let Ok(id) = HeaderValue::from_str(request_id) {
            put_missing(headers, CLIENT_REQUEST_ID, id);
        }
        put_missing(headers, USER_AGENT, self.user_agent.clone());
        if let Some(trace) = &call.trace {
            trace.put(headers, &*self.ids);
        }
        Ok(request)
    }

    /// Drops a token that the peer did not take. True when another one may be taken.
    fn renew(&self, token: Option<&AccessToken>, status: Option<StatusCode>) -> bool {
        match (&self.tokens, token, status) {
            (Some((tokens, scope)), Some(token), Some(StatusCode::UNAUTHORIZED)) => {
                tokens.invalidate(scope, token);
                true
            }
            _ => false,
        }
    }

    /// How long to wait before the next attempt. `None` when there is none.
    fn delay(&self, call: &Call, attempts: u32, error: &HttpError) -> Option<Duration> {
        let policy = &self.config.retry;
        if !error.is_repeatable(call.repeat, call.also) || policy.is_exhausted(attempts) {
            return None;
        }
        let wait_max = self.config.wait_max();
        let own = policy.delay(attempts, self.ids.jitter()).min(wait_max);
        let delay = error.retry_after().map_or(own, |asked| asked.max(own));
        (delay <= wait_max && self.retry_budget.take(self.clock.now())).then_some(delay)
    }
}

/// True when the peer turned a request away because there are too many.
fn is_refusal(status: StatusCode, wait: Option<Duration>) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS
        || (status == StatusCode::SERVICE_UNAVAILABLE && wait.is_some())
}

fn put_missing(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    headers.entry(name).or_insert(value);
}
