//! The ERP with its own tables: contract and manners.

mod contract;
mod durable;
mod importing;
mod log;
mod misbehaving;
mod packages;
mod plain;
mod submitting;

use std::collections::BTreeMap;

use bytes::Bytes;
use omnisync_core::error::PortError;
use omnisync_core::id::{BatchId, BlobName, ExecutionId, OrderId, ProjectName, Sha256};
use omnisync_core::port::{
    ErpImporter, FailureClass, ImportStatus, RecordOutcome, Submission, SubmitReceipt, byte_stream,
};
use omnisync_testkit::contract::block_on;
use omnisync_testkit::fake::{FakeErp, FakeErpOptions};

fn order_id(order: &str) -> OrderId {
    OrderId::new(order).unwrap()
}

fn execution(number: u8) -> ExecutionId {
    BatchId::from_hash([number; 16]).into()
}

/// An ERP whose imports end only when a test says so.
fn by_hand() -> FakeErpOptions {
    FakeErpOptions {
        polls_to_end: None,
        ..FakeErpOptions::default()
    }
}

fn submission(number: u8, project: &str, content: &Bytes) -> Submission {
    Submission {
        execution: execution(number),
        project: ProjectName::new(project).unwrap(),
        legal_entity: None,
        package: BlobName::new(format!("package-{number}.zip")).unwrap(),
        bytes: content.len().try_into().unwrap(),
        sha256: Sha256::of(content),
        content: byte_stream(content.clone()),
    }
}

fn submit(erp: &FakeErp, number: u8, content: &Bytes) -> Result<SubmitReceipt, PortError> {
    block_on(erp.submit(submission(number, "Sales orders", content)))
}

fn status(erp: &FakeErp, number: u8) -> ImportStatus {
    block_on(erp.status(execution(number))).unwrap()
}

/// Submits a package and runs its import.
#[track_caller]
fn import(erp: &FakeErp, number: u8, content: &Bytes) -> ImportStatus {
    submit(erp, number, content).unwrap();
    erp.finish(execution(number)).unwrap();
    status(erp, number)
}

/// What became of each record, by the value of its first key column: its evidence, or class and
/// message.
fn results(erp: &FakeErp, number: u8) -> BTreeMap<String, Result<String, (FailureClass, String)>> {
    let mut all = BTreeMap::new();
    let mut continuation = None;
    loop {
        let page = block_on(erp.results(execution(number), continuation)).unwrap();
        for record in page.records {
            let outcome = match record.outcome {
                RecordOutcome::Imported { evidence } => Ok(evidence),
                RecordOutcome::Failed { message, class, .. } => Err((class, message)),
            };
            let key = record.key.columns.into_iter().next().unwrap().1;
            assert!(all.insert(key, outcome).is_none(), "a record came twice");
        }
        continuation = page.continuation;
        if continuation.is_none() {
            return all;
        }
    }
}

/// Keys of the records that were refused.
fn refused(erp: &FakeErp, number: u8) -> Vec<String> {
    let results = results(erp, number).into_iter();
    results
        .filter(|(_, outcome)| outcome.is_err())
        .map(|(key, _)| key)
        .collect()
}
