//! Every clause against the ERP, in memory and in a folder.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use omnisync_core::id::{ExecutionId, ProjectName};
use omnisync_core::port::{ErpImporter, RecordKey, RepeatedExecution, Reporting};
use omnisync_testkit::contract::{ErpImporterFixture, ErpPackage, ErpRow};
use omnisync_testkit::fake::{FakeErp, FakeErpOptions, OrderFailure, PlainFormat};
use tempfile::TempDir;

use super::by_hand;
use super::packages::{blank_order, lenient, order_with, package_by, plain_package};

struct Erp {
    options: FakeErpOptions,
    /// Its packages are plain.
    plain: bool,
    /// `None` for an ERP in memory.
    folder: Option<TempDir>,
    alive: Mutex<FakeErp>,
}

impl Erp {
    fn in_memory(options: FakeErpOptions) -> Self {
        Self {
            alive: Mutex::new(FakeErp::new(options.clone())),
            options,
            plain: false,
            folder: None,
        }
    }

    fn of_plain_packages(options: FakeErpOptions) -> Self {
        Self {
            plain: true,
            ..Self::in_memory(options)
        }
    }

    fn in_folder(options: FakeErpOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            alive: Mutex::new(FakeErp::open(folder.path(), options.clone()).unwrap()),
            options,
            plain: false,
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
        let (content, keys) = if self.plain {
            for row in rows.iter().filter(|row| row.refused) {
                let failure = OrderFailure::data("No such customer.");
                self.erp().fail_order(&row.order, failure);
            }
            plain_package(&orders)
        } else {
            package_by(lenient(), &orders)
        };
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
        let (header, line) = if self.plain {
            (
                (PlainFormat::HEADERS, PlainFormat::HEADER_KEY),
                (PlainFormat::LINES, PlainFormat::LINE_KEY),
            )
        } else {
            (
                ("Sales order headers V2", "SALESORDERNUMBER"),
                ("Sales order lines V2", "INVENTORYLOTID"),
            )
        };
        let headers = tables.imports().into_iter();
        let headers = headers.map(|(order, imports)| (key(header.0, header.1, order), imports));
        let lines = tables.line_imports().into_iter();
        let lines = lines.map(|(value, imports)| (key(line.0, line.1, value), imports));
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

mod of_plain_packages {
    use super::*;

    omnisync_testkit::erp_importer_contract!(fixture = Erp::of_plain_packages(by_hand()));
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

mod naming_refused_records_only {
    use super::*;

    omnisync_testkit::erp_importer_contract!(
        fixture = Erp::in_memory(FakeErpOptions {
            reporting: Reporting::Refused,
            ..by_hand()
        }),
    );
}
