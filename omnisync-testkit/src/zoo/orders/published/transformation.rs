use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::id::{BatchId, BlobName, ProjectName, Sha256};
use omnisync_core::package::{FormatError, PackageFormat, PackageInfo};
use omnisync_core::port::{BlobStage, BlobStageExt as _, Clock, IdSource, StateStore};

use super::document::{Documents, OrderDocument, Status};
use super::options::PublishedOptions;

/// Bytes of a batch id: eight hexadecimal digits, so two batches share an id sooner or later
/// (hole O22).
const BATCH_ID_BYTES: usize = 4;

/// The function that a timer starts: one package of everything that is pending.
///
/// Only the upload has a handler. Any other error leaves the function as it is, with the orders
/// in whatever state they have by then. The next run looks at pending orders only, so what is
/// `Processing` stays so for ever (hole O11).
#[derive(Debug)]
pub struct Transformation {
    documents: Documents,
    stage: Arc<dyn BlobStage>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    format: Arc<dyn PackageFormat>,
    project: ProjectName,
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transformed {
    /// Nothing was pending.
    Idle,
    /// A package was uploaded and its orders were marked.
    Uploaded {
        /// The batch.
        batch_id: String,
        /// The package.
        blob: BlobName,
        /// The orders in it.
        orders: Vec<String>,
    },
}

impl Transformation {
    /// The function over `store` and `stage`.
    pub fn new(
        store: Arc<dyn StateStore>,
        stage: Arc<dyn BlobStage>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
        format: Arc<dyn PackageFormat>,
        project: ProjectName,
        options: &PublishedOptions,
    ) -> Self {
        Self {
            documents: Documents::new(store, Arc::clone(&clock), options.document_age_max),
            stage,
            clock,
            ids,
            format,
            project,
        }
    }

    /// Claims, packs, uploads and marks. Nothing keeps two runs apart.
    ///
    /// # Errors
    /// Whatever ends the function: the timer fires again at its next instant, and nothing makes
    /// up for this run.
    pub async fn run_once(&self) -> Result<Transformed, PortError> {
        let batch = self.batch();
        let batch_id: String = batch.simple().chars().take(2 * BATCH_ID_BYTES).collect();
        let started = self.clock.now();
        let pending = self.documents.pending().await?;
        if pending.is_empty() {
            return Ok(Transformed::Idle);
        }
        self.claim(&pending, &batch_id).await?;
        // From here on the orders are claimed. One that cannot be mapped takes all others with
        // it, and none of them is ever looked at again (hole O12).
        let package = self.package(&pending, batch, started)?;
        let blob = blob_name(started, &batch_id)?;
        let orders: Vec<String> = pending.into_iter().map(|order| order.order_id).collect();
        if let Err(error) = self.stage.put_bytes(&blob, package).await {
            // Whether the package is there is not asked. When only the answer was lost, it will
            // be delivered, and its orders say Failed (hole O13).
            self.mark(&orders, |document| {
                document.processing_status = Status::Failed;
                document.batch_id = Some(batch_id.clone());
            })
            .await?;
            return Err(error);
        }
        // A run that ends here leaves a package that will be delivered and orders that say
        // Processing, all of them or some (hole O14).
        let processed_at = self.clock.now();
        self.mark(&orders, |document| {
            document.processing_status = Status::Processed;
            document.processed_at = Some(processed_at);
            document.batch_id = Some(batch_id.clone());
            document.blob_reference = Some(blob.to_string());
        })
        .await?;
        Ok(Transformed::Uploaded {
            batch_id,
            blob,
            orders,
        })
    }

    /// Writes each order back as claimed, just as the query showed it. Another run that saw it
    /// pending as well does the same, and both pack it (hole O10).
    async fn claim(&self, pending: &[OrderDocument], batch_id: &str) -> Result<(), PortError> {
        let picked_up_at = self.clock.now();
        for document in pending {
            let claimed = OrderDocument {
                processing_status: Status::Processing,
                picked_up_at: Some(picked_up_at),
                batch_id: Some(batch_id.to_owned()),
                ..document.clone()
            };
            self.documents.upsert(&claimed).await?;
        }
        Ok(())
    }

    /// Changes the documents one by one, whoever claimed them meanwhile.
    async fn mark(
        &self,
        orders: &[String],
        change: impl Fn(&mut OrderDocument) + Send + Sync,
    ) -> Result<(), PortError> {
        for order in orders {
            let found = self.documents.get(order).await?;
            let mut document = found.ok_or_else(|| {
                PortError::new(ErrorKind::NotFound, "published.mark")
                    .with_detail(format!("the document of order {order} is gone"))
            })?;
            change(&mut document);
            self.documents.upsert(&document).await?;
        }
        Ok(())
    }

    /// All orders in one package, in memory, stamped with the time of this run: a second attempt
    /// at the same orders gives other bytes under another name (holes O24, O30).
    fn package(
        &self,
        pending: &[OrderDocument],
        batch_id: BatchId,
        created_at: DateTime<Utc>,
    ) -> Result<Bytes, PortError> {
        let orders = pending
            .iter()
            .map(OrderDocument::order)
            .collect::<Result<Vec<_>, _>>()?;
        for order in &orders {
            self.format.check(order).map_err(refused)?;
        }
        let info = PackageInfo {
            definition_group: self.project.clone(),
            description: "OMS-D365-Integration".to_owned(),
            batch_id,
            created_at,
            exported_by: "OmsTimerTransformFunction".to_owned(),
        };
        let mut package = self.format.begin(info).map_err(refused)?;
        for order in &orders {
            package.append(order).map_err(refused)?;
        }
        let (content, _) = package.finish().map_err(refused)?;
        Ok(content)
    }

    /// A fresh id for this run. It comes from a hash, since sources that count give identifiers
    /// whose first digits are all the same.
    fn batch(&self) -> BatchId {
        let hash = Sha256::of(self.ids.unique().as_bytes());
        let mut bytes = [0; 16];
        for (byte, digit) in bytes.iter_mut().zip(hash.as_bytes()).take(BATCH_ID_BYTES) {
            *byte = *digit;
        }
        BatchId::from_hash(bytes)
    }
}

fn blob_name(started: DateTime<Utc>, batch_id: &str) -> Result<BlobName, PortError> {
    let started = started.format("%Y%m%d_%H%M%S");
    BlobName::new(format!("oms_{started}_{batch_id}.zip")).map_err(refused)
}

fn refused(error: impl Into<FormatError>) -> PortError {
    PortError::new(ErrorKind::Invalid, "published.package").with_source(error)
}
