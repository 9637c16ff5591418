use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use omnisync_core::error::PortError;
use omnisync_core::port::{Notice, Notifier};

/// A channel that keeps what people were told. Clones are handles to the same channel.
#[derive(Debug, Clone, Default)]
pub struct MemoryNotifier {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    notices: Vec<Notice>,
    failures: Vec<PortError>,
}

impl MemoryNotifier {
    /// The next call fails with `error`, and nobody is told.
    pub fn fail_next(&self, error: PortError) {
        self.locked().failures.push(error);
    }

    /// What people were told so far.
    pub fn notices(&self) -> Vec<Notice> {
        self.locked().notices.clone()
    }

    fn locked(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Notifier for MemoryNotifier {
    async fn notify(&self, notice: &Notice) -> Result<(), PortError> {
        let mut inner = self.locked();
        if let Some(error) = inner.failures.pop() {
            return Err(error);
        }
        inner.notices.push(notice.clone());
        Ok(())
    }
}
