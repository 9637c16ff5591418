//! What holds once everything is at rest.

use std::sync::Arc;

use omnisync_core::batch::BatchState;
use omnisync_core::flow::Explain;
use omnisync_core::id::OrderId;
use omnisync_core::order::StateName;
use omnisync_core::port::StateStore;
use rust_decimal::Decimal;

use super::super::super::violation::Violation;
use super::super::host::PipelinePolicies;
use super::super::workload::{PlannedEvent, PlannedOrder, Twist};
use super::view::OrderView;
use super::{Auditor, Books, Finish};

/// Calls that an order may take each time it is sent, and more of them for each fault.
const CALLS_PER_ORDER: u64 = 40;
const CALLS_PER_FAULT: u64 = 10;
/// Calls of a round in which there is nothing to do, and some.
const CALLS_PER_ROUND: u64 = 24;

impl Auditor {
    /// What is not at rest.
    pub(in super::super) fn unrest(&self) -> Option<Violation> {
        // Imports that ended while nobody asked.
        self.imported();
        let unsettled = self.queue.unsettled();
        let books = self.books();
        if self.reads.is_some() {
            return books.outcome_unrest(unsettled);
        }
        let stuck = books
            .orders
            .iter()
            .find(|(_, known)| !known.view.state.name.is_terminal());
        if let Some((id, known)) = stuck {
            let name = known.view.state.name;
            let detail = format!("order {id} is still {name}");
            return Some(Violation::new(books.blame(id), detail));
        }
        if unsettled > 0 {
            let detail = format!("{unsettled} messages are still in the queue");
            return Some(Violation::new("I-O1", detail));
        }
        books
            .batches
            .iter()
            .find(|(_, batch)| batch.view.state != BatchState::Done)
            .map(|(id, batch)| {
                let state = batch.view.state;
                Violation::new("I-O6", format!("batch {id} is still {state:?}"))
            })
    }

    /// Nothing is left to be removed.
    pub(in super::super) fn is_clean(&self) -> bool {
        let books = self.books();
        books.orders.is_empty() && books.batches.is_empty() && books.segments.is_empty()
    }

    /// Every order that waits can say for what.
    pub(in super::super) fn check_waits(&self, store: &Arc<dyn StateStore>) {
        let waiting: Vec<OrderId> = {
            let books = self.books();
            let open = books.orders.iter();
            open.filter(|(_, known)| !known.view.state.name.is_terminal())
                .filter_map(|(id, _)| OrderId::new(id).ok())
                .collect()
        };
        if waiting.is_empty() {
            return;
        }
        let policy = PipelinePolicies::default().batch;
        let explain = Explain::new(Arc::clone(store), policy);
        for order in waiting {
            let told = crate::crash::run(explain.order(&order));
            let explained = matches!(
                told,
                Ok(Ok(Some(explanation))) if explanation.waiting.is_some()
            );
            if !explained {
                self.violate(
                    "I-O12",
                    format!("order {order} cannot say what it waits for"),
                );
            }
        }
    }

    /// The whole of what has to be true in the end.
    pub(in super::super) fn audit(&self, finish: &Finish<'_>) -> Result<(), Violation> {
        let books = self.books();
        if self.reads.is_some() {
            return books.judge_outcomes();
        }
        for (index, planned) in books.workload.orders.iter().enumerate() {
            let id = planned.id.as_str();
            if books.retired.contains(id) {
                continue;
            }
            match books.orders.get(id) {
                Some(known) => {
                    if let Some(gap) = known.trail_gap() {
                        return Err(Violation::new("I-X1", format!("order {id}: {gap}")));
                    }
                    books.check_end(index, planned, &known.view, finish)?;
                }
                None if books.accepts(index) => {
                    return Err(Violation::new("I-O1", format!("order {id} is gone")));
                }
                None => {}
            }
        }
        drop(books);
        self.check_calls()
    }

    fn check_calls(&self) -> Result<(), Violation> {
        let (orders, batches) = {
            let books = self.books();
            (books.workload.orders.len() as u64, books.batches_begun)
        };
        let (calls, faults, rounds) = (self.sim.calls(), self.sim.faults(), self.sim.rounds());
        // An order that the ERP fails is sent again, in another batch.
        let enough = CALLS_PER_ORDER * orders.max(batches)
            + CALLS_PER_FAULT * faults * orders
            + CALLS_PER_ROUND * rounds;
        if calls <= enough {
            return Ok(());
        }
        let detail = format!(
            "{calls} calls for {orders} orders, {batches} batches, {faults} faults, {rounds} rounds"
        );
        Err(Violation::new("I-O12", detail))
    }
}

