//! Requests and their answers over a pair of links, and the two services that are asked so: CBS
//! for tokens, and the management of an entity.

use std::time::Duration;

use fe2o3_amqp_types::messaging::{MessageId, Properties};
use serde_amqp::Value;
use serde_amqp::primitives::{Array, OrderedMap, Symbol, Timestamp};
use tokio::sync::Mutex;

use super::connection::Connection;
use super::error::{AmqpError, Condition};
use super::link::{AttachRequest, Receiver, Sender};
use super::message::{Body, Message, PLAIN_FORMAT, find, id_text};

/// Answers that are thrown away while the right one is waited for.
const STRAY_ANSWERS_MAX: u32 = 64;

/// Largest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 1_024 * 1_024;

/// Answers that may be on their way.
const CREDIT: u32 = 100;

/// A pair of links to a node that answers. One request at a time.
#[derive(Debug)]
pub(crate) struct Requester {
    timeout: Duration,
    reply_to: String,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    sender: Sender,
    receiver: Receiver,
    next: u64,
}

impl Requester {
    /// Attaches to `node`; answers come to `reply_to`, which nobody else uses.
    pub(crate) async fn open(
        connection: &Connection,
        label: &'static str,
        node: &str,
        reply_to: String,
        timeout: Duration,
    ) -> Result<Self, AmqpError> {
        let request = AttachRequest::between(label, &reply_to, node);
        let sender = connection.sender(request).await?;
        let request = AttachRequest::between(label, node, &reply_to);
        let receiver = connection.receiver(request, ANSWER_BYTES_MAX).await?;
        receiver.credit(CREDIT);
        Ok(Self {
            timeout,
            reply_to,
            inner: Mutex::new(Inner {
                sender,
                receiver,
                next: 0,
            }),
        })
    }

    /// Sends a request and gives its answer.
    pub(crate) async fn ask(
        &self,
        to: Option<&str>,
        application: Vec<(&str, Value)>,
        body: Value,
    ) -> Result<Message, AmqpError> {
        let asked = async {
            let mut inner = self.inner.lock().await;
            let id = inner.next;
            inner.next += 1;
            let id = format!("{}:{id}", self.reply_to);
            let message = Message {
                properties: Properties {
                    message_id: Some(MessageId::String(id.clone())),
                    reply_to: Some(self.reply_to.clone()),
                    to: to.map(str::to_owned),
                    ..Properties::default()
                },
                application: application
                    .into_iter()
                    .map(|(name, value)| (Value::String(name.to_owned()), value))
                    .collect(),
                body: Body::Value(body),
                ..Message::default()
            };
            inner.sender.send(message.encode()?, PLAIN_FORMAT).await?;
            inner.answer(&id).await
        };
        tokio::time::timeout(self.timeout, asked)
            .await
            .map_err(|_| AmqpError::TimedOut)?
    }
}

impl Inner {
    async fn answer(&mut self, id: &str) -> Result<Message, AmqpError> {
        for _ in 0..STRAY_ANSWERS_MAX {
            let arrival = self.receiver.next().await?;
            self.receiver.credit(CREDIT);
            let Some(arrival) = arrival else { continue };
            if arrival.is_too_large {
                return Err(AmqpError::Protocol("an answer is too large"));
            }
            let message = Message::decode(&arrival.payload)?;
            let to = message.properties.correlation_id.as_ref().map(id_text);
            if to.as_deref() == Some(id) {
                return accepted(message);
            }
        }
        Err(AmqpError::Protocol("its answers are to other requests"))
    }
}

/// The answer, unless its status is a failure. CBS writes names with a hyphen.
fn accepted(message: Message) -> Result<Message, AmqpError> {
    let either = |one, other| message.property(one).or_else(|| message.property(other));
    let status = match either("statusCode", "status-code") {
        Some(Value::Int(status)) => *status,
        Some(Value::Long(status)) => i32::try_from(*status).unwrap_or(-1),
        _ => return Err(AmqpError::Protocol("an answer came without a status")),
    };
    if (200..300).contains(&status) {
        return Ok(message);
    }
    let condition = match either("errorCondition", "error-condition") {
        Some(Value::Symbol(name)) => Some(Condition::new(name.as_str())),
        Some(Value::String(name)) => Some(Condition::new(name)),
        _ => None,
    };
    Err(AmqpError::Status { status, condition })
}

