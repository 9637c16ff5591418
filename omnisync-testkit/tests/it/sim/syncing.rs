//! CRM sync between people, events and faults: the flows keep their promises, and hosts with one
//! thing wrong are found out.

use std::sync::Arc;

use async_trait::async_trait;
use omnisync_core::crm::ledger::SyncPolicy;
use omnisync_core::crm::{FieldName, Fields, ForeignId, Native};
use omnisync_core::error::PortError;
use omnisync_core::port::{
    ChangesPage, Creation, CrmCapability, CrmRecord, CrmSink, RecordUpdate, Removal, Sight,
    WriteReceipt,
};
use omnisync_testkit::sim::crm::{
    CrmHost, CrmPort, CrmPorts, CrmScenario, INVARIANTS, LEAST_WRITES, Syncing, WRITES, scenarios,
};
use omnisync_testkit::sim::{Explorer, Scenario as _, Worker};

/// A sink with one thing wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    /// Writes whatever the version.
    NoCondition,
    /// Writes a field that nobody shares, too.
    WritesMore,
    /// Says that it wrote, and did not.
    WritesNothing,
    /// Creates anew at every attempt.
    CreatesAgain,
}

#[derive(Debug)]
struct Flawed {
    flaw: Flaw,
    next: Arc<dyn CrmSink>,
}

#[async_trait]
impl CrmSink for Flawed {
    fn capability(&self) -> CrmCapability {
        self.next.capability()
    }

    async fn read(&self, record: &CrmRecord, fields: &[FieldName]) -> Result<Sight, PortError> {
        self.next.read(record, fields).await
    }

    async fn find(
        &self,
        object: &str,
        values: &Fields<Native>,
    ) -> Result<Vec<ForeignId>, PortError> {
        self.next.find(object, values).await
    }

    async fn create(&self, mut creation: Creation) -> Result<WriteReceipt, PortError> {
        if self.flaw == Flaw::CreatesAgain {
            let city = creation.fields.get("City").and_then(Native::as_text);
            creation.key = format!("{}{}", creation.key, city.unwrap_or_default());
            let code = FieldName::new("Code").unwrap();
            let other = Native::Text(creation.key.clone());
            creation.fields.insert(code, other);
        }
        self.next.create(creation).await
    }

    async fn update(&self, mut update: RecordUpdate) -> Result<WriteReceipt, PortError> {
        match self.flaw {
            Flaw::NoCondition => update.expect = None,
            Flaw::WritesMore => {
                let note = FieldName::new("Note").unwrap();
                update.fields.insert(note, Native::Null);
            }
            Flaw::WritesNothing => {
                return Ok(WriteReceipt {
                    id: update.record.id,
                    version: update.expect,
                });
            }
            Flaw::CreatesAgain => {}
        }
        self.next.update(update).await
    }

    async fn remove(&self, removal: Removal) -> Result<WriteReceipt, PortError> {
        self.next.remove(removal).await
    }

    async fn restore(&self, record: &CrmRecord) -> Result<WriteReceipt, PortError> {
        self.next.restore(record).await
    }

    async fn changes(
        &self,
        object: &str,
        cursor: Option<&str>,
        items_max: usize,
    ) -> Result<ChangesPage, PortError> {
        self.next.changes(object, cursor, items_max).await
    }
}

fn flawed(flaw: Flaw) -> impl CrmHost {
    move |mut ports: CrmPorts| -> Box<dyn Worker> {
        let systems = ports.systems.into_iter().map(|port| CrmPort {
            sink: Arc::new(Flawed {
                flaw,
                next: port.sink,
            }),
            ..port
        });
        ports.systems = systems.collect();
        Box::new(Syncing::new(ports, SyncPolicy::default()).unwrap())
    }
}

#[track_caller]
fn check_caught(flaw: Flaw, invariants: &[&str]) {
    let scenario = CrmScenario::new("flawed", 2, flawed(flaw)).with_any_acts(6, false);
    let explorer = Explorer::new(&scenario).without_shrinking();
    let found = explorer.seeds(0, 1_000).expect_err("the flaw is found");
    let invariant = found.violation.invariant;
    assert!(invariants.contains(&invariant), "{}", found.violation);
    assert!(INVARIANTS.iter().any(|(name, _)| *name == invariant));
}

#[test]
fn a_thousand_runs_over_the_flows_break_no_promise() {
    let scenarios = scenarios();
    let share = 1_000 / u64::try_from(scenarios.len()).unwrap() + 1;
    for scenario in scenarios {
        let report = Explorer::new(&scenario).seeds(0, share);
        let report = report.unwrap_or_else(|found| panic!("{found}"));
        assert_eq!(report.seeds, share, "{}", scenario.name());
    }
}

#[test]
fn where_nothing_fails_there_are_few_more_writes_than_necessary() {
    let in_turn = |one: &CrmScenario| one.name().ends_with("in-turn");
    for scenario in scenarios().into_iter().filter(in_turn) {
        let report = Explorer::new(&scenario).seeds(0, 1_000);
        let report = report.unwrap_or_else(|found| panic!("{found}"));
        let (writes, least) = (report.counts[WRITES], report.counts[LEAST_WRITES]);
        assert!(least > 1_000, "{least}");
        assert!(
            writes * 100 <= least * 102,
            "{}: {writes} for {least}",
            scenario.name()
        );
    }
}

#[test]
fn no_single_fault_breaks_a_promise() {
    let in_turn = |one: &CrmScenario| one.name().ends_with("in-turn");
    for scenario in scenarios().into_iter().filter(|one| !in_turn(one)) {
        let explored = Explorer::new(&scenario).faults(1, 400);
        let report = explored.unwrap_or_else(|found| panic!("{found}"));
        assert!(report.runs > 100, "{}: {}", scenario.name(), report.runs);
    }
}

#[test]
fn a_write_without_a_condition_is_found_out() {
    check_caught(Flaw::NoCondition, &["I-S3"]);
}

#[test]
fn a_write_of_what_nobody_shares_is_found_out() {
    check_caught(Flaw::WritesMore, &["I-S9"]);
}

#[test]
fn a_write_that_is_none_is_found_out() {
    check_caught(Flaw::WritesNothing, &["I-S1", "I-S2", "I-S4"]);
}

#[test]
fn a_record_that_is_created_under_another_key_is_found_out() {
    check_caught(Flaw::CreatesAgain, &["I-S1", "I-S5", "I-S9"]);
}
