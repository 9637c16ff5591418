//! What can go wrong at a port call.

use std::fmt;

/// What can go wrong at a port call. A lower number is the simpler explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// A transient error, and no effect.
    ErrorBefore = 1,
    /// The effect, and then a transient error: the acknowledgement is lost.
    LostAck = 2,
    /// The worker dies before the effect.
    CrashBefore = 3,
    /// The worker dies after the effect.
    CrashAfter = 4,
    /// The worker sleeps until its lease and its locks have run out, and goes on with its call as
    /// if nothing had happened. Others may have gone first.
    Pause = 5,
    /// The call is refused with a time before which it must not be repeated.
    Throttle = 6,
    /// The answer is old.
    Stale = 7,
    /// A part takes effect.
    Partial = 8,
    /// It happens twice.
    Duplicate = 9,
    /// Items come in another order.
    Reorder = 10,
    /// The worker's clock steps, forward or back.
    ClockStep = 11,
    /// Bytes or words are damaged.
    Corrupt = 12,
    /// An error that lasts until somebody repairs something, or something is gone for good.
    Permanent = 13,
}

impl FaultKind {
    /// All kinds.
    pub const ALL: [Self; 13] = [
        Self::ErrorBefore,
        Self::LostAck,
        Self::CrashBefore,
        Self::CrashAfter,
        Self::Pause,
        Self::Throttle,
        Self::Stale,
        Self::Partial,
        Self::Duplicate,
        Self::Reorder,
        Self::ClockStep,
        Self::Corrupt,
        Self::Permanent,
    ];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ErrorBefore => "error before",
            Self::LostAck => "lost acknowledgement",
            Self::CrashBefore => "crash before",
            Self::CrashAfter => "crash after",
            Self::Pause => "pause past the lease",
            Self::Throttle => "throttle",
            Self::Stale => "stale read",
            Self::Partial => "partial",
            Self::Duplicate => "duplicate",
            Self::Reorder => "reorder",
            Self::ClockStep => "clock step",
            Self::Corrupt => "corrupt",
            Self::Permanent => "permanent error",
        }
    }

    /// What can go wrong at `operation`, simplest first. Reads have no effect, so before and
    /// after are the same to them.
    pub const fn menu(operation: &str) -> &'static [Self] {
        match operation.as_bytes() {
            b"state_store.write" => &STORE_WRITE,
            b"state_store.query" => &STORE_QUERY,
            b"blob_stage.put" => &PUT,
            b"blob_stage.get" => &BLOB_GET,
            b"blob_stage.list" => &LIST,
            b"blob_stage.delete" => &EFFECT,
            b"event_source.receive" => &RECEIVE,
            b"event_source.settle" => &SETTLE,
            b"erp_importer.submit" => &SUBMIT,
            b"erp_importer.status" => &STATUS,
            b"erp_importer.results" => &RESULTS,
            b"crm_sink.read" => &CRM_READ,
            b"crm_sink.find" => &CRM_FIND,
            b"crm_sink.create" | b"crm_sink.update" | b"crm_sink.remove" | b"crm_sink.restore" => {
                &CRM_WRITE
            }
            b"crm_sink.changes" => &CRM_CHANGES,
            _ => &READ,
        }
    }

    pub(super) const fn bit(self) -> u16 {
        1 << (self as u16)
    }
}

const READ: [FaultKind; 6] = [
    FaultKind::ErrorBefore,
    FaultKind::CrashBefore,
    FaultKind::Pause,
    FaultKind::Throttle,
    FaultKind::ClockStep,
    FaultKind::Permanent,
];

const EFFECT: [FaultKind; 8] = [
    FaultKind::ErrorBefore,
    FaultKind::LostAck,
    FaultKind::CrashBefore,
    FaultKind::CrashAfter,
    FaultKind::Pause,
    FaultKind::Throttle,
    FaultKind::ClockStep,
    FaultKind::Permanent,
];

const STORE_WRITE: [FaultKind; 10] = [
    FaultKind::ErrorBefore,
    FaultKind::LostAck,
    FaultKind::CrashBefore,
    FaultKind::CrashAfter,
    FaultKind::Pause,
    FaultKind::Throttle,
    FaultKind::Partial,
    FaultKind::Duplicate,
    FaultKind::ClockStep,
    FaultKind::Permanent,
];

const STORE_QUERY: [FaultKind; 8] = [
    FaultKind::ErrorBefore,
    FaultKind::CrashBefore,
    FaultKind::Pause,
    FaultKind::Throttle,
    FaultKind::Stale,
    FaultKind::Reorder,
    FaultKind::ClockStep,
    FaultKind::Permanent,
];

const LIST: [FaultKind; 7] = [
    FaultKind::ErrorBefore,
    FaultKind::CrashBefore,
    FaultKind::Pause,
    FaultKind::Throttle,
    FaultKind::Stale,
    FaultKind::ClockStep,
    FaultKind::Permanent,
];

const PUT: [FaultKind; 10] = STORE_WRITE;

const BLOB_GET: [FaultKind; 7] = [
    FaultKind::ErrorBefore,
    FaultKind::CrashBefore,
    FaultKind::Pause,
    FaultKind::Throttle,
    FaultKind::ClockStep,
    FaultKind::Corrupt,
    FaultKind::Permanent,
];

const RECEIVE: [FaultKind; 10] = [
    FaultKind::ErrorBefore,
    FaultKind::LostAck,
    FaultKind::CrashBefore,
    FaultKind::CrashAfter,
    FaultKind::Pause,
    FaultKind::Throttle,
    FaultKind::Duplicate,
    FaultKind::Reorder,
    FaultKind::ClockStep,
    FaultKind::Permanent,
];

const SETTLE: [FaultKind; 9] = [
    FaultKind::ErrorBefore,
    FaultKind::LostAck,
    FaultKind::CrashBefore,
    FaultKind::CrashAfter,
    FaultKind::Pause,
    FaultKind::Throttle,
    FaultKind::Duplicate,
    FaultKind::ClockStep,
    FaultKind::Permanent,
];

const SUBMIT: [FaultKind; 9] = SETTLE;

const STATUS: [FaultKind; 8] = [
    FaultKind::ErrorBefore,
    FaultKind::CrashBefore,
    FaultKind::Pause,
    FaultKind::Throttle,
    FaultKind::Stale,
    FaultKind::ClockStep,
    FaultKind::Corrupt,
    FaultKind::Permanent,
];

const RESULTS: [FaultKind; 10] = [
    FaultKind::ErrorBefore,
    FaultKind::CrashBefore,
    FaultKind::Pause,
    FaultKind::Throttle,
    FaultKind::Partial,
    FaultKind::Duplicate,
    FaultKind::Reorder,
    FaultKind::ClockStep,
    FaultKind::Corrupt,
    FaultKind::Permanent,
];

const CRM_READ: [FaultKind; 7] = LIST;

const CRM_FIND: [FaultKind; 7] = [
    FaultKind::ErrorBefore,
    FaultKind::CrashBefore,
    FaultKind::Pause,
    FaultKind::Throttle,
    FaultKind::Reorder,
    FaultKind::ClockStep,
    FaultKind::Permanent,
];

const CRM_WRITE: [FaultKind; 9] = SETTLE;

const CRM_CHANGES: [FaultKind; 8] = [
    FaultKind::ErrorBefore,
    FaultKind::CrashBefore,
    FaultKind::Pause,
    FaultKind::Throttle,
    FaultKind::Duplicate,
    FaultKind::Reorder,
    FaultKind::ClockStep,
    FaultKind::Permanent,
];

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
