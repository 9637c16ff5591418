//! What a test asks an environment, and makes it do.

use std::collections::BTreeMap;

use super::entity::{HEADERS, LINES};
use super::execution::{ExecutionView, Phase, RecordView};
use super::fault::{Fault, RateLimit, Route};
use super::import::TableRow;
use super::rule::Rule;
use super::state::{Fno, State};

/// A request that came, and how it was answered. Queries are left out: they may be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestView {
    /// Method.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// Status; `None` when the connection was cut.
    pub status: Option<u16>,
}

/// What is in there.
impl Fno {
    /// Order headers of the default company by order number.
    pub fn headers(&self) -> BTreeMap<String, TableRow> {
        self.table(HEADERS, "")
    }

    /// Order lines of the default company by lot id.
    pub fn lines(&self) -> BTreeMap<String, TableRow> {
        self.table(LINES, "")
    }

    /// Rows of an entity in a company, by key; empty when there is no such table.
    pub fn table(&self, entity: &str, company: &str) -> BTreeMap<String, TableRow> {
        let state = self.lock();
        let company = state.company(company).unwrap_or_default();
        state.tables.of(entity, &company)
    }

    /// How often the header of an order was written in the default company.
    pub fn imports_of(&self, order: &str) -> u32 {
        let state = self.lock();
        let company = state.company("").unwrap_or_default();
        let row = state.tables.row(HEADERS, &company, order);
        row.map_or(0, |row| row.imports)
    }

    /// All executions.
    pub fn executions(&self) -> Vec<ExecutionView> {
        let state = self.lock();
        let executions = state.executions.values();
        executions.map(super::execution::Execution::view).collect()
    }

    /// The records of an execution and what became of them; empty before it has ended.
    pub fn records(&self, execution: &str) -> Vec<RecordView> {
        let state = self.lock();
        let execution = state.executions.get(execution);
        execution.map_or_else(Vec::new, super::execution::Execution::records)
    }

    /// How many packages were taken.
    pub fn submissions(&self) -> u64 {
        self.lock().submissions
    }

    /// All requests, in the order of their answers.
    pub fn requests(&self) -> Vec<RequestView> {
        self.lock().journal.clone()
    }

    /// What clients did that they must never do.
    pub fn violations(&self) -> Vec<String> {
        self.lock().violations.clone()
    }
}

/// What it does on demand.
impl Fno {
    /// Lets a rule decide on each row from now on.
    pub fn set_rule(&self, rule: Rule) {
        self.change(|state| state.rule = Some(rule));
    }

    /// Lets every row pass again.
    pub fn clear_rule(&self) {
        self.change(|state| state.rule = None);
    }

    /// Ends an import; `false` when there is none that runs.
    pub fn finish(&self, execution: &str) -> bool {
        self.change(|state| state.end(execution))
    }

    /// Cancels an import before any of its rows; `false` when there is none that runs.
    pub fn cancel(&self, execution: &str) -> bool {
        self.change(|state| {
            let execution = state.executions.get_mut(execution);
            let running = execution.filter(|execution| execution.phase == Phase::Executing);
            running
                .map(|execution| execution.phase = Phase::Canceled)
                .is_some()
        })
    }

    /// Forgets an execution, but not what it imported; `false` when there is none.
    pub fn lose(&self, execution: &str) -> bool {
        self.change(|state| state.executions.remove(execution).is_some())
    }

    /// Says this status word of an execution, which stands still meanwhile; `false` when there is
    /// none.
    pub fn say(&self, execution: &str, word: &str) -> bool {
        self.with(execution, |execution| {
            execution.said = Some(word.to_owned());
        })
    }

    /// Says the truth about an execution again; `false` when there is none.
    pub fn stop_saying(&self, execution: &str) -> bool {
        self.with(execution, |execution| execution.said = None)
    }

    /// Says this state word of the messages in recurring data jobs that carry this external id;
    /// `false` when there is none.
    pub fn say_of_message(&self, external_id: &str, word: &str) -> bool {
        self.change(|state| super::connector::say(state, external_id, word))
    }

    /// Tells nothing about the errors of an execution: the list is empty, and no file can be had;
    /// `false` when there is none.
    pub fn silence(&self, execution: &str) -> bool {
        self.with(execution, |execution| execution.silent = true)
    }

    /// Lets a request go wrong: the next one to this route, or the very next one.
    pub fn inject(&self, route: Option<Route>, fault: Fault) {
        self.change(|state| state.faults.push_back((route, fault)));
    }

    /// How many faults still wait for their request.
    pub fn faults_left(&self) -> usize {
        self.lock().faults.len()
    }

    /// Limits the rate of calls from now on, or no longer.
    pub fn limit(&self, limit: Option<RateLimit>) {
        self.change(|state| state.limit = limit);
    }

    /// Goes on with whatever is held: stalled requests and blocking imports.
    pub fn release(&self) {
        self.change(|state| state.releases += 1);
    }

    /// How many requests are in progress that the service's limits count.
    pub fn in_progress(&self) -> usize {
        self.lock().admitted.running
    }

    /// Waits until so many requests are in progress.
    pub async fn until_in_progress(&self, requests: usize) {
        self.until(|state: &State| state.admitted.running >= requests)
            .await;
    }

    /// Ends every token that was issued.
    pub fn revoke_tokens(&self) {
        self.change(|state| state.tokens.clear());
    }

    /// Changes the options while the environment is at work.
    pub fn reconfigure(&self, change: impl FnOnce(&mut super::FnoOptions)) {
        self.change(|state| change(&mut state.options));
    }

    fn with(&self, execution: &str, change: impl FnOnce(&mut super::execution::Execution)) -> bool {
        self.change(|state| {
            let execution = state.executions.get_mut(execution);
            execution.map(change).is_some()
        })
    }
}
