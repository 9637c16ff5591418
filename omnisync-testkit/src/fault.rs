//! Faults at port calls: the seam that every decorator shares, and plans that decide where.
//!
//! A [`Seam`] numbers the calls of all ports that it wraps and asks one [`Interceptor`] before
//! and after each. Journals, fault plans, the crash explorer and a simulator's scheduler are all
//! interceptors.

mod intercepted;
mod plan;

pub use intercepted::{Intercepted, Seam};
pub use plan::{Fault, FaultPlan};

use std::fmt;

use async_trait::async_trait;
use omnisync_core::error::{ErrorKind, PortError};

/// One call of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Position among all calls through the same [`Seam`], beginning with 1.
    pub number: u64,
    /// Port and operation, such as `state_store.write`: the operation that errors name.
    pub operation: &'static str,
    /// What the call is about, for people: a key, a blob name, an execution id.
    pub subject: String,
}

impl Call {
    /// The port, such as `state_store`.
    pub fn port(&self) -> &'static str {
        self.operation
            .split_once('.')
            .map_or(self.operation, |(port, _)| port)
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "call {} {} {}",
            self.number, self.operation, self.subject
        )
    }
}

/// What shall happen at one side of a call.
#[derive(Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// Go on.
    Proceed,
    /// Give this error to the caller. Before the call the effect does not happen; after it, the
    /// effect has happened and its acknowledgement is lost.
    Fail(PortError),
    /// Never return: the worker is dead. Whoever runs it drops the future.
    Crash,
}

/// How an effect ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The port returned a value.
    Done,
    /// The port returned an error of this kind.
    Refused(ErrorKind),
}

/// Decides about port calls.
///
/// `before` may wait: a simulator makes it its scheduling point. Both sides may move a
/// [`ManualClock`](crate::clock::ManualClock): that is a pause.
#[async_trait]
pub trait Interceptor: fmt::Debug + Send + Sync + 'static {
    /// Asked before the effect.
    async fn before(&self, call: &Call) -> Verdict;

    /// Asked after the effect.
    async fn after(&self, call: &Call, effect: Effect) -> Verdict;
}