/// Tells the broker who we are for `audience`.
pub(crate) async fn put_token(
    cbs: &Requester,
    audience: &str,
    kind: &str,
    token: &str,
) -> Result<(), AmqpError> {
    let application = vec![
        ("operation", text("put-token")),
        ("type", text(kind)),
        ("name", text(audience)),
    ];
    cbs.ask(Some("$cbs"), application, text(token))
        .await
        .map(drop)
}

/// How the management of an entity is asked to settle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Update<'a> {
    Completed,
    Abandoned,
    Suspended {
        reason: &'a str,
        description: &'a str,
    },
}

/// Renews locks; gives until when the first of them is held, in milliseconds of Unix time.
pub(crate) async fn renew_lock(management: &Requester, lock: uuid::Uuid) -> Result<i64, AmqpError> {
    let body = map_of(vec![("lock-tokens", tokens(lock))]);
    let answer = operate(management, "com.microsoft:renew-lock", body).await?;
    match answer_field(&answer, "expirations") {
        Some(Value::Array(Array(all)) | Value::List(all)) => all.first().and_then(milliseconds),
        _ => None,
    }
    .ok_or(AmqpError::Protocol("a lock was renewed without an end"))
}

/// Renews the lock of a session; gives until when it is held.
pub(crate) async fn renew_session(management: &Requester, session: &str) -> Result<i64, AmqpError> {
    let body = map_of(vec![("session-id", text(session))]);
    let answer = operate(management, "com.microsoft:renew-session-lock", body).await?;
    answer_field(&answer, "expiration")
        .and_then(milliseconds)
        .ok_or(AmqpError::Protocol("a session was renewed without an end"))
}

/// Settles by lock alone.
pub(crate) async fn update_disposition(
    management: &Requester,
    lock: uuid::Uuid,
    update: &Update<'_>,
) -> Result<(), AmqpError> {
    let status = match update {
        Update::Completed => "completed",
        Update::Abandoned => "abandoned",
        Update::Suspended { .. } => "suspended",
    };
    let mut fields = vec![
        ("lock-tokens", tokens(lock)),
        ("disposition-status", text(status)),
    ];
    if let Update::Suspended {
        reason,
        description,
    } = update
    {
        fields.push(("deadletter-reason", text(reason)));
        fields.push(("deadletter-description", text(description)));
    }
    operate(
        management,
        "com.microsoft:update-disposition",
        map_of(fields),
    )
    .await
    .map(drop)
}

async fn operate(
    management: &Requester,
    operation: &str,
    body: Value,
) -> Result<Message, AmqpError> {
    let timeout = u32::try_from(management.timeout.as_millis()).unwrap_or(u32::MAX);
    let application = vec![
        ("operation", text(operation)),
        ("com.microsoft:server-timeout", Value::Uint(timeout)),
    ];
    management.ask(None, application, body).await
}

fn answer_field<'a>(answer: &'a Message, name: &str) -> Option<&'a Value> {
    match &answer.body {
        Body::Value(Value::Map(map)) => {
            let found = map
                .iter()
                .find(|(key, _)| super::message::name_of(key) == Some(name));
            found.map(|(_, value)| value)
        }
        _ => find(&answer.application, name),
    }
}

fn milliseconds(value: &Value) -> Option<i64> {
    match value {
        Value::Timestamp(at) => Some(Timestamp::milliseconds(at)),
        _ => None,
    }
}

fn tokens(lock: uuid::Uuid) -> Value {
    let lock = serde_amqp::primitives::Uuid::from(*lock.as_bytes());
    Value::Array(Array(vec![Value::Uuid(lock)]))
}

fn map_of(fields: Vec<(&str, Value)>) -> Value {
    let pairs = fields.into_iter();
    let pairs = pairs.map(|(name, value)| (text(name), value));
    Value::Map(pairs.collect::<OrderedMap<_, _>>())
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// The condition name as a symbol.
pub(crate) fn symbol(name: &str) -> Symbol {
    Symbol::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_an_array_of_uuids() {
        let bytes = serde_amqp::to_vec(&tokens(uuid::Uuid::from_u128(1))).unwrap();
        let mut golden = vec![0xe0, 0x12, 1, 0x98];
        golden.extend_from_slice(&1_u128.to_be_bytes());
        assert_eq!(bytes, golden);
    }
}
