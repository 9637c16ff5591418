use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use omnisync_core::error::PortError;

use super::{Call, Distortion, Effect, Intercepted, Interceptor, Observer, Seen, Subject, Verdict};

/// Wraps ports so that one [`Interceptor`] sees all their calls in one numbering.
///
/// ```
/// use std::sync::Arc;
/// use omnisync_core::port::StateStore;
/// use omnisync_testkit::fake::MemoryStateStore;
/// use omnisync_testkit::fault::Seam;
/// use omnisync_testkit::journal::Journal;
///
/// let journal = Arc::new(Journal::new());
/// let seam = Seam::new(journal.clone());
/// let store: Arc<dyn StateStore> = Arc::new(seam.wrap(MemoryStateStore::default()));
/// futures::executor::block_on(store.get(&[])).unwrap();
/// assert_eq!(journal.operations(), ["state_store.get"]);
/// ```
#[derive(Debug, Clone)]
pub struct Seam {
    interceptor: Arc<dyn Interceptor>,
    observer: Option<Arc<dyn Observer>>,
    calls: Arc<AtomicU64>,
}

impl Seam {
    /// A seam whose calls `interceptor` decides about.
    pub fn new(interceptor: Arc<dyn Interceptor>) -> Self {
        Self {
            interceptor,
            observer: None,
            calls: Arc::new(AtomicU64::new(0)),
        }
    }

    /// The same seam, watched by `observer`.
    #[must_use]
    pub fn watched_by(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Puts a port behind the seam. The result implements whatever ports `inner` implements.
    pub fn wrap<P>(&self, inner: P) -> Intercepted<P> {
        Intercepted::new(inner, self.clone())
    }

    /// How many calls there have been.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    pub(super) fn is_watched(&self) -> bool {
        self.observer.is_some()
    }

    /// Begins a call. Never comes back when the worker is dead.
    pub(super) async fn before(
        &self,
        operation: &'static str,
        subject: Subject,
    ) -> Result<(Call, Option<Distortion>), PortError> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let call = Call {
            number,
            operation,
            subject,
        };
        match self.interceptor.before(&call).await {
            Verdict::Proceed => Ok((call, None)),
            Verdict::Distort(distortion) => Ok((call, Some(distortion))),
            Verdict::Fail(error) => Err(error),
            Verdict::Crash => pending().await,
        }
    }

    pub(super) fn show(&self, call: &Call, seen: Seen<'_>) {
        if let Some(observer) = &self.observer {
            observer.observe(call, seen);
        }
    }

    /// Ends a call: what its caller hears.
    pub(super) async fn after<T>(
        &self,
        call: &Call,
        result: Result<T, PortError>,
    ) -> Result<T, PortError> {
        let ended = match &result {
            Ok(_) => Effect::Done,
            Err(error) => {
                self.show(call, Seen::Refused(error));
                Effect::Refused(error.kind())
            }
        };
        match self.interceptor.after(call, ended).await {
            Verdict::Proceed | Verdict::Distort(_) => result,
            Verdict::Fail(error) => Err(error),
            Verdict::Crash => pending().await,
        }
    }
}
