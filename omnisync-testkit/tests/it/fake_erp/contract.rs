//! Every clause against the ERP, in memory and in a folder.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use omnisync_core::id::{ExecutionId, ProjectName};
use omnisync_core::port::{ErpImporter, RecordKey, RepeatedExecution};
use omnisync_testkit::contract::{ErpImporterFixture, ErpPackage, ErpRow};
use omnisync_testkit::fake::{FakeErp, FakeErpOptions};
use tempfile::TempDir;

use super::by_hand;
use super::packages::{blank_order, lenient, order_with, package_by};

struct Erp {
    options: FakeErpOptions,
    /// `None` for an ERP in memory.
    folder: Option<TempDir>,
    alive: Mutex<FakeErp>,
}

impl Erp {
    fn in_memory(options: FakeErpOptions) -> Self {
        Self {
            alive: Mutex::new(FakeErp::new(options.clone())),
            options,
            folder: None,
        }
    }

    fn in_folder(options: FakeErpOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            alive: Mutex::new(FakeErp::open(folder.path(), options.clone()).unwrap()),
            options,
            folder: Some(folder),
        }
    }

    fn erp(&self) -> FakeErp {
        self.alive.lock().unwrap().clone()
    }
}

#[async_trait]
impl ErpImporterFixture for Erp {
    async fn importer(&self) -> Arc<dyn ErpImporter> {
        Arc::new(self.erp())
    }

    async fn restart(&self) -> Arc<dyn ErpImporter> {
        if let Some(folder) = &self.folder {
            let again = FakeErp::open(folder.path(), self.options.clone()).unwrap();
            *self.alive.lock().unwrap() = again;
        }
        Arc::new(self.erp())
    }

    fn project(&self) -> ProjectName {
        ProjectName::new("Sales orders").unwrap()
    }

    async fn package(&self, rows: &[ErpRow]) -> ErpPackage {
        let orders: Vec<_> = rows
            .iter()
            .map(|row| {
                if row.refused {
                    blank_order(row.order.as_str())
                } else {
                    order_with(row.order.as_str(), 1)
                }
            })
            .collect();
        let (content, keys) = package_by(lenient(), &orders);
        let records = rows.iter().zip(keys);
        let records = records
            .flat_map(|(row, keys)| keys.into_iter().map(|key| (key, row.refused)))
            .collect();
        ErpPackage { content, records }
    }

    async fn finish(&self, execution: ExecutionId) {
        self.erp().finish(execution).unwrap();
    }

    async fn say(&self, execution: ExecutionId, word: &str) {
        self.erp().say(execution, word);
    }

    async fn imported(&self) -> Vec<(RecordKey, u32)> {
        let tables = self.erp().tables();
        let key = |entity: &str, column: &str, value: &str| RecordKey {
            entity: entity.to_owned(),
            columns: vec![(column.to_owned(), value.to_owned())],
        };
        let headers = tables.imports().into_iter().map(|(order, imports)| {
            (
                key("Sales order headers V2", "SALESORDERNUMBER", order),
                imports,
            )
        });
        let lines = tables
            .line_imports()
            .into_iter()
            .map(|(line, imports)| (key("Sales order lines V2", "INVENTORYLOTID", line), imports));
        headers.chain(lines).collect()
    }
}

fn repeating(repeated_execution: RepeatedExecution) -> FakeErpOptions {
    FakeErpOptions {
        repeated_execution,
        ..by_hand()
    }
}

mod in_memory {
    use super::*;

    omnisync_testkit::erp_importer_contract!(fixture = Erp::in_memory(by_hand()));
}

mod in_a_folder {
    use super::*;

    omnisync_testkit::erp_importer_contract!(fixture = Erp::in_folder(by_hand()));
}

mod returning_the_existing {
    use super::*;

    omnisync_testkit::erp_importer_contract!(
        fixture = Erp::in_memory(repeating(RepeatedExecution::ReturnsExisting)),
    );
}

mod running_again_in_parallel_in_a_folder {
    use super::*;

    omnisync_testkit::erp_importer_contract!(
        fixture = Erp::in_folder(FakeErpOptions {
            parallel_per_project: 4,
            ..repeating(RepeatedExecution::RunsAgain)
        }),
    );
}
