//! The blob stage against Azurite, and against what `@azure/storage-blob` makes of its blobs.

mod contract;
mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::StatusCode;
use omnisync_adapters_azure::blob::{AzureBlobConfig, BlobCredential};
use omnisync_core::id::{BlobName, Sha256};
use omnisync_core::port::{BlobStage as _, BlobStageExt as _, ByteStream, byte_stream};
use omnisync_core::{ErrorKind, PortError};
use omnisync_http::{Limits, Secret, Transport as _};

use support::{Azurite, Way, name, payload};

const MIB: usize = 1 << 20;

/// Blocks small enough for several to make up a test's blob.
fn small_blocks(config: AzureBlobConfig) -> AzureBlobConfig {
    config
        .with_block_bytes(MIB)
        .with_parallel_blocks_max(3)
        .with_page_names_max(7)
}

fn chunks(whole: &Bytes, bytes: usize) -> ByteStream {
    let mut rest = whole.clone();
    let chunks = std::iter::from_fn(move || {
        (!rest.is_empty()).then(|| rest.split_to(bytes.min(rest.len())))
    });
    stream::iter(chunks.map(Ok)).boxed()
}

#[tokio::test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn a_package_of_40_mb_goes_up_in_blocks_and_microsofts_client_reads_it() {
    let azurite = Azurite::plain();
    let (stage, container) = azurite
        .stage_of(Way::Key, |config| config.with_block_bytes(4 * MIB))
        .await;
    let whole = payload(40_000_000);
    let blob = name("large.zip");

    let receipt = stage.put(&blob, chunks(&whole, 300_000)).await.unwrap();

    assert_eq!(receipt.bytes, 40_000_000);
    assert_eq!(receipt.sha256, Sha256::of(&whole));
    assert_eq!(stage.get_bytes(&blob, whole.len()).await.unwrap(), whole);
    assert_eq!(stage.head(&blob).await.unwrap(), Some(receipt.clone()));
    let hash = receipt.sha256.to_string();
    azurite.js("read", &container, &["large.zip", &hash, "40000000", "10"]);
}

#[tokio::test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn a_package_of_one_block_is_one_write_and_microsofts_client_reads_it() {
    let azurite = Azurite::plain();
    let (stage, container) = azurite.stage_of(Way::Key, small_blocks).await;
    let whole = payload(MIB);
    let receipt = stage
        .put(&name("a.zip"), chunks(&whole, 1_000))
        .await
        .unwrap();
    let hash = receipt.sha256.to_string();
    azurite.js("read", &container, &["a.zip", &hash, &MIB.to_string(), "0"]);
}

#[tokio::test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn blocks_on_a_present_name_change_nothing() {
    let azurite = Azurite::plain();
    let (stage, container) = azurite.stage_of(Way::Key, small_blocks).await;
    let blob = name("a.zip");
    let first = payload(3 * MIB);
    stage.put(&blob, chunks(&first, MIB)).await.unwrap();
    for second in [
        payload(2 * MIB + 1),
        Bytes::from_static(b"small"),
        first.clone(),
    ] {
        let error = stage.put(&blob, chunks(&second, MIB)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    }
    assert_eq!(stage.get_bytes(&blob, 4 * MIB).await.unwrap(), first);
    let hash = Sha256::of(&first).to_string();
    let bytes = first.len().to_string();
    azurite.js("read", &container, &["a.zip", &hash, &bytes, "3"]);
}

/// All of them find the name free and upload; the commit decides.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn of_concurrent_puts_in_blocks_one_wins_with_its_own_content() {
    let azurite = Azurite::plain();
    let (stage, _) = azurite.stage_of(Way::Key, small_blocks).await;
    let blob = name("a.zip");
    let contents: Vec<Bytes> = (0..6).map(|n| payload(2 * MIB + n)).collect();
    let puts = contents
        .iter()
        .map(|content| stage.put(&blob, chunks(content, 100_000)));

    let results = join_all(puts).await;

    let won: Vec<usize> = (0..results.len())
        .filter(|at| results[*at].is_ok())
        .collect();
    for lost in results.iter().filter_map(|result| result.as_ref().err()) {
        assert_eq!(lost.kind(), ErrorKind::AlreadyExists, "{lost}");
    }
    let [winner] = won[..] else {
        panic!("{won:?} won");
    };
    let read = stage.get_bytes(&blob, 3 * MIB).await.unwrap();
    assert_eq!(read, contents[winner]);
}

