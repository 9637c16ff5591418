use omnisync_core::error::ErrorKind;
use omnisync_core::port::{CrmRecord, Sight};

use super::super::Violation;
use super::CrmSinkFixture;
use super::desk::{Desk, text};

/// Clause 9: a record that was removed is seen as `Gone`, and as `Missing` once the system has
/// forgotten it; one that was merged is seen as merged into the other.
///
/// # Errors
/// Says what the system did otherwise.
pub async fn c09_removed_and_merged_records_are_told_apart<F: CrmSinkFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "crm_sink.c09").await;
    let ours = desk.create("ONE", Vec::new()).await?;
    let theirs = desk.create("TWO", Vec::new()).await?;
    let loser = desk.create("THREE", Vec::new()).await?;
    let winner = desk.create("FOUR", Vec::new()).await?;
    desk.remove(&ours).await?;
    fixture.delete(&theirs).await;
    for record in [&ours, &theirs] {
        is_gone(&desk, record).await?;
        let late = vec![(desk.first(), text("Basel"))];
        let update = desk.try_update(record, late, None).await;
        desk.check.refused(
            "an update of a removed record",
            update,
            &[ErrorKind::NotFound],
        )?;
        // Whatever it says: what is out of use stays so.
        let again = desk.try_remove(record, None).await;
        if desk.at.forgets_at_once {
            let unknown = [ErrorKind::NotFound];
            desk.check.refused("a repeated removal", again, &unknown)?;
        } else {
            desk.check.ok("a repeated removal", again)?;
        }
        is_gone(&desk, record).await?;
    }
    if fixture.merge(&loser, &winner).await {
        let want = Sight::Merged {
            into: winner.id.clone(),
        };
        let sight = desk.sight(&loser).await?;
        desk.check.equal("the loser of a merge", &sight, &want)?;
        desk.present(&winner).await?;
    }
    let absent = desk.record(&desk.at.absent);
    is_missing(&desk, &absent).await?;
    if fixture.forget(&ours).await {
        is_missing(&desk, &ours).await?;
    }
    is_gone(&desk, &theirs).await
}

async fn is_gone(desk: &Desk<'_>, record: &CrmRecord) -> Result<(), Violation> {
    match desk.sight(record).await? {
        Sight::Gone { .. } if !desk.at.forgets_at_once => Ok(()),
        Sight::Missing if desk.at.forgets_at_once => Ok(()),
        other => {
            let message = format!("a removed record is read as {other:?}");
            Err(desk.check.violation(message))
        }
    }
}

async fn is_missing(desk: &Desk<'_>, record: &CrmRecord) -> Result<(), Violation> {
    let sight = desk.sight(record).await?;
    desk.check
        .equal("a record that is not known", &sight, &Sight::Missing)?;
    let unknown = [ErrorKind::NotFound];
    let late = vec![(desk.first(), text("Basel"))];
    let update = desk.try_update(record, late, None).await;
    desk.check
        .refused("an update of an unknown record", update, &unknown)?;
    let removed = desk.try_remove(record, None).await;
    desk.check
        .refused("a removal of an unknown record", removed, &unknown)
}

/// Clause 10: `restore` brings a removed record back under its id where the system can; elsewhere
/// it gives `Unsupported` and changes nothing.
///
/// # Errors
/// Says what the system did otherwise.
pub async fn c10_restore_follows_the_capability<F: CrmSinkFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "crm_sink.c10").await;
    let first = desk.first();
    let record = desk
        .create("ONE", vec![(first.clone(), text("Basel"))])
        .await?;
    desk.remove(&record).await?;
    let restored = desk.sink.restore(&record).await;
    if !desk.sink.capability().restores {
        let unsupported = [ErrorKind::Unsupported];
        desk.check.refused("restore", restored, &unsupported)?;
        return is_gone(&desk, &record).await;
    }
    let receipt = desk.check.ok("restore", restored)?;
    desk.check
        .equal("the id of what was restored", &receipt.id, &record.id)?;
    desk.holds(&record, &first, &text("Basel")).await?;
    let found = desk.named("ONE").await?;
    desk.check
        .equal("what is found by the key", &found, &vec![record.id.clone()])?;
    desk.update(&record, vec![(first.clone(), text("Bern"))])
        .await?;
    desk.holds(&record, &first, &text("Bern")).await?;

    let absent = desk.record(&desk.at.absent);
    let restored = desk.sink.restore(&absent).await;
    desk.check.refused(
        "a restoration of an unknown record",
        restored,
        &[ErrorKind::NotFound],
    )
}
