//! What the service says, read.

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG};
use omnisync_core::dixf::{Element, XmlLimits};
use omnisync_core::id::{BlobName, Sha256};
use omnisync_core::port::BlobReceipt;
use omnisync_http::{Response, Secret};
use thiserror::Error;

use crate::shared::text::is_code;

/// Metadata that every blob of a stage carries.
pub(super) const META_SHA256: &str = "x-ms-meta-omnisyncsha256";
pub(super) const META_BYTES: &str = "x-ms-meta-omnisyncbytes";
/// Which `put` wrote it, so that one whose answer was lost knows its own work.
pub(super) const META_PUT: &str = "x-ms-meta-omnisyncput";

/// Why an answer makes no sense.
#[derive(Debug, Error)]
pub(super) enum WireError {
    #[error("the answer is not the XML that was expected")]
    Xml(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the answer has no {0}")]
    Missing(&'static str),
    #[error("the {0} of the answer cannot be read")]
    Malformed(&'static str),
}

/// What is stored under a name, and which writing of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) receipt: BlobReceipt,
    pub(super) etag: String,
    pub(super) put: Option<String>,
}

/// Reads the headers that a blob was answered with. `bytes` is the length of its whole content.
pub(super) fn stored(
    name: &BlobName,
    headers: &HeaderMap,
    bytes: u64,
) -> Result<Stored, WireError> {
    let text = |header| headers.get(header).and_then(|value| value.to_str().ok());
    let sha256 = text(META_SHA256).ok_or(WireError::Missing("metadata omnisyncsha256"))?;
    let said = text(META_BYTES).ok_or(WireError::Missing("metadata omnisyncbytes"))?;
    let said: u64 = said
        .parse()
        .map_err(|_| WireError::Malformed("metadata omnisyncbytes"))?;
    if said != bytes {
        return Err(WireError::Malformed(
            "length, which is not that of metadata omnisyncbytes,",
        ));
    }
    let receipt = BlobReceipt {
        name: name.clone(),
        bytes,
        sha256: sha256
            .parse::<Sha256>()
            .map_err(|_| WireError::Malformed("metadata omnisyncsha256"))?,
    };
    let etag = text(ETAG.as_str()).ok_or(WireError::Missing("etag"))?;
    Ok(Stored {
        receipt,
        etag: etag.to_owned(),
        put: text(META_PUT).map(str::to_owned),
    })
}

/// The length that an answer without a body announces.
pub(super) fn content_length(headers: &HeaderMap) -> Result<u64, WireError> {
    let text = headers.get(CONTENT_LENGTH);
    let text = text.ok_or(WireError::Missing("content-length"))?.to_str();
    text.ok()
        .and_then(|text| text.parse().ok())
        .ok_or(WireError::Malformed("content-length"))
}

/// The length of the whole content, of which the answer holds a range.
pub(super) fn whole_length(response: &Response) -> Result<u64, WireError> {
    let Some(range) = response.headers().get(CONTENT_RANGE) else {
        return Ok(u64::try_from(response.body().len()).unwrap_or(u64::MAX));
    };
    let total = range
        .to_str()
        .ok()
        .and_then(|range| range.rsplit_once('/'))
        .and_then(|(_, total)| total.parse().ok());
    total.ok_or(WireError::Malformed("content-range"))
}

/// The code of a refusal, such as `BlobNotFound`.
pub(super) fn error_code(response: &Response) -> Option<String> {
    let header = response.headers().get("x-ms-error-code");
    let code = if let Some(code) = header {
        code.to_str().ok()?.to_owned()
    } else {
        let root = Element::parse(response.body(), &XmlLimits::default()).ok()?;
        child(&root, "Code")?
    };
    is_code(&code).then_some(code)
}

/// A page of names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) names: Vec<String>,
    pub(super) next: Option<String>,
}

pub(super) fn listing(body: &[u8]) -> Result<Listing, WireError> {
    let root = parse(body)?;
    let blobs = find(&root, "Blobs").ok_or(WireError::Missing("list of blobs"))?;
    let names = blobs
        .elements()
        .filter(|element| element.local_name() == "Blob")
        .filter_map(|blob| child(blob, "Name"))
        .collect();
    let next = child(&root, "NextMarker").filter(|marker| !marker.is_empty());
    Ok(Listing { names, next })
}

/// The list that makes a blob of blocks.
pub(super) fn block_list(ids: &[String]) -> Bytes {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
    for id in ids {
        xml.push_str("<Uncommitted>");
        xml.push_str(id);
        xml.push_str("</Uncommitted>");
    }
    xml.push_str("</BlockList>");
    xml.into()
}

/// A key to sign with in the name of whoever asked for it.
#[derive(Debug, Clone)]
pub(super) struct DelegationKey {
    oid: String,
    tid: String,
    start: String,
    pub(super) expiry: String,
    service: String,
    version: String,
    pub(super) value: Secret,
}

impl DelegationKey {
    /// Who, of which tenant, from when, until when, for what, and in which version.
    pub(super) fn fields(&self) -> [&str; 6] {
        [
            &self.oid,
            &self.tid,
            &self.start,
            &self.expiry,
            &self.service,
            &self.version,
        ]
    }

