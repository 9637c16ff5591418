use std::collections::BTreeMap;

use omnisync_core::error::ErrorKind;
use omnisync_core::port::{ImportStatus, RecordKey, RecordOutcome, Reporting};

use super::super::Violation;
use super::desk::{Desk, execution, taken};
use super::{ErpImporterFixture, ErpPackage};

/// Clause 4: a word that nobody knows is `Unknown`, and never an end.
///
/// # Errors
/// Says what the importer did otherwise.
pub async fn c04_unknown_words_are_unknown<F: ErpImporterFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "erp_importer.c04").await;
    let package = desk.package(&[("ORD-1", false)]).await?;
    desk.must_submit(execution(1), &package).await?;
    for word in ["SucceededMaybe", "Reticulating", "succeeded?", "成功"] {
        fixture.say(execution(1), word).await;
        let status = desk.status(execution(1)).await?;
        let want = ImportStatus::Unknown(word.to_owned());
        desk.check.equal("the status", &status, &want)?;
        desk.check
            .that(!status.has_ended(), "an unknown word is no end")?;
    }
    Ok(())
}

/// Clause 5: the pages of results name every record of the package once, or every refused one
/// once and count the others by entity. An ERP without record results gives `Unsupported`.
///
/// # Errors
/// Says what the importer did otherwise.
pub async fn c05_results_name_every_record_once<F: ErpImporterFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "erp_importer.c05").await;
    let orders: Vec<String> = (1..=40).map(|number| format!("ORD-{number}")).collect();
    let imports = [
        (ImportStatus::Succeeded, 0),
        (ImportStatus::PartiallySucceeded, 3),
        (ImportStatus::Failed, 1),
    ];
    for (number, (want, refused_every)) in (1..).zip(imports) {
        let rows: Vec<(&str, bool)> = orders
            .iter()
            .enumerate()
            .map(|(at, order)| (order.as_str(), refused_every > 0 && at % refused_every == 0))
            .collect();
        let package = desk.package(&rows).await?;
        desk.must_submit(execution(number), &package).await?;
        fixture.finish(execution(number)).await;
        let status = desk.status(execution(number)).await?;
        desk.check.equal("the status", &status, &want)?;
        let reporting = desk.importer.capability().reporting;
        if reporting == Reporting::Nothing {
            let page = desk.importer.results(execution(number), None).await;
            desk.check
                .refused("results", page, &[ErrorKind::Unsupported])?;
            continue;
        }
        if reporting == Reporting::Refused {
            let totals = desk.totals(execution(number)).await?;
            desk.check.equal(
                "the records counted by entity",
                &totals,
                &taken_by_entity(&package),
            )?;
        }
        let results = desk.results(execution(number)).await?;
        let named: Vec<(RecordKey, bool)> = results
            .into_iter()
            .map(|result| {
                let refused = matches!(result.outcome, RecordOutcome::Failed { .. });
                (result.key, refused)
            })
            .collect();
        let mut records = package.records.clone();
        records.retain(|(_, refused)| *refused || reporting == Reporting::Every);
        records.sort();
        desk.check
            .equal("the number of results", &named.len(), &records.len())?;
        desk.check.equal(
            "the records named, and which were refused",
            &named,
            &records,
        )?;
    }
    Ok(())
}

/// How many records of each entity the ERP takes, without entities of which it takes none.
fn taken_by_entity(package: &ErpPackage) -> BTreeMap<String, u64> {
    let mut totals = BTreeMap::new();
    for (key, _) in package.records.iter().filter(|(_, refused)| !refused) {
        *totals.entry(key.entity.clone()).or_default() += 1;
    }
    totals
}

/// Clause 6: a record is `Imported` only with evidence, and only when the ERP imported it.
///
/// # Errors
/// Says what the importer did otherwise.
pub async fn c06_imported_records_carry_evidence<F: ErpImporterFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "erp_importer.c06").await;
    let orders = [("ORD-1", false), ("ORD-2", true), ("ORD-3", false)];
    let package = desk.package(&orders).await?;
    desk.must_submit(execution(1), &package).await?;
    fixture.finish(execution(1)).await;
    let status = desk.status(execution(1)).await?;
    desk.check
        .equal("the status", &status, &ImportStatus::PartiallySucceeded)?;
    let imported = desk.imported().await;
    desk.check
        .equal("what was imported", &imported, &taken(&package, 1))?;
    if desk.importer.capability().reporting == Reporting::Nothing {
        let page = desk.importer.results(execution(1), None).await;
        return desk
            .check
            .refused("results", page, &[ErrorKind::Unsupported]);
    }
    for result in desk.results(execution(1)).await? {
        let key = &result.key;
        match result.outcome {
            RecordOutcome::Imported { evidence } => {
                let real = imported.iter().any(|(record, _)| record == key);
                desk.check
                    .that(real, format!("{key:?} was imported by the ERP"))?;
                desk.check
                    .that(!evidence.trim().is_empty(), format!("{key:?} has evidence"))?;
            }
            RecordOutcome::Failed { message, .. } => {
                desk.check
                    .that(!message.trim().is_empty(), format!("{key:?} has a message"))?;
            }
        }
    }
    Ok(())
}

/// Clause 9: `results` of an execution that has not ended gives `Conflict`, and of an unknown
/// one `NotFound`. An ERP without record results gives `Unsupported`.
///
/// # Errors
/// Says what the importer did otherwise.
pub async fn c09_results_wait_for_the_end<F: ErpImporterFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "erp_importer.c09").await;
    let supported = desk.importer.capability().reporting != Reporting::Nothing;
    let or_unsupported = |kind| {
        if supported {
            kind
        } else {
            ErrorKind::Unsupported
        }
    };
    let unknown = desk.importer.results(execution(2), None).await;
    let want = or_unsupported(ErrorKind::NotFound);
    desk.check
        .refused("results of an unknown execution", unknown, &[want])?;

    let package = desk.package(&[("ORD-1", false)]).await?;
    desk.must_submit(execution(1), &package).await?;
    let early = desk.importer.results(execution(1), None).await;
    let want = or_unsupported(ErrorKind::Conflict);
    desk.check
        .refused("results of a waiting import", early, &[want])?;
    fixture.finish(execution(1)).await;
    let late = desk.importer.results(execution(1), None).await;
    if supported {
        desk.check.ok("results of an ended import", late).map(drop)
    } else {
        desk.check
            .refused("results", late, &[ErrorKind::Unsupported])
    }
}
