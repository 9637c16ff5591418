//! The order pipeline as its design was published, hole by hole, behind our ports.
//!
//! Two functions, a workflow and two rules of the platform share a state store and a stage, and
//! nothing else: [`Ingestion`] writes a document per order, [`Transformation`] packs whatever is
//! pending, [`Delivery`] hands the first package to the ERP, [`Lifecycle`] deletes by age.
//! [`PublishedHost`] runs them by their timers.
//!
//! Where the design contradicts itself or cannot run at all, the reading was chosen that works
//! best, so that what goes wrong is the algorithm and not a slip of the pen:
//!
//! * The order is the `data` of the envelope. Read at the top level, as the code has it, no event
//!   carries an order number and nothing is ever ingested (hole O5).
//! * The variables that the workflow uses without declaring them are taken as declared. The status
//!   is still never assigned (hole O18).
//! * Upload and start of the import are one call, since [`ErpImporter`] has one.
//! * Validation is that of [`validate`] without a check of the total (hole O26): the design names
//!   a validator and does not show it.
//! * Claims and marks replace whole documents: the design names these operations and does not
//!   show them.
//!
//! What the platform does around the code is part of the algorithm: the event types that the
//! subscription lets through, the message that is abandoned when a function throws, the
//! dead-letter queue after the last delivery, the default retries of a workflow action, and the
//! limit of a loop that counts as success.
//!
//! [`ErpImporter`]: omnisync_core::port::ErpImporter
//! [`validate`]: omnisync_core::order::validate

mod delivery;
mod document;
mod host;
mod ingestion;
mod lifecycle;
mod options;
mod timer;
mod transformation;

pub use delivery::{Delivered, Delivery};
pub use document::{ORDERS, OrderDocument, Status};
pub use host::{PublishedHost, PublishedPorts, Round};
pub use ingestion::{Ingested, Ingestion};
pub use lifecycle::{Expired, Lifecycle};
pub use options::PublishedOptions;
pub use timer::Timers;
pub use transformation::{Transformation, Transformed};
