use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use omnisync_core::id::BlobName;
use omnisync_core::port::{BlobReceipt, BlobStage, BlobStageExt, byte_stream};

use super::super::{Check, Violation};
use super::BlobStageFixture;

/// Largest content that the suite reads back.
pub(super) const CONTENT_BYTES_MAX: usize = 8 << 20;

/// A stage and a clause: what every clause works with.
pub(super) struct Desk {
    pub(super) stage: Arc<dyn BlobStage>,
    pub(super) check: Check,
}

impl Desk {
    /// Opens the stage and removes what an earlier run left under `names`.
    pub(super) async fn open(
        fixture: &dyn BlobStageFixture,
        clause: &'static str,
        names: &[&str],
    ) -> Result<Self, Violation> {
        let desk = Self {
            stage: fixture.stage().await,
            check: Check::of(clause),
        };
        for name in names {
            let name = desk.name(name)?;
            desk.check
                .ok("removing a left-over blob", desk.stage.delete(&name).await)?;
        }
        Ok(desk)
    }

    pub(super) fn name(&self, name: &str) -> Result<BlobName, Violation> {
        BlobName::new(name).map_err(|error| {
            self.check
                .violation(format!("the suite has no name {name:?}: {error}"))
        })
    }

    pub(super) async fn put(
        &self,
        name: &BlobName,
        content: &str,
    ) -> Result<BlobReceipt, Violation> {
        let content = byte_stream(content.to_owned());
        self.check
            .ok("put of a free name", self.stage.put(name, content).await)
    }

    pub(super) async fn holds(
        &self,
        stage: &dyn BlobStage,
        name: &BlobName,
        content: &[u8],
    ) -> Result<(), Violation> {
        let read = self
            .check
            .ok("get", stage.get_bytes(name, CONTENT_BYTES_MAX).await)?;
        self.check.that(
            read == content,
            format!("{name} is read back as it was written"),
        )
    }
}

pub(super) async fn yield_now() {
    polls(1).await;
}

/// Is pending for `times` polls, and asks to be polled again each time.
pub(super) async fn polls(times: usize) {
    let mut left = times;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
