//! Deterministic interleaving on one thread.

use std::future::poll_fn;
use std::sync::Mutex;
use std::task::{Poll, Waker};

use async_trait::async_trait;
use omnisync_testkit::fault::{Call, Effect, Interceptor, Verdict};

/// Holds the `nth` call of an operation until the test lets it go on.
#[derive(Debug)]
pub(crate) struct Meanwhile {
    operation: &'static str,
    nth: usize,
    state: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    seen: usize,
    arrived: bool,
    released: bool,
    wakers: Vec<Waker>,
}

impl Meanwhile {
    pub(crate) fn before(operation: &'static str, nth: usize) -> Self {
        Self {
            operation,
            nth,
            state: Mutex::default(),
        }
    }

    /// Ends when the call is held.
    pub(crate) async fn arrived(&self) {
        self.until(|held| held.arrived).await;
    }

    pub(crate) fn go_on(&self) {
        self.change(|held| held.released = true);
    }

    async fn until(&self, done: fn(&Held) -> bool) {
        poll_fn(|cx| {
            let mut held = self.state.lock().unwrap();
            if done(&held) {
                return Poll::Ready(());
            }
            held.wakers.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn change(&self, change: impl FnOnce(&mut Held)) {
        let wakers = {
            let mut held = self.state.lock().unwrap();
            change(&mut held);
            std::mem::take(&mut held.wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
    }
}

#[async_trait]
impl Interceptor for Meanwhile {
    async fn before(&self, call: &Call) -> Verdict {
        if call.operation == self.operation {
            self.change(|held| held.seen += 1);
            let here = self.state.lock().unwrap().seen == self.nth;
            if here {
                self.change(|held| held.arrived = true);
                self.until(|held| held.released).await;
            }
        }
        Verdict::Proceed
    }

    async fn after(&self, _: &Call, _: Effect) -> Verdict {
        Verdict::Proceed
    }
}

/// Lets every other future go on first.
pub(crate) async fn pass() {
    let mut passed = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut passed, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
