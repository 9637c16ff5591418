//! Judges a host that keeps its orders in documents of its own by what becomes of the orders, and
//! not by how it gets there.

use omnisync_core::port::Content;
use rust_decimal::Decimal;

use super::super::super::violation::Violation;
use super::super::workload::{PlannedOrder, Twist, When};
use super::{Auditor, Books};

/// Where a host says that an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It waits.
    Waiting,
    /// Somebody works on it.
    Claimed,
    /// It is with the ERP, as far as the host cares.
    Delivered,
    /// Nobody works on it any more.
    GivenUp,
}

impl Standing {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Claimed => "claimed",
            Self::Delivered => "delivered",
            Self::GivenUp => "given up",
        }
    }

    const fn is_final(self) -> bool {
        matches!(self, Self::Delivered | Self::GivenUp)
    }
}

/// Reads what a host stores in the documents of orders.
pub(in super::super) type ReadStanding = fn(&Content) -> Option<Standing>;

impl Auditor {
    pub(super) fn standing_stored(&self, books: &mut Books, id: &str, standing: Option<Standing>) {
        let Some(standing) = standing else {
            return self.violate("I-O4", format!("order {id} cannot be read"));
        };
        books.standings.insert(id.to_owned(), standing);
        let order = books.index_of(id);
        match (standing, order) {
            (Standing::Claimed, Some(order)) => self.publish(books, order, When::Claimed),
            (Standing::Delivered, Some(order)) => self.publish(books, order, When::Imported),
            _ => {}
        }
    }

    /// What is gone must not be missed.
    pub(super) fn standing_removed(&self, books: &mut Books, id: &str) {
        if books.standings.remove(id).is_none() {
            return;
        }
        books.retired.insert(id.to_owned());
        let missed = books.planned(id).is_some_and(PlannedOrder::must_arrive);
        if missed && !books.was_created(id) {
            let detail = format!("order {id} was removed, and the ERP does not hold it");
            self.violate("I-O8", detail);
        }
    }
}

impl Books {
    /// What is not at rest, of a host that is judged by outcomes.
    pub(super) fn outcome_unrest(&self, unsettled: usize) -> Option<Violation> {
        let open = |(_, standing): &(&String, &Standing)| !standing.is_final();
        if let Some((id, standing)) = self.standings.iter().find(open) {
            let detail = format!("order {id} is still {}", standing.as_str());
            return Some(Violation::new(self.blame(id), detail));
        }
        if unsettled > 0 {
            let detail = format!("{unsettled} messages are still in the queue");
            return Some(Violation::new("I-O1", detail));
        }
        let on_its_way = self.standings.iter().find(|(id, standing)| {
            let must_arrive = self.planned(id).is_some_and(PlannedOrder::must_arrive);
            **standing == Standing::Delivered && must_arrive && !self.was_created(id)
        });
        on_its_way.map(|(id, _)| {
            let detail = format!("order {id} counts as delivered and never reaches the ERP");
            Violation::new("I-O5", detail)
        })
    }

    /// The whole of what has to be true in the end.
    pub(super) fn judge_outcomes(&self) -> Result<(), Violation> {
        let orders = self.workload.orders.iter().enumerate();
        orders
            .filter(|(_, planned)| !self.retired.contains(planned.id.as_str()))
            .try_for_each(|(index, planned)| self.judge_outcome(index, planned))
    }

    fn judge_outcome(&self, index: usize, planned: &PlannedOrder) -> Result<(), Violation> {
        let id = planned.id.as_str();
        let broken = |invariant, detail: String| Err(Violation::new(invariant, detail));
        let Some(standing) = self.standings.get(id) else {
            if self.accepts(index) {
                return broken("I-O1", format!("order {id} is gone"));
            }
            return Ok(());
        };
        let events: Vec<_> = self.accepted(index).collect();
        let newest = events.iter().map(|event| event.revision).max();
        let counts = || events.iter().filter(|event| Some(event.revision) == newest);
        if counts().any(|event| event.cancels) {
            // Told or not: what was cancelled in time must not be there.
            let in_time = planned.twist == Twist::Cancel;
            if in_time && self.was_created(id) {
                return broken(
                    "I-O10",
                    format!("order {id} was cancelled, and the ERP holds it"),
                );
            }
            return Ok(());
        }
        if !planned.must_arrive() {
            return Ok(());
        }
        let amounts: Vec<Decimal> = counts().map(|event| event.amount).collect();
        if self.taken(id, &amounts) {
            return Ok(());
        }
        if self.was_created(id) {
            return broken(
                "I-O10",
                format!("the ERP does not hold the newest revision of {id}"),
            );
        }
        let standing = standing.as_str();
        broken(
            "I-O1",
            format!("order {id} is {standing}, and the ERP does not hold it"),
        )
    }
}
