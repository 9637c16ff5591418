use std::collections::BTreeSet;

use omnisync_core::crm::ForeignId;
use omnisync_core::error::ErrorKind;

use super::super::Violation;
use super::CrmSinkFixture;
use super::desk::{Desk, text};

/// Changes with more pages than this do not end.
const PAGES_MAX: usize = 1_000;

/// Clause 11: `changes` names every record that was created, changed or removed after the cursor
/// was given, at least once, and says when no more is left; without a cursor it names every
/// record. A cursor that is too old gives `NotFound`.
///
/// # Errors
/// Says what the system did otherwise.
pub async fn c11_changes_name_every_changed_record<F: CrmSinkFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "crm_sink.c11").await;
    let first = desk.first();
    let mut records = Vec::new();
    for name in ["ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN"] {
        records.push(desk.create(name, Vec::new()).await?);
    }
    let all: Vec<&ForeignId> = records.iter().map(|record| &record.id).collect();
    let (named, start) = follow(&desk, None, Some("EIGHT")).await?;
    names(&desk, "every record", &named, &all)?;
    let eighth = desk.named("EIGHT").await?;
    names(
        &desk,
        "what comes between two pages",
        &named,
        &eighth.iter().collect::<Vec<_>>(),
    )?;

    let [updated, edited, removed, deleted, ..] = records.as_slice() else {
        return Err(desk.check.violation("the suite's records"));
    };
    desk.update(updated, vec![(first.clone(), text("Basel"))])
        .await?;
    fixture.edit(edited, &first, text("Bern")).await;
    desk.remove(removed).await?;
    fixture.delete(deleted).await;
    let created = desk.create("NINE", Vec::new()).await?;
    let changed = [updated, edited, removed, deleted, &created].map(|record| &record.id);
    let (named, end) = follow(&desk, Some(start.clone()), None).await?;
    names(&desk, "every changed record", &named, &changed)?;
    // Whoever lost the answer asks from the same cursor again.
    let (named, _) = follow(&desk, Some(start.clone()), None).await?;
    names(&desk, "every changed record once more", &named, &changed)?;
    desk.update(&created, vec![(first, text("Chur"))]).await?;
    let (named, _) = follow(&desk, Some(end), None).await?;
    names(&desk, "the last change", &named, &[&created.id])?;

    if fixture.outlive_cursors().await {
        let late = desk.sink.changes(&desk.at.object, Some(&start), 2).await;
        let too_old = [ErrorKind::NotFound];
        desk.check
            .refused("a cursor that is too old", late, &too_old)?;
        let (named, _) = follow(&desk, None, None).await?;
        names(
            &desk,
            "every record in use",
            &named,
            &[&updated.id, &created.id],
        )?;
    }
    Ok(())
}

/// Follows the changes to their end in small pages, and creates a record after the first.
async fn follow(
    desk: &Desk<'_>,
    mut cursor: Option<String>,
    mut meanwhile: Option<&str>,
) -> Result<(BTreeSet<ForeignId>, String), Violation> {
    let mut named = BTreeSet::new();
    for _ in 0..PAGES_MAX {
        let page = desk
            .sink
            .changes(&desk.at.object, cursor.as_deref(), 2)
            .await;
        let page = desk.check.ok("changes", page)?;
        named.extend(page.records);
        if let Some(name) = meanwhile.take() {
            desk.create(name, Vec::new()).await?;
        } else if !page.more {
            return Ok((named, page.cursor));
        }
        cursor = Some(page.cursor);
    }
    Err(desk.check.violation("the pages of changes do not end"))
}

fn names(
    desk: &Desk<'_>,
    what: &str,
    named: &BTreeSet<ForeignId>,
    want: &[&ForeignId],
) -> Result<(), Violation> {
    let left_out: Vec<_> = want.iter().filter(|id| !named.contains(**id)).collect();
    desk.check.that(
        left_out.is_empty(),
        format!("{what} is named; left out: {left_out:?}"),
    )
}
