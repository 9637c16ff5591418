use std::fmt;

use async_trait::async_trait;

use super::{ByteStream, forward_to_pointee};
use crate::error::PortError;
use crate::id::{BlobName, ExecutionId, ProjectName, Sha256};

/// Imports data packages into an ERP and tells the fate of every record.
///
/// # Contract
/// 1. A submission that was acknowledged is known to `status` under its execution id, in this
///    process and after a restart of either side; so is one that took effect without an
///    acknowledgement. It is known no later than `capability().visible_after_seconds` after its
///    call began.
/// 2. `status` of an execution id that was never submitted gives `NotSubmitted`.
/// 3. Submitting an execution id a second time does what `capability().repeated_execution`
///    says; with `Rejected` it gives `AlreadyExists` and changes nothing.
/// 4. `status` is total: a word that nobody knows is `Unknown`, never success.
/// 5. After `Succeeded`, `PartiallySucceeded` or `Failed`, the pages of `results` name what
///    `capability().reporting` says: every record of the package once, or every refused record
///    once together with the number of imported records of each entity.
/// 6. A record is `Imported` only with evidence that names it.
/// 7. A second submission to a project that is still importing gives `Conflict` where
///    `capability().parallel_per_project` is 1; nothing has been submitted.
/// 8. Bytes that do not match the submission's hash, or are not a package, give `Corrupt` or
///    `Invalid`, or end as a `Failed` execution; no record is imported.
/// 9. `results` of an execution that has not ended gives `Conflict`.
///
/// # Cancel safety
/// A dropped `submit` may or may not have taken effect: ask `status` for the execution id
/// before submitting again.
#[async_trait]
pub trait ErpImporter: fmt::Debug + Send + Sync + 'static {
    /// What this ERP can do.
    fn capability(&self) -> ErpCapability;

    /// Hands a package over.
    ///
    /// # Errors
    /// `AlreadyExists`, `Conflict`, `Corrupt`, `Invalid`, `TooLarge`, `Denied`, `Misconfigured`;
    /// `TimedOut` and `Unavailable` leave the effect open unless they say that there is none;
    /// `Throttled` carries a delay.
    async fn submit(&self, submission: Submission) -> Result<SubmitReceipt, PortError>;

    /// How far an import is.
    ///
    /// # Errors
    /// `Unavailable`, `TimedOut`, `Throttled`, `Denied`, `Misconfigured`, `Corrupt`.
    async fn status(&self, execution: ExecutionId) -> Result<ImportStatus, PortError>;

    /// One page of the fates of an ended import's records.
    ///
    /// # Errors
    /// `Conflict` when it has not ended, `NotFound` when it is not known, and as `status`.
    async fn results(
        &self,
        execution: ExecutionId,
        continuation: Option<String>,
    ) -> Result<ResultsPage, PortError>;
}

/// What an [`ErpImporter`] can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErpCapability {
    /// What happens to a repeated execution id.
    pub repeated_execution: RepeatedExecution,
    /// How many imports of one project may run at once.
    pub parallel_per_project: u32,
    /// Which records `results` names.
    pub reporting: Reporting,
    /// How long after the beginning of a call of `submit` its effect may still be unknown to
    /// `status`, in seconds. 0 when `status` knows at once: then a submission needs no
    /// announcement.
    pub visible_after_seconds: u32,
}

impl ErpCapability {
    /// One import per project at a time, results of every record, known at once.
    pub const fn new(repeated_execution: RepeatedExecution) -> Self {
        Self {
            repeated_execution,
            parallel_per_project: 1,
            reporting: Reporting::Every,
            visible_after_seconds: 0,
        }
    }
}

/// Which records the results of an import name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reporting {
    /// Every record, imported or refused.
    Every,
    /// Refused records only, and how many of each entity were imported. What became of a record
    /// that is not named follows from the numbers, where they add up.
    Refused,
    /// None: `results` gives `Unsupported`.
    Nothing,
}

/// What an ERP does with an execution id that it knows already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepeatedExecution {
    /// It refuses.
    Rejected,
    /// It answers with the existing execution.
    ReturnsExisting,
    /// It imports again. Deliver never relies on anything kinder.
    RunsAgain,
}

/// A package on its way into the ERP.
pub struct Submission {
    /// Identity of the import.
    pub execution: ExecutionId,
    /// Data project that imports it.
    pub project: ProjectName,
    /// Company; `None` for the project's default.
    pub legal_entity: Option<String>,
    /// Name of the staged package.
    pub package: BlobName,
    /// Length in bytes.
    pub bytes: u64,
    /// Hash of the content.
    pub sha256: Sha256,
    /// The package.
    pub content: ByteStream,
}

