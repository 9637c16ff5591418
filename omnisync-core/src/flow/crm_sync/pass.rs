//! How far the changes of an object have been read, and the pass over every record of it that
//! follows a loss.
//!
//! A system names what is there, so what was removed while changes were lost is found by what it
//! does not name. A pass has a number; the entry of a record keeps the number of the last one that
//! named it. Once every page was named, the entries of linked records with an older number are
//! noted, page by page. All of it is in the document of the stream, so any worker goes on with it.

use serde::{Deserialize, Serialize};
use tracing::warn;

use super::documents::{CRM_RECORDS, Documents, Kept, Saved, record_of};
use crate::crm::{EntityName, ForeignId, SystemName};
use crate::error::{ErrorKind, PortError};
use crate::port::Query;

/// Keys of records that are looked through at once for those that were not named.
const PAGE_KEYS: usize = 500;

/// How far the changes of an object have been read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StreamEntry {
    /// Where to go on; from the beginning where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cursor: Option<String>,
    /// Times that changes were lost, so that everything has to be compared.
    #[serde(default)]
    pub(super) gaps: u64,
    /// The losses that a pass has made good, counted as `gaps`.
    #[serde(default)]
    pub(super) covered: u64,
    /// More is known to wait behind the cursor, or a loss is not made good yet.
    #[serde(default)]
    pub(super) behind: bool,
    /// Passes that were begun so far.
    #[serde(default)]
    pub(super) passes: u64,
    /// The pass that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pass: Option<Pass>,
}

/// A pass over every record of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pass {
    /// The losses that were known when it began, which it makes good.
    pub(super) covers: u64,
    /// How far it is.
    pub(super) stage: PassStage,
}

/// How far a pass is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum PassStage {
    /// The system names its records.
    Naming,
    /// It has named all; those that it did not name are noted.
    Comparing {
        /// Where to go on among the documents of records.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
    },
}

/// What a step of the comparison found.
#[derive(Debug)]
pub(super) struct Compared {
    /// Linked records that the pass did not name.
    pub(super) unnamed: Vec<ForeignId>,
    /// Where to go on; `None` at the end.
    pub(super) next: Option<String>,
}

impl StreamEntry {
    pub(super) fn is_behind(&self) -> bool {
        self.behind || self.pass.is_some() || self.gaps > self.covered
    }

    /// Changes were lost. A pass that runs goes on, so that losses in a row hold nothing up; what
    /// it cannot make good is left to the next.
    pub(super) fn lost(&mut self) {
        self.gaps += 1;
        self.behind = true;
    }

    /// The cursor is not known any more, so neither is what a pass behind it was yet to name.
    pub(super) fn lost_place(&mut self) {
        self.cursor = None;
        self.pass = None;
        self.lost();
    }

    /// True if something is missing even when the pass that runs is over.
    pub(super) fn is_behind_after_pass(&self) -> bool {
        self.pass
            .as_ref()
            .is_some_and(|pass| self.gaps > pass.covers)
    }

    /// True if a pass has to begin before anything is asked.
    pub(super) fn wants_pass(&self) -> bool {
        self.pass.is_none() && (self.cursor.is_none() || self.gaps > self.covered)
    }

    pub(super) fn begin_pass(&mut self) {
        self.passes += 1;
        self.cursor = None;
        self.behind = true;
        self.pass = Some(Pass {
            covers: self.gaps,
            stage: PassStage::Naming,
        });
    }

    /// The number that records get which are named now.
    pub(super) fn naming(&self) -> Option<u64> {
        let pass = self.pass.as_ref();
        pass.filter(|pass| pass.stage == PassStage::Naming)
            .map(|_| self.passes)
    }

    /// Everything before `cursor` is noted.
    pub(super) fn read_to(&mut self, cursor: String, more: bool) {
        self.cursor = Some(cursor);
        self.behind = more;
        if let Some(pass) = &mut self.pass
            && !more
        {
            pass.stage = PassStage::Comparing { from: None };
        }
    }

    /// The documents of records before `next` are compared.
    pub(super) fn compared_to(&mut self, next: Option<String>) {
        let Some(pass) = &mut self.pass else { return };
        if next.is_some() {
            pass.stage = PassStage::Comparing { from: next };
            return;
        }
        self.covered = self.covered.max(pass.covers);
        self.pass = None;
        self.behind = self.gaps > self.covered;
    }

    /// True if `other` is at the same place, whatever was lost in between.
    fn is_where(&self, other: &Self) -> bool {
        self.cursor == other.cursor && self.passes == other.passes && self.pass == other.pass
    }
}

impl Documents {
    /// Stores that a stream was read further. Losses that were noted meanwhile stay; where another
    /// worker has moved it, nothing is done. True if it is stored.
    pub(super) async fn move_stream(
        &self,
        system: &SystemName,
        entity: &EntityName,
        before: &Kept<StreamEntry>,
        step: impl Fn(&mut StreamEntry) + Send + Sync,
        attempts_max: usize,
    ) -> Result<bool, PortError> {
        let mut stream = before.clone();
        for _ in 0..attempts_max {
            step(&mut stream.content);
            if let Saved::Yes(_) = self.save_stream(system, entity, &stream).await? {
                return Ok(true);
            }
            stream = self.stream(system, entity).await?;
            if !stream.content.is_where(&before.content) {
                return Ok(false);
            }
        }
        Ok(false)
    }

    /// One page of the records of a system that belong to a link and that no pass since `pass`
    /// named. Entries are read by their keys: a query may show them as they were.
    pub(super) async fn compare(
        &self,
        system: &SystemName,
        entity: &EntityName,
        pass: u64,
        from: Option<&str>,
    ) -> Result<Compared, PortError> {
        let mut query = Query::all(CRM_RECORDS)
            .without_bodies()
            .with_page_items_max(PAGE_KEYS);
        query.continuation = from.map(str::to_owned);
        let page = match self.page(query).await {
            // Not a place that this store knows, or knows any more: from the beginning.
            Err(error) if error.kind() == ErrorKind::Invalid && from.is_some() => {
                let query = Query::all(CRM_RECORDS)
                    .without_bodies()
                    .with_page_items_max(PAGE_KEYS);
                self.page(query).await?
            }
            answer => answer?,
        };
        let mut unnamed = Vec::new();
        for document in &page.documents {
            let Some((of, at, id)) = record_of(&document.key) else {
                continue;
            };
            if of != *entity || at != *system {
                continue;
            }
            let entry = match self.record(entity, system, &id).await {
                Ok(Some(entry)) => entry,
                Ok(None) => continue,
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    warn!(error = %error, "a record is left out of a comparison");
                    continue;
                }
                Err(error) => return Err(error),
            };
            if entry.content.link.is_some() && entry.content.pass < pass {
                unnamed.push(id);
            }
        }
        Ok(Compared {
            unnamed,
            next: page.continuation,
        })
    }
}
