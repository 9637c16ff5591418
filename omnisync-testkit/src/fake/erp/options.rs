//! How an ERP behaves, and how it misbehaves on demand.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use omnisync_core::port::{Clock, FailureClass, RepeatedExecution, Reporting};

/// How a [`FakeErp`](super::FakeErp) behaves.
#[derive(Debug, Clone)]
pub struct FakeErpOptions {
    /// What a repeated execution id does. Default: refused.
    pub repeated_execution: RepeatedExecution,
    /// How often the status of an import is asked for before it ends; `None` when it ends only
    /// by [`FakeErp::finish`](super::FakeErp::finish). Default 1.
    pub polls_to_end: Option<u32>,
    /// Share of orders that the ERP refuses, `0.0..=1.0`, chosen by a hash of the order number:
    /// the same orders every time. Default 0.
    pub refused_share: f64,
    /// Imports of one project that may run at once. Default 1, as in Finance & Operations.
    pub parallel_per_project: u32,
    /// Which records results name. Default: every one.
    pub reporting: Reporting,
    /// How late the status of an import is known. Default: at once.
    pub late: Option<Late>,
}

/// An ERP whose status does not tell of an import for a while after it took the package, as that
/// of Finance & Operations does not while it unpacks.
#[derive(Debug, Clone)]
pub struct Late {
    /// Time of the ERP.
    pub clock: Arc<dyn Clock>,
    /// How long the status does not tell of it.
    pub by: Duration,
    /// What the status is meanwhile: a word, or `None` for an import that it does not know.
    pub says: Option<String>,
    /// What the capability promises, in seconds: no less than `by` where the import is not known.
    pub visible_after_seconds: u32,
}

impl Default for FakeErpOptions {
    fn default() -> Self {
        Self {
            repeated_execution: RepeatedExecution::Rejected,
            polls_to_end: Some(1),
            refused_share: 0.0,
            parallel_per_project: 1,
            reporting: Reporting::Every,
            late: None,
        }
    }
}

impl Late {
    /// From when on the status knows an import that is taken now.
    pub(super) fn known_from(&self) -> DateTime<Utc> {
        let by = TimeDelta::from_std(self.by).unwrap_or(TimeDelta::MAX);
        let known = self.clock.now().checked_add_signed(by);
        known.unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

/// Why the ERP refuses an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderFailure {
    /// The ERP's code.
    pub code: Option<String>,
    /// The ERP's message.
    pub message: String,
    /// Whose fault it is.
    pub class: FailureClass,
    /// Fails the lines only: the header gets in, which makes a half order.
    pub lines_only: bool,
}

impl OrderFailure {
    /// A failure that repeating cannot help.
    pub fn data(message: impl Into<String>) -> Self {
        Self {
            code: None,
            message: message.into(),
            class: FailureClass::Data,
            lines_only: false,
        }
    }

    /// A failure that may pass.
    pub fn transient(message: impl Into<String>) -> Self {
        Self {
            class: FailureClass::Transient,
            ..Self::data(message)
        }
    }

    /// The same, of the lines only.
    #[must_use]
    pub fn of_lines(mut self) -> Self {
        self.lines_only = true;
        self
    }
}

/// What the next call of an operation does instead of working.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErpFault {
    /// Nothing happens, and the call fails.
    Unavailable,
    /// It happens, and the answer is lost.
    LostAnswer,
    /// Nothing happens; the ERP asks for a pause.
    Throttled(Duration),
}
