//! The SQLite store, opened anew after every handle was given up.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use omnisync_adapters_local::{SqliteConfig, SqliteStateStore};
use omnisync_core::port::StateStore;
use omnisync_testkit::contract::StateStoreFixture;
use tempfile::TempDir;

use super::block_on;

struct Sqlite {
    folder: TempDir,
    configure: fn(SqliteConfig) -> SqliteConfig,
    store: Mutex<Option<Arc<SqliteStateStore>>>,
}

impl Sqlite {
    fn new(configure: fn(SqliteConfig) -> SqliteConfig) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            configure,
            store: Mutex::default(),
        }
    }

    fn open(&self) -> Arc<SqliteStateStore> {
        let config = SqliteConfig::new(self.folder.path().join("state.db"));
        let mut store = self.store.lock().unwrap();
        let open = || Arc::new((self.configure)(config).open().unwrap());
        Arc::clone(store.get_or_insert_with(open))
    }
}

#[async_trait]
impl StateStoreFixture for Sqlite {
    async fn store(&self) -> Arc<dyn StateStore> {
        self.open()
    }

    async fn reopen(&self) -> Option<Arc<dyn StateStore>> {
        let store = self.store.lock().unwrap().take();
        assert!(store.is_none_or(|store| Arc::into_inner(store).is_some()));
        Some(self.open())
    }

    async fn settle(&self) {}
}

mod default_settings {
    use super::*;

    omnisync_testkit::state_store_contract!(fixture = Sqlite::new(|config| config), run = block_on,);
}

mod smallest_settings {
    use super::*;

    omnisync_testkit::state_store_contract!(
        fixture = Sqlite::new(|config| {
            config
                .with_cache_kib(1)
                .with_checkpoint_pages(1)
                .with_group_items_max(1)
                .with_queue_commands_max(1)
                .with_readers_max(1)
                .with_body_bytes_max(4_096)
                .with_compress_bytes_min(0)
        }),
        run = block_on,
    );
}

mod without_a_runtime {
    use super::*;

    omnisync_testkit::state_store_contract!(fixture = Sqlite::new(|config| config));
}
