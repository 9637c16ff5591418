//! The token endpoint, and who may call.

use std::time::Duration;

use chrono::SecondsFormat;
use serde_json::json;

use super::answer::Answer;
use super::state::{State, secret};
use super::url::{parameter, parameters};
use crate::clock::later;

/// Answers `POST /{tenant}/oauth2/v2.0/token`.
pub(crate) fn issue(state: &mut State, tenant: &str, body: &[u8]) -> Answer {
    let form = std::str::from_utf8(body).ok().and_then(parameters);
    let Some(form) = form else {
        let text = "AADSTS900144: The request body must be a form.";
        return refuse(state, 400, "invalid_request", 900_144, text);
    };
    let access = state.options.access.clone();
    if tenant != access.tenant {
        let text = format!("AADSTS90002: Tenant '{tenant}' not found.");
        return refuse(state, 400, "invalid_request", 90_002, &text);
    }
    if parameter(&form, "grant_type") != "client_credentials" {
        let text = "AADSTS70003: The app requested an unsupported grant type.";
        return refuse(state, 400, "unsupported_grant_type", 70_003, text);
    }
    if parameter(&form, "client_id") != access.client_id {
        let text = "AADSTS700016: Application was not found in the directory.";
        return refuse(state, 400, "unauthorized_client", 700_016, text);
    }
    if parameter(&form, "client_secret") != access.client_secret {
        let text = "AADSTS7000215: Invalid client secret provided.";
        return refuse(state, 401, "invalid_client", 7_000_215, text);
    }
    if parameter(&form, "scope") != format!("{}/.default", state.base_url) {
        let text = "AADSTS70011: The provided value for the input parameter 'scope' is not valid.";
        return refuse(state, 400, "invalid_scope", 70_011, text);
    }
    let token = secret("token");
    let ends = later(
        state.now(),
        Duration::from_secs(access.token_seconds.into()),
    );
    state.tokens.insert(token.clone(), ends);
    let body = json!({
        "token_type": "Bearer",
        "expires_in": access.token_seconds,
        "ext_expires_in": access.token_seconds,
        "access_token": token,
    });
    Answer::json(200, &body).with("cache-control", "no-store, no-cache")
}

/// The refusal of a call without a live token.
pub(crate) fn check(state: &State, authorization: Option<&str>) -> Option<Answer> {
    let token = authorization.and_then(|header| {
        let (scheme, token) = header.split_once(' ')?;
        scheme.eq_ignore_ascii_case("Bearer").then_some(token)
    });
    let live = token.is_some_and(|token| {
        let issued = state.tokens.get(token);
        issued.is_some_and(|ends| state.now() < *ends)
            || state.options.access.fixed_token.as_deref() == Some(token)
    });
    if live {
        return None;
    }
    let challenge = format!(
        "Bearer authorization_uri=\"{}/{}/oauth2/authorize\"{}",
        state.base_url,
        state.options.access.tenant,
        if token.is_some() {
            ", error=\"invalid_token\""
        } else {
            ""
        }
    );
    Some(Answer::empty(401).with("www-authenticate", challenge))
}

fn refuse(state: &mut State, status: u16, error: &str, code: u32, text: &str) -> Answer {
    let (trace, correlation) = (state.next_guid(), state.next_guid());
    let timestamp = state.now().to_rfc3339_opts(SecondsFormat::Secs, true);
    let body = json!({
        "error": error,
        "error_description": format!(
            "{text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {timestamp}"
        ),
        "error_codes": [code],
        "timestamp": timestamp,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": format!("{}/error?code={code}", state.base_url),
    });
    Answer::json(status, &body)
}
