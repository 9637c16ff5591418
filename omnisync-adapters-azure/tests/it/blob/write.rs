use futures::executor::block_on;
use futures::{StreamExt as _, stream};
use omnisync_core::id::Sha256;
use omnisync_core::port::{BlobStage as _, byte_stream};
use omnisync_core::{ErrorKind, PortError};

use super::support::{Answer, Bench, CUT, answer, header, name, refusal, with_headers};

/// A blob of `abcdef`, as the put of this number wrote it.
fn written_by(put: u8) -> Answer {
    let sha256 = Sha256::of(b"abcdef").to_string();
    with_headers(
        answer(200),
        &[
            ("etag", "\"1\""),
            ("content-length", "6"),
            ("x-ms-meta-omnisyncsha256", &sha256),
            ("x-ms-meta-omnisyncbytes", "6"),
            ("x-ms-meta-omnisyncput", &format!("{put:032x}")),
        ],
    )
}

#[test]
fn a_small_blob_is_one_signed_conditional_request() {
    let bench = Bench::with([answer(201)], |config| config.with_block_bytes(7));
    let receipt = block_on(bench.stage.put(&name("a.zip"), byte_stream("content"))).unwrap();
    assert_eq!(receipt.sha256, Sha256::of(b"content"));
    let [request] = &bench.sent()[..] else {
        panic!("one request");
    };
    assert_eq!(request.method(), "PUT");
    let url = "https://acme.blob.core.windows.net/packages/in/a.zip";
    assert_eq!(request.uri(), url);
    assert_eq!(request.body(), "content");
    assert_eq!(header(request, "if-none-match"), "*");
    assert_eq!(header(request, "x-ms-blob-type"), "BlockBlob");
    assert_eq!(header(request, "x-ms-blob-content-type"), "application/zip");
    // Computed by another program from the documented text.
    let signature = "SharedKey acme:kEL67XYmEhKB/FwJsSvV3qSG2/pdx+ASNiQ9VXgchTE=";
    assert_eq!(header(request, "authorization"), signature);
    assert!(request.headers()["authorization"].is_sensitive());
}

#[test]
fn a_large_blob_is_made_of_blocks_by_a_conditional_commit() {
    let steps = [
        answer(404),
        answer(201),
        answer(201),
        answer(201),
        answer(201),
    ];
    let bench = Bench::new(steps);
    let content = stream::iter(["ab", "cdefg", "", "hij"].map(|text| Ok(text.into()))).boxed();
    let receipt = block_on(bench.stage.put(&name("a.zip"), content)).unwrap();
    assert_eq!(receipt.bytes, 10);
    assert_eq!(receipt.sha256, Sha256::of(b"abcdefghij"));

    let sent = bench.sent();
    assert_eq!(sent[0].method(), "HEAD");
    let mut ids = Vec::new();
    for (request, content) in sent[1..4].iter().zip(["abcd", "efgh", "ij"]) {
        assert_eq!(request.body(), content);
        let query = request.uri().query().unwrap();
        let id = query.strip_prefix("comp=block&blockid=").unwrap();
        ids.push(id.replace("%3D", "="));
        assert_eq!(header(request, "if-none-match"), "");
    }
    assert!(ids.iter().all(|id| id.len() == ids[0].len()));
    let commit = &sent[4];
    assert_eq!(commit.uri().query(), Some("comp=blocklist"));
    assert_eq!(header(commit, "if-none-match"), "*");
    assert_eq!(
        header(commit, "x-ms-meta-omnisyncsha256"),
        receipt.sha256.to_string()
    );
    assert_eq!(header(commit, "x-ms-meta-omnisyncbytes"), "10");
    let list = ids.join("</Uncommitted><Uncommitted>");
    let body = std::str::from_utf8(commit.body()).unwrap();
    assert!(
        body.contains(&format!(
            "<BlockList><Uncommitted>{list}</Uncommitted></BlockList>"
        )),
        "{body}"
    );
}

