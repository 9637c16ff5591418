use std::collections::BTreeSet;

use futures::future::join_all;
use omnisync_core::error::ErrorKind;
use omnisync_core::id::ETag;
use omnisync_core::port::{Action, Expect, Write, Written};

use super::super::Violation;
use super::StateStoreFixture;
use super::desk::{Desk, ids};

/// How many writers race for one document.
const WRITERS: usize = 8;

/// Clause 2: `Absent` on a present document changes nothing and gives `AlreadyExists`.
///
/// # Errors
/// Says what the store did otherwise.
pub async fn c02_absent_on_a_present_document_changes_nothing<F: StateStoreFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "state_store.c02", "contract_c02", &ids(["a"])).await?;
    let tag = desk.must_put("a", Expect::Absent, 1).await?;
    let again = desk.put("a", Expect::Absent, 2).await?;
    desk.check
        .refused("a second create", again, &[ErrorKind::AlreadyExists])?;
    desk.unchanged(desk.found("a").await?.as_ref(), 1, &tag)
}

/// Clause 3: another tag than the current one, or any tag on an absent document, changes
/// nothing and gives `Conflict`.
///
/// # Errors
/// Says what the store did otherwise.
pub async fn c03_another_tag_changes_nothing<F: StateStoreFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "state_store.c03", "contract_c03", &ids(["a", "b"])).await?;
    let first = desk.must_put("a", Expect::Absent, 1).await?;
    let second = desk.must_put("a", Expect::Tag(first.clone()), 2).await?;
    let stale = desk.put("a", Expect::Tag(first.clone()), 3).await?;
    desk.check
        .refused("a put with a stale tag", stale, &[ErrorKind::Conflict])?;
    desk.unchanged(desk.found("a").await?.as_ref(), 2, &second)?;

    let absent = desk.put("b", Expect::Tag(second), 4).await?;
    desk.check.refused(
        "a put with a tag on an absent document",
        absent,
        &[ErrorKind::Conflict],
    )?;
    desk.check.that(
        desk.get("b").await?.is_none(),
        "the absent document stays absent",
    )?;

    desk.check
        .ok("delete", desk.delete("a", Expect::Any).await)?;
    desk.must_put("a", Expect::Absent, 5).await?;
    let ghost = desk.put("a", Expect::Tag(first), 6).await?;
    desk.check.refused(
        "a put with the tag of a deleted document",
        ghost,
        &[ErrorKind::Conflict],
    )
}

/// Clause 4: `Any` replaces or creates.
///
/// # Errors
/// Says what the store did otherwise.
pub async fn c04_any_replaces_or_creates<F: StateStoreFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "state_store.c04", "contract_c04", &ids(["a"])).await?;
    let created = desk.must_put("a", Expect::Any, 1).await?;
    desk.unchanged(desk.found("a").await?.as_ref(), 1, &created)?;
    let replaced = desk.must_put("a", Expect::Any, 2).await?;
    desk.unchanged(desk.found("a").await?.as_ref(), 2, &replaced)
}

/// Clause 5: every successful put gives a tag that the document never had before, even when the
/// content is the same and even after the document was deleted.
///
/// # Errors
/// Says what the store did otherwise.
pub async fn c05_every_put_gives_a_new_tag<F: StateStoreFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "state_store.c05", "contract_c05", &ids(["a"])).await?;
    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        let mut tag = desk.must_put("a", Expect::Absent, 1).await?;
        desk.check
            .that(seen.insert(tag.clone()), "a created document has a new tag")?;
        for _ in 0..3 {
            tag = desk.must_put("a", Expect::Tag(tag), 1).await?;
            desk.check.that(
                seen.insert(tag.clone()),
                "a rewritten document has a new tag",
            )?;
        }
        desk.unchanged(desk.found("a").await?.as_ref(), 1, &tag)?;
        desk.check
            .ok("delete", desk.delete("a", Expect::Tag(tag)).await)?;
    }
    Ok(())
}

