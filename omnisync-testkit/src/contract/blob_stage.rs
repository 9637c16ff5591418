//! The clauses of [`BlobStage`].

mod desk;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::future::{Either, join_all, select};
use futures::stream;
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::id::{BlobName, Sha256};
use omnisync_core::port::{BlobReceipt, BlobStage, BlobStageExt, ByteStream, byte_stream};

use super::Violation;
use super::macros::port_contract;
use desk::{CONTENT_BYTES_MAX, Desk, polls, yield_now};

/// How many writers race for one name.
const WRITERS: usize = 8;

/// How often an unfinished `put` is polled before it is dropped.
const POLLS: usize = 50;

/// What the clauses need from a test environment. Every clause gets its own.
///
/// Clauses write only names that begin with `contract-`, and remove what earlier runs left.
#[async_trait]
pub trait BlobStageFixture: Send + Sync {
    /// The stage under test.
    async fn stage(&self) -> Arc<dyn BlobStage>;

    /// The stage as it is after the process was killed; `None` when it is not durable. Clauses
    /// give up their handles before they call this.
    async fn reopen(&self) -> Option<Arc<dyn BlobStage>>;

    /// Changes some bytes of a stored content without changing its length, behind the stage's
    /// back.
    async fn alter(&self, name: &BlobName);
}

port_contract!(blob_stage, __blob_stage_clauses, BlobStageFixture);

#[doc(hidden)]
#[macro_export]
macro_rules! __blob_stage_clauses {
    ($then:ident, $($context:tt)*) => {
        $crate::$then! { ($($context)*) blob_stage [
            c01_acknowledged_blobs_are_read_back,
            c02_put_on_a_present_name_changes_nothing,
            c03_one_of_concurrent_puts_succeeds,
            c04_receipts_carry_length_and_hash,
            c05_a_failed_or_dropped_put_leaves_no_blob,
            c06_absent_names_are_not_found,
            c07_altered_blobs_are_corrupt,
            c08_list_pages_in_byte_order,
            c09_delete_says_whether_there_was_a_blob,
            c10_empty_and_multi_chunk_contents_are_kept,
        ] }
    };
}

/// Tests a [`BlobStage`](omnisync_core::port::BlobStage): one `#[test]` per clause.
///
/// `fixture` is an expression that builds a
/// [`BlobStageFixture`](crate::contract::BlobStageFixture); `run` blocks on a future and is
/// [`block_on`](crate::contract::block_on) by default. See [`contract`](crate::contract).
#[macro_export]
macro_rules! blob_stage_contract {
    (fixture = $fixture:expr $(,)?) => {
        $crate::blob_stage_contract!(fixture = $fixture, run = $crate::contract::block_on);
    };
    (fixture = $fixture:expr, run = $run:expr $(,)?) => {
        $crate::__blob_stage_clauses!(__clause_tests, $fixture, $run);
    };
}

/// Clause 1: an acknowledged blob is read back equal, and survives the process when the stage is
/// durable. A volatile stage's fixture cannot reopen.
///
/// # Errors
/// Says what the stage did otherwise.
pub async fn c01_acknowledged_blobs_are_read_back<F: BlobStageFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "blob_stage.c01", &["contract-c01.zip"]).await?;
    let name = desk.name("contract-c01.zip")?;
    let receipt = desk.put(&name, "content").await?;
    desk.holds(desk.stage.as_ref(), &name, b"content").await?;

    let durable = desk.stage.capability().durable;
    let Desk { stage, check } = desk;
    drop(stage);
    let reopened = fixture.reopen().await;
    if !durable {
        return check.that(reopened.is_none(), "a volatile stage cannot be reopened");
    }
    let desk = Desk {
        stage: check.some("the reopened stage, which is durable,", reopened)?,
        check,
    };
    desk.holds(desk.stage.as_ref(), &name, b"content").await?;
    let head = check.ok("head", desk.stage.head(&name).await)?;
    check.equal("the receipt after reopening", &head, &Some(receipt))
}

/// Clause 2: `put` on a present name changes nothing and gives `AlreadyExists`, even when the
/// content is the same.
///
/// # Errors
/// Says what the stage did otherwise.
pub async fn c02_put_on_a_present_name_changes_nothing<F: BlobStageFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "blob_stage.c02", &["contract-c02.zip"]).await?;
    let name = desk.name("contract-c02.zip")?;
    let receipt = desk.put(&name, "first").await?;
    for content in ["second", "first", ""] {
        let again = desk.stage.put(&name, byte_stream(content)).await;
        desk.check
            .refused("a second put", again, &[ErrorKind::AlreadyExists])?;
    }
    desk.holds(desk.stage.as_ref(), &name, b"first").await?;
    let head = desk.check.ok("head", desk.stage.head(&name).await)?;
    desk.check.equal("the receipt", &head, &Some(receipt))
}

