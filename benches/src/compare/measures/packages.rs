//! Packages: time, memory, size and bytes.

use super::{Inputs, word};
use crate::compare::contestant::Contestant;
use crate::compare::plan::{Bound, Figure, Plan};
use crate::error::Error;
use crate::package::rows;
use crate::samples::Samples;

const OURS: &str = "omnisync";
/// Deflates with zlib at level 6.
const ZLIB: &str = "node-yazl";
/// Who packs the same orders in another way, and what is asked of the first and the best time.
const PEERS: [(&str, Option<Bound>, Option<Bound>); 5] = [
    (
        "dotnet8",
        Some(Bound::AtLeast(5.0)),
        Some(Bound::AtLeast(3.0)),
    ),
    ("java", None, None),
    (ZLIB, None, None),
    ("python-orjson", None, None),
    ("python-json", None, None),
];
/// Times that ours and the floor do the job in one process.
const REPEAT: &str = "4";

/// Orders in memory to a package file.
pub(in crate::compare) fn packages(inputs: &Inputs<'_>) -> Result<Vec<Plan>, Error> {
    let input = inputs.orders(inputs.orders)?;
    let package = inputs.output("omnisync.zip");
    let (orders, out) = (word(&input), word(&package));
    let words = [
        "package", "--input", &orders, "--out", &out, "--repeat", REPEAT,
    ];
    let ours = Contestant::own(OURS, &words)?.with_package(package);
    let case = format!("{} orders", inputs.orders);
    let mut time = Plan::new("m1", &case, Figure::Time, ours.clone());
    let mut size = Plan::new("m1", format!("{case}, size"), Figure::Bytes, ours).with_rounds(1);
    for (name, first, warm) in PEERS {
        let package = inputs.output(&format!("{name}.zip"));
        let Some(peer) = Contestant::peer(name, &[&orders, &word(&package)])? else {
            time = time.without(name);
            continue;
        };
        let peer = peer.with_package(package);
        if name == ZLIB {
            size = size.with(peer.clone(), Some(Bound::AtLeast(1.0 / 1.05)));
        }
        time = time.with_warm(peer, first, warm);
    }
    // Once for nothing; what comes of it is checked, and the floor deflates what ours packed.
    let peers = time.rivals.iter().map(|rival| &rival.contestant);
    for contestant in peers.chain([&time.base]) {
        contestant.run()?;
        if let Some(package) = &contestant.package {
            rows::verify(&input, package)?;
        }
    }
    let words = ["floor", "--package", &out, "--repeat", REPEAT];
    let floor = Contestant::own("libdeflate-6", &words)?;
    let goal = Some(Bound::AtLeast(1.0));
    Ok(vec![time.with_warm(floor, goal, goal), size])
}

/// Memory of packing orders as they are read.
pub(in crate::compare) fn memory(inputs: &Inputs<'_>) -> Result<Vec<Plan>, Error> {
    let ours = |orders: u32| streamed(inputs, orders);
    let plan = Plan::new("m2", "by orders", Figure::Memory, ours(10_000)?)
        .with_rounds(3)
        .with(ours(100_000)?, Some(Bound::AtMost(1.15)))
        .with(ours(1_000_000)?, Some(Bound::AtMost(1.15)));
    Ok(vec![plan])
}

fn streamed(inputs: &Inputs<'_>, orders: u32) -> Result<Contestant, Error> {
    let input = word(&inputs.orders(orders)?);
    let out = word(&inputs.output("streamed.zip"));
    let words = ["package", "--input", &input, "--out", &out, "--stream"];
    Contestant::own(&format!("{orders} orders"), &words)
}

/// Cost of an order by how many there are.
pub(in crate::compare) fn scale(inputs: &Inputs<'_>) -> Result<Plan, Error> {
    let ours = |orders: u32| {
        let input = word(&inputs.orders(orders)?);
        let out = word(&inputs.output("scale.zip"));
        let words = ["package", "--input", &input, "--out", &out, "--repeat", "2"];
        Contestant::own(&format!("{orders} orders"), &words)
    };
    let plan = Plan::new("m12", "packages", Figure::TimePerOrder, ours(10_000)?)
        .with_rounds(5)
        .with(ours(1_000)?, None)
        .with(ours(100_000)?, Some(Bound::AtMost(1.15)))
        .with(ours(1_000_000)?, Some(Bound::AtMost(1.15)));
    Ok(plan)
}

/// Orders whose memory is looked at while they are packed.
const WATCHED: u32 = 500_000;
/// Who is watched beside ours.
const WATCHED_PEERS: [&str; 3] = ["dotnet8", "java", "node-yazl"];

/// Memory while orders are packed: ours order by order, others with all of them in memory, as they
/// work.
pub(in crate::compare) fn memory_over_time(inputs: &Inputs<'_>) -> Result<Vec<Samples>, Error> {
    let input = word(&inputs.orders(WATCHED)?);
    let mut samples = vec![streamed(inputs, WATCHED)?.named(OURS).watched()?];
    for name in WATCHED_PEERS {
        let out = word(&inputs.output(&format!("{name}.zip")));
        if let Some(peer) = Contestant::peer(name, &[&input, &out])? {
            samples.push(peer.watched()?);
        }
    }
    Ok(samples)
}

/// Orders that arrive in other orders.
const ARRIVING: &str = "5000";

/// Fails unless orders make the same package with any number of threads, and whether they are in
/// memory or come as they are read.
pub(in crate::compare) fn same_bytes(inputs: &Inputs<'_>) -> Result<String, Error> {
    let input = word(&inputs.orders(inputs.orders)?);
    let out = word(&inputs.output("same.zip"));
    let common = ["package", "--input", &input, "--out", &out];
    let sha = same_sha(
        &common,
        &[
            &["--threads", "1"],
            &["--threads", "2"],
            &["--threads", "2"],
            &["--threads", "5"],
            &["--threads", "2", "--stream"],
        ],
    )?;
    Ok(format!(
        "{} orders make the package {sha} with 1, 2 and 5 threads, streamed or not",
        inputs.orders
    ))
}

/// Fails unless orders make the same package through the flows, however they arrive.
pub(in crate::compare) fn any_arrival(inputs: &Inputs<'_>) -> Result<String, Error> {
    let input = word(&inputs.orders(100_000)?);
    let work = word(inputs.work);
    let common = [
        "lifecycle",
        "--input",
        &input,
        "--work",
        &work,
        "--with",
        OURS,
        "--orders",
        ARRIVING,
    ];
    let sha = same_sha(&common, &[&[], &["--shuffle", "7"], &["--shuffle", "8"]])?;
    Ok(format!(
        "{ARRIVING} orders make the package {sha} through the flows, in three orders of arrival"
    ))
}

/// The hash that comes of a job in every variant of it.
fn same_sha(common: &[&str], variants: &[&[&str]]) -> Result<String, Error> {
    let mut first: Option<String> = None;
    for variant in variants {
        let words = [common, variant].concat();
        let sha = Contestant::own(OURS, &words)?.run()?.sha;
        if first.get_or_insert_with(|| sha.clone()) != &sha {
            return Err(Error::OtherBytes {
                command: words.join(" "),
            });
        }
    }
    Ok(first.unwrap_or_default())
}
