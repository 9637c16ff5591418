//! What the broker says, as the error of a port.

use std::time::Duration;

use omnisync_core::{ErrorKind, PortError};

use super::amqp::AmqpError;

/// How long a busy broker is left alone: the service asks for it in words only.
const BUSY_PAUSE: Duration = Duration::from_secs(10);

/// Whether a step changes something at the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// It does, and nobody knows whether it happened when the answer is lost.
    Open,
    /// It does not.
    None,
}

/// The error of `operation`.
pub(super) fn port_error(operation: &'static str, error: AmqpError, effect: Effect) -> PortError {
    let kind = kind_of(&error, effect);
    let is_busy = kind_of(&error, Effect::None) == ErrorKind::Throttled;
    let was_nothing = effect == Effect::None || error.was_not_sent();
    let mut whole = PortError::new(kind, operation).with_detail(advice(kind, error.root()));
    if is_busy {
        whole = whole.with_retry_after(BUSY_PAUSE);
    }
    if was_nothing {
        whole = whole.without_effect();
    }
    whole.with_source(error)
}

fn advice(kind: ErrorKind, error: &AmqpError) -> &'static str {
    match (kind, error) {
        (ErrorKind::LockLost, _) => "the lock ran out or was taken over; the message comes again",
        (ErrorKind::Denied, _) => "check the key, or the roles of the identity on the entity",
        (ErrorKind::Misconfigured, _) => "check the name of the entity and its state",
        (ErrorKind::Throttled, _) => "the namespace is busy",
        (ErrorKind::Exhausted, _) => "a quota of the namespace is used up",
        (ErrorKind::TooLarge, _) => "the message is larger than the entity takes",
        (_, AmqpError::Dial(_)) => "the broker was not reached; nothing was sent",
        (ErrorKind::TimedOut, _) => "the broker did not answer in time",
        (_, AmqpError::DetachedWith(_) | AmqpError::ClosedWith(_)) => {
            "the broker ended the link or the connection in place of an answer"
        }
        _ => "the exchange with the broker failed",
    }
}

fn kind_of(error: &AmqpError, effect: Effect) -> ErrorKind {
    // Why a link or connection ended says nothing about what was on its way.
    let ended = matches!(error, AmqpError::DetachedWith(_) | AmqpError::ClosedWith(_));
    if ended && effect == Effect::Open {
        return ErrorKind::Unavailable;
    }
    if let Some(kind) = error.condition().and_then(kind_of_condition) {
        return kind;
    }
    match error {
        AmqpError::Before(error) => kind_of(error, Effect::None),
        AmqpError::Status { status, .. } => kind_of_status(*status),
        AmqpError::TimedOut => ErrorKind::TimedOut,
        AmqpError::TooLarge => ErrorKind::TooLarge,
        AmqpError::Encode | AmqpError::Refused(_) => ErrorKind::Invalid,
        AmqpError::Handshake(_) => ErrorKind::Misconfigured,
        AmqpError::Protocol(_) | AmqpError::Malformed(_) if effect == Effect::None => {
            ErrorKind::Corrupt
        }
        _ => ErrorKind::Unavailable,
    }
}

fn kind_of_condition(condition: &str) -> Option<ErrorKind> {
    let name = condition
        .rsplit_once(':')
        .map_or(condition, |(_, name)| name);
    Some(match name {
        "message-lock-lost" | "session-lock-lost" => ErrorKind::LockLost,
        "server-busy" => ErrorKind::Throttled,
        "timeout" => ErrorKind::TimedOut,
        "entity-disabled" | "not-found" | "messaging-entity-not-found" => ErrorKind::Misconfigured,
        "resource-limit-exceeded" => ErrorKind::Exhausted,
        "unauthorized-access" | "auth-failed" => ErrorKind::Denied,
        "message-size-exceeded" => ErrorKind::TooLarge,
        "not-implemented" => ErrorKind::Unsupported,
        "not-allowed" | "invalid-field" | "argument-error" | "argument-out-of-range" => {
            ErrorKind::Invalid
        }
        "session-cannot-be-locked"
        | "detach-forced"
        | "stolen"
        | "forced"
        | "internal-error"
        | "operation-cancelled"
        | "transfer-limit-exceeded" => ErrorKind::Unavailable,
        _ => return None,
    })
}

const fn kind_of_status(status: i32) -> ErrorKind {
    match status {
        401 | 403 => ErrorKind::Denied,
        404 => ErrorKind::Misconfigured,
        408 | 504 => ErrorKind::TimedOut,
        410 => ErrorKind::LockLost,
        413 => ErrorKind::TooLarge,
        429 => ErrorKind::Throttled,
        501 => ErrorKind::Unsupported,
        500..=599 => ErrorKind::Unavailable,
        _ => ErrorKind::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use super::super::amqp::Condition;
    use super::*;

    #[test]
    fn conditions_become_what_the_caller_can_do() {
        for (condition, kind) in [
            ("com.microsoft:message-lock-lost", ErrorKind::LockLost),
            ("com.microsoft:session-lock-lost", ErrorKind::LockLost),
            ("com.microsoft:server-busy", ErrorKind::Throttled),
            ("com.microsoft:timeout", ErrorKind::TimedOut),
            ("com.microsoft:entity-disabled", ErrorKind::Misconfigured),
            ("amqp:not-found", ErrorKind::Misconfigured),
            ("amqp:resource-limit-exceeded", ErrorKind::Exhausted),
            ("amqp:unauthorized-access", ErrorKind::Denied),
            ("amqp:link:message-size-exceeded", ErrorKind::TooLarge),
            ("amqp:link:detach-forced", ErrorKind::Unavailable),
            ("amqp:connection:forced", ErrorKind::Unavailable),
        ] {
            let condition = Condition::new(condition);
            let answer = AmqpError::Refused(condition.clone());
            assert_eq!(kind_of(&answer, Effect::Open), kind, "{condition}");
            for ended in [AmqpError::DetachedWith, AmqpError::ClosedWith] {
                let error = ended(condition.clone());
                assert_eq!(kind_of(&error, Effect::None), kind, "{condition}");
                let early = port_error("x", error.clone().before(), Effect::Open);
                assert_eq!((early.kind(), early.is_ambiguous()), (kind, false));
                let late = port_error("x", error, Effect::Open);
                assert_eq!(late.kind(), ErrorKind::Unavailable, "{condition}");
                assert!(late.is_ambiguous(), "{condition}");
            }
        }
        let unknown = AmqpError::DetachedWith(Condition::new("com.example:invented"));
        assert_eq!(kind_of(&unknown, Effect::None), ErrorKind::Unavailable);
    }

    #[test]
    fn a_lost_answer_leaves_the_effect_open_and_a_refused_connection_does_not() {
        let lost = port_error("x", AmqpError::Closed, Effect::Open);
        assert!(lost.is_ambiguous());
        let io = std::io::Error::other("refused");
        let unsent = port_error("x", AmqpError::Dial(io.into()), Effect::Open);
        assert!(!unsent.is_ambiguous());
        let busy = AmqpError::Refused(Condition::new("com.microsoft:server-busy"));
        let busy = port_error("x", busy, Effect::Open);
        assert_eq!(busy.retry_after(), Some(BUSY_PAUSE));
    }
}
