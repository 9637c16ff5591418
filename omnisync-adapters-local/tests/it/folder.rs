use std::fs;
use std::path::Path;

use bytes::Bytes;
use futures::future::{join_all, poll_immediate};
use futures::stream::{self, StreamExt};
use omnisync_adapters_local::{FolderBlobStage, FolderConfig};
use omnisync_core::id::{BlobName, Sha256};
use omnisync_core::port::{BlobStage, BlobStageExt, ByteStream, byte_stream};
use omnisync_core::{ErrorKind, PortError};
use tempfile::TempDir;

use crate::support::{self, ChildTest, child_folder, say};

const BYTES_MAX: usize = 64 * 1_024 * 1_024;

fn name(text: &str) -> BlobName {
    BlobName::new(text).unwrap()
}

fn open(folder: &TempDir) -> FolderBlobStage {
    FolderConfig::new(folder.path()).open().unwrap()
}

fn stage() -> (TempDir, FolderBlobStage) {
    let folder = tempfile::tempdir().unwrap();
    let stage = open(&folder);
    (folder, stage)
}

async fn read(stage: &FolderBlobStage, blob: &str) -> Result<Bytes, PortError> {
    stage.get_bytes(&name(blob), BYTES_MAX).await
}

/// Files in the folder and below, but for the locks.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.file_name().into_string().unwrap());
        }
    }
    found.retain(|file| !["publish.lock", "alive.lock"].contains(&file.as_str()));
    found.sort();
    found
}

#[track_caller]
fn check_corrupt(error: &PortError, file: &str) {
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    let text = error.to_string();
    assert!(
        text.contains(file) && text.contains("restore it, or remove it"),
        "{text}"
    );
}

