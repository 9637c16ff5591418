//! What is acknowledged to the order system.

use omnisync_core::port::{Delivery, Disposition, Settled};

use super::super::workload::Twist;
use super::{Auditor, Books};

impl Auditor {
    /// An acknowledgement says that the order is safe here, a dead letter that it never can be.
    pub(super) fn settled(&self, delivery: &Delivery, disposition: &Disposition, settled: Settled) {
        if let Disposition::DeadLetter { description, .. } = disposition {
            self.check_discretion(format_args!("a dead letter's description"), description);
        }
        let books = self.books();
        let Some(&(order, event)) = books.bodies.get(&delivery.body) else {
            return self.violate("I-O3", "something was settled that nobody sent".to_owned());
        };
        match settled {
            Settled::Completed => self.completed(&books, order, event),
            Settled::DeadLettered | Settled::AlreadyDeadLettered => {
                self.set_aside(&books, order, event);
            }
            Settled::Returned => {}
        }
    }

    fn completed(&self, books: &Books, order: usize, event: usize) {
        let (Some(planned), Some(of)) =
            (books.event(order, event), books.workload.orders.get(order))
        else {
            return;
        };
        let id = of.id.as_str();
        if !planned.is_valid {
            return self.violate(
                "I-O3",
                format!("a bad event of order {id} was acknowledged"),
            );
        }
        // A host with documents of its own is asked later which revision it kept.
        if books.retired.contains(id) || books.standings.contains_key(id) {
            return;
        }
        let newest = books.orders.get(id).map(|known| {
            let queued = known.view.queued.as_ref().map(|queued| queued.revision);
            queued.unwrap_or(known.view.revision)
        });
        let durable = newest
            .and_then(|revision| revision.number)
            .is_some_and(|number| number >= planned.revision);
        if !durable {
            let event = &planned.id;
            self.violate(
                "I-O3",
                format!("event {event} was acknowledged and is not stored"),
            );
        }
    }

    fn set_aside(&self, books: &Books, order: usize, event: usize) {
        let (Some(planned), Some(of)) =
            (books.event(order, event), books.workload.orders.get(order))
        else {
            return;
        };
        self.sim.mark("dead letter");
        let disputed = matches!(of.twist, Twist::Conflict | Twist::ConflictWhileClaimed);
        if planned.is_valid && !disputed {
            let event = &planned.id;
            self.violate("I-O3", format!("event {event} is good and was set aside"));
        }
    }
}
