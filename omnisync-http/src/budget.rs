use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use omnisync_core::policy::{BudgetPolicy, BudgetSpent, CallBudget, Priority};
use omnisync_core::port::Clock;

/// A [`CallBudget`] for everything that talks to the same environment. Clones share the account.
///
/// ```
/// # use std::{sync::Arc, time::Duration};
/// # use omnisync_core::policy::{BudgetPolicy, Priority};
/// # use omnisync_testkit::clock::ManualClock;
/// use omnisync_http::SharedBudget;
///
/// # let clock = ManualClock::default();
/// let policy = BudgetPolicy {
///     calls_max: Some(2),
///     calls_reserved: 1,
///     window_seconds: 9_600,
/// };
/// let budget = SharedBudget::new(policy, Arc::new(clock.clone()));
/// assert!(budget.spend(Priority::Normal).is_ok());
/// let wait = budget.spend(Priority::Normal).expect_err("the other one is kept back");
/// assert!(budget.spend(Priority::High).is_ok());
/// assert_eq!(budget.used(), 2);
/// clock.advance(wait);
/// assert_eq!(budget.used(), 0);
/// ```
#[derive(Debug, Clone)]
pub struct SharedBudget {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    budget: Mutex<CallBudget>,
    clock: Arc<dyn Clock>,
}

impl SharedBudget {
    /// An account without calls.
    pub fn new(policy: BudgetPolicy, clock: Arc<dyn Clock>) -> Self {
        let budget = Mutex::new(CallBudget::new(policy));
        Self {
            shared: Arc::new(Shared { budget, clock }),
        }
    }

    /// Accounts for a call that is about to be made.
    ///
    /// # Errors
    /// How long it takes until calls come back, when none is left; nothing is accounted then.
    pub fn spend(&self, priority: Priority) -> Result<(), Duration> {
        self.ask(|budget, now| budget.spend(now, priority))
    }

    /// Calls within the window that ends now.
    pub fn used(&self) -> u64 {
        let now = self.shared.clock.now();
        self.locked().used(now)
    }

    /// Whether [`spend`](Self::spend) would do; nothing is accounted.
    pub(crate) fn check(&self, priority: Priority) -> Result<(), Duration> {
        self.ask(|budget, now| budget.check(now, priority))
    }

    fn ask(
        &self,
        question: impl FnOnce(&mut CallBudget, DateTime<Utc>) -> Result<(), BudgetSpent>,
    ) -> Result<(), Duration> {
        let now = self.shared.clock.now();
        question(&mut self.locked(), now)
            .map_err(|spent| (spent.until - now).to_std().unwrap_or_default())
    }

    fn locked(&self) -> MutexGuard<'_, CallBudget> {
        let budget = self.shared.budget.lock();
        budget.unwrap_or_else(PoisonError::into_inner)
    }
}
