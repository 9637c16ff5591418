//! What the refusals of an environment mean: kind, advice, and whether the effect is open.

use omnisync_core::port::FailureClass;
use omnisync_core::{ErrorKind, PortError};
use omnisync_http::HttpError;

use super::catalogue::classify_whole;
use super::client::Step;
use super::wire;

/// True for the answer that a status question gets before the environment knows the import.
pub(super) fn is_not_found(error: &HttpError) -> bool {
    let text = text_of(error).to_lowercase();
    error.status() == Some(http::StatusCode::BAD_REQUEST)
        && (text.contains("were not found") || text.contains("was not found"))
}

fn text_of(error: &HttpError) -> String {
    error
        .response()
        .map(|response| wire::error_text(response.body()))
        .unwrap_or_default()
}

/// What a refusal of the environment means: kind and advice. The text itself is not told, since
/// it may show data.
pub(super) fn refused(step: Step, error: HttpError) -> PortError {
    if step.has_effect() && error.is_effect_open() && !is_first_word(&error) {
        // An earlier attempt may have been taken, whatever the last one says.
        let what = "the environment may have the package: it is asked before the next attempt";
        return error.explained(ErrorKind::Unavailable, what).into();
    }
    let is_open = step.has_effect() && error.is_effect_open();
    let known = match error.response() {
        None if error.kind() == ErrorKind::Invalid => {
            Some((ErrorKind::Misconfigured, "nothing was sent", false))
        }
        None => None,
        Some(response) => by_text(step, &wire::error_text(response.body()))
            .map(|(kind, advice)| (kind, advice, false))
            .or_else(|| {
                by_status(step, response.status()).map(|(kind, what)| (kind, what, is_open))
            }),
    };
    let (error, is_open): (PortError, bool) = match known {
        Some((kind, advice, is_open)) => (error.explained(kind, advice).into(), is_open),
        None if !step.has_effect() => (error_of_question(error), false),
        None => (error.into(), is_open),
    };
    if is_open {
        error
    } else {
        error.without_effect()
    }
}

/// True when there was one attempt, and it was answered.
fn is_first_word(error: &HttpError) -> bool {
    error.attempts() <= 1 && error.response().is_some()
}

/// What is wrong with a question says nothing about a package.
fn error_of_question(error: HttpError) -> PortError {
    let (kind, advice) = match error.kind() {
        ErrorKind::TooLarge => (
            ErrorKind::Corrupt,
            "the answer is larger than the client takes: raise body_bytes_max",
        ),
        ErrorKind::Invalid => (
            ErrorKind::Misconfigured,
            "the environment, or a proxy before it, does not take the question",
        ),
        _ => return error.into(),
    };
    error.explained(kind, advice).into()
}

/// Refusals that say for certain that nothing was imported.
fn by_text(step: Step, text: &str) -> Option<(ErrorKind, &'static str)> {
    if !step.has_effect() {
        return None;
    }
    let lower = text.to_lowercase();
    let says = |phrase: &str| lower.contains(phrase);
    if says("overwrite has not been specified") {
        return Some((
            ErrorKind::Misconfigured,
            "the data project exists with another definition: allow overwrite, or name another one",
        ));
    }
    if says("legal entity is not valid") {
        return Some((
            ErrorKind::Misconfigured,
            "the company does not exist: set legal_entity to one of the environment",
        ));
    }
    if says("does not exist in the target environment") {
        return Some((
            ErrorKind::Misconfigured,
            "an entity of the package does not exist there: entity names are labels in the \
             language of the environment",
        ));
    }
    if says("execution") && says("already exists") {
        return Some((ErrorKind::AlreadyExists, "the import exists"));
    }
    if says("archive file") || says("zip") || says("package is not") || says("valid package") {
        return Some((
            ErrorKind::Invalid,
            "the package is not one that data management takes",
        ));
    }
    match classify_whole(text).class {
        FailureClass::Contention => Some((
            ErrorKind::Conflict,
            "another import of the data project is running",
        )),
        FailureClass::Packaging => Some((
            ErrorKind::Invalid,
            "the package is not one that data management takes",
        )),
        _ => None,
    }
}

fn by_status(step: Step, status: http::StatusCode) -> Option<(ErrorKind, &'static str)> {
    let found = match status.as_u16() {
        300..=399 => (
            ErrorKind::Misconfigured,
            "check base_url; recurring data jobs do not exist on premises",
        ),
        401 | 403 => (
            ErrorKind::Denied,
            "register the application in the environment under Microsoft Entra ID applications, \
             and give its user the rights of data management",
        ),
        404 if step != Step::ErrorFile => (
            ErrorKind::Misconfigured,
            "there is no such address: check base_url and activity_id",
        ),
        400 => (
            ErrorKind::Misconfigured,
            "the environment refuses, for a reason that is not known here: look into its job \
             history; its messages are understood in English",
        ),
        _ => return None,
    };
    Some(found)
}