#[tokio::test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn content_that_fails_after_some_blocks_leaves_no_blob() {
    let azurite = Azurite::plain();
    let (stage, container) = azurite.stage_of(Way::Key, small_blocks).await;
    let whole = payload(4 * MIB);
    let broken = PortError::new(ErrorKind::Internal, "test.content");
    let content = chunks(&whole, MIB)
        .chain(stream::iter([Err(broken)]))
        .boxed();

    let error = stage.put(&name("a.zip"), content).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Internal);
    let seen = azurite.js("names", &container, &[]);
    assert_eq!(seen["names"], serde_json::json!([]));
    assert_eq!(seen["unfinished"], serde_json::json!(["a.zip"]));
    assert_eq!(stage.head(&name("a.zip")).await.unwrap(), None);
    stage
        .put(&name("a.zip"), chunks(&whole, MIB))
        .await
        .unwrap();
}

#[tokio::test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn a_listing_goes_on_over_pages() {
    let azurite = Azurite::plain();
    let (stage, _) = azurite.stage_of(Way::Key, small_blocks).await;
    let mut all: Vec<BlobName> = (0..25).map(|n| name(&format!("a-{n}.zip"))).collect();
    for blob in all.iter().chain([&name("b.zip")]) {
        stage.put(blob, byte_stream("x")).await.unwrap();
    }
    all.sort();
    assert_eq!(stage.list("a-", None, 100).await.unwrap(), all);
    let after = &all[16];
    assert_eq!(stage.list("a-", Some(after), 100).await.unwrap(), all[17..]);
    assert_eq!(stage.list("a-", Some(after), 3).await.unwrap(), all[17..20]);
    assert_eq!(stage.list("", None, 100).await.unwrap().len(), 26);
    assert!(stage.list("c", None, 100).await.unwrap().is_empty());
}

#[tokio::test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn a_stage_keeps_to_its_folder() {
    let azurite = Azurite::plain();
    let (stage, container) = azurite.stage_of(Way::Key, small_blocks).await;
    let inner = azurite.stage_in(Way::Key, &container, |config| {
        small_blocks(config).with_folder("in/today")
    });
    stage
        .put(&name("a.zip"), byte_stream("outer"))
        .await
        .unwrap();
    inner
        .put(&name("a.zip"), byte_stream("inner"))
        .await
        .unwrap();
    inner.put(&name("b.zip"), byte_stream("x")).await.unwrap();
    azurite.js("foreign", &container, &["in/today/below/c.zip"]);
    azurite.js("foreign", &container, &["in/today/not ours"]);

    assert_eq!(stage.list("", None, 9).await.unwrap(), [name("a.zip")]);
    let both = [name("a.zip"), name("b.zip")];
    assert_eq!(inner.list("", None, 9).await.unwrap(), both);
    assert_eq!(inner.get_bytes(&both[0], 9).await.unwrap(), "inner");
    assert!(inner.delete(&both[0]).await.unwrap());
    assert_eq!(stage.get_bytes(&both[0], 9).await.unwrap(), "outer");
}

#[tokio::test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn a_url_signed_by_the_key_opens_one_blob_for_reading() {
    opens_one_blob(&Azurite::plain(), Way::Key).await;
}

#[tokio::test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn a_url_signed_by_a_delegated_key_opens_one_blob_for_reading() {
    opens_one_blob(&Azurite::tls(), Way::Token).await;
}

async fn opens_one_blob(azurite: &Azurite, way: Way) {
    let (stage, container) = azurite.stage_of(way, small_blocks).await;
    let content = Bytes::from_static(b"for the ERP");
    for blob in ["a.zip", "b.zip"] {
        stage
            .put(&name(blob), byte_stream(content.clone()))
            .await
            .unwrap();
    }
    assert!(stage.can_sign());
    let hour = Duration::from_secs(3_600);
    let signed = stage.read_url(&name("a.zip"), hour).await.unwrap();

    let get = async |url: &str| {
        let request = http::Request::get(url).body(Bytes::new()).unwrap();
        azurite
            .transport()
            .send(request, Limits::default())
            .await
            .unwrap()
    };
    let answer = get(signed.expose()).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.body(), &content);
    let other = signed.expose().replace("/a.zip?", "/b.zip?");
    assert_eq!(get(&other).await.status(), StatusCode::FORBIDDEN);
    let hash = Sha256::of(&content).to_string();
    azurite.js("open", &container, &[signed.expose(), &hash]);
}

#[tokio::test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn a_wrong_key_is_denied() {
    let azurite = Azurite::plain();
    let (_, container) = azurite.stage_of(Way::Key, small_blocks).await;
    let wrong = BlobCredential::AccountKey(Secret::new("d3Jvbmcga2V5"));
    let stage = azurite.stage_in(Way::Key, &container, |config| config.with_credential(wrong));
    let put = stage
        .put(&name("a.zip"), byte_stream("x"))
        .await
        .unwrap_err();
    let get = stage.get(&name("a.zip")).await.unwrap_err();
    let head = stage.head(&name("a.zip")).await.unwrap_err();
    let list = stage.list("", None, 1).await.unwrap_err();
    let delete = stage.delete(&name("a.zip")).await.unwrap_err();
    for error in [put, get, head, list, delete] {
        assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    }
}

