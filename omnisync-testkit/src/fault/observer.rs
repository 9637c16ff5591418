use std::fmt;

use omnisync_core::crm::ForeignId;
use omnisync_core::error::PortError;
use omnisync_core::id::{BlobName, ExecutionId};
use omnisync_core::port::{
    BlobReceipt, ChangesPage, Creation, CrmRecord, Delivery, Disposition, Document, ImportStatus,
    Page, RecordResult, RecordUpdate, Settled, Sight, Write, WriteReceipt, WriteResult,
};

use super::Call;

/// Watches what really happens at the ports of a [`Seam`](super::Seam).
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// Called right after an effect, before its caller hears of it, once for each thing that the
    /// port did. Lost acknowledgements hide nothing from an observer. What has an effect is shown
    /// as it happened; an answer that was distorted is shown as it was given.
    fn observe(&self, call: &Call, seen: Seen<'_>);
}

/// What a port did.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Seen<'a> {
    /// One item of a write, and what became of it.
    Write(&'a Write, &'a WriteResult),
    /// One document that was read by its key.
    Document(Option<&'a Document>),
    /// A page of a query.
    Page(&'a Page),
    /// A new blob.
    Put(&'a BlobReceipt),
    /// A blob that was there is deleted.
    Deleted(&'a BlobName),
    /// A delivery was handed out.
    Received(&'a Delivery),
    /// A delivery was settled.
    Settled(&'a Delivery, &'a Disposition, Settled),
    /// The ERP took a package, or said that it has it.
    Submitted(ExecutionId),
    /// What the ERP says of an import.
    Status(ExecutionId, &'a ImportStatus),
    /// The ERP told the fate of a record.
    Result(ExecutionId, &'a RecordResult),
    /// What a CRM showed of a record.
    Sight(&'a CrmRecord, &'a Sight),
    /// The records of an object that a CRM found.
    Found(&'a str, &'a [ForeignId]),
    /// A CRM created a record, or said that it had.
    Created(&'a Creation, &'a WriteReceipt),
    /// A CRM changed a record.
    Updated(&'a RecordUpdate, &'a WriteReceipt),
    /// A CRM took a record out of use, or said that it was.
    Removed(&'a CrmRecord, &'a WriteReceipt),
    /// A CRM brought a record back, or said that it was in use.
    Restored(&'a CrmRecord, &'a WriteReceipt),
    /// A page of changes of an object.
    Changes(&'a str, &'a ChangesPage),
    /// The port refused the call.
    Refused(&'a PortError),
}