/// Clause 3: of concurrent puts to one name exactly one succeeds.
///
/// # Errors
/// Says what the stage did otherwise.
pub async fn c03_one_of_concurrent_puts_succeeds<F: BlobStageFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "blob_stage.c03", &["contract-c03.zip"]).await?;
    let name = desk.name("contract-c03.zip")?;
    let racers = (0..WRITERS).map(|number| {
        // Every stream waits once, so that all puts are under way together.
        let content = stream::once(yield_now())
            .map(move |()| Ok(Bytes::from(format!("writer {number}"))))
            .boxed();
        desk.stage.put(&name, content)
    });
    let mut winners = Vec::new();
    for (number, result) in join_all(racers).await.into_iter().enumerate() {
        match result {
            Ok(_) => winners.push(number),
            lost => desk
                .check
                .refused("a losing put", lost, &[ErrorKind::AlreadyExists])?,
        }
    }
    desk.check
        .equal("the number of puts that succeeded", &winners.len(), &1)?;
    let winner = desk.check.some("the winner", winners.pop())?;
    let content = format!("writer {winner}");
    desk.holds(desk.stage.as_ref(), &name, content.as_bytes())
        .await
}

/// Clause 4: receipts carry length and SHA-256; `head` and `get` give the same.
///
/// # Errors
/// Says what the stage did otherwise.
pub async fn c04_receipts_carry_length_and_hash<F: BlobStageFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "blob_stage.c04", &["contract-c04.zip"]).await?;
    let name = desk.name("contract-c04.zip")?;
    let receipt = desk.put(&name, "measured").await?;
    let want = BlobReceipt {
        name: name.clone(),
        bytes: 8,
        sha256: Sha256::of(b"measured"),
    };
    desk.check.equal("the receipt of put", &receipt, &want)?;
    let head = desk.check.ok("head", desk.stage.head(&name).await)?;
    desk.check
        .equal("the receipt of head", &head.as_ref(), &Some(&want))?;
    let read = desk.check.ok("get", desk.stage.get(&name).await)?;
    desk.check.equal("the receipt of get", &read.receipt, &want)
}

/// Clause 5: a put whose stream fails, or whose future is dropped, leaves no blob.
///
/// # Errors
/// Says what the stage did otherwise.
pub async fn c05_a_failed_or_dropped_put_leaves_no_blob<F: BlobStageFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let names = ["contract-c05-failed.zip", "contract-c05-dropped.zip"];
    let desk = Desk::open(fixture, "blob_stage.c05", &names).await?;
    let [failed, dropped] = [
        desk.name("contract-c05-failed.zip")?,
        desk.name("contract-c05-dropped.zip")?,
    ];

    let broken = PortError::new(ErrorKind::Internal, "contract.content");
    let content = stream::iter([Ok(Bytes::from_static(b"begun")), Err(broken)]).boxed();
    let result = desk.stage.put(&failed, content).await;
    desk.check
        .refused("a put whose content fails", result, &[ErrorKind::Internal])?;

    let begun = stream::iter([Ok(Bytes::from_static(b"begun"))]);
    let content = begun.chain(stream::pending()).boxed();
    let unfinished = desk.stage.put(&dropped, content);
    if let Either::Left(_) = select(unfinished, Box::pin(polls(POLLS))).await {
        return Err(desk.check.violation("a put ended before its content did"));
    }

    for name in [&failed, &dropped] {
        let head = desk.check.ok("head", desk.stage.head(name).await)?;
        desk.check
            .equal("the blob of an unfinished put", &head, &None)?;
        let read = desk.stage.get(name).await;
        desk.check
            .refused("get of an unfinished put", read, &[ErrorKind::NotFound])?;
        let listed = desk.stage.list(name.as_str(), None, 10).await;
        desk.check
            .equal("the list", &desk.check.ok("list", listed)?, &Vec::new())?;
        desk.put(name, "whole").await?;
        desk.holds(desk.stage.as_ref(), name, b"whole").await?;
    }
    Ok(())
}

/// Clause 6: `get` of an absent name gives `NotFound`, `head` gives `None`.
///
/// # Errors
/// Says what the stage did otherwise.
pub async fn c06_absent_names_are_not_found<F: BlobStageFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "blob_stage.c06", &["contract-c06.zip"]).await?;
    let name = desk.name("contract-c06.zip")?;
    let read = desk.stage.get(&name).await;
    desk.check
        .refused("get of an absent name", read, &[ErrorKind::NotFound])?;
    let head = desk
        .check
        .ok("head of an absent name", desk.stage.head(&name).await)?;
    desk.check.equal("its receipt", &head, &None)
}

