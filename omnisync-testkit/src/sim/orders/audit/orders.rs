//! What is stored about orders.

use std::cmp::Ordering;

use omnisync_core::id::Sha256;
use omnisync_core::order::{ProcessingStatus, StateName};
use omnisync_core::port::{Clock as _, Content};
use serde::Deserialize;

use super::super::workload::{CANARIES, When};
use super::view::OrderView;
use super::{Auditor, Books, KnownOrder};

impl Auditor {
    pub(super) fn order_stored(&self, books: &mut Books, id: &str, content: &Content) {
        let view: OrderView = match serde_json::from_str(content.body.get()) {
            Ok(view) => view,
            Err(error) => {
                return self.violate("I-O4", format!("order {id} cannot be read: {error}"));
            }
        };
        self.check_form(id, &view);
        if let Some(before) = books.orders.get(id) {
            self.check_move(id, &before.view, &view);
            self.note_move(&before.view, &view, content);
        }
        match view.state.name {
            StateName::Imported => self.check_evidence(books, id, &view),
            StateName::Rejected => self.sim.mark("rejected"),
            StateName::Cancelled => self.sim.mark("cancelled"),
            StateName::Quarantined => self.note_quarantine(&view),
            _ => {}
        }
        let order = books.index_of(id);
        match (view.state.name, order) {
            (StateName::Claimed, Some(order)) => self.publish(books, order, When::Claimed),
            (StateName::Imported, Some(order)) => self.publish(books, order, When::Imported),
            _ => {}
        }
        let body = content.body.clone();
        books
            .orders
            .insert(id.to_owned(), KnownOrder { view, body });
    }

    /// What holds in every state.
    fn check_form(&self, id: &str, view: &OrderView) {
        let name = view.state.name;
        let projection = match name {
            StateName::Pending => ProcessingStatus::Pending,
            StateName::Claimed | StateName::Staged | StateName::Submitted => {
                ProcessingStatus::Processing
            }
            StateName::Imported => ProcessingStatus::Processed,
            _ => ProcessingStatus::Failed,
        };
        if view.processing_status != projection {
            self.violate("I-O4", format!("order {id} is {name} and shows otherwise"));
        }
        let may_go = view.ttl.is_some() || view.expires_at.is_some();
        if may_go && !name.is_terminal() {
            self.violate("I-O8", format!("order {id} is {name} and may expire"));
        }
    }

    fn check_move(&self, id: &str, before: &OrderView, after: &OrderView) {
        let (from, to) = (before.state.name, after.state.name);
        let revision = after.revision.compare(&before.revision);
        let newer = revision == Ordering::Greater && after.content_hash != before.content_hash;
        if revision == Ordering::Less {
            self.violate("I-O4", format!("order {id} fell back to an older revision"));
        }
        if after.claim_generation < before.claim_generation {
            self.violate("I-O4", format!("the claim generation of order {id} fell"));
        }
        let held = from == StateName::Claimed && to == StateName::Claimed;
        if held && before.state.batch != after.state.batch {
            self.violate("I-O6", format!("order {id} went from one batch to another"));
        }
        if held && after.state.epoch < before.state.epoch {
            self.violate("I-O4", format!("the epoch of order {id} fell"));
        }
        if !is_edge(from, to, newer) {
            self.violate("I-O4", format!("order {id} went from {from} to {to}"));
        }
        if from == StateName::Claimed && to == StateName::Pending && !newer {
            // A batch that took it before must not be able to take it by mistake again.
            let raised = after.claim_generation > before.claim_generation;
            if !raised {
                self.violate("I-O6", format!("order {id} came back unchanged"));
            }
        }
    }

    /// What happened that is worth seeing.
    fn note_move(&self, before: &OrderView, after: &OrderView, content: &Content) {
        let (from, to) = (before.state.name, after.state.name);
        let newer = after.revision.compare(&before.revision) == Ordering::Greater;
        if from == StateName::Pending && newer && to == StateName::Pending {
            self.sim.mark("superseded");
        }
        if before.queued.is_none() && after.queued.is_some() {
            self.sim.mark("revision queued");
        }
        if before.queued.is_some() && after.queued.is_none() {
            self.sim.mark("queued revision promoted");
        }
        if from == StateName::Claimed && to == StateName::Pending && !newer {
            if last_cause_is(content, "sweep") {
                self.sim.mark("orphan swept");
            } else {
                self.sim.mark("sent again");
            }
        }
        if from.is_terminal() && newer && to == StateName::Pending {
            self.sim.mark("settled order updated");
        }
    }

