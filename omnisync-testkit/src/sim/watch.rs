use std::sync::Arc;

use omnisync_core::error::PortError;
use omnisync_core::port::{Action, Sight, WriteReceipt, Written};

use super::trace_hash::TraceHash;
use super::world::{Phase, Sim};
use crate::fault::{Call, Observer, Seen};

/// Puts all that happens at the ports into the trace hash, and passes it on.
#[derive(Debug)]
pub(super) struct Watch {
    sim: Sim,
    next: Arc<dyn Observer>,
}

impl Watch {
    pub(super) fn new(sim: Sim, next: Arc<dyn Observer>) -> Self {
        Self { sim, next }
    }
}

impl Observer for Watch {
    fn observe(&self, call: &Call, seen: Seen<'_>) {
        {
            let mut state = self.sim.shared.lock();
            if state.phase == Phase::Aside {
                return;
            }
            let hash = &mut state.hash;
            match seen {
                Seen::Write(write, result) => {
                    hash.text(&write.key.id);
                    if let Action::Put(content) = &write.action {
                        hash.text(content.body.get());
                    }
                    match result {
                        Ok(Written::Put(tag)) => hash.text(tag.as_str()),
                        Ok(_) => hash.number(2),
                        Err(error) => hash.number(word(error)),
                    }
                }
                Seen::Document(document) => match document {
                    Some(document) => hash.text(document.etag.as_str()),
                    None => hash.number(3),
                },
                Seen::Page(page) => {
                    for document in &page.documents {
                        hash.text(&document.key.id);
                        hash.text(document.etag.as_str());
                    }
                }
                Seen::Put(receipt) => hash.text(&receipt.sha256.to_string()),
                Seen::Deleted(name) => hash.text(name.as_str()),
                Seen::Received(delivery) => hash.text(&delivery.cursor),
                Seen::Settled(_, _, settled) => hash.number(u64::from(settled as u8)),
                Seen::Submitted(execution) => hash.text(&execution.to_string()),
                Seen::Status(_, status) => hash.text(status.as_str()),
                Seen::Result(_, record) => {
                    for (_, value) in &record.key.columns {
                        hash.text(value);
                    }
                }
                Seen::Sight(record, sight) => {
                    hash.text(record.id.as_str());
                    match sight {
                        Sight::Present(snapshot) => hash.text(snapshot.version.as_str()),
                        Sight::Gone { .. } => hash.number(4),
                        Sight::Merged { into } => hash.text(into.as_str()),
                        Sight::Missing => hash.number(5),
                    }
                }
                Seen::Found(_, records) => {
                    for id in records {
                        hash.text(id.as_str());
                    }
                }
                Seen::Created(_, receipt)
                | Seen::Updated(_, receipt)
                | Seen::Removed(_, receipt)
                | Seen::Restored(_, receipt) => put_receipt(hash, receipt),
                Seen::Changes(_, page) => {
                    for id in &page.records {
                        hash.text(id.as_str());
                    }
                    hash.text(&page.cursor);
                }
                Seen::Refused(error) => hash.number(word(error)),
            }
        }
        self.next.observe(call, seen);
    }
}

fn put_receipt(hash: &mut TraceHash, receipt: &WriteReceipt) {
    hash.text(receipt.id.as_str());
    if let Some(version) = &receipt.version {
        hash.text(version.as_str());
    }
}

fn word(error: &PortError) -> u64 {
    16 + u64::from(error.kind() as u8)
}
