//! One call of each operation of each port, in words.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::TryStreamExt as _;
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::id::{BatchId, BlobName, ExecutionId, ProjectName, Sha256};
use omnisync_core::port::{
    BlobRead, BlobStage, Clock, Delivery, Disposition, ErpCapability, ErpImporter, EventSource,
    Expect, ImportStatus, Query, RecordKey, RecordOutcome, RecordResult, RepeatedExecution,
    ResultsPage, StateStore, Submission, SubmitReceipt, Write, byte_stream,
};
use omnisync_testkit::contract::block_on;
use omnisync_testkit::fake::{
    MemoryBlobStage, MemoryStateStore, Message, QueueOptions, QueueSource,
};
use omnisync_testkit::fault::{Call, Intercepted, Observer, Seam, Seen};

use super::{TOYS, put, toy};

pub(super) const OPERATIONS: [&str; 14] = [
    "state_store.get",
    "state_store.write",
    "state_store.query",
    "blob_stage.put",
    "blob_stage.get",
    "blob_stage.head",
    "blob_stage.list",
    "blob_stage.delete",
    "event_source.receive",
    "event_source.settle",
    "event_source.extend",
    "erp_importer.submit",
    "erp_importer.status",
    "erp_importer.results",
];

pub(super) const CONTENT: &str = "12345678";

/// Fakes with something in them.
#[derive(Debug)]
pub(super) struct Kit {
    store: MemoryStateStore,
    stage: MemoryBlobStage,
    queue: QueueSource,
    erp: Arc<Importer>,
    held: Delivery,
}

impl Kit {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let store = MemoryStateStore::default();
        let stage = MemoryBlobStage::default();
        let queue = QueueSource::new(clock, QueueOptions::default());
        let mut held = block_on(async {
            store.write(writes(["a", "b", "c"])).await.unwrap();
            let content = byte_stream(CONTENT);
            stage.put(&blob("old"), content).await.unwrap();
            queue.publish(Message::new("held"));
            queue.receive(1, Duration::ZERO).await.unwrap().deliveries
        });
        for body in ["one", "two", "three"] {
            queue.publish(Message::new(body));
        }
        Self {
            store,
            stage,
            queue,
            erp: Arc::default(),
            held: held.remove(0),
        }
    }

    pub(super) fn behind(&self, seam: &Seam) -> Ports {
        Ports {
            store: seam.wrap(self.store.clone()),
            stage: seam.wrap(self.stage.clone()),
            queue: seam.wrap(self.queue.clone()),
            erp: seam.wrap(Arc::clone(&self.erp)),
            held: self.held.clone(),
        }
    }

    /// What outlives the caller.
    pub(super) fn state(&self) -> String {
        let documents = self.store.documents(TOYS);
        let documents: Vec<_> = documents.iter().map(|found| &*found.key.id).collect();
        let blobs = self.stage.names();
        let blobs: Vec<_> = blobs.iter().map(BlobName::as_str).collect();
        let submissions = self.erp.submitted.lock().unwrap().len();
        format!(
            "documents {}, blobs {}, {} unsettled, {submissions} submitted",
            documents.join(" "),
            blobs.join(" "),
            self.queue.unsettled()
        )
    }
}

/// The ports of a [`Kit`], behind a seam.
#[derive(Debug)]
pub(super) struct Ports {
    store: Intercepted<MemoryStateStore>,
    stage: Intercepted<MemoryBlobStage>,
    queue: Intercepted<QueueSource>,
    erp: Intercepted<Arc<Importer>>,
    held: Delivery,
}

impl Ports {
    /// What a caller is told.
    pub(super) async fn call(&self, operation: &str) -> Result<String, PortError> {
        match operation.split_once('.').unwrap() {
            ("state_store", operation) => self.call_store(operation).await,
            ("blob_stage", operation) => self.call_stage(operation).await,
            ("event_source", operation) => self.call_queue(operation).await,
            (_, operation) => self.call_erp(operation).await,
        }
    }

    async fn call_store(&self, operation: &str) -> Result<String, PortError> {
        match operation {
            "get" => {
                let found = self.store.get(&[toy("a"), toy("absent")]).await?;
                Ok(words(found.iter().map(|found| match found {
                    Some(found) => found.key.id.clone(),
                    None => "nothing".to_owned(),
                })))
            }
            "write" => {
                let results = self.store.write(writes(["x", "y", "z"])).await?;
                Ok(words(results.iter().map(|result| match result {
                    Ok(_) => "Ok".to_owned(),
                    Err(error) => format!("{:?}", error.kind()),
                })))
            }
            _ => {
                let page = self.store.query(Query::all(TOYS)).await?;
                Ok(words(page.documents.into_iter().map(|found| found.key.id)))
            }
        }
    }

    async fn call_stage(&self, operation: &str) -> Result<String, PortError> {
        match operation {
            "put" => {
                let put = self.stage.put(&blob("new"), byte_stream(CONTENT)).await?;
                Ok(format!("{} {}", put.name, put.bytes))
            }
            "get" => {
                let read = self.stage.get(&blob("old")).await?;
                Ok(read_on(read).await)
            }
            "head" => Ok(format!("{:?}", self.stage.head(&blob("old")).await?)),
            "list" => {
                let names = self.stage.list("", None, 9).await?;
                Ok(words(names.iter().map(ToString::to_string)))
            }
            _ => Ok(self.stage.delete(&blob("old")).await?.to_string()),
        }
    }

