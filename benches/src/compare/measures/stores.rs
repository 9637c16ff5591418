//! Stores: taking in, claims, the life of orders, restarts and kills.

use std::path::Path;

use super::{Inputs, word};
use crate::compare::contestant::Contestant;
use crate::compare::plan::{Bound, Figure, Plan};
use crate::error::Error;
use crate::store::DATABASE;

const OURS: &str = "omnisync";
/// How many wait for their acknowledgement at once, and the orders that they bring in.
const PRODUCERS: [(u32, u32); 3] = [(1, 4_000), (32, 20_000), (500, 50_000)];
/// Stores whose claims and restarts are compared.
const STORED: [u32; 2] = [10_000, 1_000_000];

/// Durable ingest, each order acknowledged for itself.
pub(in crate::compare) fn ingest(inputs: &Inputs<'_>) -> Result<Vec<Plan>, Error> {
    let input = word(&inputs.orders(100_000)?);
    let work = word(inputs.work);
    let mut plans = Vec::new();
    for (producers, orders) in PRODUCERS {
        let (producers, orders) = (producers.to_string(), orders.to_string());
        let into = |name: &str, words: &[&str]| {
            let common = ["ingest", "--input", &input, "--work", &work];
            let sized = ["--producers", &producers, "--orders", &orders];
            let words: Vec<&str> = [common.as_slice(), &sized, words].concat();
            Contestant::own(name, &words)
        };
        let many = producers == "500";
        let only_for_many = |bound| many.then_some(bound);
        let case = if producers == "1" {
            "1 producer".to_owned()
        } else {
            format!("{producers} producers")
        };
        let ours = into(OURS, &["--into", OURS])?;
        let log = into("log", &["--into", "append"])?;
        if producers == "1" {
            let plan = Plan::new(
                "m4",
                format!("{case}, latency"),
                Figure::Latency,
                log.clone(),
            );
            plans.push(plan.with(ours.clone(), Some(Bound::AtMost(1.3))));
        }
        let mut plan = Plan::new("m4", case, Figure::Time, ours)
            .with_rounds(5)
            .with(log, only_for_many(Bound::AtLeast(0.6)));
        for rows in ["1", "32", "500"] {
            if rows == producers {
                let words = ["--into", "sqlite", "--rows-per-transaction", rows];
                let sqlite = into(&format!("sqlite, {rows} at once"), &words)?;
                plan = plan.with(sqlite, only_for_many(Bound::AtLeast(1.0)));
            }
        }
        for (name, goal) in [
            ("redis", only_for_many(Bound::AtLeast(2.0))),
            ("postgres", None),
        ] {
            // A server process for each connection: 500 of them are not how anybody uses it.
            if name == "postgres" && many {
                continue;
            }
            plan = match Contestant::peer(name, &[&input, &work, &producers, &orders])? {
                Some(peer) => plan.with(peer, goal),
                None => plan.without(name),
            };
        }
        plans.push(plan);
    }
    Ok(plans)
}

/// Cost of taking an order in by how many there are.
pub(in crate::compare) fn ingest_scale(inputs: &Inputs<'_>) -> Result<Plan, Error> {
    let work = word(inputs.work);
    let ours = |orders: u32| {
        let input = word(&inputs.orders(orders)?);
        let words = ["ingest", "--input", &input, "--work", &work];
        let into = ["--producers", "500", "--into", OURS];
        Contestant::own(
            &format!("{orders} orders"),
            &[words.as_slice(), &into].concat(),
        )
    };
    let plan = Plan::new(
        "m12",
        "ingest, 500 producers",
        Figure::TimePerOrder,
        ours(10_000)?,
    );
    Ok(plan
        .with_rounds(3)
        .with(ours(100_000)?, Some(Bound::AtMost(1.15)))
        .with(ours(1_000_000)?, Some(Bound::AtMost(1.15))))
}

/// Claims by what is stored, and the life of orders beside updates row by row.
pub(in crate::compare) fn claims(inputs: &Inputs<'_>) -> Result<Vec<Plan>, Error> {
    let claim = |orders| {
        let store = filled(inputs, orders)?;
        Contestant::own(
            &format!("{orders} stored"),
            &["claim", "--store", &store, "--copy"],
        )
    };
    let [few, many] = STORED;
    let claims = Plan::new("m5", "claim of 1000 orders", Figure::Time, claim(few)?)
        .with_rounds(5)
        .with(claim(many)?, Some(Bound::AtMost(1.2)));
    let orders = "5000";
    let input = word(&inputs.orders(100_000)?);
    let work = word(inputs.work);
    let life = |name: &str, with: &str| {
        let common = ["lifecycle", "--input", &input, "--work", &work];
        let words = [common.as_slice(), &["--orders", orders, "--with", with]].concat();
        Contestant::own(name, &words)
    };
    let lives = Plan::new(
        "m5",
        format!("life of {orders} orders"),
        Figure::Time,
        life(OURS, OURS)?,
    )
    .with_rounds(5)
    .with(
        life("sqlite, row by row", "sqlite")?,
        Some(Bound::AtLeast(3.0)),
    );
    Ok(vec![claims, lives])
}

/// Restarts beside reading the file, and kills.
pub(in crate::compare) fn restarts(inputs: &Inputs<'_>) -> Result<Vec<Plan>, Error> {
    let [_, many] = STORED;
    let store = filled(inputs, many)?;
    let database = word(&Path::new(&store).join(DATABASE));
    let scan = Contestant::own("sequential read", &["scan", &database])?;
    let reopen = Contestant::own("reopen", &["reopen", "--store", &store])?;
    let plan = Plan::new("m6", format!("{many} stored"), Figure::Time, scan)
        .with_rounds(5)
        .with(reopen, Some(Bound::AtMost(2.0)));
    Ok(vec![plan])
}

/// Kills a process at work, and says what was found.
pub(in crate::compare) fn kills(inputs: &Inputs<'_>) -> Result<String, Error> {
    let work = word(&inputs.work.join("kills"));
    let words = ["kills", "--count", "200", "--work", &work];
    let line = Contestant::own("kills", &words)?.run()?;
    let counts: Vec<String> = line
        .counts
        .iter()
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    Ok(format!("kills: {}", counts.join(", ")))
}

/// A folder with a store of so many orders, made once.
fn filled(inputs: &Inputs<'_>, orders: u32) -> Result<String, Error> {
    let work = inputs.work.join(format!("stored-{orders}"));
    let folder = work.join("filled");
    let done = work.join("done");
    if !done.exists() {
        let (orders, work) = (orders.to_string(), word(&work));
        let words = ["fill", "--orders", &orders, "--work", &work];
        Contestant::own("fill", &words)?.run()?;
        std::fs::write(&done, "").map_err(Error::file(&done))?;
    }
    Ok(word(&folder))
}
