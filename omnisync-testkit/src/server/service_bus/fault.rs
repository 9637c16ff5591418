//! Trouble on demand.

use std::time::Duration;

/// What a client is about to have done when a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// A token is put. The link that it came on is the one that is detached.
    PutToken,
    /// A link to an entity is attached. A delay is one of all of it. Before a link is detached there
    /// is always an attach, as the protocol has it: it names no node unless the link was attached.
    Attach,
    /// Messages are sent.
    Send,
    /// A message is handed out. A refusal detaches the link and says why; a delay holds back what
    /// comes after the message on its link as well; a silent link hands out nothing ever after.
    Deliver,
    /// A delivery is settled on its link, or over REST.
    Settle,
    /// Something is asked of `$management`. The link that it came on is the one that is detached.
    Manage,
}

/// What goes wrong with one step: any of them with any step.
///
/// There are no links over REST: what would detach one cuts the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It is refused as unauthorized.
    Unauthorized,
    /// It is refused: the server is busy.
    Busy,
    /// The connection is cut before anything has happened.
    CutBefore,
    /// It happens, and the connection is cut in place of an answer.
    CutAfter,
    /// It happens, and the answer comes so much later, as the clock counts.
    Delayed(Duration),
    /// Nothing happens, and the link is detached by force.
    Detached,
    /// It happens, and the link is detached by force in place of an answer.
    DetachedAfter,
    /// Nothing happens, and there is no answer.
    Silent,
}
