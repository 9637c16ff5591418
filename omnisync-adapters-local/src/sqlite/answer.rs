//! Answers of the writer, and how they get to those who wait.

use omnisync_core::PortError;
use omnisync_core::port::WriteResult;
use tokio::runtime::{Handle, RuntimeFlavor};
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
    /// The runtime that the caller runs on, when it has threads of its own: any other may be
    /// entered without ever being driven.
    runtime: Option<Handle>,
}

impl Reply {
    /// A place for an answer, and where the caller waits for it.
    pub(super) fn channel() -> (Self, oneshot::Receiver<Answer>) {
        let (answer, answered) = oneshot::channel();
        let runtime = Handle::try_current()
            .ok()
            .filter(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread);
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

#[cfg(test)]
mod tests {
    use tokio::runtime::{Builder, Runtime};

    use super::*;

    /// Gives answers to callers that were on `runtime` when they asked.
    fn check(runtime: &Runtime) {
        let entered = runtime.enter();
        let (replies, answered): (Vec<_>, Vec<_>) = (0..100).map(|_| Reply::channel()).unzip();
        drop(entered);
        let answers = (0..100).map(|number| Ok(Done::Purged(number)));
        give_all(replies.into_iter().zip(answers).collect());
        for (number, answered) in answered.into_iter().enumerate() {
            let answer = answered.blocking_recv().unwrap().unwrap();
            assert!(matches!(answer, Done::Purged(found) if found == number));
        }
    }

    #[test]
    fn each_caller_gets_its_own_answer_whether_or_not_its_runtime_is_driven() {
        check(
            &Builder::new_multi_thread()
                .worker_threads(1)
                .build()
                .unwrap(),
        );
        check(&Builder::new_current_thread().build().unwrap());
    }
}
