use omnisync_core::crm::Native;
use omnisync_core::error::ErrorKind;
use omnisync_core::port::{Precondition, Sight};

use super::super::Violation;
use super::CrmSinkFixture;
use super::desk::{Desk, text};

/// Clause 3: `update` changes the fields that it names and no others of its own accord; what the
/// system makes of the values is read back.
///
/// # Errors
/// Says what the system did otherwise.
pub async fn c03_updates_change_the_named_fields_only<F: CrmSinkFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "crm_sink.c03").await;
    let (first, second) = (desk.first(), desk.second());
    let fields = vec![
        (first.clone(), text("Basel")),
        (second.clone(), text("Rhein")),
    ];
    let record = desk.create("ONE", fields).await?;
    let other = desk
        .create("TWO", vec![(first.clone(), text("Chur"))])
        .await?;

    desk.update(&record, vec![(first.clone(), text("Bern"))])
        .await?;
    desk.holds(&record, &first, &text("Bern")).await?;
    desk.holds(&record, &second, &text("Rhein")).await?;
    desk.holds(&record, &desk.at.key, &text("ONE")).await?;

    fixture.edit(&record, &second, text("Aare")).await;
    let both = vec![(first.clone(), Native::Null)];
    desk.update(&record, both).await?;
    desk.holds(&record, &first, &Native::Null).await?;
    desk.holds(&record, &second, &text("Aare")).await?;
    desk.holds(&other, &first, &text("Chur")).await?;
    desk.holds(&other, &second, &Native::Null).await?;

    if let Some((field, written, stored)) = desk.at.normalised.clone() {
        desk.update(&record, vec![(field.clone(), written)]).await?;
        let read = desk.sink.read(&record, std::slice::from_ref(&field)).await;
        let Sight::Present(snapshot) = desk.check.ok("read", read)? else {
            return Err(desk.check.violation("an updated record is out of use"));
        };
        desk.check.that(
            snapshot.fields.get(field.as_str()) == Some(&stored),
            "what the system made of the value is read back",
        )?;
        desk.holds(&record, &second, &text("Aare")).await?;
    }
    Ok(())
}

/// Clause 4: an `update` or `remove` with another than the current version gives `Conflict` and
/// changes nothing, where the system checks versions; elsewhere it takes place.
///
/// # Errors
/// Says what the system did otherwise.
pub async fn c04_another_version_changes_nothing<F: CrmSinkFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "crm_sink.c04").await;
    let (first, second) = (desk.first(), desk.second());
    let record = desk
        .create("ONE", vec![(first.clone(), text("Basel"))])
        .await?;
    let created = desk.present(&record).await?.version;
    desk.pass_unit().await;
    fixture.edit(&record, &first, text("Bern")).await;
    let edited = desk.present(&record).await?;

    let late = vec![(second.clone(), text("Rhein"))];
    let update = desk.try_update(&record, late, Some(created.clone())).await;
    if desk.sink.capability().precondition == Precondition::None {
        desk.check.ok("an update without a condition", update)?;
        desk.holds(&record, &first, &text("Bern")).await?;
        desk.holds(&record, &second, &text("Rhein")).await?;
        let removed = desk.try_remove(&record, Some(created)).await;
        desk.check.ok("a removal without a condition", removed)?;
        return Ok(());
    }
    let conflict = [ErrorKind::Conflict];
    desk.check
        .refused("an update of an old version", update, &conflict)?;
    let removed = desk.try_remove(&record, Some(created.clone())).await;
    desk.check
        .refused("a removal of an old version", removed, &conflict)?;
    let after = desk.present(&record).await?;
    desk.check
        .equal("the record after refused writes", &after, &edited)?;

    desk.pass_unit().await;
    desk.update(&record, vec![(second.clone(), text("Aare"))])
        .await?;
    let before = desk.present(&record).await?;
    let late = vec![(second, text("Rhein"))];
    let update = desk.try_update(&record, late, Some(edited.version)).await;
    desk.check
        .refused("an update of a version before one's own", update, &conflict)?;
    let after = desk.present(&record).await?;
    desk.check
        .equal("the record after a refused write", &after, &before)?;
    desk.remove(&record).await?;
    Ok(())
}

/// Clause 12: a value that the system refuses gives `Invalid` and changes nothing of the record.
///
/// # Errors
/// Says what the system did otherwise.
pub async fn c12_refused_values_change_nothing<F: CrmSinkFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "crm_sink.c12").await;
    let (first, refused) = (desk.first(), desk.at.refused.clone());
    let record = desk
        .create("ONE", vec![(first.clone(), text("Basel"))])
        .await?;
    let before = desk.present(&record).await?;
    let mixed = vec![(first.clone(), text("Bern")), refused.clone()];
    for expect in [Some(before.version.clone()), None] {
        let update = desk.try_update(&record, mixed.clone(), expect).await;
        let invalid = [ErrorKind::Invalid];
        desk.check
            .refused("an update with a refused value", update, &invalid)?;
    }
    let after = desk.present(&record).await?;
    desk.check
        .equal("the record after refused writes", &after, &before)?;

    let creation = desk.creation("TWO", vec![refused]);
    let created = desk.sink.create(creation).await;
    desk.check
        .refused("a refused creation", created, &[ErrorKind::Invalid])?;
    let found = desk.named("TWO").await?;
    desk.check
        .equal("what a refused creation left", &found, &Vec::new())?;
    desk.create("TWO", Vec::new()).await?;
    Ok(())
}
