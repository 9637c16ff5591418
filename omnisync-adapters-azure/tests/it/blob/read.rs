use futures::TryStreamExt as _;
use futures::executor::block_on;
use omnisync_core::id::Sha256;
use omnisync_core::port::{BlobStage as _, BlobStageExt as _};
use omnisync_core::{ErrorKind, PortError};

use super::support::{Answer, Bench, answer, header, name, refusal, with_body, with_headers};

const WHOLE: &str = "abcdefghij";

/// A range of a blob that says it is `abcdefghij`.
fn range(content: &str) -> Answer {
    let sha256 = Sha256::of(WHOLE.as_bytes()).to_string();
    with_headers(
        with_body(206, content),
        &[
            ("etag", "\"7\""),
            ("content-range", "bytes 0-3/10"),
            ("x-ms-meta-omnisyncsha256", &sha256),
            ("x-ms-meta-omnisyncbytes", "10"),
        ],
    )
}

fn read(steps: Vec<Answer>) -> (Bench, Result<bytes::Bytes, PortError>) {
    let bench = Bench::new(steps);
    let read = block_on(bench.stage.get_bytes(&name("a.zip"), 100));
    (bench, read)
}

#[test]
fn a_blob_is_read_in_ranges_of_one_version() {
    let (bench, content) = read(vec![range("abcd"), range("efgh"), range("ij")]);
    assert_eq!(content.unwrap(), WHOLE);
    let sent = bench.sent();
    let asked: Vec<(&str, &str)> = sent
        .iter()
        .map(|request| (header(request, "x-ms-range"), header(request, "if-match")))
        .collect();
    let want = [
        ("bytes=0-3", ""),
        ("bytes=4-7", "\"7\""),
        ("bytes=8-9", "\"7\""),
    ];
    assert_eq!(asked, want);
}

#[test]
fn content_that_is_not_as_it_was_put_ends_in_an_error() {
    for steps in [
        vec![range("abcd"), range("efgh"), range("iJ")],
        vec![range("abcd"), range("efgh"), range("i")],
        vec![range("abcd"), range("efgh"), range("ijk")],
    ] {
        let (_, content) = read(steps);
        assert_eq!(content.unwrap_err().kind(), ErrorKind::Corrupt);
    }
}

