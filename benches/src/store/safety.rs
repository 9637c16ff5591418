//! What safety costs: traces of what the flows do, and validation of what they take in. Everything
//! is in memory, so that nothing hides it.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use omnisync_core::event::CloudEvent;
use omnisync_core::json::{self, Limits};
use omnisync_core::order::{OrderRules, StateName, validate};
use omnisync_core::policy::BatchPolicy;
use omnisync_testkit::fake::{FakeErp, MemoryStateStore};
use tracing_subscriber::fmt::format::FmtSpan;

use super::folder::emptied;
use super::pipeline::Pipeline;
use super::{input, runtime};
use crate::error::Error;
use crate::line::Line;
use crate::stopwatch::{self, timed};

const WHO: &str = "omnisync";

#[derive(Debug, Args)]
pub(crate) struct SafetyArguments {
    /// Order events, one a line
    #[arg(long)]
    input: PathBuf,
    /// Where packages go
    #[arg(long)]
    work: PathBuf,
    /// Take the first orders of the input only
    #[arg(long)]
    orders: Option<usize>,
    #[arg(long)]
    job: Job,
    /// Write every span of the flows, to nowhere
    #[arg(long)]
    trace: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Job {
    /// Orders taken in one by one, and delivered
    Flows,
    /// Validation of the same orders alone
    Validation,
}

pub(crate) fn run(arguments: &SafetyArguments) -> Result<Line, Error> {
    if arguments.trace {
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::INFO)
            .with_span_events(FmtSpan::CLOSE)
            .with_writer(std::io::sink)
            .init();
    }
    let entries = input::read(&arguments.input, arguments.orders)?;
    let took = match arguments.job {
        Job::Flows => {
            let folder = emptied(&arguments.work, "safety")?;
            let orders_max = BatchPolicy::default().orders_max;
            let store = Arc::new(MemoryStateStore::default());
            let erp = Arc::new(FakeErp::default());
            let pipeline = Pipeline::over(store, &folder, erp, orders_max)?;
            runtime()?.block_on(async {
                let start = stopwatch::start();
                for entry in &entries {
                    pipeline.accept(std::slice::from_ref(entry)).await?;
                }
                pipeline.drain().await?;
                let took = start.elapsed();
                let imported = pipeline.count(StateName::Imported).await?;
                if imported != entries.len() {
                    let text = format!("{imported} of {} orders are imported", entries.len());
                    return Err(Error::Mismatch(text));
                }
                Ok(took)
            })?
        }
        Job::Validation => {
            let events = entries
                .iter()
                .map(|entry| CloudEvent::from_json(entry.bytes()))
                .collect::<Result<Vec<_>, _>>()
                .map_err(Error::store(WHO))?;
            let mut orders = Vec::with_capacity(events.len());
            for event in &events {
                let text = event.data().as_json().unwrap_or_default();
                let order = json::parse(text.as_bytes(), &Limits::default());
                orders.push(order.map_err(Error::store(WHO))?);
            }
            let rules = OrderRules::default();
            let valid = |order| validate(order, &rules).is_ok();
            let (valid, took) = timed(|| orders.iter().filter(|order| valid(order)).count());
            if valid != entries.len() {
                let text = format!("{valid} of {} orders are valid", entries.len());
                return Err(Error::Mismatch(text));
            }
            took
        }
    };
    Ok(Line {
        measure: "m13".to_owned(),
        peer: WHO.to_owned(),
        n: u64::try_from(entries.len()).ok(),
        wall_s: took.as_secs_f64(),
        ..Line::default()
    })
}