#[test]
fn a_present_name_is_told_before_blocks_go_up() {
    let bench = Bench::new([written_by(9)]);
    let error = block_on(bench.stage.put(&name("a.zip"), byte_stream("abcdef"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(bench.sent().len(), 1);
}

/// One put of `abcdef`, by one request or in blocks, whose write is answered by `steps`.
fn put(in_blocks: bool, steps: Vec<Answer>) -> Result<usize, PortError> {
    let block_bytes = if in_blocks { 4 } else { 6 };
    let before = if in_blocks {
        vec![answer(404), answer(201), answer(201)]
    } else {
        vec![]
    };
    let bench = Bench::with(before.into_iter().chain(steps), |config| {
        config.with_block_bytes(block_bytes)
    });
    let receipt = block_on(bench.stage.put(&name("a.zip"), byte_stream("abcdef")))?;
    assert_eq!(receipt.sha256, Sha256::of(b"abcdef"));
    Ok(bench.sent().len())
}

#[test]
fn a_write_whose_answer_was_lost_knows_its_own_blob() {
    for in_blocks in [false, true] {
        for taken in [
            refusal(409, "BlobAlreadyExists"),
            refusal(412, "ConditionNotMet"),
        ] {
            // Every bench counts its identifiers from 1, and the first one names the put.
            let own = vec![Err(CUT), taken, written_by(1)];
            put(in_blocks, own).unwrap();
        }
        let others = vec![Err(CUT), refusal(409, "BlobAlreadyExists"), written_by(9)];
        let error = put(in_blocks, others).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        let gone = vec![Err(CUT), refusal(409, "BlobAlreadyExists"), answer(404)];
        let error = put(in_blocks, gone).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    }
}

#[test]
fn a_name_that_is_taken_at_once_is_somebody_elses() {
    for in_blocks in [false, true] {
        // Nothing more is asked: the last answer would stand for our own blob.
        let steps = vec![refusal(409, "BlobAlreadyExists"), written_by(1)];
        let error = put(in_blocks, steps).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    }
}

#[test]
fn blocks_that_somebody_dropped_are_put_again() {
    let lost = || refusal(400, "InvalidBlockList");
    let error = put(true, vec![lost(), answer(404)]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(!error.is_ambiguous());
    let error = put(true, vec![lost(), written_by(9)]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    put(true, vec![Err(CUT), lost(), written_by(1)]).unwrap();
}

#[test]
fn a_write_without_any_answer_is_ambiguous_and_a_block_is_not() {
    let error = put(false, vec![Err(CUT)]).unwrap_err();
    assert!(error.is_ambiguous(), "{error}");
    let bench = Bench::new([answer(404), Err(CUT)]);
    let error = block_on(bench.stage.put(&name("a.zip"), byte_stream("abcdef"))).unwrap_err();
    assert!(!error.is_ambiguous(), "{error}");
}

#[test]
fn a_block_that_is_refused_after_a_lost_answer_is_refused() {
    for (refused, kind) in [
        (refusal(403, "AuthenticationFailed"), ErrorKind::Denied),
        (refusal(404, "ContainerNotFound"), ErrorKind::Misconfigured),
        (refusal(413, "RequestBodyTooLarge"), ErrorKind::TooLarge),
    ] {
        let bench = Bench::new([answer(404), Err(CUT), refused]);
        let error = block_on(bench.stage.put(&name("a.zip"), byte_stream("abcdef"))).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(!error.to_string().contains("its effect"), "{error}");
    }
}

#[test]
fn content_beyond_the_limit_is_not_committed() {
    let bench = Bench::new([answer(404), answer(201)]);
    let content = byte_stream("x".repeat(101));
    let error = block_on(bench.stage.put(&name("a.zip"), content)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(
        error.to_string().contains("100 bytes of blob_bytes_max"),
        "{error}"
    );
    let is_commit = |uri: &http::Uri| uri.query() == Some("comp=blocklist");
    assert!(!bench.sent().iter().any(|request| is_commit(request.uri())));
}

#[test]
fn names_that_azure_changes_are_refused_before_anything_is_sent() {
    for text in [".", "..", "a."] {
        let bench = Bench::new([]);
        let blob = name(text);
        let errors = block_on(async {
            [
                bench.stage.put(&blob, byte_stream("x")).await.unwrap_err(),
                bench.stage.get(&blob).await.unwrap_err(),
                bench.stage.head(&blob).await.unwrap_err(),
                bench.stage.delete(&blob).await.unwrap_err(),
            ]
        });
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        }
        assert!(bench.sent().is_empty());
    }
}

#[test]
fn a_delete_whose_answer_was_lost_did_it() {
    let delete = |steps: Vec<Answer>| block_on(Bench::new(steps).stage.delete(&name("a.zip")));
    assert!(delete(vec![answer(202)]).unwrap());
    assert!(!delete(vec![refusal(404, "BlobNotFound")]).unwrap());
    assert!(delete(vec![Err(CUT), refusal(404, "BlobNotFound")]).unwrap());
}
