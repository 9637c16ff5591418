//! Where tokens are put.

use serde_amqp::Value;

use super::codec;
use super::message::Content;
use super::refusal::Refusal;
use super::state::ServiceBus;
use super::token::{self, Claims};

/// Takes a token.
pub(crate) fn put_token(
    bus: &ServiceBus,
    claims: &mut Claims,
    request: &Content,
) -> Result<(), Refusal> {
    if request.application_text("operation").as_deref() != Some("put-token") {
        return Err(Refusal::bad_request("The operation is unknown."));
    }
    let kind = request.application_text("type").unwrap_or_default();
    if !matches!(
        kind.as_str(),
        "servicebus.windows.net:sastoken" | "jwt" | "amqp:jwt"
    ) {
        return Err(Refusal::bad_request("The type of the token is unknown."));
    }
    let audience = request.application_text("name");
    let audience = audience.ok_or_else(|| Refusal::bad_request("The token has no audience."))?;
    let body = request.value();
    let token = body.as_ref().and_then(codec::text);
    let token = token.ok_or_else(|| Refusal::bad_request("The body is no token."))?;
    let mut state = bus.lock();
    let until = token::check(&state.options.access, token, &audience, state.now())?;
    state.counters.tokens += 1;
    claims.add(&audience, until);
    Ok(())
}

/// The response to a token.
pub(crate) fn reply(put: &Result<(), Refusal>) -> Content {
    let mut reply = Content::of_value(&Value::Null);
    let (status, text) = match put {
        Ok(()) => (202, "Accepted"),
        Err(refusal) => (refusal.status, refusal.description.as_str()),
    };
    reply.put("status-code", Value::Int(i32::from(status)));
    reply.put("status-description", codec::string(text));
    if let Err(refusal) = put {
        reply.put("error-condition", codec::symbol(refusal.condition));
    }
    reply
}
