//! One connection to a namespace, opened when it is needed and again when it is lost, with the
//! tokens that keep it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use omnisync_core::PortError;
use omnisync_core::policy::RetryPolicy;
use omnisync_core::port::{Clock, IdSource};
use omnisync_http::{Scope, TokenCache};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

use super::amqp::{
    AmqpError, AttachRequest, Connection, OpenRequest, Requester, Sender, put_token,
};
use super::dial::{Dial, DialTarget};
use super::failure::{Effect, port_error};
use super::lock::later;
use super::sas::SasKey;

/// Shortest time between two tokens for one audience.
const REFRESH_PAUSE: TimeDelta = TimeDelta::seconds(5);

/// Requests to managements of entities on one connection at the same time, each by links of its
/// own: one lost answer keeps no other waiting.
const MANAGED_AT_ONCE_MAX: usize = 32;

/// With what the broker ends links and connections that may be opened again at once.
const PASSING: [&str; 3] = [
    "amqp:connection:forced",
    "amqp:link:detach-forced",
    "amqp:link:stolen",
];

/// By what the broker knows us.
pub(super) enum Credential {
    Key { key: SasKey, life: TimeDelta },
    Tokens(TokenCache, Scope),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key { .. } => "Key(..)",
            Self::Tokens(..) => "Tokens(..)",
        })
    }
}

/// Limits of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeouts {
    pub(super) operation: Duration,
    pub(super) idle: Duration,
    pub(super) frame_bytes_max: u32,
}

/// A namespace.
#[derive(Debug)]
pub(super) struct Bus {
    target: DialTarget,
    /// What audiences begin with.
    audience: String,
    credential: Credential,
    pub(super) timeouts: Timeouts,
    dial: Arc<dyn Dial>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Arc<dyn IdSource>,
    live: Mutex<Option<Arc<Live>>>,
}

/// A connection that works, as far as anybody knows.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) connection: Connection,
    cbs: Requester,
    /// When the token of an audience has to be replaced.
    tokens: Mutex<HashMap<String, DateTime<Utc>>>,
    /// Links to the management of entities that nobody waits at.
    management: StdMutex<HashMap<String, Vec<Requester>>>,
    /// Turns at any management.
    turns: Arc<Semaphore>,
    senders: Mutex<HashMap<String, Arc<Sender>>>,
}

impl Live {
    fn idle_management(&self) -> MutexGuard<'_, HashMap<String, Vec<Requester>>> {
        let idle = self.management.lock();
        idle.unwrap_or_else(PoisonError::into_inner)
    }
}

/// The management of an entity, for one request.
#[derive(Debug)]
pub(super) struct Management {
    live: Arc<Live>,
    path: String,
    requester: Requester,
    _turn: OwnedSemaphorePermit,
}

impl Management {
    pub(super) const fn requester(&self) -> &Requester {
        &self.requester
    }

    /// Gives it back with what came of the request. A link that did not answer is used no more.
    pub(super) fn answered<T>(self, answer: Result<T, AmqpError>) -> Result<T, Failure> {
        if answer.as_ref().map_or_else(AmqpError::is_answer, |_| true) {
            let mut idle = self.live.idle_management();
            idle.entry(self.path).or_default().push(self.requester);
        }
        Ok(answer?)
    }
}

/// A step that failed, with its tokens' own errors.
#[derive(Debug)]
pub(super) enum Failure {
    Amqp(AmqpError),
    /// There is no token.
    Token(PortError),
}

impl From<AmqpError> for Failure {
    fn from(error: AmqpError) -> Self {
        Self::Amqp(error)
    }
}

impl Failure {
    pub(super) fn into_port(self, operation: &'static str, effect: Effect) -> PortError {
        match self {
            Self::Amqp(error) => port_error(operation, error, effect),
            Self::Token(error) => PortError::new(error.kind(), operation)
                .no_sooner(error.retry_after())
                .with_detail("there is no token for the broker")
                .without_effect()
                .with_source(error),
        }
    }

    /// The broker answered the very step.
    pub(super) const fn is_answered(&self) -> bool {
        matches!(self, Self::Amqp(error) if error.is_answer())
    }

