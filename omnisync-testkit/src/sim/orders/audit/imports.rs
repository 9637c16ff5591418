//! What the ERP did, whatever it told.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use omnisync_core::id::ExecutionId;
use omnisync_core::port::{Clock as _, ErpImporter as _, RepeatedExecution};

use super::super::workload::CURRENCY;
use super::view::OrderView;
use super::{Auditor, Books};
use crate::fault::Call;

/// What was submitted, and who asked about it before.
#[derive(Debug, Default)]
pub(super) struct Submissions {
    taken: BTreeMap<ExecutionId, DateTime<Utc>>,
    /// Lives of workers that asked about an import and have not submitted it since.
    asked: BTreeSet<((usize, u32), ExecutionId)>,
    /// The call that submitted last: it may do so twice.
    last: u64,
}

impl Auditor {
    pub(super) fn asked(&self, execution: ExecutionId) {
        let life = self.sim.life();
        self.books().submissions.asked.insert((life, execution));
    }

    /// An ERP that runs again what it has makes everything twice for those who do not ask, or do
    /// not wait until it can know the answer.
    pub(super) fn submitted(&self, call: &Call, execution: ExecutionId) {
        let life = self.sim.life();
        let capability = self.erp.capability();
        let now = self.sim.clock().now();
        let mut books = self.books();
        let submissions = &mut books.submissions;
        if std::mem::replace(&mut submissions.last, call.number) == call.number {
            return;
        }
        let was_asked = submissions.asked.remove(&(life, execution));
        let Some(before) = submissions.taken.insert(execution, now) else {
            return;
        };
        if capability.repeated_execution != RepeatedExecution::RunsAgain
            || self.erp.was_lost(execution)
        {
            return;
        }
        // Clocks of workers may be off by as much as they step.
        let open = capability.visible_after_seconds / 2;
        let open = now < before + TimeDelta::seconds(open.into());
        if !was_asked || open {
            let why = if open {
                "the ERP could not know it yet"
            } else {
                "nobody asked whether it had run"
            };
            self.violate("I-O2", format!("import {execution} runs again: {why}"));
        }
    }

    /// Looks at imports that ended since the last look.
    pub(super) fn imported(&self) {
        let manners = self.erp.capability().repeated_execution;
        let runs_again = manners == RepeatedExecution::RunsAgain;
        let mut books = self.books();
        let new = self.erp.imports_since(books.imports_seen);
        books.imports_seen += new.len();
        for entry in new.into_iter().filter(crate::fake::ImportedOrder::is_whole) {
            let id: &str = &entry.order;
            let sent = books.index_of(id).is_some_and(|order| {
                let planned = books.workload.orders.get(order);
                planned.is_some_and(|planned| {
                    planned
                        .events
                        .iter()
                        .any(|event| event.is_valid && event.amount == entry.amount)
                })
            });
            if !sent || &*entry.currency != CURRENCY {
                let (amount, currency) = (entry.amount, &entry.currency);
                self.violate(
                    "I-O11",
                    format!("the ERP holds {amount} {currency} for order {id}"),
                );
            }
            let by = books
                .creations
                .entry((id.to_owned(), entry.amount))
                .or_default();
            by.insert(entry.execution);
            // An ERP that runs a repeated execution again cannot be kept from it when a worker
            // that lost its lease is late. There the keys of the records keep the order single.
            if by.len() > 1 && !runs_again {
                let amount = entry.amount;
                self.violate(
                    "I-O2",
                    format!("the ERP took order {id} with {amount} by more than one import"),
                );
            }
        }
    }

    /// An order is imported only if the import that it names took all of it.
    pub(super) fn check_evidence(&self, books: &Books, id: &str, view: &OrderView) {
        let took = view.state.evidence.as_ref().is_some_and(|evidence| {
            let creations = books.creations.iter().filter(|((order, _), _)| order == id);
            creations
                .flat_map(|(_, executions)| executions)
                .any(|execution| *execution == evidence.execution)
        });
        if !took {
            self.violate(
                "I-O5",
                format!("order {id} is imported, and the import that it names did not take it"),
            );
        }
    }
}
