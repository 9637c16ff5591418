//! What the refusals of the service mean: kind and advice.

use omnisync_core::{ErrorKind, PortError};
use omnisync_http::HttpError;

use super::client::Step;
use super::wire;

/// The code that the service gives, if it answered.
pub(super) fn code(error: &HttpError) -> Option<String> {
    error.response().and_then(wire::error_code)
}

/// True when the name is taken by a blob.
pub(super) fn is_taken(error: &HttpError) -> bool {
    let status = error.status().map(|status| status.as_u16());
    matches!(
        (status, code(error).as_deref()),
        (Some(409), Some("BlobAlreadyExists"))
            | (Some(412), Some("ConditionNotMet"))
            | (Some(409 | 412), None)
    )
}

/// True when blocks of a list are not there: whoever wrote the blob meanwhile dropped them.
pub(super) fn is_without_blocks(error: &HttpError) -> bool {
    matches!(
        code(error).as_deref(),
        Some("InvalidBlockList" | "InvalidBlobOrBlock")
    )
}

/// True when there is no such blob, though there is the container.
pub(super) fn is_absent(error: &HttpError) -> bool {
    let is_404 = error.status() == Some(http::StatusCode::NOT_FOUND);
    is_404
        && matches!(
            code(error).as_deref(),
            None | Some("BlobNotFound" | "ResourceNotFound")
        )
}

/// The error of a step that the service did not take, or did not answer.
pub(super) fn refused(step: Step, error: HttpError) -> PortError {
    let known = code(&error)
        .and_then(|code| by_code(&code).map(|(kind, advice)| (kind, format!("{code}; {advice}"))));
    let known =
        known.or_else(|| by_status(step, &error).map(|(kind, advice)| (kind, advice.to_owned())));
    match known {
        Some((kind, what)) => error.explained(kind, &what).into(),
        None => error.into(),
    }
}

fn by_code(code: &str) -> Option<(ErrorKind, &'static str)> {
    let known = match code {
        "ServerBusy" => (
            ErrorKind::Throttled,
            "the account takes no more requests for the moment",
        ),
        "OperationTimedOut" => (ErrorKind::TimedOut, "the service gave up on the request"),
        "InternalError" | "ContainerBeingDeleted" | "AccountBeingCreated" => (
            ErrorKind::Unavailable,
            "the service cannot do it for the moment",
        ),
        "ContainerNotFound" | "ContainerDisabled" | "FilesystemNotFound" => (
            ErrorKind::Misconfigured,
            "there is no such container: create it, or name another one",
        ),
        "AuthenticationFailed" => (
            ErrorKind::Denied,
            "the signature or token is not valid: check key, expiry and the clock of this machine",
        ),
        "AuthorizationFailure" => (
            ErrorKind::Denied,
            "check the key, and the network rules of the account",
        ),
        "AuthorizationPermissionMismatch" | "InsufficientAccountPermissions" => (
            ErrorKind::Denied,
            "give the identity the role Storage Blob Data Contributor, or the signature the \
             permissions rcwdl",
        ),
        "AuthorizationProtocolMismatch"
        | "AuthorizationSourceIPMismatch"
        | "AuthorizationResourceTypeMismatch"
        | "AuthorizationServiceMismatch" => (
            ErrorKind::Denied,
            "the signature was made for something else: make one for this container",
        ),
        "KeyBasedAuthenticationNotPermitted" => (
            ErrorKind::Denied,
            "the account takes no account keys: use tokens",
        ),
        "AccountIsDisabled" | "NoAuthenticationInformation" | "InvalidAuthenticationInfo" => {
            (ErrorKind::Denied, "check account and credential")
        }
        "LeaseIdMissing" | "LeaseIdMismatchWithBlobOperation" => (
            ErrorKind::Denied,
            "somebody holds a lease on the blob: end it",
        ),
        "BlobImmutableDueToPolicy" | "SnapshotsPresent" => (
            ErrorKind::Denied,
            "the blob is kept by a policy, a legal hold or its snapshots",
        ),
        "RequestBodyTooLarge" | "BlockCountExceedsLimit" | "BlockListTooLong" => {
            (ErrorKind::TooLarge, "choose other block_bytes")
        }
        "InvalidResourceName"
        | "InvalidUri"
        | "OutOfRangeInput"
        | "UnsupportedHeader"
        | "FeatureNotSupportedByAccount"
        | "FeatureVersionMismatch" => (
            ErrorKind::Misconfigured,
            "the account does not take such a request: check account, container and folder",
        ),
        _ => return None,
    };
    Some(known)
}

fn by_status(step: Step, error: &HttpError) -> Option<(ErrorKind, &'static str)> {
    let Some(status) = error.status() else {
        let is_ours = error.kind() == ErrorKind::Invalid;
        return is_ours.then_some((ErrorKind::Misconfigured, "nothing was sent"));
    };
    let known = match status.as_u16() {
        300..=399 => (ErrorKind::Misconfigured, "check the URL of the account"),
        401 | 403 => (ErrorKind::Denied, "check the credential and its rights"),
        404 if !matches!(step, Step::Get | Step::Head | Step::Delete) => (
            ErrorKind::Misconfigured,
            "there is no such container: create it, or name another one",
        ),
        409 | 412 => (
            ErrorKind::Unavailable,
            "another state of the blob is in the way; try again",
        ),
        _ => return None,
    };
    Some(known)
}