impl Books {
    /// What an order that stands still breaks: a good one beside a bad one was held up by it.
    pub(super) fn blame(&self, id: &str) -> &'static str {
        let good = self.planned(id).is_some_and(|planned| !planned.is_bad());
        let beside = self.workload.orders.iter().any(PlannedOrder::is_bad);
        if good && beside { "I-O9" } else { "I-O1" }
    }

    pub(super) fn planned(&self, id: &str) -> Option<&PlannedOrder> {
        self.workload.orders.get(self.index_of(id)?)
    }

    /// Something about this order was published that has to be accepted.
    pub(super) fn accepts(&self, order: usize) -> bool {
        self.accepted(order).next().is_some()
    }

    /// What was published about this order and has to be accepted.
    pub(super) fn accepted(&self, order: usize) -> impl Iterator<Item = &PlannedEvent> {
        let published = self.published.iter().filter(move |(of, _)| *of == order);
        published
            .filter_map(|(of, event)| self.event(*of, *event))
            .filter(|event| event.is_valid)
    }

    fn check_end(
        &self,
        index: usize,
        planned: &PlannedOrder,
        view: &OrderView,
        finish: &Finish<'_>,
    ) -> Result<(), Violation> {
        let id = planned.id.as_str();
        let events: Vec<_> = self.accepted(index).collect();
        let newest = events.iter().map(|event| event.revision).max();
        if view.revision.number != newest {
            let detail = format!(
                "order {id} ends at revision {}, not {newest:?}",
                view.revision
            );
            return Err(Violation::new("I-O10", detail));
        }
        let counts = || events.iter().filter(|event| Some(event.revision) == newest);
        let cancelled = counts().any(|event| event.cancels);
        let amounts: Vec<Decimal> = counts().map(|event| event.amount).collect();
        let taken = self.taken(id, &amounts);
        let wrong = |what: &str| {
            let name = view.state.name;
            Err(Violation::new(
                "I-O10",
                format!("order {id} is {name}: {what}"),
            ))
        };
        match view.state.name {
            StateName::Imported if cancelled => wrong("it was cancelled"),
            StateName::Imported if !taken => wrong("the ERP does not hold its newest revision"),
            StateName::Cancelled if !cancelled => wrong("nobody cancelled it"),
            StateName::Cancelled if self.was_created(id) => wrong("the ERP holds it"),
            StateName::Imported | StateName::Cancelled => Ok(()),
            StateName::Rejected if planned.is_refused() => Ok(()),
            // By its count, the ERP took nothing of an import that somebody cancelled.
            StateName::Rejected if finish.counts && !finish.harmed_imports.is_empty() => Ok(()),
            StateName::Quarantined if self.may_be_set_aside(planned, view, finish) => Ok(()),
            name => {
                let reason = view
                    .state
                    .reason
                    .as_ref()
                    .and_then(|reason| reason.name.clone());
                let detail = format!("order {id} ends as {name} {}", reason.unwrap_or_default());
                Err(Violation::new("I-O9", detail))
            }
        }
    }

    /// The ERP took one of these contents.
    pub(super) fn taken(&self, id: &str, amounts: &[Decimal]) -> bool {
        amounts
            .iter()
            .any(|amount| self.creations.contains_key(&(id.to_owned(), *amount)))
    }

    pub(super) fn was_created(&self, id: &str) -> bool {
        self.creations.keys().any(|(order, _)| order == id)
    }

    /// A person is asked only where nobody else can decide.
    fn may_be_set_aside(
        &self,
        planned: &PlannedOrder,
        view: &OrderView,
        finish: &Finish<'_>,
    ) -> bool {
        let reason = view.state.reason.as_ref();
        match reason.and_then(|reason| reason.name.as_deref()) {
            Some("RevisionConflict") => {
                matches!(planned.twist, Twist::Conflict | Twist::ConflictWhileClaimed)
            }
            Some("MappingFailed") => planned.twist == Twist::Unpackable,
            Some("AttemptsExhausted") => planned.is_transient(),
            Some("CancelledAfterImport") => planned.events.iter().any(|event| event.cancels),
            Some("OutcomeUnknown") => {
                planned.twist == Twist::Unmentioned
                    || !finish.harmed_imports.is_empty()
                    || self.results_disturbed > 0
            }
            _ => false,
        }
    }
}
