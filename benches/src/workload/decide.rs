use omnisync_core::batch::batch_id;
use omnisync_core::id::OrderId;
use omnisync_core::order::intake::{Verdict, decide};
use omnisync_core::order::{Change, Command, OrderRecord, RevisionContent};

use super::arrival::{arrivals, change, revised};
use super::{Failure, Work};

/// Events meet the orders that are stored: each order sees every verdict.
#[derive(Debug)]
pub struct Decide {
    orders: Vec<(OrderId, Vec<RevisionContent>)>,
    change: Change,
}

/// How many events come before a batch takes the order.
const BEFORE_CLAIM: usize = 6;

impl Decide {
    /// The work for this many orders, with eight events each.
    ///
    /// # Errors
    /// When the core refuses what it should take.
    pub fn new(orders: u32) -> Result<Self, Failure> {
        let events = |(id, first)| (id, events(&first));
        Ok(Self {
            orders: arrivals(orders)
                .map(|arrival| arrival.map(events))
                .collect::<Result<_, _>>()?,
            change: change()?,
        })
    }

    /// Shows what becomes of every event.
    fn decide_all(&self, mut show: impl FnMut(Verdict)) -> Result<(), Failure> {
        let batch = batch_id(&[], 0);
        for (id, events) in &self.orders {
            let mut record: Option<OrderRecord> = None;
            for (index, content) in events.iter().enumerate() {
                if let Some(record) = record.as_mut().filter(|_| index == BEFORE_CLAIM) {
                    record.apply(Command::Claim { batch, epoch: 1 }, &self.change)?;
                }
                // A store hands out a copy of what it keeps.
                let intake = decide(id, record.clone(), content.clone(), &self.change);
                show(intake.verdict);
                record = intake.write.or(record);
            }
        }
        Ok(())
    }
}

impl Work for Decide {
    fn run(&self) -> Result<u64, Failure> {
        let mut changes = 0;
        self.decide_all(|verdict| changes += u64::from(verdict != Verdict::Duplicate))?;
        Ok(changes)
    }
}

fn events(created: &RevisionContent) -> Vec<RevisionContent> {
    let mut cancelled = revised(created, 6, "cancelled");
    cancelled.cancels = true;
    vec![
        created.clone(),
        created.clone(),
        revised(created, 3, "changed"),
        revised(created, 2, "late"),
        revised(created, 3, "disputed"),
        revised(created, 4, "corrected"),
        revised(created, 5, "while in a batch"),
        cancelled,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_sees_every_verdict() {
        let work = Decide::new(2).unwrap();
        let mut verdicts = Vec::new();
        work.decide_all(|verdict| verdicts.push(verdict)).unwrap();

        let expected = [
            Verdict::Accepted,
            Verdict::Duplicate,
            Verdict::Replaced,
            Verdict::Outdated,
            Verdict::RevisionConflict,
            Verdict::Replaced,
            Verdict::Queued,
            Verdict::Cancelled,
        ];
        assert_eq!(verdicts, [expected, expected].concat());
        assert_eq!(work.run().unwrap(), 14);
    }
}
