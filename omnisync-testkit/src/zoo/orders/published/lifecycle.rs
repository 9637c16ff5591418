use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::id::BlobName;
use omnisync_core::port::{
    Action, BlobStage, Clock, Expect, Query, StateStore, StateStoreExt as _, Write,
};

use super::document::ORDERS;
use super::options::PublishedOptions;
use crate::clock::later;

/// Names read at once.
const LIST_NAMES: usize = 1_000;

/// The rules by which the platform deletes: age, and nothing but age.
#[derive(Debug)]
pub struct Lifecycle {
    store: Arc<dyn StateStore>,
    stage: Arc<dyn BlobStage>,
    clock: Arc<dyn Clock>,
    package_age_max: Duration,
}

/// What was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expired {
    /// Orders whose documents are gone.
    pub orders: Vec<String>,
    /// Packages that are gone.
    pub packages: Vec<BlobName>,
}

impl Lifecycle {
    /// The rules over `store` and `stage`.
    pub fn new(
        store: Arc<dyn StateStore>,
        stage: Arc<dyn BlobStage>,
        clock: Arc<dyn Clock>,
        options: &PublishedOptions,
    ) -> Self {
        Self {
            store,
            stage,
            clock,
            package_age_max: options.package_age_max,
        }
    }

    /// Applies both rules.
    ///
    /// # Errors
    /// Those of store and stage.
    pub async fn run_once(&self) -> Result<Expired, PortError> {
        Ok(Expired {
            orders: self.expire_documents().await?,
            packages: self.expire_packages().await?,
        })
    }

    /// Deletes the documents whose time is up, pending ones included (hole O23). What comes again
    /// afterwards is a new order.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn expire_documents(&self) -> Result<Vec<String>, PortError> {
        let now = self.clock.now();
        let query = Query::all(ORDERS).due_before(now).without_bodies();
        let mut expired = Vec::new();
        for document in self.store.query_all(query, usize::MAX).await? {
            let order = document.key.id.clone();
            let write = Write {
                key: document.key,
                // The platform counts from the last write: a document that was written since the
                // query lives on.
                expect: Expect::Tag(document.etag),
                action: Action::Delete,
            };
            match self.store.write_one(write).await {
                Ok(_) => expired.push(order),
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Ok(expired)
    }

    /// Deletes old packages, delivered or not: the design takes age for a sign that nobody wants
    /// them (hole O17).
    ///
    /// # Errors
    /// Those of the stage.
    pub async fn expire_packages(&self) -> Result<Vec<BlobName>, PortError> {
        let now = self.clock.now();
        let mut expired = Vec::new();
        let mut after = None;
        loop {
            let names = self.stage.list("oms_", after.as_ref(), LIST_NAMES).await?;
            after = names.last().cloned();
            for name in names {
                let ends_at = written_at(&name).map(|at| later(at, self.package_age_max));
                if ends_at.is_some_and(|ends_at| ends_at < now) && self.stage.delete(&name).await? {
                    expired.push(name);
                }
            }
            if after.is_none() {
                return Ok(expired);
            }
        }
    }
}

/// When a package was written. Stages keep no times, so this is the start of the run that wrote
/// it, moments earlier.
fn written_at(name: &BlobName) -> Option<DateTime<Utc>> {
    let time = name.as_str().strip_prefix("oms_")?.get(..15)?;
    let time = NaiveDateTime::parse_from_str(time, "%Y%m%d_%H%M%S").ok()?;
    Some(time.and_utc())
}
