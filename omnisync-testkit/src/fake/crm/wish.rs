//! What a transaction is to do, and for whom.

use omnisync_core::crm::{ChangeKind, Fields, Native};

use super::log::ChangeCause;
use super::record::Standing;

/// In whose name something is done, and by which call.
#[derive(Debug, Clone)]
pub(super) struct Actor {
    pub(super) user: String,
    pub(super) cause: ChangeCause,
}

/// What a transaction wants of one record.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) kind: ChangeKind,
    pub(super) standing: Standing,
    pub(super) fields: Fields<Native>,
}

impl Wish {
    pub(super) fn update(fields: Fields<Native>) -> Self {
        Self {
            kind: ChangeKind::Update,
            standing: Standing::Active,
            fields,
        }
    }

    pub(super) fn delete(standing: Standing) -> Self {
        Self {
            kind: ChangeKind::Delete,
            standing,
            fields: Fields::new(),
        }
    }

    pub(super) const fn undelete() -> Self {
        Self {
            kind: ChangeKind::Undelete,
            standing: Standing::Active,
            fields: Fields::new(),
        }
    }
}
