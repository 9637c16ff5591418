//! Every clause of the port, with each layout of containers.

use std::sync::Arc;

use async_trait::async_trait;
use omnisync_adapters_azure::cosmos::Containers;
use omnisync_conformance::cosmos_emulator::CosmosEmulatorOptions;
use omnisync_core::port::StateStore;
use omnisync_testkit::contract::StateStoreFixture;
use tokio::sync::OnceCell;

use super::support::{CONTRACT, Desk, shared};

struct Fixture {
    containers: Containers,
    options: CosmosEmulatorOptions,
    desk: OnceCell<Desk>,
}

impl Fixture {
    fn new(containers: Containers, options: CosmosEmulatorOptions) -> Self {
        Self {
            containers,
            options,
            desk: OnceCell::new(),
        }
    }

    async fn desk(&self) -> &Desk {
        let open = Box::pin(async {
            let mut desk = Desk::with(self.options).await;
            desk.config = desk.config.with_containers(self.containers.clone());
            desk.store().provision(&CONTRACT).await.unwrap();
            desk
        });
        self.desk.get_or_init(|| open).await
    }
}

#[async_trait]
impl StateStoreFixture for Fixture {
    async fn store(&self) -> Arc<dyn StateStore> {
        Arc::new(self.desk().await.store())
    }

    async fn reopen(&self) -> Option<Arc<dyn StateStore>> {
        Some(self.store().await)
    }

    async fn settle(&self) {}
}

mod a_container_each {
    use super::*;

    omnisync_testkit::state_store_contract!(
        fixture = Fixture::new(Containers::default(), CosmosEmulatorOptions::default()),
        run = super::super::support::block_on
    );
}

mod one_container {
    use super::*;

    omnisync_testkit::state_store_contract!(
        fixture = Fixture::new(shared(), CosmosEmulatorOptions::default()),
        run = super::super::support::block_on
    );
}

mod queries_that_begin_empty {
    use super::*;

    omnisync_testkit::state_store_contract!(
        fixture = Fixture::new(
            shared(),
            CosmosEmulatorOptions::default().beginning_queries_empty()
        ),
        run = super::super::support::block_on
    );
}
