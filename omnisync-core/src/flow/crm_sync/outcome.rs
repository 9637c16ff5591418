use crate::crm::ledger::{Conflict, Overdue};
use crate::crm::{EntityName, ForeignId, LinkId, SystemName};
use crate::error::PortError;

/// What a run of [`CrmSync`](super::CrmSync) did.
#[derive(Debug, Default)]
pub struct CrmSyncOutcome {
    /// What became of each record that was looked at, and of each link that was gone on with.
    pub items: Vec<CrmItem>,
    /// More was waiting than a run takes.
    pub more: bool,
}

/// One record or link.
#[derive(Debug)]
pub struct CrmItem {
    /// The entity; `None` where its document cannot be read and its key does not say.
    pub entity: Option<EntityName>,
    /// The record that was hinted at; `None` for a link that was gone on with.
    pub record: Option<(SystemName, ForeignId)>,
    /// The link, where it is known.
    pub link: Option<LinkId>,
    /// What was done.
    pub work: CrmWork,
    /// What people should know of the link.
    pub notices: Vec<CrmNotice>,
}

/// Something that people should know of a link, told once: by the run that stored it. A run that dies
/// before its host reads the outcome takes it along; [`CrmDesk`](super::CrmDesk) still says it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CrmNotice {
    /// A person has something to decide.
    Conflict(Box<Conflict>),
    /// A reference, or a write, has waited for longer than the rules allow. It goes on whenever what it
    /// waits for comes.
    Overdue(Overdue),
}

/// What was done for one record.
#[derive(Debug)]
pub enum CrmWork {
    /// Everything that was to do: so many looks, so many writes.
    Done {
        /// Reads of systems.
        looks: u32,
        /// Writes to systems.
        writes: u32,
    },
    /// It belongs to nothing that is shared: gone, or without a natural key.
    Unlinked {
        /// Why.
        reason: String,
    },
    /// It is the second record of its system with a natural key: a conflict says so.
    Duplicate,
    /// Another worker is at it.
    Busy,
    /// A port failed; it is taken up again.
    Failed(PortError),
}
