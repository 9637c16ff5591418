use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use omnisync_core::port::{
    Action, Collection, Content, Document, DocumentKey, Expect, Query, StateStoreExt, Write,
};
use serde_json::json;

use super::super::Violation;
use super::StateStoreFixture;
use super::desk::{Desk, ids, numbered};

/// A store that needs more pages than this for a few documents does not end.
const PAGES_MAX: usize = 1_000;

/// Clause 8: pages give every document that matched throughout exactly once, whatever changes
/// between them.
///
/// # Errors
/// Says what the store did otherwise.
pub async fn c08_pages_give_every_match_exactly_once<F: StateStoreFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    const STABLE: usize = 25;
    let stable = numbered("m", STABLE);
    let passing: Vec<String> = ["a", "m010x", "z"].map(str::to_owned).into();
    let all: Vec<String> = stable.iter().chain(&passing).cloned().collect();
    let desk = Desk::open(fixture, "state_store.c08", "contract_c08", &all).await?;
    for (number, id) in stable.iter().enumerate() {
        desk.must_put(id, Expect::Absent, number).await?;
    }
    fixture.settle().await;

    let mut changes = Changes {
        stable: &stable,
        passing: &passing,
        done: 0,
    };
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut query = Query::all(desk.collection)
        .in_state("open")
        .with_page_items_max(4);
    for page_number in 1.. {
        desk.check
            .that(page_number <= PAGES_MAX, "the query ends")?;
        let page = desk
            .check
            .ok("query", desk.store.query(query.clone()).await)?;
        desk.check.that(
            page.documents.len() <= 4,
            "a page has at most page_items_max items",
        )?;
        for document in page.documents {
            *seen.entry(document.key.id).or_default() += 1;
        }
        query.continuation = page.continuation;
        if query.continuation.is_none() {
            break;
        }
        changes.next(&desk).await?;
    }
    for id in &stable {
        let times = seen.get(id).copied().unwrap_or_default();
        desk.check.that(
            times == 1,
            format!("{id} comes exactly once, it came {times} times"),
        )?;
    }
    let known: BTreeSet<&String> = all.iter().collect();
    let stranger = seen.keys().find(|id| !known.contains(id));
    desk.check
        .equal("a document that nobody wrote", &stranger, &None)
}

/// What happens between two pages: other documents come and go, and matching ones are rewritten
/// on both sides of the position.
struct Changes<'a> {
    stable: &'a [String],
    passing: &'a [String],
    done: usize,
}

impl Changes<'_> {
    async fn next(&mut self, desk: &Desk) -> Result<(), Violation> {
        if let Some(id) = self.passing.get(self.done) {
            desk.must_put(id, Expect::Any, 100).await?;
        }
        let gone = self
            .done
            .checked_sub(1)
            .and_then(|before| self.passing.get(before));
        if let Some(id) = gone {
            desk.check
                .ok("delete", desk.delete(id, Expect::Any).await)?;
        }
        // A lagging query may miss what was just rewritten, so there it stays untouched.
        if desk.store.capability().query_reads_own_writes {
            let rewritten = [
                self.stable.get(self.done),
                self.stable.iter().nth_back(self.done),
            ];
            for id in rewritten.into_iter().flatten() {
                desk.must_put(id, Expect::Any, 200).await?;
            }
        }
        self.done += 1;
        Ok(())
    }
}

/// Clause 9: queries select by collection, by state, and by due time. Bodies come when asked
/// for. Where `query_reads_own_writes` holds, a query shows the write just before it.
///
/// # Errors
/// Says what the store did otherwise.
pub async fn c09_queries_select_by_collection_state_and_due_time<F: StateStoreFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let all = ids([
        "early-open",
        "late-open",
        "never-open",
        "early-done",
        "moved",
    ]);
    let desk = Desk::open(fixture, "state_store.c09", "contract_c09", &all).await?;
    let other = Collection::new("contract_c09_other");
    let noon = DateTime::from_timestamp(1_767_268_800, 0).unwrap_or_default();
    let minute = TimeDelta::minutes(1);
    put(
        &desk,
        desk.collection,
        "early-open",
        "open",
        Some(noon - minute),
    )
    .await?;
    put(&desk, desk.collection, "late-open", "open", Some(noon)).await?;
    put(&desk, desk.collection, "never-open", "open", None).await?;
    put(
        &desk,
        desk.collection,
        "early-done",
        "done",
        Some(noon - minute),
    )
    .await?;
    put(&desk, desk.collection, "moved", "open", Some(noon - minute)).await?;
    put(&desk, desk.collection, "moved", "done", None).await?;
    put(&desk, other, "elsewhere", "open", Some(noon - minute)).await?;
    if !desk.store.capability().query_reads_own_writes {
        fixture.settle().await;
    }

    let collection = Query::all(desk.collection);
    let open = collection.clone().in_state("open");
    expect(&desk, &all, "the collection", collection.clone(), &all).await?;
    let want = ids(["early-open", "late-open", "never-open"]);
    expect(&desk, &all, "a state", open.clone(), &want).await?;
    let want = ids(["early-open", "early-done"]);
    expect(
        &desk,
        &all,
        "due before noon",
        collection.clone().due_before(noon),
        &want,
    )
    .await?;
    let after_noon = noon + TimeDelta::milliseconds(1);
    let want = ids(["early-open", "late-open"]);
    expect(
        &desk,
        &all,
        "open and due",
        open.clone().due_before(after_noon),
        &want,
    )
    .await?;
    expect(
        &desk,
        &all,
        "an unused state",
        collection.clone().in_state("none"),
        &[],
    )
    .await?;

    for document in run(&desk, collection.clone().without_bodies()).await? {
        desk.check
            .that(document.body.is_none(), "a query without bodies gives none")?;
    }
    for document in run(&desk, collection).await? {
        desk.check
            .some("the body of a queried document", document.body.as_ref())?;
        let current = desk.get(&document.key.id).await?;
        desk.check.equal(
            "its tag",
            &Some(document.etag),
            &current.map(|found| found.etag),
        )?;
    }
    Ok(())
}

async fn expect(
    desk: &Desk,
    mine: &[String],
    what: &str,
    query: Query,
    want: &[String],
) -> Result<(), Violation> {
    let found = run(desk, query).await?;
    let mut got: Vec<String> = found.into_iter().map(|document| document.key.id).collect();
    got.retain(|id| mine.contains(id) || id == "elsewhere");
    got.sort();
    let mut want = want.to_vec();
    want.sort();
    desk.check
        .equal(&format!("the result of a query for {what}"), &got, &want)
}

async fn run(desk: &Desk, query: Query) -> Result<Vec<Document>, Violation> {
    desk.check
        .ok("query", desk.store.query_all(query, 10_000).await)
}

async fn put(
    desk: &Desk,
    collection: Collection,
    id: &str,
    state: &str,
    due_at: Option<DateTime<Utc>>,
) -> Result<(), Violation> {
    let body = desk.raw(&json!({ "number": 1 }))?;
    let content = Content {
        state: state.to_owned(),
        due_at,
        expires_at: None,
        body,
    };
    let write = Write {
        key: DocumentKey::new(collection, id),
        expect: Expect::Any,
        action: Action::Put(content),
    };
    desk.check
        .ok("an unconditional put", desk.store.write_one(write).await)
        .map(drop)
}