    async fn call_queue(&self, operation: &str) -> Result<String, PortError> {
        match operation {
            "receive" => {
                let received = self.queue.receive(4, Duration::ZERO).await?;
                let deliveries = received.deliveries.into_iter();
                Ok(words(deliveries.map(|delivery| delivery.cursor)))
            }
            "settle" => {
                let complete = Disposition::Complete;
                let settled = self.queue.settle(&self.held, complete).await?;
                Ok(format!("{settled:?}"))
            }
            _ => Ok(self.queue.extend(&self.held).await?.to_string()),
        }
    }

    async fn call_erp(&self, operation: &str) -> Result<String, PortError> {
        match operation {
            "submit" => Ok(self.erp.submit(submission()).await?.evidence),
            "status" => Ok(self.erp.status(execution()).await?.as_str().to_owned()),
            _ => {
                let page = self.erp.results(execution(), None).await?;
                Ok(words(page.records.iter().map(record_word)))
            }
        }
    }
}

/// The bytes of a blob, and how reading them ends if not well.
async fn read_on(mut read: BlobRead) -> String {
    let mut text = String::new();
    loop {
        match read.content.try_next().await {
            Ok(Some(chunk)) => text.push_str(std::str::from_utf8(&chunk).unwrap()),
            Ok(None) => return text,
            Err(error) => return format!("{text} {:?}", error.kind()),
        }
    }
}

fn words(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(" ")
}

fn record_word(record: &RecordResult) -> String {
    format!("{}={}", record.key.entity, record.key.columns[0].1)
}

fn writes<const N: usize>(ids: [&str; N]) -> Vec<Write> {
    ids.map(|id| put(id, Expect::Absent, &id)).into()
}

pub(super) fn blob(name: &str) -> BlobName {
    BlobName::new(name).unwrap()
}

fn execution() -> ExecutionId {
    BatchId::from_hash([7; 16]).into()
}

pub(super) fn submission() -> Submission {
    Submission {
        execution: execution(),
        project: ProjectName::new("Toys").unwrap(),
        legal_entity: None,
        package: blob("old"),
        bytes: 8,
        sha256: Sha256::of(CONTENT.as_bytes()),
        content: byte_stream(CONTENT),
    }
}

/// An ERP that takes everything, as often as it comes.
#[derive(Debug, Default)]
pub(super) struct Importer {
    submitted: Mutex<Vec<Vec<u8>>>,
}

#[async_trait]
impl ErpImporter for Importer {
    fn capability(&self) -> ErpCapability {
        ErpCapability::new(RepeatedExecution::RunsAgain)
    }

    async fn submit(&self, submission: Submission) -> Result<SubmitReceipt, PortError> {
        let content: Vec<_> = submission.content.try_collect().await?;
        let mut submitted = self.submitted.lock().unwrap();
        submitted.push(content.concat());
        Ok(SubmitReceipt {
            execution: submission.execution,
            evidence: format!("number {}", submitted.len()),
        })
    }

    async fn status(&self, _: ExecutionId) -> Result<ImportStatus, PortError> {
        Ok(ImportStatus::Succeeded)
    }

    async fn results(&self, _: ExecutionId, _: Option<String>) -> Result<ResultsPage, PortError> {
        let record = |key: &str| RecordResult {
            key: RecordKey {
                entity: "Toy".to_owned(),
                columns: vec![("KEY".to_owned(), key.to_owned())],
            },
            outcome: RecordOutcome::Imported {
                evidence: "RecId 1".to_owned(),
            },
        };
        Ok(ResultsPage::of(["1", "2", "3"].map(record).into(), None))
    }
}

/// Keeps what it sees, in words.
#[derive(Debug, Default)]
pub(super) struct Diary(Mutex<Vec<String>>);

impl Diary {
    pub(super) fn read(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Observer for Diary {
    fn observe(&self, _: &Call, seen: Seen<'_>) {
        let kind = |error: &PortError| -> ErrorKind { error.kind() };
        let line = match seen {
            Seen::Write(write, Ok(_)) => format!("wrote {}", write.key.id),
            Seen::Write(write, Err(error)) => format!("{} {:?}", write.key.id, kind(error)),
            Seen::Document(Some(found)) => format!("read {}", found.key.id),
            Seen::Document(None) => "read nothing".to_owned(),
            Seen::Page(page) => {
                let ids = page.documents.iter().map(|found| found.key.id.clone());
                format!("page {}", words(ids))
            }
            Seen::Put(receipt) => format!("put {} {}", receipt.name, receipt.bytes),
            Seen::Deleted(name) => format!("deleted {name}"),
            Seen::Received(delivery) => format!("handed out {}", delivery.cursor),
            Seen::Settled(delivery, _, settled) => format!("{settled:?} {}", delivery.cursor),
            Seen::Submitted(_) => "submitted".to_owned(),
            Seen::Status(_, status) => format!("said {}", status.as_str()),
            Seen::Result(_, record) => format!("said {}", record_word(record)),
            Seen::Refused(error) => format!("refused {:?}", kind(error)),
            other => panic!("{other:?}"),
        };
        self.0.lock().unwrap().push(line);
    }
}
