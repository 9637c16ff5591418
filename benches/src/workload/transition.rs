use std::collections::BTreeMap;

use chrono::Duration;
use omnisync_core::batch::{
    BATCH_SCHEMA, BatchCommand, BatchRecord, BatchState, Member, PackageRecord, SegmentList,
    Settlement, batch_id,
};
use omnisync_core::id::{BatchId, ExecutionId, OrderId, ProjectName, Sha256};
use omnisync_core::order::{
    Change, Command, Evidence, OrderRecord, OrderState, QuarantineReason, Rejection,
    RejectionClass, RevisionContent,
};
use omnisync_core::policy::Trigger;

use super::arrival::{arrivals, change, now, worker};
use super::{Failure, Work};

/// Orders of a batch.
const BATCH_ORDERS: usize = 100;

/// Orders go through their states in batches: a quarter each is imported, refused and opened
/// again, sent again, and set aside.
#[derive(Debug)]
pub struct Transition {
    orders: Vec<(OrderId, RevisionContent)>,
    change: Change,
}

impl Transition {
    /// The work for this many orders.
    ///
    /// # Errors
    /// When the core refuses what it should take.
    pub fn new(orders: u32) -> Result<Self, Failure> {
        Ok(Self {
            orders: arrivals(orders).collect::<Result<_, _>>()?,
            change: change()?,
        })
    }

    /// Shows every order as its batch leaves it.
    fn settle_all(&self, mut show: impl FnMut(&OrderRecord)) -> Result<(), Failure> {
        for orders in self.orders.chunks(BATCH_ORDERS) {
            let mut records: Vec<OrderRecord> = orders
                .iter()
                .map(|(id, content)| OrderRecord::begin(id.clone(), content.clone(), &self.change))
                .collect();
            let members: Vec<Member> = records.iter().map(Member::of).collect();
            let batch = self.submitted(&mut records, batch_id(&members, 0))?;
            let mut settlement = Settlement::default();
            for (index, record) in records.iter_mut().enumerate() {
                self.settle(record, index, &batch, &mut settlement)?;
                show(record);
            }
            let retention = self.change.retention;
            let finish = BatchCommand::Finish {
                settlement,
                retention,
            };
            batch.apply(finish, now())?;
        }
        Ok(())
    }

    /// Claims the orders, and takes their batch as far as the ERP.
    fn submitted(&self, orders: &mut [OrderRecord], id: BatchId) -> Result<BatchRecord, Failure> {
        let take = BatchCommand::Take {
            worker: worker()?,
            lease: Duration::seconds(60),
        };
        let mut batch = opened(id, orders.len())?.apply(take, now())?;
        let epoch = batch.epoch;
        for order in orders.iter_mut() {
            order.apply(Command::Claim { batch: id, epoch }, &self.change)?;
        }
        let members = SegmentList::sealed(epoch, orders.len());
        batch = batch.apply(BatchCommand::Seal { members }, now())?;
        let package = PackageRecord {
            name: batch.package_name()?,
            bytes: 1,
            sha256: Sha256::of(b"package"),
            orders: u32::try_from(orders.len())?,
            lines: 0,
            amounts: BTreeMap::new(),
        };
        batch = batch.apply(BatchCommand::Stage { package }, now())?;
        Ok(batch.apply(BatchCommand::Submit, now())?)
    }

    fn settle(
        &self,
        order: &mut OrderRecord,
        index: usize,
        batch: &BatchRecord,
        settlement: &mut Settlement,
    ) -> Result<(), Failure> {
        let progress = batch.progress();
        let execution = ExecutionId::from(batch.id);
        let (end, count) = match index % 4 {
            0 => (imported(execution), &mut settlement.imported),
            1 => (rejected(execution), &mut settlement.rejected),
            2 => (Command::Retry { execution }, &mut settlement.retried),
            _ => (set_aside(execution), &mut settlement.quarantined),
        };
        *count += 1;
        order.settle(end, &progress, &self.change)?;
        // What comes twice does not apply a second time.
        if order
            .settle(imported(execution), &progress, &self.change)
            .is_ok()
        {
            return Err("an order is imported twice".into());
        }
        if matches!(order.state, OrderState::Rejected { .. }) {
            order.apply(Command::Reopen, &self.change)?;
        }
        Ok(())
    }
}

impl Work for Transition {
    fn run(&self) -> Result<u64, Failure> {
        let mut entries = 0;
        self.settle_all(|order| entries += order.trail.entries().len())?;
        Ok(u64::try_from(entries)?)
    }
}

fn opened(id: BatchId, orders: usize) -> Result<BatchRecord, Failure> {
    Ok(BatchRecord {
        id,
        schema: BATCH_SCHEMA,
        state: BatchState::Open,
        epoch: 0,
        lease: None,
        project: ProjectName::new("Bench")?,
        trigger: Trigger::Requested,
        content_time: now(),
        opened_at: now(),
        sealed_at: None,
        staged_at: None,
        announced_at: None,
        is_seen: false,
        resubmissions: 0,
        submitted_at: None,
        done_at: None,
        proposal: SegmentList::proposal(orders),
        members: None,
        package: None,
        due_at: now(),
        attempts: 0,
        futile_attempts: 0,
        waits_for: None,
        settlement: None,
        expires_at: None,
    })
}

fn imported(execution: ExecutionId) -> Command {
    Command::Import {
        evidence: Evidence {
            execution,
            record: "SO-1".to_owned(),
            lines: 3,
        },
    }
}

fn rejected(execution: ExecutionId) -> Command {
    Command::Reject {
        reason: Rejection {
            execution,
            code: None,
            message: "the customer is unknown".to_owned(),
            entity: "Sales order headers V2".to_owned(),
            class: RejectionClass::Data,
            records_imported: 0,
            records_failed: 1,
        },
    }
}

fn set_aside(execution: ExecutionId) -> Command {
    Command::Quarantine {
        reason: QuarantineReason::OutcomeUnknown { execution },
    }
}

#[cfg(test)]
mod tests {
    use omnisync_core::order::StateName;

    use super::*;

    #[test]
    fn every_order_ends_in_its_own_way() {
        let work = Transition::new(4).unwrap();
        let mut ends = Vec::new();
        work.settle_all(|order| ends.push(order.state.name()))
            .unwrap();

        let expected = [
            StateName::Imported,
            StateName::Pending,
            StateName::Pending,
            StateName::Quarantined,
        ];
        assert_eq!(ends, expected);
        assert_eq!(work.run().unwrap(), work.run().unwrap());
    }
}