/// Clause 6: items of one write succeed or fail one by one, and results come in their order.
///
/// # Errors
/// Says what the store did otherwise.
pub async fn c06_items_of_a_write_succeed_one_by_one<F: StateStoreFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let all = ids(["a", "b", "c", "d", "e"]);
    let desk = Desk::open(fixture, "state_store.c06", "contract_c06", &all).await?;
    let b = desk.must_put("b", Expect::Absent, 1).await?;
    desk.must_put("d", Expect::Absent, 1).await?;
    let missing = ETag::new("never-issued").map_err(|error| {
        desk.check
            .violation(format!("the suite has no such tag: {error}"))
    })?;
    let writes = vec![
        desk.put_of("a", Expect::Absent, 2)?,
        desk.put_of("b", Expect::Absent, 2)?,
        desk.put_of("c", Expect::Any, 2)?,
        Write {
            key: desk.key("d"),
            expect: Expect::Any,
            action: Action::Delete,
        },
        desk.put_of("e", Expect::Tag(missing), 2)?,
    ];
    let results = desk.check.ok("write", desk.store.write(writes).await)?;
    let got: Vec<_> = results
        .iter()
        .map(|result| match result {
            Ok(Written::Put(_)) => Ok("put"),
            Ok(Written::Deleted) => Ok("deleted"),
            Err(error) => Err(error.kind()),
        })
        .collect();
    let want = vec![
        Ok("put"),
        Err(ErrorKind::AlreadyExists),
        Ok("put"),
        Ok("deleted"),
        Err(ErrorKind::Conflict),
    ];
    desk.check.equal("the list of results", &got, &want)?;
    let mut numbers = Vec::new();
    for id in &all {
        numbers.push(desk.found(id).await?.map(|(number, _)| number));
    }
    desk.check.equal(
        "the stored state",
        &numbers,
        &vec![Some(2), Some(1), Some(2), None, None],
    )?;
    desk.unchanged(desk.found("b").await?.as_ref(), 1, &b)?;
    let nothing = desk
        .check
        .ok("a write of nothing", desk.store.write(Vec::new()).await)?;
    desk.check
        .that(nothing.is_empty(), "a write of nothing has no results")
}

/// Clause 7: of concurrent writes with the same precondition at most one succeeds.
///
/// # Errors
/// Says what the store did otherwise.
pub async fn c07_at_most_one_concurrent_write_succeeds<F: StateStoreFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "state_store.c07", "contract_c07", &ids(["a"])).await?;
    let created = race(&desk, &Expect::Absent, ErrorKind::AlreadyExists).await?;
    let replaced = race(&desk, &Expect::Tag(created), ErrorKind::Conflict).await?;
    race(&desk, &Expect::Tag(replaced), ErrorKind::Conflict).await?;
    Ok(())
}

async fn race(desk: &Desk, expect: &Expect, loser: ErrorKind) -> Result<ETag, Violation> {
    let racers = (0..WRITERS).map(|number| desk.put("a", expect.clone(), number));
    let mut winners = Vec::new();
    for (number, result) in join_all(racers).await.into_iter().enumerate() {
        match result? {
            Ok(Written::Put(tag)) => winners.push((number, tag)),
            // A store under contention may also give up for the moment.
            Err(error) if error.is_transient() => {}
            other => desk.check.refused("a losing write", other, &[loser])?,
        }
    }
    let count = winners.len();
    desk.check.that(
        count <= 1,
        format!("at most one of {WRITERS} writes succeeds, {count} did"),
    )?;
    let (number, tag) = desk
        .check
        .some("a winner among the writers", winners.pop())?;
    desk.unchanged(desk.found("a").await?.as_ref(), number, &tag)?;
    Ok(tag)
}

/// Clause 10: deletes follow clauses 2 to 4, and deleting an absent document with `Any`
/// succeeds.
///
/// # Errors
/// Says what the store did otherwise.
pub async fn c10_deletes_follow_their_precondition<F: StateStoreFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "state_store.c10", "contract_c10", &ids(["a", "b"])).await?;
    let first = desk.must_put("a", Expect::Absent, 1).await?;
    let second = desk.must_put("a", Expect::Any, 2).await?;

    let absent = desk.delete("a", Expect::Absent).await;
    desk.check.refused(
        "a delete that expects absence",
        absent,
        &[ErrorKind::AlreadyExists],
    )?;
    let stale = desk.delete("a", Expect::Tag(first)).await;
    desk.check
        .refused("a delete with a stale tag", stale, &[ErrorKind::Conflict])?;
    desk.unchanged(desk.found("a").await?.as_ref(), 2, &second)?;

    let current = desk.delete("a", Expect::Tag(second.clone())).await;
    let deleted = desk.check.ok("a delete with the current tag", current)?;
    desk.check
        .equal("its result", &deleted, &Written::Deleted)?;
    desk.check.that(
        desk.get("a").await?.is_none(),
        "the deleted document is gone",
    )?;
    let gone = desk.delete("a", Expect::Tag(second)).await;
    desk.check.refused(
        "a delete with a tag on an absent document",
        gone,
        &[ErrorKind::Conflict],
    )?;

    desk.check.ok(
        "a delete of an absent document",
        desk.delete("b", Expect::Any).await,
    )?;
    desk.must_put("b", Expect::Absent, 3).await?;
    desk.check.ok(
        "an unconditional delete",
        desk.delete("b", Expect::Any).await,
    )?;
    desk.check
        .that(desk.get("b").await?.is_none(), "the document is gone")
}