/// Clause 7: content that no longer matches its hash gives `Corrupt`, at the latest at the end
/// of the stream.
///
/// # Errors
/// Says what the stage did otherwise.
pub async fn c07_altered_blobs_are_corrupt<F: BlobStageFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "blob_stage.c07", &["contract-c07.zip"]).await?;
    let name = desk.name("contract-c07.zip")?;
    let content = "content ".repeat(40_000);
    desk.put(&name, &content).await?;
    desk.holds(desk.stage.as_ref(), &name, content.as_bytes())
        .await?;
    fixture.alter(&name).await;
    let read = desk.stage.get_bytes(&name, CONTENT_BYTES_MAX).await;
    desk.check
        .refused("get of an altered blob", read, &[ErrorKind::Corrupt])
}

/// Clause 8: `list` gives the names with the prefix after `after`, in ascending byte order, at
/// most `max`.
///
/// # Errors
/// Says what the stage did otherwise.
pub async fn c08_list_pages_in_byte_order<F: BlobStageFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    const SORTED: [&str; 7] = [
        "contract-c08-.a",
        "contract-c08-10",
        "contract-c08-2",
        "contract-c08-B",
        "contract-c08-_",
        "contract-c08-a",
        "contract-c08-a.b",
    ];
    let outside = ["contract-c07-z", "contract-c09-a", "Contract-c08-a"];
    let desk = Desk::open(
        fixture,
        "blob_stage.c08",
        &[&SORTED[..], &outside[..]].concat(),
    )
    .await?;
    for name in SORTED.iter().rev().chain(&outside) {
        desk.put(&desk.name(name)?, "x").await?;
    }
    let list = async |after: Option<&BlobName>, max| {
        desk.check
            .ok("list", desk.stage.list("contract-c08-", after, max).await)
    };
    let text =
        |names: &[BlobName]| -> Vec<String> { names.iter().map(ToString::to_string).collect() };
    let want = SORTED.map(str::to_owned).to_vec();
    desk.check
        .equal("the whole list", &text(&list(None, 100).await?), &want)?;

    let mut paged = Vec::new();
    for _ in 0..=SORTED.len() {
        let page = list(paged.last(), 3).await?;
        desk.check
            .that(page.len() <= 3, "a page has at most max names")?;
        paged.extend(page);
    }
    desk.check
        .equal("the list in pages of three", &text(&paged), &want)?;
    let between = desk.name("contract-c08-A")?;
    let rest = list(Some(&between), 100).await?;
    let tail: Vec<String> = want.iter().skip(3).cloned().collect();
    desk.check.equal(
        "the list after a name that does not exist",
        &text(&rest),
        &tail,
    )
}

/// Clause 9: `delete` removes a blob and says whether there was one.
///
/// # Errors
/// Says what the stage did otherwise.
pub async fn c09_delete_says_whether_there_was_a_blob<F: BlobStageFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "blob_stage.c09", &["contract-c09.zip"]).await?;
    let name = desk.name("contract-c09.zip")?;
    desk.put(&name, "first").await?;
    let first = desk.check.ok("delete", desk.stage.delete(&name).await)?;
    desk.check.that(first, "the first delete finds the blob")?;
    let second = desk
        .check
        .ok("delete of an absent name", desk.stage.delete(&name).await)?;
    desk.check
        .that(!second, "the second delete finds nothing")?;
    let head = desk.check.ok("head", desk.stage.head(&name).await)?;
    desk.check.equal("the deleted blob", &head, &None)?;
    desk.put(&name, "second").await?;
    desk.holds(desk.stage.as_ref(), &name, b"second").await
}

/// Clause 10: empty and multi-chunk contents are stored as they are.
///
/// # Errors
/// Says what the stage did otherwise.
pub async fn c10_empty_and_multi_chunk_contents_are_kept<F: BlobStageFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let names = [
        "contract-c10-0",
        "contract-c10-1",
        "contract-c10-2",
        "contract-c10-3",
    ];
    let desk = Desk::open(fixture, "blob_stage.c10", &names).await?;
    let all_bytes: Vec<u8> = (0..=u8::MAX).collect();
    let contents: [Vec<Vec<u8>>; 4] = [
        vec![],
        vec![vec![]],
        vec![
            b"a".to_vec(),
            vec![],
            all_bytes.clone(),
            vec![],
            b"z".to_vec(),
        ],
        (1_usize..60)
            .map(|length| all_bytes.repeat(length))
            .collect(),
    ];
    for (name, chunks) in names.iter().zip(contents) {
        let name = desk.name(name)?;
        let whole = chunks.concat();
        let content: ByteStream =
            stream::iter(chunks.into_iter().map(|chunk| Ok(Bytes::from(chunk)))).boxed();
        let receipt = desk.check.ok("put", desk.stage.put(&name, content).await)?;
        desk.check.equal(
            "the hash of the content",
            &receipt.sha256,
            &Sha256::of(&whole),
        )?;
        desk.holds(desk.stage.as_ref(), &name, &whole).await?;
    }
    Ok(())
}