#[test]
fn a_blob_that_goes_while_it_is_read_says_so() {
    let (_, content) = read(vec![range("abcd"), refusal(412, "ConditionNotMet")]);
    assert_eq!(content.unwrap_err().kind(), ErrorKind::Unavailable);
    let (_, content) = read(vec![range("abcd"), refusal(404, "BlobNotFound")]);
    assert_eq!(content.unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn an_empty_blob_has_no_range() {
    let sha256 = Sha256::of(b"").to_string();
    let head = with_headers(
        answer(200),
        &[
            ("etag", "\"1\""),
            ("content-length", "0"),
            ("x-ms-meta-omnisyncsha256", &sha256),
            ("x-ms-meta-omnisyncbytes", "0"),
        ],
    );
    let (_, content) = read(vec![refusal(416, "InvalidRange"), head]);
    assert!(content.unwrap().is_empty());
}

#[test]
fn metadata_that_is_missing_or_wrong_is_named() {
    for (header, value, says) in [
        (
            "x-ms-meta-omnisyncsha256",
            None,
            "no metadata omnisyncsha256",
        ),
        ("x-ms-meta-omnisyncbytes", None, "no metadata omnisyncbytes"),
        ("x-ms-meta-omnisyncsha256", Some("7f"), "omnisyncsha256"),
        ("x-ms-meta-omnisyncbytes", Some("ten"), "omnisyncbytes"),
        ("x-ms-meta-omnisyncbytes", Some("11"), "length"),
        ("content-range", Some("bytes 0-3/*"), "content-range"),
    ] {
        let mut step = range("abcd").unwrap();
        step.headers_mut().remove(header);
        if let Some(value) = value {
            step = with_headers(Ok(step), &[(header, value)]).unwrap();
        }
        let (_, content) = read(vec![Ok(step)]);
        let error = content.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(error.report().contains(says), "{}", error.report());
    }
}

#[test]
fn nothing_more_is_read_than_is_taken() {
    let bench = Bench::new([range("abcd"), range("efgh"), range("ij")]);
    block_on(async {
        let mut read = bench.stage.get(&name("a.zip")).await.unwrap();
        assert_eq!(read.content.try_next().await.unwrap().unwrap(), "abcd");
    });
    assert_eq!(bench.sent().len(), 1);
}

/// A page of a listing.
fn page(names: &[&str], next: &str) -> Answer {
    let blobs: Vec<String> = names
        .iter()
        .map(|name| format!("<Blob><Name>in/{name}</Name></Blob>"))
        .collect();
    let blobs = blobs.concat();
    let xml = format!(
        "<EnumerationResults><Blobs>{blobs}</Blobs><NextMarker>{next}</NextMarker>\
         </EnumerationResults>"
    );
    with_body(200, &xml)
}

fn list(steps: Vec<Answer>, after: Option<&str>) -> (Bench, Result<Vec<String>, PortError>) {
    let bench = Bench::new(steps);
    let after = after.map(name);
    let names = block_on(bench.stage.list("a", after.as_ref(), 3));
    let names = names.map(|names| names.iter().map(ToString::to_string).collect());
    (bench, names)
}

#[test]
fn a_listing_goes_on_by_marker_until_it_has_enough() {
    let pages = vec![
        page(&["a1"], "m/1"),
        page(&[], "m2"),
        page(&["a2", "a3", "a4"], "m3"),
    ];
    let (bench, names) = list(pages, None);
    assert_eq!(names.unwrap(), ["a1", "a2", "a3"]);
    let sent = bench.sent();
    let asked: Vec<&str> = sent
        .iter()
        .map(|asked| asked.uri().query().unwrap())
        .collect();
    let query = "restype=container&comp=list&prefix=in%2Fa&delimiter=%2F&maxresults=100";
    let want = [
        query.to_owned(),
        format!("{query}&marker=m%2F1"),
        format!("{query}&marker=m2"),
    ];
    assert_eq!(asked, want);
}

#[test]
fn a_listing_begins_behind_a_name_whether_or_not_the_service_skips() {
    for names in [&["a1", "a2", "a3"][..], &["a2", "a3"], &["a3"]] {
        let (bench, names) = list(vec![page(names, "")], Some("a2"));
        assert_eq!(names.unwrap(), ["a3"]);
        let query = bench.sent()[0].uri().query().unwrap().to_owned();
        assert!(query.ends_with("&startFrom=in%2Fa2"), "{query}");
    }
    let (bench, names) = list(vec![page(&["a1"], "")], Some("B"));
    assert_eq!(names.unwrap(), ["a1"]);
    let query = bench.sent()[0].uri().query().unwrap().to_owned();
    assert!(!query.contains("startFrom"), "{query}");
}

#[test]
fn names_that_are_not_ours_are_passed_over() {
    let (_, names) = list(vec![page(&["a 1", "a/b", "b1", "a1"], "")], None);
    assert_eq!(names.unwrap(), ["a1"]);
}

#[test]
fn a_listing_out_of_order_or_without_end_is_not_believed() {
    let (_, names) = list(vec![page(&["a2", "a1"], "")], None);
    assert_eq!(names.unwrap_err().kind(), ErrorKind::Unsupported);
    let (_, names) = list(vec![page(&[], "same")], None);
    assert_eq!(names.unwrap_err().kind(), ErrorKind::Unavailable);
    let (_, names) = list(vec![with_body(200, "<html></html>")], None);
    assert_eq!(names.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[test]
fn what_no_name_begins_with_is_not_asked_for() {
    let bench = Bench::new([]);
    let names = block_on(bench.stage.list("a/b", None, 3)).unwrap();
    assert!(names.is_empty() && bench.sent().is_empty());
}
