//! The clock and the ids of the machine.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use omnisync_adapters_local::{SystemClock, SystemIds};
use omnisync_core::port::{Clock, IdSource};
use omnisync_testkit::contract::{ClockFixture, IdSourceFixture};

struct Machine;

#[async_trait]
impl ClockFixture for Machine {
    async fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SystemClock)
    }

    async fn pass(&self, by: Duration) {
        tokio::time::sleep(by).await;
    }
}

#[async_trait]
impl IdSourceFixture for Machine {
    async fn sources(&self) -> [Arc<dyn IdSource>; 2] {
        [Arc::new(SystemIds), Arc::new(SystemIds)]
    }
}

mod clock {
    use super::super::block_on;
    use super::Machine;

    omnisync_testkit::clock_contract!(fixture = Machine, run = block_on);
}

mod id_source {
    use super::Machine;

    omnisync_testkit::id_source_contract!(fixture = Machine);
}
