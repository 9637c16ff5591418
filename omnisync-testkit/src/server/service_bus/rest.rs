//! The namespace over REST.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State as Shared};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::future::{Either, select};
use std::pin::pin;
use tokio::sync::watch;
use uuid::Uuid;

use super::address::{Place, path_of};
use super::fault::{Fault, Step};
use super::queue::{Handed, Outcome};
use super::refusal::Refusal;
use super::rest_message;
use super::state::ServiceBus;
use super::token;
use crate::clock::later;
use crate::server::fno::url;
use crate::server::fno::wire::Wire;

/// How long a receiver waits that does not say it.
const WAIT_SECONDS: u64 = 60;

/// Room for what is around a message.
const SLACK_BYTES: usize = 64 << 10;

/// What a server hands to each of its requests.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    pub(crate) bus: ServiceBus,
    pub(crate) stopping: watch::Receiver<bool>,
}

/// An answer on its way out.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    fn refused(refusal: &Refusal) -> Self {
        let detail = &refusal.description;
        let body = format!(
            "<Error><Code>{}</Code><Detail>{detail}</Detail></Error>",
            refusal.status
        );
        Self {
            headers: vec![(
                "content-type".to_owned(),
                "application/xml; charset=utf-8".to_owned(),
            )],
            body: body.into_bytes(),
            ..Self::empty(refusal.status)
        }
    }

    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in self.headers {
            let name = HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
                response.headers_mut().append(name, value);
            }
        }
        response
    }
}

/// What a request is about.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    /// The messages of an entity.
    Messages(Place),
    /// The message that comes next.
    Head(Place),
    /// A message under a lock.
    Locked(Place, Uuid),
}

impl Target {
    fn parse(path: &str) -> Option<Self> {
        let path = url::decode(path)?;
        let path = path.trim_matches('/');
        let (entity, rest) = match path.rsplit_once("/messages/") {
            Some((entity, rest)) => (entity, Some(rest)),
            None => (path.strip_suffix("/messages")?, None),
        };
        let place = Place::parse(entity);
        match rest {
            None => Some(Self::Messages(place)),
            Some(rest) if rest.eq_ignore_ascii_case("head") => Some(Self::Head(place)),
            Some(rest) => {
                let (_, token) = rest.rsplit_once('/')?;
                Some(Self::Locked(place, Uuid::parse_str(token).ok()?))
            }
        }
    }

    fn step(&self, method: &str) -> Step {
        match self {
            Self::Messages(_) => Step::Send,
            Self::Head(_) => Step::Deliver,
            Self::Locked(..) if method == "POST" => Step::Manage,
            Self::Locked(..) => Step::Settle,
        }
    }
}

/// Answers a request, or cuts its connection.
pub(crate) async fn handle(
    Shared(mut desk): Shared<Desk>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let bus = desk.bus.clone();
    let exchange = pin!(exchange(&bus, &parts, body));
    let told = pin!(desk.stopping.wait_for(|stopping| *stopping));
    let answer = match select(exchange, told).await {
        Either::Left((answer, _)) => answer,
        Either::Right(_) => None,
    };
    answer.map_or_else(
        || {
            wire.cut();
            Response::new(Body::empty())
        },
        Answer::into_response,
    )
}

/// The answer of a request; `None` when it gets none.
async fn exchange(bus: &ServiceBus, parts: &Parts, body: Body) -> Option<Answer> {
    let bytes_max = bus
        .lock()
        .options
        .message_bytes_max
        .saturating_add(SLACK_BYTES);
    let Ok(body) = to_bytes(body, bytes_max).await else {
        return Some(Answer::empty(413));
    };
    let Some(target) = Target::parse(parts.uri.path()) else {
        return Some(Answer::empty(404));
    };
    if let Err(refusal) = authorize(bus, parts) {
        return Some(Answer::refused(&refusal));
    }
    let fault = bus.lock().take_fault(target.step(parts.method.as_str()));
    match fault {
        Some(Fault::CutBefore | Fault::Detached) => return None,
        Some(Fault::Busy) => return Some(Answer::refused(&Refusal::busy())),
        Some(Fault::Unauthorized) => {
            return Some(Answer::refused(&Refusal::unauthorized(
                "The token is refused.",
            )));
        }
        Some(Fault::Silent) => {
            std::future::pending::<()>().await;
        }
        _ => {}
    }
    let answer = dispatch(bus, parts, &target, body).await;
    match fault {
        Some(Fault::CutAfter | Fault::DetachedAfter) => return None,
        Some(Fault::Delayed(by)) => {
            let (clock, now) = {
                let state = bus.lock();
                (std::sync::Arc::clone(&state.options.clock), state.now())
            };
            clock.sleep_until(later(now, by)).await;
        }
        _ => {}
    }
    Some(answer.unwrap_or_else(|refusal| Answer::refused(&refusal)))
}

fn authorize(bus: &ServiceBus, parts: &Parts) -> Result<(), Refusal> {
    let shown = header(parts, "authorization");
    let shown = shown.ok_or_else(|| Refusal::unauthorized("MissingToken: There is no token."))?;
    let state = bus.lock();
    let audience = path_of(parts.uri.path());
    token::check(&state.options.access, shown, &audience, state.now())?;
    Ok(())
}

pub(crate) fn header<'p>(parts: &'p Parts, name: &str) -> Option<&'p str> {
    let value = parts.headers.get(name)?;
    value.to_str().ok()
}

