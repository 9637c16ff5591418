//! Everything that an environment keeps, and the lock around it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use tokio::sync::watch;

use super::blob::Storage;
use super::connector::Message;
use super::execution::{Execution, Phase};
use super::fault::{Admitted, Fault, RateLimit, Route};
use super::import::{Circumstances, Tables, run};
use super::inspect::RequestView;
use super::options::FnoOptions;
use super::package::contract::Manifest;
use super::rule::Rule;

/// A handle to an environment. Clones share it, and it outlives its servers: stopping a server and
/// serving the environment again is a restart.
#[derive(Clone)]
pub struct Fno {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

pub(crate) struct State {
    pub(crate) options: FnoOptions,
    pub(crate) base_url: String,
    pub(crate) rule: Option<Rule>,
    pub(crate) tables: Tables,
    pub(crate) projects: BTreeMap<String, Manifest>,
    pub(crate) executions: BTreeMap<String, Execution>,
    pub(crate) storage: Storage,
    pub(crate) messages: BTreeMap<String, Message>,
    /// When each token ends.
    pub(crate) tokens: BTreeMap<String, DateTime<Utc>>,
    pub(crate) faults: VecDeque<(Option<Route>, Fault)>,
    pub(crate) limit: Option<RateLimit>,
    pub(crate) admitted: Admitted,
    pub(crate) journal: Vec<RequestView>,
    pub(crate) violations: Vec<String>,
    pub(crate) submissions: u64,
    pub(crate) releases: u64,
    ids: u64,
}

impl Fno {
    /// An empty environment.
    pub fn new(options: FnoOptions) -> Self {
        let state = State {
            options,
            base_url: String::new(),
            rule: None,
            tables: Tables::default(),
            projects: BTreeMap::new(),
            executions: BTreeMap::new(),
            storage: Storage::default(),
            messages: BTreeMap::new(),
            tokens: BTreeMap::new(),
            faults: VecDeque::new(),
            limit: None,
            admitted: Admitted::default(),
            journal: Vec::new(),
            violations: Vec::new(),
            submissions: 0,
            releases: 0,
            ids: 0,
        };
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                changed: watch::Sender::new(0),
            }),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        let state = self.shared.state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something and tells whoever waits for it.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.lock());
        self.shared.changed.send_modify(|version| *version += 1);
        changed
    }

    /// Waits until something is so.
    pub(crate) async fn until(&self, so: impl Fn(&State) -> bool + Send + Sync) {
        let mut changed = self.shared.changed.subscribe();
        // The sender lives as long as this handle does.
        drop(changed.wait_for(|_| so(&self.lock())).await);
    }
}

impl fmt::Debug for Fno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Fno")
            .field("options", &state.options)
            .field("executions", &state.executions.len())
            .finish_non_exhaustive()
    }
}

impl State {
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.options.clock.now()
    }

    /// A number that no one was given yet.
    fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    /// A GUID that no one was given yet.
    pub(crate) fn next_guid(&mut self) -> String {
        format!("00000000-f0f0-4000-8000-{:012x}", self.next_id())
    }

    /// The service's name of a company, whatever its case; `None` when there is no such company.
    pub(crate) fn company(&self, name: &str) -> Option<String> {
        let companies = &self.options.companies;
        if name.is_empty() {
            return companies.first().cloned();
        }
        companies
            .iter()
            .find(|company| company.eq_ignore_ascii_case(name))
            .cloned()
    }

    /// Runs an import to its end; `false` when there is none that runs.
    pub(crate) fn end(&mut self, id: &str) -> bool {
        let Some(execution) = self.executions.get_mut(id) else {
            return false;
        };
        if execution.phase != Phase::Executing {
            return false;
        }
        execution.phase = Phase::Ended;
        if let Ok(package) = &mut execution.package {
            let around = Circumstances {
                company: &execution.company,
                rule: self.rule.as_ref(),
                requires_location: self.options.requires_location,
            };
            execution.entities = run(package, &mut self.tables, &around);
            // What they held is in the tables and in the outcome.
            package.files.clear();
        }
        true
    }
}

/// Text that nobody guesses.
pub(crate) fn secret(label: &str) -> String {
    let part = || RandomState::new().hash_one(label);
    format!("{:016x}{:016x}{:016x}", part(), part(), part())
}
