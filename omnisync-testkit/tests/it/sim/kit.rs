//! One call of each operation of each port, in words.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::TryStreamExt as _;
use omnisync_core::crm::{FieldName, Fields, ForeignId, Native, SystemName, VersionToken};
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::id::{BatchId, BlobName, ExecutionId, ProjectName, Sha256};
use omnisync_core::port::{
    BlobRead, BlobStage, Clock, Creation, CrmRecord, CrmSink, Delivery, Disposition, ErpCapability,
    ErpImporter, EventSource, Expect, ImportStatus, Query, RecordKey, RecordOutcome, RecordResult,
    RecordUpdate, Removal, RepeatedExecution, ResultsPage, Sight, StateStore, Submission,
    SubmitReceipt, Write, WriteReceipt, byte_stream,
};
use omnisync_testkit::contract::block_on;
use omnisync_testkit::fake::crm::{CrmField, CrmObject, CrmOptions};
use omnisync_testkit::fake::{
    FakeCrm, MemoryBlobStage, MemoryStateStore, Message, QueueOptions, QueueSource,
};
use omnisync_testkit::fault::{Call, Intercepted, Observer, Seam, Seen};

use super::{TOYS, put, toy};

pub(super) const OPERATIONS: [&str; 21] = [
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
    "crm_sink.read",
    "crm_sink.find",
    "crm_sink.create",
    "crm_sink.update",
    "crm_sink.remove",
    "crm_sink.restore",
    "crm_sink.changes",
];

pub(super) const CONTENT: &str = "12345678";

/// Fakes with something in them.
#[derive(Debug)]
pub(super) struct Kit {
    store: MemoryStateStore,
    stage: MemoryBlobStage,
    queue: QueueSource,
    erp: Arc<Importer>,
    crm: FakeCrm,
    held: Delivery,
}

impl Kit {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let store = MemoryStateStore::default();
        let stage = MemoryBlobStage::default();
        let crm = crm(Arc::clone(&clock));
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
            crm,
            held: held.remove(0),
        }
    }

    pub(super) fn behind(&self, seam: &Seam) -> Ports {
        Ports {
            store: seam.wrap(self.store.clone()),
            stage: seam.wrap(self.stage.clone()),
            queue: seam.wrap(self.queue.clone()),
            erp: seam.wrap(Arc::clone(&self.erp)),
            crm: seam.wrap(self.crm.clone()),
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
            "documents {}, blobs {}, {} unsettled, {submissions} submitted, {} changes",
            documents.join(" "),
            blobs.join(" "),
            self.queue.unsettled(),
            self.crm.changes_log(0).len()
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
    crm: Intercepted<FakeCrm>,
    held: Delivery,
}

impl Ports {
    /// What a caller is told.
    pub(super) async fn call(&self, operation: &str) -> Result<String, PortError> {
        match operation.split_once('.').unwrap() {
            ("state_store", operation) => self.call_store(operation).await,
            ("blob_stage", operation) => self.call_stage(operation).await,
            ("event_source", operation) => self.call_queue(operation).await,
            ("erp_importer", operation) => self.call_erp(operation).await,
            (_, operation) => self.call_crm(operation).await,
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

impl Ports {
    async fn call_crm(&self, operation: &str) -> Result<String, PortError> {
        let noted = |text: &str| -> Fields<Native> {
            let text = Native::Text(text.to_owned());
            [(note(), text)].into_iter().collect()
        };
        let receipt = match operation {
            "read" => {
                let sight = self.crm.read(&client("crm-1"), &[note()]).await?;
                return Ok(match sight {
                    Sight::Present(snapshot) => snapshot.version.to_string(),
                    other => format!("{other:?}"),
                });
            }
            "find" => {
                let found = self.crm.find("Client", &noted("old")).await?;
                return Ok(ids(&found));
            }
            "changes" => {
                let page = self.crm.changes("Client", None, 9).await?;
                return Ok(ids(&page.records));
            }
            "create" => {
                let creation = Creation {
                    object: "Client".to_owned(),
                    key: "link".to_owned(),
                    natural_key: Vec::new(),
                    fields: noted("new"),
                };
                self.crm.create(creation).await?
            }
            "update" => {
                let update = RecordUpdate {
                    record: client("crm-1"),
                    fields: noted("new"),
                    expect: Some(VersionToken::new("v1").unwrap()),
                };
                self.crm.update(update).await?
            }
            "remove" => {
                let removal = Removal {
                    record: client("crm-2"),
                    expect: None,
                };
                self.crm.remove(removal).await?
            }
            _ => self.crm.restore(&client("crm-4")).await?,
        };
        Ok(receipt_word(&receipt))
    }
}

/// A CRM with three records in use and one that is not, after five changes.
fn crm(clock: Arc<dyn Clock>) -> FakeCrm {
    let name = SystemName::new("crm").unwrap();
    let object = CrmObject::new("Client").with_field(note(), CrmField::text());
    let crm = FakeCrm::new(clock, CrmOptions::new(name).with_object(object));
    let old: Fields<Native> = [(note(), Native::Text("old".to_owned()))]
        .into_iter()
        .collect();
    for _ in 0..4 {
        crm.create_by("ann", "Client", old.clone()).unwrap();
    }
    crm.delete_by(&client("crm-4").id, "ann").unwrap();
    crm
}

fn note() -> FieldName {
    FieldName::new("Note").unwrap()
}

fn client(id: &str) -> CrmRecord {
    CrmRecord {
        object: "Client".to_owned(),
        id: ForeignId::new(id).unwrap(),
    }
}

fn ids(ids: &[ForeignId]) -> String {
    words(ids.iter().map(ToString::to_string))
}

fn receipt_word(receipt: &WriteReceipt) -> String {
    format!("{} {}", receipt.id, receipt.version.as_ref().unwrap())
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
            Seen::Sight(record, _) => format!("saw {}", record.id),
            Seen::Found(_, found) => format!("found {}", ids(found)),
            Seen::Created(_, receipt) => format!("created {}", receipt_word(receipt)),
            Seen::Updated(_, receipt) => format!("updated {}", receipt_word(receipt)),
            Seen::Removed(_, receipt) => format!("removed {}", receipt_word(receipt)),
            Seen::Restored(_, receipt) => format!("restored {}", receipt_word(receipt)),
            Seen::Changes(_, page) => format!("changed {}", ids(&page.records)),
            Seen::Refused(error) => format!("refused {:?}", kind(error)),
            other => panic!("{other:?}"),
        };
        self.0.lock().unwrap().push(line);
    }
}
