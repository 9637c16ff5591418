//! Bytes in JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use omnisync_core::json::{Json, Pointer};

use super::{InputError, wrong};
use crate::cdc::replay_id::ReplayId;

/// The bytes of a text in base64, of either alphabet, padded or not, or of a buffer of Node.
pub(super) fn of_json(json: &Json<'_>) -> Option<Vec<u8>> {
    if let Some(text) = json.as_str() {
        let text = text.trim_end_matches('=');
        let standard = text.replace('-', "+").replace('_', "/");
        return STANDARD_NO_PAD.decode(standard).ok();
    }
    let is_buffer = json.get("type").and_then(Json::as_str) == Some("Buffer");
    let bytes = json.get("data").filter(|_| is_buffer)?.as_array()?;
    bytes
        .iter()
        .map(|byte| byte.as_number()?.parse().ok())
        .collect()
}

/// The replay id of an event, if it has one.
pub(super) fn replay_id(
    json: Option<&Json<'_>>,
    at: &Pointer,
) -> Result<Option<ReplayId>, InputError> {
    let Some(json) = json.filter(|json| !json.is_null()) else {
        return Ok(None);
    };
    let id = match json.as_number().or_else(|| json.as_str()) {
        Some(number) if number.parse::<u64>().is_ok() => {
            number.parse().ok().map(ReplayId::from_number)
        }
        _ => of_json(json).and_then(|bytes| ReplayId::from_bytes(bytes).ok()),
    };
    match id {
        Some(id) => Ok(Some(id)),
        None => Err(wrong(&at.child("replayId"), "a replay id")),
    }
}
