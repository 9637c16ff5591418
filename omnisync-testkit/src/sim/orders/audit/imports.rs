//! What the ERP did, whatever it told.

use omnisync_core::port::{ErpImporter as _, RepeatedExecution};

use super::super::workload::CURRENCY;
use super::view::OrderView;
use super::{Auditor, Books};

impl Auditor {
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
