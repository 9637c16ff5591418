//! Faults at port calls: the seam that every decorator shares, and plans that decide where.
//!
//! A [`Seam`] numbers the calls of all ports that it wraps and asks one [`Interceptor`] before
//! and after each. Journals, fault plans, the crash explorer and the simulator's scheduler are
//! all interceptors. An [`Observer`] sees what really happened at the ports, whatever their
//! callers were told.

mod distortion;
mod intercepted;
mod observer;
mod plan;
mod seam;
mod subject;

pub use distortion::Distortion;
pub use intercepted::Intercepted;
pub use observer::{Observer, Seen};
pub use plan::{Fault, FaultPlan};
pub use seam::Seam;
pub use subject::Subject;

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
    /// What the call is about.
    pub subject: Subject,
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
    /// Go on, but not as the caller meant it. Only before the call; where an operation cannot be
    /// distorted so, it goes on undisturbed.
    Distort(Distortion),
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
