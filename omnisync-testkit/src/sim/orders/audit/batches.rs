//! What is stored about batches, and their packages.

use omnisync_core::batch::BatchState;
use omnisync_core::id::{BatchId, BlobName};
use omnisync_core::order::StateName;
use omnisync_core::port::{BlobReceipt, Clock as _, Content};

use super::view::{BatchView, MemberView, SegmentView};
use super::{Auditor, Books, KnownBatch};

impl Auditor {
    pub(super) fn batch_stored(&self, books: &mut Books, id: &str, content: &Content) {
        let view: BatchView = match serde_json::from_str(content.body.get()) {
            Ok(view) => view,
            Err(error) => {
                return self.violate("I-O4", format!("batch {id} cannot be read: {error}"));
            }
        };
        self.check_discretion(format_args!("batch {id}"), content.body.get());
        let before = books.batches.remove(id);
        let mut members = None;
        if let Some(before) = before {
            self.check_batch_move(id, &before.view, &view);
            members = before.members;
        } else {
            books.batches_begun += 1;
            if view.state != BatchState::Open {
                self.violate("I-O4", format!("batch {id} began as {:?}", view.state));
            }
        }
        if view.state == BatchState::Sealed && members.is_none() {
            members = books.listed(id, &view);
            self.check_seal(books, id, members.as_deref());
        }
        if let (BatchState::Staged, Some(package)) = (view.state, &view.package) {
            let staged = books.blobs.get(&package.name);
            if staged != Some(&package.sha256) {
                self.violate("I-O7", format!("batch {id} is staged without its package"));
            }
        }
        let known = KnownBatch { view, members };
        books.batches.insert(id.to_owned(), known);
    }

    fn check_batch_move(&self, id: &str, before: &BatchView, after: &BatchView) {
        use BatchState::{Done, Open, Sealed, Staged, Submitted};
        if after.epoch < before.epoch {
            self.violate("I-O4", format!("the epoch of batch {id} fell"));
        }
        if after.epoch > before.epoch {
            self.sim.mark("takeover");
            self.check_takeover(id, before, after);
        }
        let (from, to) = (before.state, after.state);
        let edge = from == to
            || matches!(
                (from, to),
                (Open | Staged, Sealed | Done)
                    | (Sealed, Staged)
                    | (Staged, Submitted)
                    | (Submitted, Staged | Done)
            );
        if !edge {
            self.violate("I-O4", format!("batch {id} went from {from:?} to {to:?}"));
        }
        match (from, to) {
            (Staged, Sealed) => self.sim.mark("package built again"),
            (Submitted, Staged) => self.sim.mark("submitted again"),
            _ => {}
        }
        if before.members.is_some() && before.members != after.members {
            self.violate("I-O6", format!("the members of batch {id} changed"));
        }
        if let (Some(old), Some(new)) = (&before.package, &after.package)
            && old.sha256 != new.sha256
        {
            self.violate("I-O7", format!("the package of batch {id} changed"));
        }
    }

    /// Nobody takes a batch from a worker whose lease runs.
    fn check_takeover(&self, id: &str, before: &BatchView, after: &BatchView) {
        let Some(lease) = &before.lease else {
            return;
        };
        let taker = after.lease.as_ref().map(|lease| &lease.owner);
        if taker != Some(&lease.owner) && !self.sim.has_seen(lease.until) {
            let owner = &lease.owner;
            self.violate(
                "I-O12",
                format!("batch {id} was taken from {owner} while its lease ran"),
            );
        }
    }

    /// The list that is sealed names orders that this batch holds, and all of them exist.
    fn check_seal(&self, books: &Books, id: &str, members: Option<&[MemberView]>) {
        let Some(members) = members else {
            return self.violate("I-O6", format!("batch {id} is sealed without its list"));
        };
        for member in members {
            let order = &member.order;
            let holds = books.orders.get(order.as_str()).is_some_and(|known| {
                known.view.state.name == StateName::Claimed
                    && known
                        .view
                        .state
                        .batch
                        .map(|batch| batch.to_string())
                        .as_deref()
                        == Some(id)
                    && known.view.claim_generation == member.generation
                    && known.view.revision == member.revision
                    && known.view.content_hash == member.content
            });
            if !holds {
                self.violate(
                    "I-O6",
                    format!("batch {id} lists order {order} without holding it"),
                );
            }
        }
    }

    pub(super) fn blob_put(&self, receipt: &BlobReceipt) {
        let mut books = self.books();
        let first = *books
            .blobs
            .entry(receipt.name.clone())
            .or_insert(receipt.sha256);
        if first != receipt.sha256 {
            self.violate("I-O7", format!("{} got other bytes", receipt.name));
        }
    }

    pub(super) fn blob_deleted(&self, name: &BlobName) {
        if self.reads.is_some() {
            return;
        }
        let books = self.books();
        let now = self.sim.clock().now();
        let settled = books.batches.values().any(|batch| {
            let view = &batch.view;
            let its = view
                .package
                .as_ref()
                .is_some_and(|package| package.name == *name);
            its && view.state == BatchState::Done
                && view.expires_at.is_some_and(|expires| expires <= now)
        });
        if !settled {
            self.violate("I-O8", format!("{name} was removed before its time"));
        }
    }
}

impl Books {
    pub(super) fn segment_stored(&mut self, id: &str, content: &Content) {
        if let Ok(view) = serde_json::from_str::<SegmentView>(content.body.get()) {
            self.segments.insert(id.to_owned(), view.members);
        }
    }

    /// The sealed list of a batch, from its segments; `None` when one is missing.
    fn listed(&self, id: &str, view: &BatchView) -> Option<Vec<MemberView>> {
        let list = view.members.as_ref()?;
        let batch: BatchId = serde_json::from_value(id.into()).ok()?;
        let mut members = Vec::new();
        for key in list.keys(batch) {
            members.extend(self.segments.get(&key.id)?.iter().cloned());
        }
        Some(members)
    }
}
