//! Keeping the records of several CRMs the same.
//!
//! | flow | what it does |
//! |---|---|
//! | [`Listen`] | takes a change stream in, delivery by delivery |
//! | [`Hear`] | notes where to look: hints of change streams, and what a system names as changed |
//! | [`CrmSync`] | looks, decides with the ledger, writes where a system is behind |
//! | [`CrmDesk`] | says what is known of a record and why, lists what is open or waits, and takes decisions of people |
//!
//! A host that tells people what they have to decide reads [`CrmItem::notices`] after each run, and
//! lists what is open with [`CrmDesk`].
//!
//! A hint is acknowledged once it is stored. Nothing of it is believed: the record is read, and
//! [`ledger`](crate::crm::ledger) says what follows.

mod desk;
mod documents;
mod hear;
mod identify;
mod landscape;
mod listen;
mod lists;
mod look;
mod membership;
mod outcome;
mod pass;
mod rules;
mod sync;
mod write;

pub use desk::{CrmDesk, DeskError, RecordExplanation};
pub use documents::{CRM_KEYS, CRM_LINKS, CRM_RECORDS, CRM_STREAMS, LinkState};
pub use hear::{CaughtUp, Hear, HearOutcome, Heard};
pub use landscape::{CrmSystem, EchoRule, Landscape, LandscapeError};
pub use listen::{HintDecoder, Listen, ListenOutcome, Undecodable};
pub use lists::{CrmPage, CrmWaiting, OpenConflict, WaitCause};
pub use outcome::{CrmItem, CrmNotice, CrmSyncOutcome, CrmWork};
pub use rules::PolicyError;
pub use sync::CrmSync;

use crate::port::Collection;

/// Every collection that these flows keep documents in, for stores that have to be set up
/// beforehand.
pub const CRM_COLLECTIONS: [Collection; 4] = [CRM_RECORDS, CRM_KEYS, CRM_LINKS, CRM_STREAMS];