impl fmt::Debug for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submission")
            .field("execution", &self.execution)
            .field("project", &self.project)
            .field("legal_entity", &self.legal_entity)
            .field("package", &self.package)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

/// Proof that the ERP took a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubmitReceipt {
    /// Identity of the import, as the ERP confirmed it.
    pub execution: ExecutionId,
    /// The ERP's own word for what it did, for the trail.
    pub evidence: String,
}

/// How far an import is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportStatus {
    /// The ERP does not know the execution id.
    NotSubmitted,
    /// Accepted, not begun.
    Queued,
    /// Running.
    Executing,
    /// Ended; still read the results before settling anything.
    Succeeded,
    /// Ended with some records refused.
    PartiallySucceeded,
    /// Ended with an error; records may still have been imported.
    Failed,
    /// Ended by somebody.
    Canceled,
    /// A word that nobody knows. Never success.
    Unknown(String),
}

impl ImportStatus {
    /// True when nothing more will happen in the ERP.
    pub fn has_ended(&self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::PartiallySucceeded | Self::Failed | Self::Canceled
        )
    }

    /// The ERP's word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::NotSubmitted => "NotSubmitted",
            Self::Queued => "Queued",
            Self::Executing => "Executing",
            Self::Succeeded => "Succeeded",
            Self::PartiallySucceeded => "PartiallySucceeded",
            Self::Failed => "Failed",
            Self::Canceled => "Canceled",
            Self::Unknown(word) => word,
        }
    }
}

/// Some of the fates of an import's records.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResultsPage {
    /// Fates, in no promised order.
    pub records: Vec<RecordResult>,
    /// How many records of each entity were imported; an empty list says that nothing was.
    /// `None` where the ERP does not count, or on a page that leaves it to another.
    pub totals: Option<Vec<EntityTotal>>,
    /// What went wrong with the import as a whole, rather than with a record.
    pub problems: Vec<ImportProblem>,
    /// Where to go on; `None` at the end.
    pub continuation: Option<String>,
}

impl ResultsPage {
    /// A page with nothing but fates.
    pub fn of(records: Vec<RecordResult>, continuation: Option<String>) -> Self {
        Self {
            records,
            continuation,
            ..Self::default()
        }
    }
}

/// What an import did with the records of one entity, by the ERP's count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityTotal {
    /// Entity label.
    pub entity: String,
    /// Records that were created or updated.
    pub imported: u64,
}

/// What went wrong with an import as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportProblem {
    /// The ERP's code, where it has one.
    pub code: Option<String>,
    /// The ERP's message.
    pub message: String,
    /// Whose fault it is and whether repeating helps.
    pub class: FailureClass,
}

/// Fate of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordResult {
    /// Which record.
    pub key: RecordKey,
    /// What became of it.
    pub outcome: RecordOutcome,
}

/// Names a record by entity label and key columns, as the ERP reports it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey {
    /// Entity label, such as `Sales order headers V2`.
    pub entity: String,
    /// Staging column and value, such as `SALESORDERNUMBER` and `ORD-1`.
    pub columns: Vec<(String, String)>,
}

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordOutcome {
    /// It is in the ERP.
    Imported {
        /// The ERP's own name for it, for the trail.
        evidence: String,
    },
    /// It is not.
    Failed {
        /// The ERP's code, where it has one.
        code: Option<String>,
        /// The ERP's message.
        message: String,
        /// Whose fault it is and whether repeating helps.
        class: FailureClass,
    },
}

/// Whose fault a failed record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureClass {
    /// The ERP's, for the moment: send again.
    Transient,
    /// Another import stood in the way: send again, alone.
    Contention,
    /// Ours: the package is wrong.
    Packaging,
    /// The order's data: a person has to repair it.
    Data,
    /// Nobody knows. Treated as `Data`.
    Unknown,
}

forward_to_pointee!(ErpImporter {
    fn capability(&self) -> ErpCapability {
        (**self).capability()
    }
    async fn submit(&self, submission: Submission) -> Result<SubmitReceipt, PortError> {
        (**self).submit(submission).await
    }
    async fn status(&self, execution: ExecutionId) -> Result<ImportStatus, PortError> {
        (**self).status(execution).await
    }
    async fn results(
        &self,
        execution: ExecutionId,
        continuation: Option<String>,
    ) -> Result<ResultsPage, PortError> {
        (**self).results(execution, continuation).await
    }
});
