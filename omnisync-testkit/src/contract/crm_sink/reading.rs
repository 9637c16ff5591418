use omnisync_core::crm::{FieldName, ForeignId, Native, VersionToken};
use omnisync_core::error::ErrorKind;
use omnisync_core::port::{CrmRecord, Sight};

use super::super::Violation;
use super::CrmSinkFixture;
use super::desk::{Desk, text};

/// Clause 1: `read` gives every field that was asked for, empty ones as `Null`, as the record is
/// after every write that was acknowledged before it was called.
///
/// # Errors
/// Says what the system did otherwise.
pub async fn c01_reads_give_every_field_that_was_asked_for<F: CrmSinkFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "crm_sink.c01").await;
    let (first, second) = (desk.first(), desk.second());
    let record = desk
        .create("ONE", vec![(first.clone(), text("Basel"))])
        .await?;
    let values = |first_value: Native, second_value: Native| {
        [
            (desk.at.key.clone(), text("ONE")),
            (first.clone(), first_value),
            (second.clone(), second_value),
        ]
        .into_iter()
        .collect()
    };
    let snapshot = desk.present(&record).await?;
    let want = values(text("Basel"), Native::Null);
    desk.check.equal("a new record", &snapshot.fields, &want)?;

    let only = desk.sink.read(&record, std::slice::from_ref(&second)).await;
    let want = [(second.clone(), Native::Null)].into_iter().collect();
    match desk.check.ok("a read of one field", only)? {
        Sight::Present(one) => desk.check.equal("one field", &one.fields, &want)?,
        other => {
            return Err(desk
                .check
                .violation(format!("one field is read as {other:?}")));
        }
    }
    for round in ["Bern", "Chur", "Genf"] {
        desk.update(&record, vec![(second.clone(), text(round))])
            .await?;
        let snapshot = desk.present(&record).await?;
        let want = values(text("Basel"), text(round));
        desk.check
            .equal("a record after an update", &snapshot.fields, &want)?;
    }
    fixture.edit(&record, &first, text("Zug")).await;
    desk.holds(&record, &first, &text("Zug")).await?;
    unknown_names_are_refused(&desk, &record).await
}

async fn unknown_names_are_refused(desk: &Desk<'_>, record: &CrmRecord) -> Result<(), Violation> {
    let nobody = FieldName::new("NobodysField")
        .map_err(|error| desk.check.violation(format!("the suite's field: {error}")))?;
    let read = desk.sink.read(record, &[nobody]).await;
    let invalid = [ErrorKind::Invalid];
    desk.check
        .refused("a read of an unknown field", read, &invalid)?;
    let elsewhere = CrmRecord {
        object: "NobodysObject".to_owned(),
        id: record.id.clone(),
    };
    let read = desk.sink.read(&elsewhere, &desk.at.texts).await;
    desk.check
        .refused("a read of an unknown object", read, &invalid)
}

/// Clause 2: every change of a record that a read can show gives it a version that it never had
/// before. Where conditions are weak, a unit of the clock passes between two changes.
///
/// # Errors
/// Says what the system did otherwise.
pub async fn c02_every_change_gives_a_new_version<F: CrmSinkFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "crm_sink.c02").await;
    let first = desk.first();
    let record = desk.create("ONE", Vec::new()).await?;
    let mut versions: Vec<VersionToken> = vec![desk.present(&record).await?.version];
    // The same values come again: a version is no hash of what the record holds.
    for value in ["Basel", "Bern", "Basel", "Bern"] {
        desk.pass_unit().await;
        fixture.edit(&record, &first, text(value)).await;
        versions.push(desk.present(&record).await?.version);
        desk.pass_unit().await;
        let back = vec![(first.clone(), Native::Null)];
        desk.update(&record, back).await?;
        versions.push(desk.present(&record).await?.version);
    }
    if desk.sink.capability().restores {
        desk.pass_unit().await;
        desk.remove(&record).await?;
        desk.pass_unit().await;
        let restored = desk.sink.restore(&record).await;
        desk.check.ok("restore", restored)?;
        versions.push(desk.present(&record).await?.version);
    }
    let again = desk.present(&record).await?.version;
    desk.check.that(
        versions.last() == Some(&again),
        "the version stays while nothing changes",
    )?;
    let all = versions.len();
    versions.sort();
    versions.dedup();
    desk.check
        .equal("the number of versions", &versions.len(), &all)
}

/// Clause 8: `find` gives the ids of the records that hold exactly these values, without the
/// removed ones.
///
/// # Errors
/// Says what the system did otherwise.
pub async fn c08_find_gives_the_records_that_hold_the_values<F: CrmSinkFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "crm_sink.c08").await;
    let (first, second) = (desk.first(), desk.second());
    let mut records = Vec::new();
    for (name, one, other) in [
        ("ONE", "Basel", "Rhein"),
        ("TWO", "Basel", "Rhein"),
        ("THREE", "Basel", "Birs"),
        ("FOUR", "Basel Stadt", "Rhein"),
        ("FIVE", "O'Brien", "100%_*"),
    ] {
        let fields = vec![(first.clone(), text(one)), (second.clone(), text(other))];
        records.push(desk.create(name, fields).await?);
    }
    let ids = |numbers: &[usize]| -> Vec<ForeignId> {
        let found = numbers.iter().filter_map(|number| records.get(*number));
        let mut found: Vec<ForeignId> = found.map(|record| record.id.clone()).collect();
        found.sort();
        found
    };
    let both =
        |one: &str, other: &str| vec![(first.clone(), text(one)), (second.clone(), text(other))];
    for (what, values, want) in [
        (
            "one value",
            vec![(first.clone(), text("Basel"))],
            ids(&[0, 1, 2]),
        ),
        ("two values", both("Basel", "Rhein"), ids(&[0, 1])),
        ("values with signs", both("O'Brien", "100%_*"), ids(&[4])),
        ("a pattern", both("O'Brien", "100%_"), ids(&[])),
        (
            "values of two records",
            both("Basel Stadt", "Birs"),
            ids(&[]),
        ),
    ] {
        let found = desk.find(values).await?;
        desk.check
            .equal(&format!("what is found by {what}"), &found, &want)?;
    }
    for (number, record) in records.iter().enumerate() {
        match number {
            0 => {
                desk.remove(record).await?;
            }
            1 => fixture.delete(record).await,
            3 => fixture.edit(record, &first, text("Basel")).await,
            _ => {}
        }
    }
    let found = desk.find(vec![(first, text("Basel"))]).await?;
    desk.check
        .equal("what is found afterwards", &found, &ids(&[2, 3]))
}
