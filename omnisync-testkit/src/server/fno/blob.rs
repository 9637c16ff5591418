//! The storage account: blobs behind signed URLs.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};

use super::answer::Answer;
use super::state::{State, secret};
use super::url::{decode, encode, parameter, parameters};
use crate::clock::later;

/// Folder of the blobs in the server's URL space.
pub(crate) const FOLDER: &str = "/blob/dmf/";
const VERSION: &str = "2014-02-14";

/// Blobs, and what was signed.
#[derive(Debug, Default)]
pub(crate) struct Storage {
    pub(crate) blobs: BTreeMap<String, Bytes>,
    grants: Vec<Grant>,
}

/// A signed permission.
#[derive(Debug)]
struct Grant {
    host: String,
    name: String,
    signature: String,
    permissions: &'static str,
    start: DateTime<Utc>,
    end: DateTime<Utc>,
}

/// What a URL is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Read,
    Write,
}

/// Signs a URL to a blob.
pub(crate) fn sign(state: &mut State, name: &str, permissions: &'static str) -> String {
    let start = state.now();
    let window = Duration::from_secs(u64::from(state.options.sas_minutes) * 60);
    let host = match &state.options.blob_host {
        Some(host) => host.clone(),
        None => state.base_url.clone(),
    };
    let grant = Grant {
        host,
        name: name.to_owned(),
        signature: STANDARD.encode(secret(name)),
        permissions,
        start,
        end: later(start, window),
    };
    let url = format!(
        "{}{FOLDER}{}?sv={VERSION}&st={}&se={}&sr=b&sp={permissions}&sig={}",
        grant.host,
        encode(name),
        encode(&instant(grant.start)),
        encode(&instant(grant.end)),
        encode(&grant.signature),
    );
    state.storage.grants.push(grant);
    url
}

/// Keeps a file of the service's own and signs a URL to read it.
pub(crate) fn publish(state: &mut State, name: &str, content: Vec<u8>) -> String {
    state.storage.blobs.insert(name.to_owned(), content.into());
    sign(state, name, "r")
}

/// The bytes behind a URL that was handed out, or why the service cannot have them.
pub(crate) fn fetch(state: &State, url: &str) -> Result<Bytes, &'static str> {
    const FOREIGN: &str = "The package URL is not one of this environment's storage.";
    let (host, target) = url.split_once(FOLDER).ok_or(FOREIGN)?;
    // A URL outlives the server that handed it out.
    if !state.storage.grants.iter().any(|grant| grant.host == host) {
        return Err(FOREIGN);
    }
    let (name, query) = target.split_once('?').ok_or(FOREIGN)?;
    let name = decode(name).ok_or(FOREIGN)?;
    if allow(state, &name, query, Use::Read).is_err() {
        return Err("The remote server returned an error: (403) Forbidden.");
    }
    let blob = state.storage.blobs.get(&name).cloned();
    blob.ok_or("The remote server returned an error: (404) Not Found.")
}

/// Answers `PUT` and `GET` of a blob.
pub(crate) fn answer(state: &mut State, request: &BlobRequest<'_>) -> Answer {
    let id = state.next_guid();
    let answer = match handle(state, request) {
        Ok(answer) => answer,
        Err(refusal) => refusal.answer(&id, state.now()),
    };
    answer
        .with("x-ms-request-id", id)
        .with("x-ms-version", VERSION)
}

/// A request to the storage account.
pub(crate) struct BlobRequest<'r> {
    pub(crate) method: &'r str,
    pub(crate) path: &'r str,
    pub(crate) query: &'r str,
    pub(crate) authorized: bool,
    pub(crate) blob_type: Option<&'r str>,
    pub(crate) body: Bytes,
}