async fn dispatch(
    bus: &ServiceBus,
    parts: &Parts,
    target: &Target,
    body: Bytes,
) -> Result<Answer, Refusal> {
    match (parts.method.as_str(), target) {
        ("POST", Target::Messages(place)) => send(bus, parts, place, &body),
        ("POST", Target::Head(place)) => receive(bus, parts, place, true).await,
        ("DELETE", Target::Head(place)) => receive(bus, parts, place, false).await,
        ("DELETE", Target::Locked(place, token)) => settle(bus, place, *token, Outcome::Complete),
        ("PUT", Target::Locked(place, token)) => {
            settle(bus, place, *token, Outcome::Abandon(Vec::new()))
        }
        ("POST", Target::Locked(place, token)) => renew(bus, place, *token),
        _ => Ok(Answer::empty(405)),
    }
}

fn send(bus: &ServiceBus, parts: &Parts, place: &Place, body: &[u8]) -> Result<Answer, Refusal> {
    let bytes_max = bus.lock().options.message_bytes_max;
    if body.len() > bytes_max {
        return Err(Refusal::too_large(body.len(), bytes_max));
    }
    let messages = rest_message::read(parts, body)
        .ok_or_else(|| Refusal::bad_request("The message cannot be read."))?;
    bus.change(|state| state.send(place, &messages))?;
    Ok(Answer::empty(201))
}

/// Waits for a message for as long as the request wants.
async fn receive(
    bus: &ServiceBus,
    parts: &Parts,
    place: &Place,
    locked: bool,
) -> Result<Answer, Refusal> {
    let mut changes = bus.changes();
    let (clock, start) = {
        let state = bus.lock();
        (std::sync::Arc::clone(&state.options.clock), state.now())
    };
    let end = later(start, wait_of(parts));
    loop {
        changes.mark_unchanged();
        if let Some(handed) = take(bus, place, locked)? {
            bus.tick();
            let host = header(parts, "host").unwrap_or("127.0.0.1");
            return Ok(rest_message::write(&handed, host, parts.uri.path()));
        }
        let (now, next) = {
            let state = bus.lock();
            (state.now(), state.next_event())
        };
        if now >= end {
            return Ok(Answer::empty(204));
        }
        let alarm = clock.sleep_until(next.unwrap_or(end).min(end));
        // The sender lives as long as this handle does.
        drop(select(pin!(changes.changed()), alarm).await);
    }
}

fn take(bus: &ServiceBus, place: &Place, locked: bool) -> Result<Option<Handed>, Refusal> {
    let mut state = bus.lock();
    state.sweep();
    if state.queue(place)?.has_sessions(place.side) {
        return Err(Refusal::not_allowed(
            "An entity that requires sessions cannot be received from over REST.",
        ));
    }
    Ok(state.take(place, None, locked))
}

fn wait_of(parts: &Parts) -> Duration {
    let query = parts.uri.query().unwrap_or_default();
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let wanted = pairs.find(|(name, _)| name.eq_ignore_ascii_case("timeout"));
    let seconds = wanted.and_then(|(_, value)| value.parse().ok());
    Duration::from_secs(seconds.unwrap_or(WAIT_SECONDS))
}

/// A place that is gone is told from a lock that is.
fn at(bus: &ServiceBus, place: &Place) -> Result<(), Refusal> {
    let known = bus.lock().queues.contains_key(&place.entity);
    let gone = || Refusal::new("amqp:not-found", 410, "The entity does not exist.");
    known.then_some(()).ok_or_else(gone)
}

fn lost(_: Refusal) -> Refusal {
    Refusal::new(
        "com.microsoft:message-lock-lost",
        404,
        "No message was found with the specified MessageId or LockToken.",
    )
}

fn settle(
    bus: &ServiceBus,
    place: &Place,
    token: Uuid,
    outcome: Outcome,
) -> Result<Answer, Refusal> {
    at(bus, place)?;
    bus.change(|state| state.settle(place, token, outcome))
        .map_err(lost)?;
    Ok(Answer::empty(200))
}

fn renew(bus: &ServiceBus, place: &Place, token: Uuid) -> Result<Answer, Refusal> {
    at(bus, place)?;
    let until = bus.change(|state| {
        let now = state.now();
        let until = state.queue(place)?.renew(place.side, token, now)?;
        state.counters.renewals += 1;
        Ok::<DateTime<Utc>, Refusal>(until)
    });
    let until = until.map_err(lost)?;
    let properties = format!("{{\"LockedUntilUtc\":\"{}\"}}", rest_message::date(until));
    Ok(Answer {
        headers: vec![("brokerproperties".to_owned(), properties)],
        ..Answer::empty(200)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_an_entity_and_perhaps_a_lock() {
        let place = Place::parse("topic/subscriptions/sub/$deadletterqueue");
        let path = "/topic/subscriptions/sub/$DeadLetterQueue/messages/head";
        assert_eq!(Target::parse(path), Some(Target::Head(place)));
        let token = Uuid::from_u128(5);
        let path = format!("/orders/messages/7/{token}");
        let orders = Place::parse("orders");
        assert_eq!(
            Target::parse(&path),
            Some(Target::Locked(orders.clone(), token))
        );
        assert_eq!(
            Target::parse("/orders/messages"),
            Some(Target::Messages(orders))
        );
        for path in ["/", "/orders", "/orders/messages/7", "/orders/messages/7/8"] {
            assert_eq!(Target::parse(path), None, "{path}");
        }
    }
}
