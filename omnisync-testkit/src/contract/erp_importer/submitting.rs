use bytes::Bytes;
use omnisync_core::error::ErrorKind;
use omnisync_core::id::Sha256;
use omnisync_core::port::{
    ImportStatus, RecordResult, RepeatedExecution, Reporting, Submission, byte_stream,
};

use super::super::Violation;
use super::desk::{Desk, execution, taken};
use super::{ErpImporterFixture, ErpPackage};

/// Clause 1: an acknowledged submission is known to `status`, also after a restart of either
/// side.
///
/// # Errors
/// Says what the importer did otherwise.
pub async fn c01_acknowledged_submissions_are_known<F: ErpImporterFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let mut desk = Desk::open(fixture, "erp_importer.c01").await;
    let package = desk.package(&[("ORD-1", false), ("ORD-2", false)]).await?;
    desk.must_submit(execution(1), &package).await?;
    for _ in 0..2 {
        let status = desk.status(execution(1)).await?;
        let waits = matches!(status, ImportStatus::Queued | ImportStatus::Executing);
        desk.check.that(
            waits,
            format!("a submitted import waits or runs, it is {status:?}"),
        )?;
        desk = desk.restart().await;
    }
    fixture.finish(execution(1)).await;
    for _ in 0..2 {
        let status = desk.status(execution(1)).await?;
        desk.check
            .equal("the status in the end", &status, &ImportStatus::Succeeded)?;
        desk = desk.restart().await;
    }
    desk.check.equal(
        "what was imported",
        &desk.imported().await,
        &taken(&package, 1),
    )
}

/// Clause 2: `status` of an execution id that was never submitted gives `NotSubmitted`.
///
/// # Errors
/// Says what the importer did otherwise.
pub async fn c02_unknown_executions_are_not_submitted<F: ErpImporterFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "erp_importer.c02").await;
    let status = desk.status(execution(2)).await?;
    desk.check
        .equal("the status", &status, &ImportStatus::NotSubmitted)?;
    desk.check.that(
        !status.has_ended(),
        "an import that never began has not ended",
    )?;
    let package = desk.package(&[("ORD-1", false)]).await?;
    desk.must_submit(execution(1), &package).await?;
    let status = desk.status(execution(2)).await?;
    desk.check.equal(
        "the status beside another import",
        &status,
        &ImportStatus::NotSubmitted,
    )
}

/// Clause 3: a repeated execution id is treated as the capability says; a refusal changes
/// nothing.
///
/// # Errors
/// Says what the importer did otherwise.
pub async fn c03_repeated_executions_follow_the_capability<F: ErpImporterFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "erp_importer.c03").await;
    let package = desk.package(&[("ORD-1", false), ("ORD-2", true)]).await?;
    desk.must_submit(execution(1), &package).await?;
    fixture.finish(execution(1)).await;
    let before = outcome(&desk).await?;

    let again = desk.submit(execution(1), &package).await?;
    let times = match desk.importer.capability().repeated_execution {
        RepeatedExecution::Rejected => {
            desk.check
                .refused("a repeated execution", again, &[ErrorKind::AlreadyExists])?;
            1
        }
        RepeatedExecution::ReturnsExisting => {
            let receipt = desk.check.ok("a repeated execution", again)?;
            desk.check
                .equal("its execution", &receipt.execution, &execution(1))?;
            1
        }
        RepeatedExecution::RunsAgain => {
            desk.check.ok("a repeated execution", again)?;
            fixture.finish(execution(1)).await;
            2
        }
    };
    let after = outcome(&desk).await?;
    desk.check.equal("status and results", &after, &before)?;
    desk.check.equal(
        "what was imported",
        &desk.imported().await,
        &taken(&package, times),
    )
}

async fn outcome(desk: &Desk<'_>) -> Result<(ImportStatus, Vec<RecordResult>), Violation> {
    let status = desk.status(execution(1)).await?;
    if desk.importer.capability().reporting != Reporting::Nothing {
        return Ok((status, desk.results(execution(1)).await?));
    }
    Ok((status, Vec::new()))
}

/// Clause 7: a second submission to a project that is still importing gives `Conflict` where one
/// import may run at a time, and nothing has been submitted; elsewhere it is taken.
///
/// # Errors
/// Says what the importer did otherwise.
pub async fn c07_a_busy_project_refuses<F: ErpImporterFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "erp_importer.c07").await;
    let first = desk.package(&[("ORD-1", false)]).await?;
    let second = desk.package(&[("ORD-2", false)]).await?;
    desk.must_submit(execution(1), &first).await?;
    let result = desk.submit(execution(2), &second).await?;
    if desk.importer.capability().parallel_per_project == 1 {
        desk.check.refused(
            "a submission to a busy project",
            result,
            &[ErrorKind::Conflict],
        )?;
        let status = desk.status(execution(2)).await?;
        desk.check
            .equal("the refused import", &status, &ImportStatus::NotSubmitted)?;
        fixture.finish(execution(1)).await;
        desk.check.equal(
            "what was imported",
            &desk.imported().await,
            &taken(&first, 1),
        )?;
        desk.must_submit(execution(2), &second).await?;
    } else {
        desk.check.ok("a parallel submission", result)?;
        fixture.finish(execution(1)).await;
    }
    fixture.finish(execution(2)).await;
    for number in [1, 2] {
        let status = desk.status(execution(number)).await?;
        desk.check
            .equal("the status in the end", &status, &ImportStatus::Succeeded)?;
    }
    Ok(())
}

/// Clause 8: bytes that do not match the hash, or are not a package, are refused or end as a
/// failed execution, and import nothing.
///
/// # Errors
/// Says what the importer did otherwise.
pub async fn c08_altered_or_foreign_bytes_import_nothing<F: ErpImporterFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "erp_importer.c08").await;
    let package = desk.package(&[("ORD-1", false)]).await?;

    let mut altered = desk.submission(execution(1), &package)?;
    altered.sha256 = Sha256::of(b"other content");
    nothing_came_of(&desk, altered).await?;

    let cut = package.content.len() / 2;
    let mut torn = desk.submission(execution(2), &package)?;
    torn.content = byte_stream(package.content.slice(..cut));
    nothing_came_of(&desk, torn).await?;

    let foreign: [&'static [u8]; 3] = [b"this is no package", b"", b"PK\x03\x04"];
    for (number, content) in (3..).zip(foreign) {
        let foreign = ErpPackage {
            content: Bytes::from_static(content),
            records: Vec::new(),
        };
        nothing_came_of(&desk, desk.submission(execution(number), &foreign)?).await?;
    }
    desk.must_submit(execution(9), &package).await?;
    fixture.finish(execution(9)).await;
    desk.check.equal(
        "what a good package imports",
        &desk.imported().await,
        &taken(&package, 1),
    )
}

async fn nothing_came_of(desk: &Desk<'_>, submission: Submission) -> Result<(), Violation> {
    let execution = submission.execution;
    match desk.importer.submit(submission).await {
        Ok(_) => {
            desk.fixture.finish(execution).await;
            let status = desk.status(execution).await?;
            desk.check.equal(
                "the status of a bad package",
                &status,
                &ImportStatus::Failed,
            )?;
        }
        refused => {
            let kinds = [ErrorKind::Corrupt, ErrorKind::Invalid];
            desk.check.refused("a bad package", refused, &kinds)?;
        }
    }
    desk.check.equal(
        "what a bad package imports",
        &desk.imported().await,
        &Vec::new(),
    )
}
