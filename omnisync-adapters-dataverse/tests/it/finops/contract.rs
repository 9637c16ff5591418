//! Every clause of the port, against both ways into the environment.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use omnisync_adapters_dataverse::finops::{FinOpsConfig, FinOpsMode};
use omnisync_core::id::{ExecutionId, ProjectName};
use omnisync_core::port::{ErpImporter, ImportStatus, RecordKey, RepeatedExecution};
use omnisync_testkit::contract::{ErpImporterFixture, ErpPackage, ErpRow};
use omnisync_testkit::server::fno::{FnoOptions, TableRow};
use tokio::sync::Mutex as Slot;

use super::support::{ACTIVITY, Environment, PROJECT, order_with, pack, refusing};

/// Questions after which a message in a queue has become an import.
const QUESTIONS_MAX: usize = 10;

struct Fixture {
    environment: Slot<Option<Environment>>,
    mode: FinOpsMode,
    repeated: RepeatedExecution,
    /// Imports that the suite ended.
    ended: Mutex<BTreeMap<ExecutionId, String>>,
}

impl Fixture {
    async fn start(
        mode: FinOpsMode,
        repeated: RepeatedExecution,
        change: impl FnOnce(&mut FnoOptions),
    ) -> Self {
        let environment = Environment::start(|options| {
            options.repeated_execution = repeated;
            change(options);
        });
        Self {
            environment: Slot::new(Some(environment.await)),
            mode,
            repeated,
            ended: Mutex::default(),
        }
    }

    async fn package_api(repeated: RepeatedExecution) -> Self {
        Self::start(FinOpsMode::Package, repeated, |_| ()).await
    }

    async fn recurring() -> Self {
        let activity_id = ACTIVITY.to_owned();
        let mode = FinOpsMode::Recurring { activity_id };
        Self::start(mode, RepeatedExecution::RunsAgain, |_| ()).await
    }

    fn config(&self, environment: &Environment) -> FinOpsConfig {
        let mut config = environment.config().with_mode(self.mode.clone());
        config.repeated_execution = self.repeated;
        config
    }

    async fn with<T>(&self, look: impl AsyncFnOnce(&Environment) -> T) -> T {
        let environment = self.environment.lock().await;
        look(environment.as_ref().unwrap()).await
    }
}

#[async_trait]
impl ErpImporterFixture for Fixture {
    async fn importer(&self) -> Arc<dyn ErpImporter> {
        let environment = self.environment.lock().await;
        let environment = environment.as_ref().unwrap();
        Arc::new(environment.importer_of(self.config(environment)))
    }

    async fn restart(&self) -> Arc<dyn ErpImporter> {
        let mut slot = self.environment.lock().await;
        let Environment { server, store } = slot.take().unwrap();
        let server = server.restart().await.unwrap();
        *slot = Some(Environment { server, store });
        drop(slot);
        self.importer().await
    }

    fn project(&self) -> ProjectName {
        ProjectName::new(PROJECT).unwrap()
    }

    async fn package(&self, rows: &[ErpRow]) -> ErpPackage {
        let orders: Vec<_> = rows
            .iter()
            .map(|row| order_with(row.order.as_str(), 1))
            .collect();
        let refused = rows.iter().filter(|row| row.refused);
        let refused: Vec<String> = refused.map(|row| row.order.as_str().to_owned()).collect();
        self.with(async |environment| environment.fno().set_rule(refusing(refused)))
            .await;
        let packed = pack(&orders, |map| map);
        let records = rows.iter().zip(packed.keys);
        let records = records
            .flat_map(|(row, keys)| keys.into_iter().map(|key| (key, row.refused)))
            .collect();
        ErpPackage {
            content: packed.content,
            records,
        }
    }

    async fn finish(&self, execution: ExecutionId) {
        let importer = self.importer().await;
        for _ in 0..QUESTIONS_MAX {
            let status = importer.status(execution).await.unwrap();
            if status == ImportStatus::Executing || status.has_ended() {
                break;
            }
        }
        // A repeated import runs under the same id; a queue names its own.
        self.with(async |environment| {
            for running in environment.fno().executions() {
                let ours = running.id == execution.to_string();
                if ours || self.mode != FinOpsMode::Package {
                    environment.fno().finish(&running.id);
                }
            }
        })
        .await;
        self.ended.lock().unwrap().insert(execution, String::new());
    }

    async fn say(&self, execution: ExecutionId, word: &str) {
        let id = execution.to_string();
        self.with(async |environment| {
            let fno = environment.fno();
            assert!(fno.say(&id, word) || fno.say_of_message(&id, word));
        })
        .await;
    }

    async fn imported(&self) -> Vec<(RecordKey, u32)> {
        self.with(async |environment| {
            let of = |entity: &str, column: &str, rows: BTreeMap<String, TableRow>| {
                let key = |value: String| RecordKey {
                    entity: entity.to_owned(),
                    columns: vec![(column.to_owned(), value)],
                };
                let rows = rows.into_iter();
                rows.map(|(value, row)| (key(value), row.imports))
                    .collect::<Vec<_>>()
            };
            let fno = environment.fno();
            let headers = of("Sales order headers V2", "SALESORDERNUMBER", fno.headers());
            let lines = of("Sales order lines V2", "INVENTORYLOTID", fno.lines());
            [headers, lines].concat()
        })
        .await
    }
}

fn run<T>(clause: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
        .block_on(clause)
}

mod package_api_that_runs_again {
    use super::*;

    omnisync_testkit::erp_importer_contract!(
        fixture = Fixture::package_api(RepeatedExecution::RunsAgain).await,
        run = run,
    );
}

mod package_api_that_refuses {
    use super::*;

    omnisync_testkit::erp_importer_contract!(
        fixture = Fixture::package_api(RepeatedExecution::Rejected).await,
        run = run,
    );
}

mod package_api_that_returns_the_existing {
    use super::*;

    omnisync_testkit::erp_importer_contract!(
        fixture = Fixture::package_api(RepeatedExecution::ReturnsExisting).await,
        run = run,
    );
}

mod recurring_integration {
    use super::*;

    omnisync_testkit::erp_importer_contract!(fixture = Fixture::recurring().await, run = run);
}
