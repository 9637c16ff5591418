//! What operations cost.

use std::sync::{Mutex, PoisonError};

/// Request units that a store has used, by operation.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct CosmosCharges {
    /// Point reads.
    pub reads: Charge,
    /// Writes that expect absence.
    pub creates: Charge,
    /// Writes that expect a version.
    pub replaces: Charge,
    /// Writes without a condition.
    pub upserts: Charge,
    /// Deletes.
    pub deletes: Charge,
    /// Pages of queries.
    pub queries: Charge,
}

impl CosmosCharges {
    /// Everything together.
    pub fn total(&self) -> Charge {
        let all = [
            self.reads,
            self.creates,
            self.replaces,
            self.upserts,
            self.deletes,
            self.queries,
        ];
        all.into_iter().fold(Charge::default(), |sum, one| Charge {
            operations: sum.operations + one.operations,
            request_units: sum.request_units + one.request_units,
        })
    }
}

/// What operations of one kind have cost.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct Charge {
    /// Operations, refused ones included.
    pub operations: u64,
    /// What the service charged for them, every attempt included.
    pub request_units: f64,
}

/// Kind of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Read,
    Create,
    Replace,
    Upsert,
    Delete,
    Query,
}

impl Operation {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Upsert => "upsert",
            Self::Delete => "delete",
            Self::Query => "query",
        }
    }
}

/// The account of a store.
#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<CosmosCharges>);

impl Ledger {
    pub(super) fn add(&self, operation: Operation, request_units: f64) {
        let mut charges = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let charge = match operation {
            Operation::Read => &mut charges.reads,
            Operation::Create => &mut charges.creates,
            Operation::Replace => &mut charges.replaces,
            Operation::Upsert => &mut charges.upserts,
            Operation::Delete => &mut charges.deletes,
            Operation::Query => &mut charges.queries,
        };
        charge.operations += 1;
        charge.request_units += request_units;
    }

    pub(super) fn read(&self) -> CosmosCharges {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
