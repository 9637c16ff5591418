//! Where entities are managed: requests in, responses out.

use serde_amqp::Value;
use uuid::Uuid;

use super::address::Place;
use super::codec::{self, array_of, map, string, text};
use super::message::Content;
use super::queue::{Handed, Outcome};
use super::refusal::Refusal;
use super::state::State;

/// Messages in one response.
const MESSAGES_MAX: i64 = 1_000;

/// The status and the body of a response.
type Response = Result<(u16, Value), Refusal>;

/// Does what a request asks for.
pub(crate) fn answer(state: &mut State, place: &Place, request: &Content) -> Response {
    let operation = request.application_text("operation").unwrap_or_default();
    let body = request.value().unwrap_or_default();
    match operation.strip_prefix("com.microsoft:") {
        Some("renew-lock") => renew_lock(state, place, &body),
        Some("update-disposition") => update_disposition(state, place, &body),
        Some("peek-message") => peek(state, place, &body),
        Some("schedule-message") => schedule(state, place, &body),
        Some("cancel-scheduled-message") => cancel(state, place, &body),
        Some("receive-by-sequence-number") => receive(state, place, &body),
        Some("renew-session-lock") => renew_session(state, place, &body),
        Some("set-session-state") => set_state(state, place, &body),
        Some("get-session-state") => get_state(state, place, &body),
        Some("get-message-sessions") => sessions(state, place, &body),
        _ => Err(Refusal::not_implemented(format!(
            "The operation '{operation}' is unknown."
        ))),
    }
}

/// The message that carries a response.
pub(crate) fn reply(answer: Response) -> Content {
    let (status, description, condition, body) = match answer {
        Ok((status, body)) => (status, "OK".to_owned(), None, body),
        Err(refusal) => (
            refusal.status,
            refusal.description,
            Some(refusal.condition),
            Value::Null,
        ),
    };
    let mut reply = Content::of_value(&body);
    reply.put("statusCode", Value::Int(i32::from(status)));
    reply.put("statusDescription", string(description));
    if let Some(condition) = condition {
        reply.put("errorCondition", codec::symbol(condition));
    }
    reply
}

fn wanted<'b>(body: &'b Value, key: &'static str) -> Result<&'b Value, Refusal> {
    let missing = || Refusal::bad_request(&format!("The field '{key}' is missing."));
    codec::get(body, key).ok_or_else(missing)
}

fn wanted_text<'b>(body: &'b Value, key: &'static str) -> Result<&'b str, Refusal> {
    let wrong = || Refusal::bad_request(&format!("The field '{key}' is no text."));
    text(wanted(body, key)?).ok_or_else(wrong)
}

fn wanted_numbers(body: &Value, key: &'static str) -> Result<Vec<i64>, Refusal> {
    let wrong = || Refusal::bad_request(&format!("The field '{key}' holds something else."));
    let values = codec::elements(wanted(body, key)?);
    let numbers = values.into_iter().map(codec::integer);
    numbers.collect::<Option<_>>().ok_or_else(wrong)
}

fn wanted_tokens(body: &Value) -> Result<Vec<Uuid>, Refusal> {
    let wrong = || Refusal::bad_request("The field 'lock-tokens' holds something else.");
    let values = codec::elements(wanted(body, "lock-tokens")?);
    let tokens = values.into_iter().map(codec::guid);
    tokens.collect::<Option<_>>().ok_or_else(wrong)
}

fn number(body: &Value, key: &str) -> Option<i64> {
    codec::get(body, key).and_then(codec::integer)
}

fn renew_lock(state: &mut State, place: &Place, body: &Value) -> Response {
    let now = state.now();
    let mut expirations = Vec::new();
    for token in wanted_tokens(body)? {
        let until = state.queue(place)?.renew(place.side, token, now)?;
        state.counters.renewals += 1;
        expirations.push(codec::timestamp(until));
    }
    let expirations = array_of(expirations);
    Ok((200, map([(string("expirations"), expirations)])))
}

fn update_disposition(state: &mut State, place: &Place, body: &Value) -> Response {
    let status = wanted_text(body, "disposition-status")?;
    let properties = match codec::get(body, "properties-to-modify") {
        Some(Value::Map(entries)) => entries
            .iter()
            .filter_map(|(key, value)| Some((text(key)?.to_owned(), value.clone())))
            .collect(),
        _ => Vec::new(),
    };
    let said = |key| codec::get(body, key).and_then(text).map(str::to_owned);
    let outcome = match status {
        "completed" => Outcome::Complete,
        "abandoned" => Outcome::Abandon(properties),
        "defered" => Outcome::Defer(properties),
        "suspended" => Outcome::DeadLetter {
            reason: said("deadletter-reason"),
            description: said("deadletter-description"),
            properties,
        },
        _ => return Err(Refusal::bad_request("The disposition is unknown.")),
    };
    for token in wanted_tokens(body)? {
        state.settle(place, token, outcome.clone())?;
    }
    Ok((200, Value::Null))
}

fn peek(state: &mut State, place: &Place, body: &Value) -> Response {
    let from = number(body, "from-sequence-number").unwrap_or_default();
    let most = number(body, "message-count").unwrap_or(1).min(MESSAGES_MAX);
    let session = codec::get(body, "session-id").and_then(text);
    let queue = state.queue(place)?;
    let found = queue.messages(place.side).filter(|stored| {
        let of_session = session.is_none() || stored.content.session_id().as_deref() == session;
        stored.sequence >= from && of_session
    });
    let found = found.take(usize::try_from(most).unwrap_or_default());
    let messages: Vec<_> = found
        .map(|stored| {
            let bytes = codec::binary(stored.encode(None, None));
            map([(string("message"), bytes)])
        })
        .collect();
    Ok(list_or_nothing("messages", messages))
}

