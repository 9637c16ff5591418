//! Answers of the writer, and how they get to those who wait.

use omnisync_core::PortError;
use omnisync_core::port::WriteResult;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Answers that the writer gives itself. Every answer that it gives may wake a thread of the
/// callers' runtime, which then takes the processor from the writer; beyond these few it is
/// cheaper to wake one thread that gives the rest.
const DIRECT_MAX: usize = 4;

/// What a command did, held back until the commit.
#[derive(Debug)]
pub(super) enum Done {
    Written(Vec<WriteResult>),
    Purged(usize),
}

/// What the caller of a command hears.
pub(super) type Answer = Result<Done, PortError>;

/// Where the answer of a command goes.
#[derive(Debug)]
pub(super) struct Reply {
    answer: oneshot::Sender<Answer>,
    /// The runtime that the caller runs on.
    runtime: Option<Handle>,
}

impl Reply {
    /// A place for an answer, and where the caller waits for it.
    pub(super) fn channel() -> (Self, oneshot::Receiver<Answer>) {
        let (answer, answered) = oneshot::channel();
        let runtime = Handle::try_current().ok();
        (Self { answer, runtime }, answered)
    }

    /// True when nobody waits for the answer any more, so that nothing need be done.
    pub(super) fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }

    pub(super) fn give(self, answer: Answer) {
        // A caller that left in the meantime has no use for the answer.
        drop(self.answer.send(answer));
    }
}

/// Gives each its answer. Callers of one runtime depend on that runtime alone.
pub(super) fn give_all(mut answers: Vec<(Reply, Answer)>) {
    while answers.len() > DIRECT_MAX {
        let Some(runtime) = answers.iter().find_map(|(reply, _)| reply.runtime.clone()) else {
            break;
        };
        let (here, elsewhere) = answers.into_iter().partition(|(reply, _)| {
            let own = reply.runtime.as_ref();
            own.is_some_and(|own| own.id() == runtime.id())
        });
        answers = elsewhere;
        // A runtime that is shutting down drops the task, and with it the answers.
        let rest = Rest(here);
        runtime.spawn(async move { drop(rest) });
    }
    drop(Rest(answers));
}

/// Answers that are given at the latest when nobody cares for them any more.
struct Rest(Vec<(Reply, Answer)>);

impl Drop for Rest {
    fn drop(&mut self) {
        for (reply, answer) in self.0.drain(..) {
            reply.give(answer);
        }
    }
}
