//! Makes a store of many orders. Most were delivered, some wait; every document is one that the
//! flows wrote, apart from the id.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use omnisync_adapters_local::{SqliteConfig, SqliteStateStore};
use omnisync_benches::events::{order_event, order_id};
use omnisync_core::order::ORDERS;
use omnisync_core::policy::BatchPolicy;
use omnisync_core::port::{Action, Content, Document, DocumentKey, Expect, StateStore, Write};
use omnisync_testkit::fake::{FakeErp, MemoryStateStore};
use omnisync_testkit::rng::SplitMix64;
use serde_json::value::RawValue;

use super::folder::emptied;
use super::input::{self, Entry};
use super::pipeline::{ACCEPT_EVENTS, Pipeline};
use super::runtime;
use crate::error::Error;
use crate::line::Line;
use crate::stopwatch;

const WHO: &str = "omnisync";
/// Orders that the flows deliver, to be repeated under other ids.
const TEMPLATES: u32 = 1_000;
const SEED: u64 = 1;
/// The database within the folder that was filled.
pub(crate) const DATABASE: &str = "state.db";

#[derive(Debug, Args)]
pub(crate) struct FillArguments {
    #[arg(long)]
    orders: NonZero<u32>,
    /// Where the store is made anew, in a folder called `filled`
    #[arg(long)]
    work: PathBuf,
    /// Orders that wait for a batch, the newest ones
    #[arg(long, default_value_t = 10_000)]
    pending: u32,
    /// Let the orders that wait lie anywhere among the others
    #[arg(long)]
    scattered: bool,
}

impl FillArguments {
    fn waits(&self, number: u32) -> bool {
        let orders = self.orders.get();
        if self.scattered {
            let distance = orders / self.pending.clamp(1, orders);
            number.is_multiple_of(distance)
        } else {
            number > orders.saturating_sub(self.pending)
        }
    }
}

pub(crate) fn run(arguments: &FillArguments) -> Result<Line, Error> {
    let folder = emptied(&arguments.work, "filled")?;
    let path = folder.join(DATABASE);
    let store = SqliteConfig::new(&path).open().map_err(Error::store(WHO))?;
    let store = Arc::new(store);
    let orders_max = BatchPolicy::default().orders_max;
    let erp = Arc::new(FakeErp::default());
    let packages = folder.join("packages");
    let waiting = Pipeline::over(Arc::clone(&store) as _, &packages, erp, orders_max)?;
    let start = stopwatch::start();
    runtime()?.block_on(async {
        let templates = templates(&folder).await?;
        let mut rng = SplitMix64::new(SEED);
        let (mut delivered, mut pending) = (Vec::new(), Vec::new());
        for (number, template) in (1..=arguments.orders.get()).zip(templates.iter().cycle()) {
            if arguments.waits(number) {
                pending.push(entry(&mut rng, number)?);
            } else {
                delivered.extend(renamed(template, number));
            }
            if delivered.len() >= ACCEPT_EVENTS {
                write(&store, std::mem::take(&mut delivered)).await?;
            }
        }
        write(&store, delivered).await?;
        waiting.accept(&pending).await
    })?;
    let wall = start.elapsed();
    Ok(Line {
        measure: "fill".to_owned(),
        peer: WHO.to_owned(),
        n: Some(arguments.orders.get().into()),
        wall_s: wall.as_secs_f64(),
        ..Line::default()
    })
}

fn entry(rng: &mut SplitMix64, number: u32) -> Result<Entry, Error> {
    input::entry(order_event(rng, number)).map_err(Error::store("an event"))
}

/// Documents of orders that the flows took from their event to their end.
async fn templates(folder: &std::path::Path) -> Result<Vec<Document>, Error> {
    let store = MemoryStateStore::default();
    let erp = Arc::new(FakeErp::default());
    let packages = folder.join("templates");
    let orders_max = BatchPolicy::default().orders_max;
    let pipeline = Pipeline::over(Arc::new(store.clone()), &packages, erp, orders_max)?;
    let mut rng = SplitMix64::new(SEED);
    let entries: Vec<Entry> = (1..=TEMPLATES)
        .map(|number| entry(&mut rng, number))
        .collect::<Result<_, _>>()?;
    pipeline.accept(&entries).await?;
    pipeline.drain().await?;
    Ok(store.documents(ORDERS))
}

fn renamed(template: &Document, number: u32) -> Option<Write> {
    let id = order_id(number);
    let body = template.body.as_ref()?.get().replace(&template.key.id, &id);
    Some(Write {
        key: DocumentKey::new(ORDERS, id),
        expect: Expect::Absent,
        action: Action::Put(Content {
            state: template.state.clone(),
            due_at: template.due_at,
            expires_at: template.expires_at,
            body: RawValue::from_string(body).ok()?,
        }),
    })
}

async fn write(store: &SqliteStateStore, writes: Vec<Write>) -> Result<(), Error> {
    for written in store.write(writes).await.map_err(Error::store(WHO))? {
        written.map_err(Error::store(WHO))?;
    }
    Ok(())
}