fn list_or_nothing(key: &str, values: Vec<Value>) -> (u16, Value) {
    if values.is_empty() {
        (204, Value::Null)
    } else {
        (200, map([(string(key), Value::List(values))]))
    }
}

fn schedule(state: &mut State, place: &Place, body: &Value) -> Response {
    let unreadable = || Refusal::bad_request("A message cannot be read.");
    let mut messages = Vec::new();
    for entry in codec::elements(wanted(body, "messages")?) {
        let Value::Binary(bytes) = wanted(entry, "message")? else {
            return Err(unreadable());
        };
        let message = Content::parse(bytes).map_err(|_| unreadable())?;
        if message.scheduled().is_none() {
            return Err(Refusal::bad_request("A message says not when to come."));
        }
        messages.push(message);
    }
    let sent = state.send(place, &messages)?;
    // A duplicate has a number as well, which no message goes by.
    let numbers = sent
        .into_iter()
        .map(|it| Value::Long(it.unwrap_or_default()));
    let numbers = array_of(numbers.collect());
    Ok((200, map([(string("sequence-numbers"), numbers)])))
}

fn cancel(state: &mut State, place: &Place, body: &Value) -> Response {
    let numbers = wanted_numbers(body, "sequence-numbers")?;
    let targets = match state.topics.get(&place.entity) {
        Some(topic) => topic.subscriptions.clone(),
        None => vec![place.entity.clone()],
    };
    for number in numbers {
        let mut cancelled = false;
        for target in &targets {
            let queue = state.queues.get_mut(target);
            cancelled |= queue.is_some_and(|queue| queue.cancel(number));
        }
        if !cancelled {
            return Err(Refusal::message_not_found());
        }
    }
    Ok((200, Value::Null))
}

fn receive(state: &mut State, place: &Place, body: &Value) -> Response {
    let numbers = wanted_numbers(body, "sequence-numbers")?;
    let locked = number(body, "receiver-settle-mode") != Some(0);
    let handed = state.take_deferred(place, &numbers, locked)?;
    let messages = handed.iter().map(handed_entry).collect();
    Ok(list_or_nothing("messages", messages))
}

fn handed_entry(handed: &Handed) -> Value {
    let bytes = handed.stored.encode(handed.token, handed.locked_until);
    let message = (string("message"), codec::binary(bytes));
    let token = handed
        .token
        .map(|it| (string("lock-token"), codec::uuid(it)));
    map([message].into_iter().chain(token))
}

fn renew_session(state: &mut State, place: &Place, body: &Value) -> Response {
    let now = state.now();
    let session = wanted_text(body, "session-id")?;
    let queue = state.queue(place)?;
    let until = queue.lock_end(now);
    if !queue.sessions.renew(session, until) {
        return Err(Refusal::session_lock_lost());
    }
    state.counters.renewals += 1;
    Ok((200, map([(string("expiration"), codec::timestamp(until))])))
}

fn set_state(state: &mut State, place: &Place, body: &Value) -> Response {
    let now = state.now();
    let session = wanted_text(body, "session-id")?;
    let bytes = match codec::get(body, "session-state") {
        Some(Value::Binary(bytes)) => Some(bytes.to_vec()),
        _ => None,
    };
    let queue = state.queue(place)?;
    if !queue.sessions.is_locked(session) {
        return Err(Refusal::session_lock_lost());
    }
    queue.sessions.set_state(session, bytes, now);
    Ok((200, Value::Null))
}

fn get_state(state: &mut State, place: &Place, body: &Value) -> Response {
    let session = wanted_text(body, "session-id")?;
    let queue = state.queue(place)?;
    if !queue.sessions.is_locked(session) {
        return Err(Refusal::session_lock_lost());
    }
    let bytes = queue.sessions.state(session);
    let bytes = bytes.map_or(Value::Null, codec::binary);
    Ok((200, map([(string("session-state"), bytes)])))
}

fn sessions(state: &mut State, place: &Place, body: &Value) -> Response {
    let since = codec::get(body, "last-updated-time").and_then(codec::instant);
    let skip = usize::try_from(number(body, "skip").unwrap_or_default()).unwrap_or_default();
    let top = usize::try_from(number(body, "top").unwrap_or(100)).unwrap_or_default();
    let queue = state.queue(place)?;
    // The greatest instant of .NET asks for the sessions that have messages.
    let found = match since {
        Some(since) if since.timestamp() < DOTNET_END_SECONDS => {
            queue.sessions.updated_since(since)
        }
        _ => queue.sessions_with_messages(place.side),
    };
    let ids: Vec<_> = found.into_iter().skip(skip).take(top).map(string).collect();
    if ids.is_empty() {
        return Ok((204, Value::Null));
    }
    let next = i32::try_from(skip.saturating_add(ids.len())).unwrap_or(i32::MAX);
    let entries = [
        (string("skip"), Value::Int(next)),
        (string("sessions-ids"), array_of(ids)),
    ];
    Ok((200, map(entries)))
}

/// Seconds since the epoch at the end of the year 9999.
const DOTNET_END_SECONDS: i64 = 253_402_300_799;
