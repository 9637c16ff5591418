//! A counter that workers increment once for each of their jobs, and ways to get that wrong.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::port::{Action, Clock, Expect, StateStoreExt};
use omnisync_testkit::fake::MemoryStateStore;
use omnisync_testkit::fault::{Call, Seen};
use omnisync_testkit::sim::{Sim, Violation};
use serde::{Deserialize, Serialize};

use super::{Bench, TOYS, Toy, Watching, put, toy};

const JOBS: usize = 2;
const ATTEMPTS_MAX: u32 = 4;
const COUNT: &str = "count";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bug {
    None,
    /// After an error it counts the job again without looking.
    AgainAfterError,
    /// It looks once, and after the second error it no longer does.
    AgainAfterTwoErrors,
    /// Whoever writes last wins.
    NoCompareAndSet,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Count {
    total: usize,
    done: BTreeSet<String>,
}

/// Two workers with two jobs each, which count them with this bug.
pub(super) fn counter(bug: Bug) -> Toy {
    counter_of(2, bug)
}

pub(super) fn counter_of(workers: usize, bug: Bug) -> Toy {
    let mut toy = Toy::new("counter", move |bench| async move {
        for job in 0..JOBS {
            count(&bench, &format!("w{}-{job}", bench.life.worker), bug).await?;
        }
        Ok(())
    })
    .workers(workers);
    toy.marks = &["conflict", "counted"];
    toy.watches = Arc::new(|sim| {
        let (sim, before) = (sim.clone(), Mutex::new(BTreeSet::new()));
        Arc::new(Watching(move |_: &Call, seen: Seen<'_>| {
            let mut before = before.lock().unwrap();
            if let Some(violation) = check_step(seen, &mut before) {
                sim.violate(violation);
            }
        }))
    });
    toy.unrest = Arc::new(move |_, store| {
        let open = workers * JOBS - read(store).done.len();
        (open > 0).then(|| Violation::new("T-3", format!("{open} jobs were never counted")))
    });
    toy.audit = Arc::new(move |_, store| {
        let total = read(store).total;
        if total == workers * JOBS {
            Ok(())
        } else {
            Err(Violation::new("T-4", format!("the count is {total}")))
        }
    });
    toy
}

/// No job counts twice, and none is forgotten.
fn check_step(seen: Seen<'_>, before: &mut BTreeSet<String>) -> Option<Violation> {
    let Seen::Write(write, Ok(_)) = seen else {
        return None;
    };
    let Action::Put(content) = &write.action else {
        return None;
    };
    let count: Count = serde_json::from_str(content.body.get()).unwrap();
    if count.total > count.done.len() {
        return Some(Violation::new("T-1", "a job was counted twice"));
    }
    if !count.done.is_superset(before) {
        return Some(Violation::new("T-2", "a job was forgotten"));
    }
    *before = count.done;
    None
}

fn read(store: &MemoryStateStore) -> Count {
    let documents = store.documents(TOYS);
    documents
        .first()
        .map_or_else(Count::default, |document| document.parse().unwrap())
}

async fn count(bench: &Bench, job: &str, bug: Bug) -> Result<(), PortError> {
    let mut errors = 0;
    for _ in 0..ATTEMPTS_MAX {
        let found = bench.store.get_one(&toy(COUNT)).await?;
        let mut count: Count = match &found {
            Some(document) => document.parse()?,
            None => Count::default(),
        };
        let blind = match bug {
            Bug::AgainAfterError => errors > 0,
            Bug::AgainAfterTwoErrors => errors > 1,
            Bug::None | Bug::NoCompareAndSet => false,
        };
        if count.done.contains(job) && !blind {
            return Ok(());
        }
        count.total += 1;
        count.done.insert(job.to_owned());
        let expect = match found {
            _ if bug == Bug::NoCompareAndSet => Expect::Any,
            Some(document) => Expect::Tag(document.etag),
            None => Expect::Absent,
        };
        let Err(error) = bench.store.write_one(put(COUNT, expect, &count)).await else {
            bench.sim.mark("counted");
            return Ok(());
        };
        match error.kind() {
            ErrorKind::Conflict | ErrorKind::AlreadyExists => bench.sim.mark("conflict"),
            ErrorKind::Throttled => return Err(error),
            _ => errors += 1,
        }
    }
    Ok(())
}

const LEASE: Duration = Duration::from_secs(60);

/// Who may count, and until when.
#[derive(Debug, Serialize, Deserialize)]
struct Lease {
    holder: String,
    until_ms: i64,
}

/// Workers that count rounds under a lease and trust in it alone: who is late writes anyway.
/// With `looks` a worker looks at the clock before each write, which is not enough either.
pub(super) fn leased(looks: bool) -> Toy {
    let mut toy = Toy::new("leased", move |bench| count_alone(bench, looks));
    toy.shape.lease = LEASE;
    toy.watches = Arc::new(|sim| {
        let (sim, last) = (sim.clone(), Mutex::new(0));
        Arc::new(Watching(move |_: &Call, seen: Seen<'_>| {
            check_number(&sim, seen, &mut last.lock().unwrap());
        }))
    });
    toy
}

/// Every write of the number adds one.
fn check_number(sim: &Sim, seen: Seen<'_>, last: &mut u64) {
    let Seen::Write(write, Ok(_)) = seen else {
        return;
    };
    let Action::Put(content) = &write.action else {
        return;
    };
    if write.key.id != COUNT {
        return;
    }
    let number: u64 = serde_json::from_str(content.body.get()).unwrap();
    if number != *last + 1 {
        sim.violate(Violation::new("T-5", format!("{number} after {last}")));
    }
    *last = number;
}

async fn count_alone(bench: Bench, looks: bool) -> Result<(), PortError> {
    // Its clock is right: only a pause makes it late.
    let clock = bench.sim.clock();
    let me = bench.life.name.to_string();
    let found = bench.store.get_one(&toy("lease")).await?;
    let now_ms = clock.now().timestamp_millis();
    let expect = match &found {
        None => Expect::Absent,
        Some(document) => {
            let lease: Lease = document.parse()?;
            if lease.holder != me && now_ms < lease.until_ms {
                return Ok(());
            }
            Expect::Tag(document.etag.clone())
        }
    };
    let until_ms = now_ms + i64::try_from(LEASE.as_millis()).unwrap();
    let lease = Lease {
        holder: me,
        until_ms,
    };
    bench.store.write_one(put("lease", expect, &lease)).await?;
    let number = bench.number(COUNT).await?;
    if looks && clock.now().timestamp_millis() >= until_ms {
        return Ok(());
    }
    bench.set_number(COUNT, number + 1).await
}