    #[cfg(test)]
    pub(super) fn sample() -> Self {
        let own = str::to_owned;
        Self {
            oid: own("oid"),
            tid: own("tid"),
            start: own("2026-03-13T09:55:00Z"),
            expiry: own("2026-03-13T21:55:00Z"),
            service: own("b"),
            version: own("2023-11-03"),
            value: Secret::new("c2VjcmV0"),
        }
    }
}

pub(super) fn delegation_key(body: &[u8]) -> Result<DelegationKey, WireError> {
    let root = parse(body)?;
    let field = |name| child(&root, name).ok_or(WireError::Missing(name));
    Ok(DelegationKey {
        oid: field("SignedOid")?,
        tid: field("SignedTid")?,
        start: field("SignedStart")?,
        expiry: field("SignedExpiry")?,
        service: field("SignedService")?,
        version: field("SignedVersion")?,
        value: Secret::new(field("Value")?),
    })
}

/// Asks for such a key.
pub(super) fn key_info(start: &str, expiry: &str) -> Bytes {
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><KeyInfo><Start>{start}</Start>\
         <Expiry>{expiry}</Expiry></KeyInfo>"
    );
    xml.into()
}

fn parse(body: &[u8]) -> Result<Element, WireError> {
    Element::parse(body, &XmlLimits::default()).map_err(|error| WireError::Xml(error.into()))
}

fn find<'e>(parent: &'e Element, name: &str) -> Option<&'e Element> {
    parent.elements().find(|child| child.local_name() == name)
}

fn child(parent: &Element, name: &str) -> Option<String> {
    find(parent, name).map(Element::text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_listing_has_names_and_a_marker() {
        let body = b"\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults \
            ServiceEndpoint=\"https://acme/\" ContainerName=\"c\"><Blobs><Blob><Name>in/a.zip</Name>\
            <Properties><Etag>1</Etag></Properties></Blob><BlobPrefix><Name>in/x/</Name></BlobPrefix>\
            <Blob><Name>in/b&amp;c</Name></Blob></Blobs><NextMarker>2!a&amp;b</NextMarker>\
            </EnumerationResults>";
        let want = Listing {
            names: vec!["in/a.zip".to_owned(), "in/b&c".to_owned()],
            next: Some("2!a&b".to_owned()),
        };
        assert_eq!(listing(body).unwrap(), want);
        let last = b"<EnumerationResults><Blobs /><NextMarker /></EnumerationResults>";
        assert_eq!(listing(last).unwrap().next, None);
        assert!(listing(b"<html><body>proxy</body></html>").is_err());
    }

    #[test]
    fn a_code_is_read_from_header_or_body_and_never_a_text() {
        let answer = |body: &'static str| Response::new(Bytes::from_static(body.as_bytes()));
        let xml = answer("<Error><Code>BlobNotFound</Code><Message>secret</Message></Error>");
        assert_eq!(error_code(&xml).as_deref(), Some("BlobNotFound"));
        assert_eq!(
            error_code(&answer("<Error><Code>a secret</Code></Error>")),
            None
        );
        assert_eq!(error_code(&answer("")), None);
        let mut headed = answer("");
        let code = http::HeaderValue::from_static("ServerBusy");
        headed.headers_mut().insert("x-ms-error-code", code);
        assert_eq!(error_code(&headed).as_deref(), Some("ServerBusy"));
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(body in any::<Vec<u8>>(), range in "\\PC*") {
            drop((listing(&body), delegation_key(&body)));
            let mut answer = Response::new(Bytes::from(body));
            if let Ok(range) = http::HeaderValue::from_str(&range) {
                answer.headers_mut().insert(CONTENT_RANGE, range);
            }
            drop((error_code(&answer), whole_length(&answer)));
        }
    }
}