    fn note_quarantine(&self, view: &OrderView) {
        let reason = view.state.reason.as_ref();
        match reason.and_then(|reason| reason.name.as_deref()) {
            Some("RevisionConflict") => self.sim.mark("revision conflict"),
            Some("MappingFailed") => self.sim.mark("unpackable order set aside"),
            Some("OutcomeUnknown") => self.sim.mark("outcome unknown"),
            Some("AttemptsExhausted") => self.sim.mark("attempts exhausted"),
            Some("CancelledAfterImport") => self.sim.mark("cancelled after import"),
            _ => {}
        }
    }

    pub(super) fn order_removed(&self, books: &mut Books, id: &str) {
        let Some(known) = books.orders.remove(id) else {
            return;
        };
        let name = known.view.state.name;
        let now = self.sim.clock().now();
        if !name.is_terminal() {
            self.violate("I-O8", format!("order {id} was removed while {name}"));
        } else if known.view.expires_at.is_none_or(|expires| now < expires) {
            self.violate("I-O8", format!("order {id} was removed before its time"));
        }
        books.retired.insert(id.to_owned());
    }
}

/// The graph of one revision, as it is stored, and where a newer revision begins.
fn is_edge(from: StateName, to: StateName, newer: bool) -> bool {
    use StateName::{
        Cancelled, Claimed, Imported, Pending, Quarantined, Rejected, Staged, Submitted, Superseded,
    };
    let begins = matches!(to, Pending | Cancelled | Quarantined);
    match (from, to) {
        (from, to) if from == to => true,
        (_, Staged | Submitted | Superseded) => false,
        (_, _) if newer && begins => true,
        (Pending, to) => matches!(to, Claimed | Quarantined | Cancelled),
        (Claimed, to) => matches!(to, Pending | Imported | Rejected | Quarantined),
        _ => false,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TrailView {
    trail: EntriesView,
}

#[derive(Deserialize)]
struct EntriesView {
    entries: Vec<EntryView>,
}

#[derive(Deserialize)]
struct EntryView {
    #[serde(default)]
    from: Option<StateName>,
    to: StateName,
    #[serde(default)]
    content: Option<Sha256>,
    #[serde(default)]
    note: Option<String>,
}

impl KnownOrder {
    /// Where replaying the trail does not lead to what is stored; `None` when it does.
    pub(super) fn trail_gap(&self) -> Option<String> {
        let trail = match serde_json::from_str::<TrailView>(self.body.get()) {
            Ok(view) => view.trail,
            Err(error) => return Some(format!("the trail cannot be read: {error}")),
        };
        let mut reached = None;
        let mut content = None;
        for entry in trail.entries {
            if entry.from != reached {
                return Some(format!(
                    "an entry begins at {:?}, not {reached:?}",
                    entry.from
                ));
            }
            let note = entry.note.as_deref().unwrap_or_default();
            if CANARIES.iter().any(|canary| note.contains(canary)) {
                return Some("a note repeats personal data".to_owned());
            }
            reached = Some(entry.to);
            if entry.content.is_some() && entry.note.is_none() {
                content = entry.content;
            }
        }
        if reached != Some(self.view.state.name) {
            let name = self.view.state.name;
            return Some(format!(
                "the trail ends at {reached:?}, the order is {name}"
            ));
        }
        (content != Some(self.view.content_hash))
            .then(|| "the trail does not tell where the content came from".to_owned())
    }
}

/// True when the newest entry of the stored trail was caused so.
fn last_cause_is(content: &Content, kind: &str) -> bool {
    let word = format!("\"kind\":\"{kind}\"");
    let body = content.body.get();
    let newest = body.rfind("\"kind\":\"");
    newest.is_some_and(|at| body.get(at..).is_some_and(|rest| rest.starts_with(&word)))
}
