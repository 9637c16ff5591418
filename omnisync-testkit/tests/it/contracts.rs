//! Every suite against every manner of its fake.

mod state_store {
    use omnisync_testkit::fake::MemoryStateStoreOptions;

    use crate::fixture::Store;

    mod plain {
        use super::*;
        omnisync_testkit::state_store_contract!(
            fixture = Store::new(MemoryStateStoreOptions::default()),
        );
    }

    mod volatile {
        use super::*;
        omnisync_testkit::state_store_contract!(
            fixture = Store::new(MemoryStateStoreOptions {
                durable: false,
                ..MemoryStateStoreOptions::default()
            }),
        );
    }

    mod small_and_empty_pages {
        use super::*;
        omnisync_testkit::state_store_contract!(
            fixture = Store::new(MemoryStateStoreOptions {
                page_items_max: 2,
                empty_pages: true,
                ..MemoryStateStoreOptions::default()
            }),
        );
    }

    mod lagging_queries {
        use super::*;
        omnisync_testkit::state_store_contract!(
            fixture = Store::new(MemoryStateStoreOptions {
                query_lag_operations: 7,
                ..MemoryStateStoreOptions::default()
            }),
        );
    }

    mod huge_bodies {
        use super::*;
        omnisync_testkit::state_store_contract!(
            fixture = Store::new(MemoryStateStoreOptions {
                body_bytes_max: usize::MAX,
                ..MemoryStateStoreOptions::default()
            }),
        );
    }
}

mod blob_stage {
    use omnisync_testkit::fake::MemoryBlobStageOptions;

    use crate::fixture::Stage;

    mod plain {
        use super::*;
        omnisync_testkit::blob_stage_contract!(
            fixture = Stage::new(MemoryBlobStageOptions::default()),
        );
    }

    mod volatile_in_small_chunks {
        use super::*;
        omnisync_testkit::blob_stage_contract!(
            fixture = Stage::new(MemoryBlobStageOptions {
                durable: false,
                chunk_bytes: 100,
                ..MemoryBlobStageOptions::default()
            }),
        );
    }
}

mod event_source {
    use omnisync_testkit::fake::QueueOptions;

    use crate::fixture::Queue;
    use crate::log::Log;

    mod queue {
        use super::*;
        omnisync_testkit::event_source_contract!(fixture = Queue::new(QueueOptions::default()));
    }

    mod finite_shuffled_queue {
        use super::*;
        omnisync_testkit::event_source_contract!(
            fixture = Queue::new(QueueOptions {
                finite: true,
                shuffle_seed: Some(3),
                ..QueueOptions::default()
            }),
            run = |clause| omnisync_testkit::crash::run(clause).unwrap(),
        );
    }

    mod copying_queue_that_drops_duplicates {
        use super::*;
        omnisync_testkit::event_source_contract!(
            fixture = Queue::new(QueueOptions {
                returns_by_copy: true,
                duplicate_window: Some(std::time::Duration::from_secs(600)),
                ..QueueOptions::default()
            }),
        );
    }

    mod finite_log {
        use super::*;
        omnisync_testkit::event_source_contract!(fixture = Log::new(true));
    }

    mod log_without_dead_letters {
        use super::*;
        omnisync_testkit::event_source_contract!(fixture = Log::new(false));
    }
}

mod erp_importer {
    use crate::erp::{Erp, ErpBug};

    mod without_record_results {
        use super::*;
        omnisync_testkit::erp_importer_contract!(
            fixture = Erp::new(ErpBug::None).without_record_results(),
        );
    }

    mod naming_refused_records_only {
        use super::*;
        omnisync_testkit::erp_importer_contract!(fixture = Erp::new(ErpBug::None).counting());
    }
}

mod crm_sink {
    use omnisync_core::port::{CrmCapability, Precondition};
    use omnisync_testkit::fake::crm::Removing;

    use crate::crm::{Crm, options};

    mod strict {
        use super::*;
        omnisync_testkit::crm_sink_contract!(fixture = Crm::new(options()));
    }

    mod weak {
        use super::*;
        omnisync_testkit::crm_sink_contract!(
            fixture = Crm::able(CrmCapability::strict().with_precondition(Precondition::Weak)),
        );
    }

    mod without_conditions {
        use super::*;
        omnisync_testkit::crm_sink_contract!(
            fixture = Crm::able(CrmCapability::strict().with_precondition(Precondition::None)),
        );
    }

    mod deleting_for_good {
        use super::*;
        omnisync_testkit::crm_sink_contract!(
            fixture = Crm::new(
                options()
                    .removing_by(Removing::Deletes)
                    .with_capability(CrmCapability::strict().without_restore())
            ),
        );
    }

    mod forgetting_at_once {
        use super::*;
        omnisync_testkit::crm_sink_contract!(fixture = Crm::forgetting());
    }

    mod deleting_and_restoring {
        use super::*;
        omnisync_testkit::crm_sink_contract!(
            fixture = Crm::new(options().removing_by(Removing::Deletes)),
        );
    }

    mod without_unique_keys {
        use super::*;
        omnisync_testkit::crm_sink_contract!(
            fixture = Crm::able(CrmCapability::strict().without_unique_keys()),
        );
    }

    mod creating_again {
        use super::*;
        omnisync_testkit::crm_sink_contract!(
            fixture = Crm::able(
                CrmCapability::strict()
                    .without_unique_keys()
                    .without_create_once()
            ),
        );
    }

    mod refusing_to_create_again {
        use super::*;
        omnisync_testkit::crm_sink_contract!(
            fixture = Crm::able(CrmCapability::strict().without_create_once()),
        );
    }

    mod telling_little {
        use super::*;
        omnisync_testkit::crm_sink_contract!(
            fixture = Crm::new(
                options()
                    .without_versions_in_receipts()
                    .ignoring_equal_values()
            ),
        );
    }
}

mod clock {
    use omnisync_testkit::clock::ManualClock;

    use crate::fixture::Time;

    mod manual {
        use super::*;
        omnisync_testkit::clock_contract!(fixture = Time::default());
    }

    mod automatic {
        use super::*;
        omnisync_testkit::clock_contract!(fixture = Time(ManualClock::default().auto()));
    }
}

mod id_source {
    omnisync_testkit::id_source_contract!(fixture = crate::fixture::Ids([1, 2]));
}

mod secret_source {
    omnisync_testkit::secret_source_contract!(fixture = crate::fixture::Vault::default());
}