fn handle(state: &mut State, request: &BlobRequest<'_>) -> Result<Answer, Refusal> {
    let name = request.path.strip_prefix(FOLDER).and_then(decode);
    let name = name.ok_or(Refusal::new(400, "InvalidUri", "The URI is not valid."))?;
    if request.authorized {
        let violation = format!("an Authorization header came to the blob '{name}'");
        state.violations.push(violation);
        return Err(Refusal::new(
            400,
            "InvalidAuthenticationInfo",
            "Authentication information is not given in the correct format. Check the value of \
             Authorization header.",
        ));
    }
    match request.method {
        "PUT" => {
            allow(state, &name, request.query, Use::Write)?;
            match request.blob_type {
                Some("BlockBlob") => {}
                Some(_) => {
                    return Err(Refusal::new(
                        400,
                        "InvalidHeaderValue",
                        "The value for one of the HTTP headers is not in the correct format.",
                    ));
                }
                None => {
                    return Err(Refusal::new(
                        400,
                        "MissingRequiredHeader",
                        "An HTTP header that's mandatory for this request is not specified: \
                         x-ms-blob-type.",
                    ));
                }
            }
            state.storage.blobs.insert(name, request.body.clone());
            Ok(Answer::empty(201).with("etag", "\"0x8DEFACE0FF1CE00\""))
        }
        "GET" => {
            allow(state, &name, request.query, Use::Read)?;
            let blob = state.storage.blobs.get(&name).cloned();
            let blob = blob.ok_or(Refusal::new(
                404,
                "BlobNotFound",
                "The specified blob does not exist.",
            ))?;
            let answer = Answer::new(200, "application/octet-stream", blob);
            Ok(answer.with("x-ms-blob-type", "BlockBlob"))
        }
        _ => Err(Refusal::new(
            405,
            "UnsupportedHttpVerb",
            "The resource doesn't support the specified HTTP verb.",
        )),
    }
}

fn allow(state: &State, name: &str, query: &str, usage: Use) -> Result<(), Refusal> {
    let unsigned = Refusal::new(
        403,
        "AuthenticationFailed",
        "Server failed to authenticate the request. Make sure the value of Authorization header \
         is formed correctly including the signature.",
    );
    let Some(query) = parameters(query) else {
        return Err(unsigned.with_detail("Signature fields not well formed."));
    };
    let signature = parameter(&query, "sig");
    let mut grants = state.storage.grants.iter();
    let grant = grants.find(|grant| grant.signature == signature && grant.name == name);
    let Some(grant) = grant.filter(|grant| grant.signs(&query)) else {
        return Err(unsigned.with_detail("Signature did not match."));
    };
    let now = state.now();
    if now < grant.start || now >= grant.end {
        let detail = format!(
            "Signature not valid in the specified time frame: Start [{}] - Expiry [{}] - Current \
             [{}]",
            grant.start.to_rfc2822(),
            grant.end.to_rfc2822(),
            now.to_rfc2822(),
        );
        return Err(unsigned.with_detail(&detail));
    }
    let needed = match usage {
        Use::Read => 'r',
        Use::Write => 'w',
    };
    if grant.permissions.contains(needed) {
        Ok(())
    } else {
        Err(Refusal::new(
            403,
            "AuthorizationPermissionMismatch",
            "This request is not authorized to perform this operation using this permission.",
        ))
    }
}

impl Grant {
    /// Nothing of what was signed has been changed.
    fn signs(&self, query: &[(String, String)]) -> bool {
        parameter(query, "sv") == VERSION
            && parameter(query, "sr") == "b"
            && parameter(query, "sp") == self.permissions
            && parameter(query, "st") == instant(self.start)
            && parameter(query, "se") == instant(self.end)
    }
}

fn instant(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Why the storage account refuses.
#[derive(Debug)]
struct Refusal {
    status: u16,
    code: &'static str,
    message: &'static str,
    detail: Option<String>,
}

impl Refusal {
    const fn new(status: u16, code: &'static str, message: &'static str) -> Self {
        Self {
            status,
            code,
            message,
            detail: None,
        }
    }

    fn with_detail(mut self, detail: &str) -> Self {
        self.detail = Some(detail.to_owned());
        self
    }

    fn answer(&self, id: &str, now: DateTime<Utc>) -> Answer {
        let detail = self.detail.as_ref().map_or_else(String::new, |detail| {
            format!("<AuthenticationErrorDetail>{detail}</AuthenticationErrorDetail>")
        });
        let xml = format!(
            "\u{FEFF}<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{}</Code><Message>{}\n\
             RequestId:{id}\nTime:{}</Message>{detail}</Error>",
            self.code,
            self.message,
            instant(now),
        );
        Answer::new(self.status, "application/xml", xml).with("x-ms-error-code", self.code)
    }
}
