//! The simulator, on toys: small systems with one bug each, or none.

mod counter;
mod distorting;
mod dying;
mod faults;
mod finding;
mod healing;
mod judging;
mod kit;
mod rating;
mod repeating;
mod sleeping;
mod syncing;
mod walking;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use async_trait::async_trait;
use futures::future::BoxFuture;
use omnisync_core::error::PortError;
use omnisync_core::port::{
    Action, Clock, Collection, Content, DocumentKey, Expect, StateStore, StateStoreExt, Write,
};
use omnisync_testkit::fake::MemoryStateStore;
use omnisync_testkit::fault::{Call, Observer, Seen};
use omnisync_testkit::sim::{Life, Play, Scenario, Shape, Sim, Tape, Violation, Worker};

const TOYS: Collection = Collection::new("toys");

/// What a toy worker works with, and what it keeps in memory.
#[derive(Clone)]
struct Bench {
    sim: Sim,
    life: Life,
    store: Arc<dyn StateStore>,
    clock: Arc<dyn Clock>,
    /// Gone when the worker dies.
    memory: Arc<AtomicU32>,
}

impl Bench {
    /// The number under `id`, 0 when there is none.
    async fn number(&self, id: &str) -> Result<u64, PortError> {
        let found = self.store.get_one(&toy(id)).await?;
        found.map_or(Ok(0), |document| document.parse())
    }

    async fn set_number(&self, id: &str, number: u64) -> Result<(), PortError> {
        self.store.write_one(put(id, Expect::Any, &number)).await?;
        Ok(())
    }
}

fn toy(id: &str) -> DocumentKey {
    DocumentKey::new(TOYS, id)
}

fn put(id: &str, expect: Expect, body: &impl serde::Serialize) -> Write {
    Write {
        key: toy(id),
        expect,
        action: Action::Put(Content {
            state: "toy".to_owned(),
            due_at: None,
            expires_at: None,
            body: serde_json::value::to_raw_value(body).unwrap(),
        }),
    }
}

type Round = dyn Fn(Bench) -> BoxFuture<'static, Result<(), PortError>> + Send + Sync;
type Look<T> = dyn Fn(&Sim, &MemoryStateStore) -> T + Send + Sync;
type Start = dyn Fn(&Sim, &Life) + Send + Sync;
type Watch = dyn Fn(&Sim) -> Arc<dyn Observer> + Send + Sync;

/// A scenario over one state store, put together from closures.
#[derive(Clone)]
struct Toy {
    name: &'static str,
    shape: Shape,
    marks: &'static [&'static str],
    round: Arc<Round>,
    begins: Arc<Look<()>>,
    starts: Arc<Start>,
    heals: Arc<Look<()>>,
    watches: Arc<Watch>,
    unrest: Arc<Look<Option<Violation>>>,
    audit: Arc<Look<Result<(), Violation>>>,
    /// Healing takes at least so many steps.
    heal_ticks_min: u32,
}

impl Toy {
    /// A system whose workers do `round` again and again. Any end is right.
    fn new<F>(name: &'static str, round: impl Fn(Bench) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), PortError>> + Send + 'static,
    {
        Self {
            name,
            shape: Shape::default(),
            marks: &[],
            round: Arc::new(move |bench| Box::pin(round(bench))),
            begins: Arc::new(|_, _| ()),
            starts: Arc::new(|_, _| ()),
            heals: Arc::new(|_, _| ()),
            watches: Arc::new(|_| Arc::new(Watching(|_: &Call, _: Seen<'_>| ()))),
            unrest: Arc::new(|_, _| None),
            audit: Arc::new(|_, _| Ok(())),
            heal_ticks_min: 1,
        }
    }

    /// One worker and one round before healing.
    fn tiny(mut self) -> Self {
        (self.shape.workers, self.shape.rounds) = (1, 1);
        self
    }

    fn workers(mut self, workers: usize) -> Self {
        self.shape.workers = workers;
        self
    }

    /// Shows every effect, with the run, to `watch`.
    fn watched(
        mut self,
        watch: impl Fn(&Sim, &Call, Seen<'_>) + Clone + Send + Sync + 'static,
    ) -> Self {
        self.watches = Arc::new(move |sim| {
            let (sim, watch) = (sim.clone(), watch.clone());
            Arc::new(Watching(move |call: &Call, seen: Seen<'_>| {
                watch(&sim, call, seen);
            }))
        });
        self
    }
}

impl Scenario for Toy {
    fn name(&self) -> &str {
        self.name
    }

    fn shape(&self) -> Shape {
        self.shape.clone()
    }

    fn marks(&self) -> &[&'static str] {
        self.marks
    }

    fn begin(&self, sim: &Sim) -> Box<dyn Play> {
        let fake = MemoryStateStore::default();
        (self.begins)(sim, &fake);
        let seam = sim.seam((self.watches)(sim));
        Box::new(Playing {
            toy: self.clone(),
            sim: sim.clone(),
            store: Arc::new(seam.wrap(fake.clone())),
            fake,
            heal_ticks: 0,
        })
    }
}

struct Playing {
    toy: Toy,
    sim: Sim,
    fake: MemoryStateStore,
    store: Arc<dyn StateStore>,
    heal_ticks: u32,
}

impl Play for Playing {
    fn start(&mut self, life: &Life) -> Box<dyn Worker> {
        (self.toy.starts)(&self.sim, life);
        Box::new(ToyWorker {
            round: Arc::clone(&self.toy.round),
            bench: Bench {
                sim: self.sim.clone(),
                life: life.clone(),
                store: Arc::clone(&self.store),
                clock: self.sim.clock_of(life.worker),
                memory: Arc::default(),
            },
        })
    }

    fn heal(&mut self) {
        self.heal_ticks += 1;
        (self.toy.heals)(&self.sim, &self.fake);
    }

    fn unrest(&mut self) -> Option<Violation> {
        if self.heal_ticks < self.toy.heal_ticks_min {
            return Some(Violation::new("T-0", "healing has not begun"));
        }
        (self.toy.unrest)(&self.sim, &self.fake)
    }

    fn audit(&mut self) -> Result<(), Violation> {
        (self.toy.audit)(&self.sim, &self.fake)
    }
}

struct ToyWorker {
    round: Arc<Round>,
    bench: Bench,
}

#[async_trait]
impl Worker for ToyWorker {
    async fn round(&mut self) -> Result<(), PortError> {
        (self.round)(self.bench.clone()).await
    }
}

/// An observer from a closure.
struct Watching<F>(F);

impl<F> fmt::Debug for Watching<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watching")
    }
}

impl<F> Observer for Watching<F>
where
    F: Fn(&Call, Seen<'_>) + Send + Sync + 'static,
{
    fn observe(&self, call: &Call, seen: Seen<'_>) {
        (self.0)(call, seen);
    }
}

/// Both, or the error that asks for the longer rest.
fn both<A, B>(one: Result<A, PortError>, other: Result<B, PortError>) -> Result<(), PortError> {
    match (one, other) {
        (Err(one), Err(other)) if one.retry_after() < other.retry_after() => Err(other),
        (Err(error), _) | (_, Err(error)) => Err(error),
        (Ok(_), Ok(_)) => Ok(()),
    }
}

/// The tape of a run with one worker whose first call goes wrong: position in the call's menu,
/// and dice.
fn first_call_fails(menu_index: usize, dice: u32) -> Tape {
    let kind = u32::try_from(menu_index).unwrap();
    // Customs, allowance and known kinds are the usual ones; then comes the call.
    vec![0, 0, 0, 7, kind, dice].into()
}
