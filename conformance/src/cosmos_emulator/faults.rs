//! What goes wrong on purpose.

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use futures::stream;
use http::StatusCode;

use super::Recorded;

/// Faults that are still to come.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Pending>);

#[derive(Debug, Default)]
struct Pending {
    lost: usize,
    /// Writes of this id are never answered.
    deaf: Option<String>,
    refusals: VecDeque<(u16, u16)>,
    denials: VecDeque<u16>,
    delays: VecDeque<Duration>,
}

impl Faults {
    pub(super) fn lose(&self, times: usize) {
        self.with(|pending| pending.lost += times);
    }

    pub(super) fn refuse(&self, times: usize, status: u16, substatus: u16) {
        let refusals = std::iter::repeat_n((status, substatus), times);
        self.with(|pending| pending.refusals.extend(refusals));
    }

    pub(super) fn deny(&self, times: usize, status: u16) {
        let denials = std::iter::repeat_n(status, times);
        self.with(|pending| pending.denials.extend(denials));
    }

    pub(super) fn slow(&self, times: usize, delay: Duration) {
        let delays = std::iter::repeat_n(delay, times);
        self.with(|pending| pending.delays.extend(delays));
    }

    pub(super) fn denial(&self) -> Option<u16> {
        self.with(|pending| pending.denials.pop_front())
    }

    pub(super) fn delay(&self, request: &Recorded) -> Option<Duration> {
        if request.is_document() && request.method == http::Method::GET {
            self.with(|pending| pending.delays.pop_front())
        } else {
            None
        }
    }

    pub(super) fn forget_refusals(&self) {
        self.with(|pending| {
            pending.refusals.clear();
            pending.denials.clear();
        });
    }

    pub(super) fn refusal(&self, request: &Recorded) -> Option<(u16, u16)> {
        if request.is_document() {
            self.with(|pending| pending.refusals.pop_front())
        } else {
            None
        }
    }

    pub(super) fn lose_all_of(&self, id: &str) {
        self.with(|pending| pending.deaf = Some(id.to_owned()));
    }

    pub(super) fn is_lost(&self, request: &Recorded) -> bool {
        self.with(|pending| {
            let partition = request.header("x-ms-documentdb-partitionkey");
            let id = partition.trim_matches(['[', ']', '"']);
            if pending.deaf.as_deref() == Some(id) {
                return true;
            }
            let is_lost = pending.lost > 0;
            pending.lost = pending.lost.saturating_sub(1);
            is_lost
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut Pending) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The beginning of an answer whose connection breaks.
pub(super) fn cut(answer: Response) -> Response {
    let (mut parts, _) = answer.into_parts();
    if parts.status == StatusCode::NO_CONTENT {
        // Such an answer ends with its headers: there is nothing to cut.
        parts.status = StatusCode::OK;
    }
    parts.headers.remove(http::header::CONTENT_LENGTH);
    let broken = stream::once(async { Err::<bytes::Bytes, _>(io::Error::other("cut")) });
    Response::from_parts(parts, Body::from_stream(broken))
}