#[tokio::test]
async fn a_blob_of_many_parts_is_the_same_in_another_instance() {
    let (folder, stage) = stage();
    let chunks: Vec<Bytes> = (0..50_u8).map(|n| vec![n; 100_000].into()).collect();
    let whole = chunks.concat();
    let content: ByteStream = stream::iter(chunks.into_iter().map(Ok)).boxed();

    let receipt = stage.put(&name("a.zip"), content).await.unwrap();

    assert_eq!(receipt.bytes, 5_000_000);
    assert_eq!(receipt.sha256, Sha256::of(&whole));
    drop(stage);
    let stage = open(&folder);
    assert_eq!(stage.head(&name("a.zip")).await.unwrap(), Some(receipt));
    assert_eq!(read(&stage, "a.zip").await.unwrap(), whole);
    assert_eq!(files(folder.path()), ["a.zip", "a.zip.meta.json"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_concurrent_puts_through_several_instances_one_wins() {
    let (folder, first) = stage();
    let second = open(&folder);
    let contents: Vec<Bytes> = (0..16_u8)
        .map(|n| vec![n; 10_000 + usize::from(n)].into())
        .collect();
    let blob = name("a.zip");
    let puts = contents.iter().enumerate().map(|(n, content)| {
        let stage = if n % 2 == 0 { &first } else { &second };
        stage.put_bytes(&blob, content.clone())
    });

    let results = join_all(puts).await;

    let winners: Vec<usize> = (0..16).filter(|n| results[*n].is_ok()).collect();
    assert_eq!(winners.len(), 1);
    let losers = results.iter().filter_map(|result| result.as_ref().err());
    assert!(
        losers
            .into_iter()
            .all(|error| error.kind() == ErrorKind::AlreadyExists)
    );
    assert_eq!(read(&second, "a.zip").await.unwrap(), contents[winners[0]]);
    assert_eq!(files(folder.path()), ["a.zip", "a.zip.meta.json"]);
}

#[tokio::test]
async fn content_without_sidecar_is_no_blob_and_its_name_is_free() {
    let (folder, stage) = stage();
    // What a process leaves that is killed between the two files.
    fs::write(folder.path().join("a.zip"), "unfinished").unwrap();
    assert_eq!(stage.head(&name("a.zip")).await.unwrap(), None);
    assert_eq!(
        read(&stage, "a.zip").await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert_eq!(stage.list("", None, 10).await.unwrap(), []);
    assert!(!stage.delete(&name("other.zip")).await.unwrap());

    stage
        .put_bytes(&name("a.zip"), "finished".into())
        .await
        .unwrap();

    assert_eq!(read(&stage, "a.zip").await.unwrap(), "finished");
    fs::remove_file(folder.path().join("a.zip.meta.json")).unwrap();
    assert!(!stage.delete(&name("a.zip")).await.unwrap());
    assert_eq!(files(folder.path()), Vec::<String>::new());
}

#[tokio::test]
async fn altered_content_is_corrupt_at_the_end_of_the_stream() {
    let (folder, stage) = stage();
    stage
        .put_bytes(&name("a.zip"), "content".into())
        .await
        .unwrap();
    fs::write(folder.path().join("a.zip"), "cOntent").unwrap();
    check_corrupt(&read(&stage, "a.zip").await.unwrap_err(), "a.zip");
}

#[tokio::test]
async fn cut_content_is_corrupt_until_it_is_removed() {
    let (folder, stage) = stage();
    stage
        .put_bytes(&name("a.zip"), "content".into())
        .await
        .unwrap();
    fs::write(folder.path().join("a.zip"), "con").unwrap();
    check_corrupt(&stage.head(&name("a.zip")).await.unwrap_err(), "a.zip");
    assert!(stage.delete(&name("a.zip")).await.unwrap());
    assert_eq!(stage.head(&name("a.zip")).await.unwrap(), None);
}

#[tokio::test]
async fn content_that_was_taken_away_is_no_blob_and_can_be_put_again() {
    let (folder, stage) = stage();
    let a = name("a.zip");
    stage.put_bytes(&a, "content".into()).await.unwrap();
    fs::remove_file(folder.path().join("a.zip")).unwrap();

    assert_eq!(stage.head(&a).await.unwrap(), None);
    let error = read(&stage, "a.zip").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(stage.list("", None, 10).await.unwrap(), []);
    assert!(!stage.delete(&a).await.unwrap());

    stage.put_bytes(&a, "other content".into()).await.unwrap();
    assert_eq!(read(&stage, "a.zip").await.unwrap(), "other content");
}

#[tokio::test]
async fn an_unreadable_sidecar_is_corrupt() {
    let (folder, stage) = stage();
    stage
        .put_bytes(&name("a.zip"), "content".into())
        .await
        .unwrap();
    fs::write(folder.path().join("a.zip.meta.json"), "{").unwrap();
    check_corrupt(
        &stage.head(&name("a.zip")).await.unwrap_err(),
        "a.zip.meta.json",
    );
}

#[tokio::test]
async fn a_put_that_fails_or_is_dropped_leaves_nothing() {
    let (folder, stage) = stage();
    let broken = || PortError::new(ErrorKind::Unavailable, "test.read");
    let failing: ByteStream =
        stream::iter([Ok(Bytes::from(vec![7; 3_000_000])), Err(broken())]).boxed();
    let error = stage.put(&name("a.zip"), failing).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.operation()),
        (ErrorKind::Unavailable, "test.read")
    );
    assert_eq!(stage.head(&name("a.zip")).await.unwrap(), None);

    let endless: ByteStream = byte_stream("begin").chain(stream::pending()).boxed();
    assert!(
        poll_immediate(stage.put(&name("a.zip"), endless))
            .await
            .is_none()
    );
    assert_eq!(stage.head(&name("a.zip")).await.unwrap(), None);

    stage
        .put_bytes(&name("a.zip"), "content".into())
        .await
        .unwrap();
    drop(stage);
    assert_eq!(files(folder.path()), ["a.zip", "a.zip.meta.json"]);
}

#[tokio::test]
async fn a_killed_put_leaves_the_name_free_and_is_cleaned_up() {
    if let Some(folder) = child_folder() {
        let stage = FolderConfig::new(folder).open().unwrap();
        let content = byte_stream(vec![7; 3_000_000]).chain(
            stream::once(async {
                say("writing");
                std::future::pending::<()>().await;
                Ok(Bytes::new())
            })
            .boxed(),
        );
        stage.put(&name("a.zip"), content.boxed()).await.unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let test = "folder::a_killed_put_leaves_the_name_free_and_is_cleaned_up";
    let child = ChildTest::start(test, folder.path());
    assert_eq!(child.hear().as_deref(), Some("writing"));
    let living = open(&folder);
    assert_eq!(
        files(folder.path()).len(),
        1,
        "the living put keeps its staged file"
    );
    child.kill();

    let stage = open(&folder);

    assert_eq!(files(folder.path()), Vec::<String>::new());
    stage
        .put_bytes(&name("a.zip"), "content".into())
        .await
        .unwrap();
    assert_eq!(read(&living, "a.zip").await.unwrap(), "content");
}

#[tokio::test]
async fn names_that_mean_something_to_a_folder_are_blobs_like_others() {
    let (_folder, stage) = stage();
    let names = ["..", ".omnisync", "a", "a.meta.json"];
    for text in names {
        stage.put_bytes(&name(text), text.into()).await.unwrap();
    }
    assert_eq!(stage.list("", None, 10).await.unwrap(), names.map(name));
    assert_eq!(
        stage.list("a", Some(&name("a")), 1).await.unwrap(),
        [name("a.meta.json")]
    );
    for text in names {
        assert_eq!(read(&stage, text).await.unwrap(), text);
        assert!(stage.delete(&name(text)).await.unwrap());
    }
}

#[tokio::test]
async fn a_blob_over_the_limit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let stage = FolderConfig::new(folder.path())
        .with_blob_bytes_max(3)
        .open()
        .unwrap();
    let error = stage
        .put_bytes(&name("a"), "1234".into())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    stage.put_bytes(&name("a"), "123".into()).await.unwrap();
}

#[test]
fn a_wrong_folder_is_invalid() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [
        file.clone(),
        file.join("below"),
        folder.path().join("missing/below"),
    ] {
        let error = FolderConfig::new(path).open().unwrap_err();
        assert!(error.to_string().contains("path is right"), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn a_read_only_folder_is_denied() {
    if let Some(folder) = child_folder() {
        let error = FolderConfig::new(folder).open().unwrap_err();
        assert!(error.to_string().contains("writable"), "{error}");
        say(error.kind());
        return;
    }
    let said = support::hear_in_read_only_folder("folder::a_read_only_folder_is_denied");
    assert_eq!(said, ErrorKind::Denied.to_string());
}
