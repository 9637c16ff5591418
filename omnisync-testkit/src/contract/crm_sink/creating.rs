use omnisync_core::error::ErrorKind;
use omnisync_core::port::{Creation, Sight, WriteReceipt};

use super::super::Violation;
use super::CrmSinkFixture;
use super::desk::{Desk, text};

/// Clause 5: `create` of a record whose natural key is taken gives `AlreadyExists` where the
/// system sees to keys, and creates nothing; elsewhere there are two.
///
/// # Errors
/// Says what the system did otherwise.
pub async fn c05_a_taken_key_creates_nothing<F: CrmSinkFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "crm_sink.c05").await;
    let first = desk.first();
    let record = desk
        .create("ONE", vec![(first.clone(), text("Basel"))])
        .await?;
    let before = desk.present(&record).await?;
    let second = Creation {
        key: "contract-another-link".to_owned(),
        ..desk.creation("ONE", vec![(first, text("Bern"))])
    };
    let created = desk.sink.create(second).await;
    if desk.sink.capability().unique_keys {
        let taken = [ErrorKind::AlreadyExists];
        desk.check
            .refused("a creation under a taken key", created, &taken)?;
        let found = desk.named("ONE").await?;
        desk.check
            .equal("the records with the key", &found, &vec![record.id.clone()])?;
    } else {
        let receipt = desk.check.ok("a second record with one key", created)?;
        let mut want = vec![record.id.clone(), receipt.id];
        want.sort();
        let found = desk.named("ONE").await?;
        desk.check
            .equal("the records with the key", &found, &want)?;
    }
    let after = desk.present(&record).await?;
    desk.check
        .equal("the record that had the key", &after, &before)
}

/// Clause 6: a `create` that is repeated under one key gives the receipt of the first where the
/// capability says so, whoever changed the record since; elsewhere it is another creation.
///
/// The repeated receipt names the version of the first or none: with a later one it would pass
/// for a write that it is not.
///
/// # Errors
/// Says what the system did otherwise.
pub async fn c06_a_repeated_creation_gives_the_first_receipt<F: CrmSinkFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "crm_sink.c06").await;
    let first = desk.first();
    let creation = desk.creation("ONE", vec![(first.clone(), text("Basel"))]);
    let created = desk.sink.create(creation.clone()).await;
    let receipt = desk.check.ok("create", created)?;
    let record = desk.record(&receipt.id);
    if !desk.sink.capability().creates_once {
        let again = desk.sink.create(creation).await;
        if desk.sink.capability().unique_keys {
            let taken = [ErrorKind::AlreadyExists];
            return desk.check.refused("a repeated creation", again, &taken);
        }
        let again = desk.check.ok("a repeated creation", again)?;
        return desk.check.that(again.id != receipt.id, "another record");
    }
    let version = desk.present(&record).await?.version;
    let is_first = |again: &WriteReceipt| {
        let told = again.version.as_ref();
        again.id == receipt.id && told.is_none_or(|told| *told == version)
    };
    for value in [None, Some("Bern")] {
        if let Some(value) = value {
            desk.pass_unit().await;
            fixture.edit(&record, &first, text(value)).await;
        }
        let before = desk.present(&record).await?;
        let again = desk.sink.create(creation.clone()).await;
        let again = desk.check.ok("a repeated creation", again)?;
        desk.check
            .that(is_first(&again), "the receipt of the first creation")?;
        let after = desk.present(&record).await?;
        desk.check
            .equal("the record after a repeated creation", &after, &before)?;
    }
    let found = desk.named("ONE").await?;
    desk.check.equal(
        "the records with the key",
        &found,
        &vec![receipt.id.clone()],
    )?;
    desk.create("TWO", Vec::new()).await?;
    Ok(())
}

/// Clause 7: the receipt of a `create` or `update` carries the id, and the version where the
/// system tells it.
///
/// # Errors
/// Says what the system did otherwise.
pub async fn c07_receipts_carry_the_id_and_the_version<F: CrmSinkFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "crm_sink.c07").await;
    let first = desk.first();
    let created = desk.sink.create(desk.creation("ONE", Vec::new())).await;
    let created = desk.check.ok("create", created)?;
    names_what_is_there(&desk, &created).await?;
    let record = desk.record(&created.id);
    desk.holds(&record, &desk.at.key, &text("ONE")).await?;
    for value in ["Basel", "Bern"] {
        desk.pass_unit().await;
        let receipt = desk
            .update(&record, vec![(first.clone(), text(value))])
            .await?;
        desk.check
            .equal("the id of an update", &receipt.id, &record.id)?;
        names_what_is_there(&desk, &receipt).await?;
    }
    Ok(())
}

/// Clause 13: a record tells the key of its creation where the capability says that the system knows
/// creations again, whoever changed it since, its natural key too; elsewhere it tells none.
///
/// # Errors
/// Says what the system did otherwise.
pub async fn c13_a_record_tells_its_creation<F: CrmSinkFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "crm_sink.c13").await;
    let first = desk.first();
    if !desk.sink.capability().creates_once {
        let record = desk.create("ONE", vec![(first, text("Basel"))]).await?;
        let told = desk.present(&record).await?.creation;
        return desk.check.equal("the key of the creation", &told, &None);
    }
    let creation = desk.creation("ONE", vec![(first.clone(), text("Basel"))]);
    let key = creation.key.clone();
    let other = desk.creation("TWO", vec![(first.clone(), text("Basel"))]);
    let other_key = other.key.clone();
    let receipt = desk.sink.create(creation).await;
    let record = desk.record(&desk.check.ok("create", receipt)?.id);
    let receipt = desk.sink.create(other).await;
    let other = desk.record(&desk.check.ok("create", receipt)?.id);
    let edits = [(first, "Bern"), (desk.at.key.clone(), "THREE")];
    for edit in std::iter::once(None).chain(edits.into_iter().map(Some)) {
        if let Some((field, value)) = edit {
            desk.pass_unit().await;
            fixture.edit(&record, &field, text(value)).await;
        }
        for (record, key) in [(&record, &key), (&other, &other_key)] {
            let told = desk.present(record).await?.creation;
            desk.check
                .equal("the key of the creation", &told, &Some(key.clone()))?;
        }
    }
    Ok(())
}

async fn names_what_is_there(desk: &Desk<'_>, receipt: &WriteReceipt) -> Result<(), Violation> {
    match desk.sight(&desk.record(&receipt.id)).await? {
        Sight::Present(snapshot) => {
            let told = receipt.version.as_ref();
            desk.check.that(
                told.is_none_or(|told| *told == snapshot.version),
                "the version of a receipt is the one that is read then",
            )
        }
        other => {
            let message = format!("what a receipt names is read as {other:?}");
            Err(desk.check.violation(message))
        }
    }
}
