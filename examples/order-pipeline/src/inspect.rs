use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufReader, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use omnisync_adapters_local::SqliteConfig;
use omnisync_core::batch::{BATCHES, BatchState};
use omnisync_core::dixf::{PackageReport, ReadLimits, read_package};
use omnisync_core::flow::Explain;
use omnisync_core::id::OrderId;
use omnisync_core::order::{ORDERS, StateName};
use omnisync_core::policy::BatchPolicy;
use omnisync_core::port::{Collection, Query, StateStore, StateStoreExt as _};

use crate::error::HostError;
use crate::workspace::Workspace;

/// Problems of a package that are printed.
const PROBLEMS_SHOWN: usize = 50;

pub(crate) async fn status(work: &Path) -> Result<ExitCode, HostError> {
    let workspace = Workspace::existing(work)?;
    let store = SqliteConfig::new(workspace.state()).open()?;
    let mut text = String::from("orders\n");
    for state in StateName::ALL {
        line(
            &mut text,
            state.as_str(),
            count(&store, ORDERS, state.as_str()).await?,
        );
    }
    text.push_str("batches\n");
    for state in BatchState::ALL {
        line(
            &mut text,
            state.as_str(),
            count(&store, BATCHES, state.as_str()).await?,
        );
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn explain(order: &str, work: &Path) -> Result<ExitCode, HostError> {
    let workspace = Workspace::existing(work)?;
    let store = Arc::new(SqliteConfig::new(workspace.state()).open()?);
    let id = OrderId::new(order)?;
    let explanation = Explain::new(store, BatchPolicy::default())
        .order(&id)
        .await?;
    let explanation = explanation.ok_or_else(|| HostError::UnknownOrder(order.to_owned()))?;
    print(&explanation.to_string())?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn verify(package: &Path) -> Result<ExitCode, HostError> {
    let file = File::open(package).map_err(HostError::io("open", package))?;
    let report = read_package(BufReader::new(file), ReadLimits::default()).map_err(|source| {
        HostError::Package {
            path: package.to_owned(),
            source,
        }
    })?;
    print(&describe(&report))?;
    Ok(if report.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn describe(report: &PackageReport) -> String {
    let mut text = format!("layout     {:?}\n", report.layout);
    if let Some(project) = &report.definition_group {
        text.push_str(&format!("project    {project}\n"));
    }
    for entity in &report.entities {
        text.push_str(&format!(
            "entity     {}: {} rows, {} columns in {}\n",
            entity.name,
            entity.rows,
            entity.columns.len(),
            entity.file
        ));
    }
    text.push_str(&format!(
        "orders     {}\nlines      {}\n",
        report.orders, report.lines
    ));
    let amounts: BTreeMap<_, _> = report.amounts.iter().collect();
    for (currency, amount) in amounts {
        text.push_str(&format!("total      {amount} {currency}\n"));
    }
    text.push_str(&format!("problems   {}\n", report.problems_total));
    for problem in report.problems.iter().take(PROBLEMS_SHOWN) {
        text.push_str(&format!("  {problem}\n"));
    }
    text
}

async fn count(
    store: &dyn StateStore,
    collection: Collection,
    state: &str,
) -> Result<usize, HostError> {
    let query = Query::all(collection).in_state(state).without_bodies();
    Ok(store.query_all(query, usize::MAX).await?.len())
}

fn line(text: &mut String, name: &str, count: usize) {
    if count > 0 && writeln!(text, "  {name:<14}{count:>10}").is_err() {
        // Writing to a string cannot fail.
    }
}

fn print(text: &str) -> Result<(), HostError> {
    io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .map_err(|source| HostError::Io {
            what: "print".to_owned(),
            source,
        })
}