#[tokio::test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn an_expired_signature_is_denied() {
    let azurite = Azurite::plain();
    let (_, container) = azurite.stage_of(Way::Key, small_blocks).await;
    let stage = azurite.stage_in(Way::Sas(["rcwdl", "-60", "-1"]), &container, small_blocks);
    let error = stage.head(&name("a.zip")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    assert!(!error.report().contains("sig"), "{}", error.report());
}

#[tokio::test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn a_signature_for_reading_reads_and_does_not_write_or_sign() {
    let azurite = Azurite::plain();
    let (writer, container) = azurite.stage_of(Way::Key, small_blocks).await;
    writer.put(&name("a.zip"), byte_stream("x")).await.unwrap();
    let stage = azurite.stage_in(Way::Sas(["rl", "-5", "60"]), &container, small_blocks);

    assert_eq!(stage.get_bytes(&name("a.zip"), 1).await.unwrap(), "x");
    let put = stage
        .put(&name("b.zip"), byte_stream("x"))
        .await
        .unwrap_err();
    let delete = stage.delete(&name("a.zip")).await.unwrap_err();
    for error in [put, delete] {
        assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    }
    assert!(!stage.can_sign());
    let signed = stage
        .read_url(&name("a.zip"), Duration::from_secs(60))
        .await;
    assert_eq!(signed.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn an_expired_token_is_denied() {
    let azurite = Azurite::tls();
    let (_, container) = azurite.stage_of(Way::Token, small_blocks).await;
    let stage = azurite.stage_in(Way::OldToken, &container, small_blocks);
    let error = stage.head(&name("a.zip")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
}

#[tokio::test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn content_that_microsofts_client_changed_is_corrupt_at_its_end() {
    let azurite = Azurite::plain();
    let (stage, container) = azurite.stage_of(Way::Key, small_blocks).await;
    let whole = payload(2 * MIB + 5);
    let blob = name("a.zip");
    let receipt = stage.put(&blob, chunks(&whole, MIB)).await.unwrap();
    azurite.js("alter", &container, &["a.zip"]);

    let read = stage.get(&blob).await.unwrap();
    assert_eq!(read.receipt, receipt);
    let mut content = read.content;
    let mut bytes = 0;
    let error = loop {
        match content.try_next().await {
            Ok(Some(chunk)) => bytes += chunk.len(),
            Ok(None) => panic!("nothing was noticed"),
            Err(error) => break error,
        }
    };
    assert_eq!(bytes, whole.len());
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

#[tokio::test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn a_blob_that_no_stage_wrote_is_corrupt_and_not_replaced() {
    let azurite = Azurite::plain();
    let (stage, container) = azurite.stage_of(Way::Key, small_blocks).await;
    azurite.js("foreign", &container, &["a.zip"]);
    let blob = name("a.zip");
    let head = stage.head(&blob).await.unwrap_err();
    let get = stage.get(&blob).await.unwrap_err();
    for error in [head, get] {
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(
            error.report().contains("omnisyncsha256"),
            "{}",
            error.report()
        );
    }
    let put = stage.put(&blob, byte_stream("x")).await.unwrap_err();
    assert_eq!(put.kind(), ErrorKind::AlreadyExists, "{put}");
    assert!(stage.delete(&blob).await.unwrap());
}

#[tokio::test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn a_container_is_created_once_and_missed_when_it_is_not() {
    let azurite = Azurite::plain();
    let container = Azurite::container();
    let stage = azurite.stage_in(Way::Key, &container, small_blocks);
    let put = stage
        .put(&name("a.zip"), byte_stream("x"))
        .await
        .unwrap_err();
    let get = stage.get(&name("a.zip")).await.unwrap_err();
    let list = stage.list("", None, 1).await.unwrap_err();
    let large = stage
        .put(&name("a.zip"), chunks(&payload(2 * MIB), MIB))
        .await;
    let head = stage.head(&name("a.zip")).await.unwrap_err();
    for error in [put, get, list, large.unwrap_err(), head] {
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
    }
    assert!(stage.create_container().await.unwrap());
    assert!(!stage.create_container().await.unwrap());
    stage.put(&name("a.zip"), byte_stream("x")).await.unwrap();
}

#[tokio::test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn a_connection_string_is_enough() {
    let azurite = Azurite::plain();
    let (_, container) = azurite.stage_of(Way::Key, small_blocks).await;
    let text = azurite.connection_string();
    let config = AzureBlobConfig::from_connection_string(&text, container).unwrap();
    let stage = Arc::new(azurite.build(config, None));
    stage.put(&name("a.zip"), byte_stream("x")).await.unwrap();
    assert_eq!(stage.get_bytes(&name("a.zip"), 1).await.unwrap(), "x");
}
