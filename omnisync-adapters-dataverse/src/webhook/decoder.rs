use omnisync_core::crm::Hint;
use omnisync_core::flow::{HintDecoder, Undecodable};
use omnisync_core::port::{DeadLetterReason, Delivery};

use super::context::{ExecutionContext, says_size_exceeded};
use super::error::DecodeError;

/// Reads execution contexts and data events of Finance & Operations off a queue, for
/// [`Listen`](omnisync_core::flow::Listen). An event that was cut for its size still says which
/// record it is about.
#[derive(Debug, Clone, Copy, Default)]
pub struct ContextDecoder;

impl HintDecoder for ContextDecoder {
    fn decode(&self, delivery: &Delivery) -> Result<Vec<Hint>, Undecodable> {
        let headers = delivery.headers.iter();
        let is_cut = says_size_exceeded(headers.map(|(name, value)| (&**name, &**value)));
        ExecutionContext::read(&delivery.body)
            .map(|context| if is_cut { context.into_cut() } else { context })
            .and_then(|context| context.hints())
            .map_err(|error| undecodable(&error))
    }
}

fn undecodable(error: &DecodeError) -> Undecodable {
    let reason = match error {
        DecodeError::Json(json) if json.kind().is_limit() => DeadLetterReason::TooLarge,
        DecodeError::Json(_) => DeadLetterReason::JsonDeserialiseFailure,
        _ => DeadLetterReason::ValidationFailure,
    };
    let mut description = error.to_string();
    if let DecodeError::Json(json) = error {
        description.push_str(": ");
        description.push_str(&json.to_string());
    }
    Undecodable {
        reason,
        description,
    }
}
