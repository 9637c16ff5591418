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

use crate::PlaceArgs;
#[cfg(feature = "azure")]
use crate::configured::HostSettings;
use crate::error::HostError;
use crate::workspace::Workspace;

/// Problems of a package that are printed.
const PROBLEMS_SHOWN: usize = 50;

pub(crate) async fn status(place: &PlaceArgs) -> Result<ExitCode, HostError> {
    let store = state(place)?;
    let mut lines = vec!["orders".to_owned()];
    for state in StateName::ALL {
        lines.extend(count(&*store, ORDERS, state.as_str()).await?);
    }
    lines.push("batches".to_owned());
    for state in BatchState::ALL {
        lines.extend(count(&*store, BATCHES, state.as_str()).await?);
    }
    print(&text_of(&lines))?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn explain(order: &str, place: &PlaceArgs) -> Result<ExitCode, HostError> {
    let id = OrderId::new(order)?;
    let explanation = Explain::new(state(place)?, BatchPolicy::default())
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

/// The state in the work folder, or where a file of settings says.
fn state(place: &PlaceArgs) -> Result<Arc<dyn StateStore>, HostError> {
    #[cfg(feature = "azure")]
    if let Some(path) = &place.config {
        return HostSettings::read(path)?.open_state();
    }
    let workspace = Workspace::existing(&place.work)?;
    Ok(Arc::new(SqliteConfig::new(workspace.state()).open()?))
}

fn describe(report: &PackageReport) -> String {
    let mut lines = vec![format!("layout     {:?}", report.layout)];
    if let Some(project) = &report.definition_group {
        lines.push(format!("project    {project}"));
    }
    for entity in &report.entities {
        lines.push(format!(
            "entity     {}: {} rows, {} columns in {}",
            entity.name,
            entity.rows,
            entity.columns.len(),
            entity.file
        ));
    }
    lines.push(format!("orders     {}", report.orders));
    lines.push(format!("lines      {}", report.lines));
    for (currency, amount) in &report.amounts {
        lines.push(format!("total      {amount} {currency}"));
    }
    lines.push(format!("problems   {}", report.problems_total));
    let shown = report.problems.iter().take(PROBLEMS_SHOWN);
    lines.extend(shown.map(|problem| format!("  {problem}")));
    text_of(&lines)
}

/// One line of the status; `None` where there is nothing to count.
async fn count(
    store: &dyn StateStore,
    collection: Collection,
    state: &str,
) -> Result<Option<String>, HostError> {
    let query = Query::all(collection).in_state(state).without_bodies();
    let count = store.query_all(query, usize::MAX).await?.len();
    Ok((count > 0).then(|| format!("  {state:<14}{count:>10}")))
}

fn text_of(lines: &[String]) -> String {
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

fn print(text: &str) -> Result<(), HostError> {
    io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .map_err(HostError::failed("print"))
}
