use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::json::{self, Limits};
use omnisync_core::order::{Order, OrderRules, TotalMode, validate};
use omnisync_core::port::{
    Action, Clock, Collection, Content, Document, DocumentKey, Expect, Query, StateStore,
    StateStoreExt as _, Write,
};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::clock::later;

/// Where the documents are.
pub const ORDERS: Collection = Collection::new("orders");

/// What an order is stored as: the members and names of the design.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderDocument {
    /// Number of the order.
    pub id: String,
    /// Number of the order.
    pub order_id: String,
    /// Where the order is believed to be.
    pub processing_status: Status,
    /// The order, as it was received.
    pub oms_event: Box<RawValue>,
    /// When it was received.
    pub ingested_at: DateTime<Utc>,
    /// When a transformation claimed it.
    pub picked_up_at: Option<DateTime<Utc>>,
    /// When its package had been uploaded.
    pub processed_at: Option<DateTime<Utc>>,
    /// The batch that claimed it last.
    pub batch_id: Option<String>,
    /// The package that was uploaded last.
    pub blob_reference: Option<String>,
    /// Meant for the number of attempts. Nothing ever raises it (hole O12).
    pub retry_count: u32,
    /// Seconds that the document lives after its last write. The platform reads a member of
    /// another name and deletes by the default of the container, which is the same number for
    /// every status (hole O23).
    #[serde(rename = "_ttl")]
    pub ttl: u64,
}

/// The states of the design.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Status {
    /// Waits for a transformation.
    Pending,
    /// A transformation claimed it. Only that very run ever moves it on.
    Processing,
    /// Its package was uploaded, which is all that this word means: nobody asks the ERP
    /// (hole O15).
    Processed,
    /// The upload of its package was answered with an error. Nothing takes it up again.
    Failed,
}

impl Status {
    /// The word that is stored, and selected on.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Processing => "Processing",
            Self::Processed => "Processed",
            Self::Failed => "Failed",
        }
    }
}

impl OrderDocument {
    /// The order that the document carries.
    ///
    /// # Errors
    /// `Corrupt` when it is not a valid order.
    pub(super) fn order(&self) -> Result<Order, PortError> {
        let corrupt = || {
            PortError::new(ErrorKind::Corrupt, "published.order")
                .with_detail(format!("order {} is not valid", self.order_id))
        };
        let data = json::parse(self.oms_event.get().as_bytes(), &Limits::default())
            .map_err(|error| corrupt().with_source(error))?;
        let valid = validate(&data, &rules()).map_err(|_| corrupt())?;
        Ok(valid.order)
    }
}

/// What the design's validator is taken to check. It cannot check the total: the design has no
/// rule for it (hole O26).
pub(super) fn rules() -> OrderRules {
    let mut rules = OrderRules::default();
    rules.total.mode = TotalMode::Off;
    rules
}

/// The documents, as both functions reach them.
#[derive(Debug)]
pub(super) struct Documents {
    store: Arc<dyn StateStore>,
    clock: Arc<dyn Clock>,
    age_max: Duration,
}

impl Documents {
    pub(super) fn new(
        store: Arc<dyn StateStore>,
        clock: Arc<dyn Clock>,
        age_max: Duration,
    ) -> Self {
        Self {
            store,
            clock,
            age_max,
        }
    }

    /// How long a document lives, as the design writes it into every document.
    pub(super) fn ttl(&self) -> u64 {
        self.age_max.as_secs()
    }

    pub(super) async fn get(&self, order: &str) -> Result<Option<OrderDocument>, PortError> {
        let found = self.store.get_one(&DocumentKey::new(ORDERS, order)).await?;
        found.as_ref().map(Document::parse).transpose()
    }

    /// All documents that the query shows as pending, however many there are (hole O24).
    pub(super) async fn pending(&self) -> Result<Vec<OrderDocument>, PortError> {
        let query = Query::all(ORDERS).in_state(Status::Pending.as_str());
        let found = self.store.query_all(query, usize::MAX).await?;
        found.iter().map(Document::parse).collect()
    }

    /// Writes a document over whatever is stored by now: no version is compared (holes O1, O10).
    pub(super) async fn upsert(&self, document: &OrderDocument) -> Result<(), PortError> {
        let body = to_raw_value(document).map_err(|error| {
            PortError::new(ErrorKind::Invalid, "published.upsert").with_source(error)
        })?;
        // The lifetime begins anew with every write and does not depend on the status: what
        // waits is deleted like what is done (hole O23).
        let expires_at = later(self.clock.now(), self.age_max);
        let content = Content {
            state: document.processing_status.as_str().to_owned(),
            due_at: Some(expires_at),
            expires_at: Some(expires_at),
            body,
        };
        let write = Write {
            key: DocumentKey::new(ORDERS, document.id.as_str()),
            expect: Expect::Any,
            action: Action::Put(content),
        };
        self.store.write_one(write).await?;
        Ok(())
    }
}