    /// The connection or link went away: another one may do.
    pub(super) fn is_loss(&self) -> bool {
        let Self::Amqp(error) = self else {
            return false;
        };
        match error.root() {
            AmqpError::Gone
            | AmqpError::Closed
            | AmqpError::Detached
            | AmqpError::Io(_)
            | AmqpError::Dial(_) => true,
            AmqpError::ClosedWith(condition) | AmqpError::DetachedWith(condition) => {
                PASSING.contains(&condition.as_str())
            }
            _ => false,
        }
    }

    /// The same, of a step before the one with the effect.
    fn before(self) -> Self {
        match self {
            Self::Amqp(error) => Self::Amqp(error.before()),
            token @ Self::Token(_) => token,
        }
    }

    /// Nothing was sent.
    pub(super) const fn was_not_sent(&self) -> bool {
        match self {
            Self::Amqp(error) => error.was_not_sent(),
            Self::Token(_) => true,
        }
    }
}

impl Bus {
    pub(super) fn new(
        target: DialTarget,
        audience: String,
        credential: Credential,
        timeouts: Timeouts,
        dial: Arc<dyn Dial>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Self {
        Self {
            target,
            audience,
            credential,
            timeouts,
            dial,
            clock,
            ids,
            live: Mutex::new(None),
        }
    }

    /// The connection; a new one where it was lost.
    pub(super) async fn live(&self) -> Result<Arc<Live>, Failure> {
        let mut live = self.live.lock().await;
        if let Some(live) = live.as_ref().filter(|live| !live.connection.is_closed()) {
            return Ok(Arc::clone(live));
        }
        *live = None;
        let fresh = Arc::new(self.connect().await?);
        *live = Some(Arc::clone(&fresh));
        Ok(fresh)
    }

    async fn connect(&self) -> Result<Live, AmqpError> {
        let timeout = self.timeouts.operation;
        let io = match tokio::time::timeout(timeout, self.dial.dial(&self.target)).await {
            Ok(Ok(io)) => io,
            Ok(Err(error)) => return Err(AmqpError::Dial(error.into())),
            Err(_) => {
                let error = std::io::Error::from(std::io::ErrorKind::TimedOut);
                return Err(AmqpError::Dial(error.into()));
            }
        };
        let name = format!("omnisync-{}", self.ids.unique().simple());
        let request = OpenRequest {
            container_id: name.clone(),
            hostname: self.target.host.clone(),
            frame_bytes_max: self.timeouts.frame_bytes_max,
            idle: self.timeouts.idle,
            timeout,
        };
        let connection = Connection::open(io, request).await?;
        let cbs =
            Requester::open(&connection, "cbs", "$cbs", format!("cbs-{name}"), timeout).await?;
        Ok(Live {
            connection,
            cbs,
            tokens: Mutex::default(),
            management: StdMutex::default(),
            turns: Arc::new(Semaphore::new(MANAGED_AT_ONCE_MAX)),
            senders: Mutex::default(),
        })
    }

    /// Makes sure that the broker knows us for `path`, and for everything else that this
    /// connection was used for. A connection that takes no tokens any more is not used again.
    pub(super) async fn authorize(&self, live: &Live, path: &str) -> Result<(), Failure> {
        let put = self.put_tokens(live, path).await;
        if let Err(error @ Failure::Amqp(_)) = &put
            && !error.is_answered()
        {
            self.forget_live(live).await;
        }
        put
    }

    /// Opens another connection next time.
    async fn forget_live(&self, dead: &Live) {
        let mut live = self.live.lock().await;
        live.take_if(|known| std::ptr::eq(Arc::as_ptr(known), dead));
    }

    async fn put_tokens(&self, live: &Live, path: &str) -> Result<(), Failure> {
        let mut tokens = live.tokens.lock().await;
        tokens
            .entry(path.to_owned())
            .or_insert(DateTime::<Utc>::MIN_UTC);
        let now = self.clock.now();
        let due: Vec<String> = tokens
            .iter()
            .filter(|(_, refresh_at)| **refresh_at <= now)
            .map(|(path, _)| path.clone())
            .collect();
        for path in due {
            let audience = format!("{}{path}", self.audience);
            let (form, token, expires_at) = match &self.credential {
                Credential::Key { key, life } => {
                    let expires_at = now + *life;
                    let form = "servicebus.windows.net:sastoken";
                    (form, key.sign(&audience, expires_at), expires_at)
                }
                Credential::Tokens(cache, scope) => {
                    let token = cache.token(scope).await.map_err(Failure::Token)?;
                    ("jwt", token.secret().clone(), token.expires_at())
                }
            };
            if let Err(error) = put_token(&live.cbs, &audience, form, token.expose()).await {
                tokens.remove(&path);
                return Err(error.into());
            }
            let left = expires_at.signed_duration_since(now);
            let refresh_after = (left * 3 / 4).max(REFRESH_PAUSE);
            let refresh_at = now.checked_add_signed(refresh_after);
            tokens.insert(path, refresh_at.unwrap_or(DateTime::<Utc>::MAX_UTC));
        }
        Ok(())
    }

    /// When the next token has to be replaced.
    pub(super) async fn refresh_at(&self, live: &Live) -> Option<DateTime<Utc>> {
        live.tokens.lock().await.values().min().copied()
    }

    /// The management of the entity at `path`. Its failures are without effect.
    pub(super) async fn management(&self, path: &str) -> Result<Management, Failure> {
        let opened = self.open_management(path).await;
        opened.map_err(Failure::before)
    }

    async fn open_management(&self, path: &str) -> Result<Management, Failure> {
        let live = self.live().await?;
        let node = format!("{path}/$management");
        self.authorize(&live, &node).await?;
        let timeout = self.timeouts.operation;
        let turn = Arc::clone(&live.turns).acquire_owned();
        let turn = tokio::time::timeout(timeout, turn).await;
        let turn = turn.map_err(|_| AmqpError::TimedOut)?;
        let turn = turn.map_err(|_| AmqpError::Gone)?;
        let idle = live.idle_management().get_mut(path).and_then(Vec::pop);
        let requester = if let Some(requester) = idle {
            requester
        } else {
            let reply_to = format!("management-{}", self.ids.unique().simple());
            Requester::open(&live.connection, "management", &node, reply_to, timeout).await?
        };
        Ok(Management {
            live,
            path: path.to_owned(),
            requester,
            _turn: turn,
        })
    }

    /// The link that sends to the queue or topic `name`. Its failures are without effect.
    async fn sender(&self, name: &str) -> Result<Arc<Sender>, Failure> {
        self.open_sender(name).await.map_err(Failure::before)
    }

    async fn open_sender(&self, name: &str) -> Result<Arc<Sender>, Failure> {
        let live = self.live().await?;
        self.authorize(&live, name).await?;
        let mut all = live.senders.lock().await;
        if let Some(known) = all.get(name) {
            return Ok(Arc::clone(known));
        }
        let opened = live
            .connection
            .sender(AttachRequest::to("sender", name))
            .await?;
        let opened = Arc::new(opened);
        all.insert(name.to_owned(), Arc::clone(&opened));
        Ok(opened)
    }

    /// Sends a message, again for as long as nothing was sent.
    pub(super) async fn send(
        &self,
        name: &str,
        payload: bytes::Bytes,
        format: u32,
        policy: &RetryPolicy,
    ) -> Result<(), Failure> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let sent = match self.sender(name).await {
                Ok(sender) => sender
                    .send(payload.clone(), format)
                    .await
                    .map_err(Failure::from),
                Err(error) => Err(error),
            };
            let Err(error) = sent else {
                return Ok(());
            };
            if !matches!(
                error,
                Failure::Amqp(AmqpError::Refused(_) | AmqpError::TooLarge)
            ) {
                self.forget_sender(name).await;
            }
            let again = error.was_not_sent() && error.is_loss();
            if !again || policy.is_exhausted(attempt) {
                return Err(error);
            }
            self.back_off(policy, attempt).await;
        }
    }

    async fn forget_sender(&self, name: &str) {
        if let Some(live) = self.live.lock().await.as_ref() {
            live.senders.lock().await.remove(name);
        }
    }

    pub(super) async fn back_off(&self, policy: &RetryPolicy, attempt: u32) {
        let delay = policy.delay(attempt, self.ids.jitter());
        self.clock.sleep_until(later(self.clock.now(), delay)).await;
    }
}
