//! Starts the services of Azure that the order path needs, for a host in another terminal.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use omnisync_adapters_local::SystemClock;
use omnisync_conformance::stack::{AzureStack, SETTINGS, TOPIC};
use omnisync_testkit::generate::OrderGenerator;
use omnisync_testkit::server::service_bus::NewMessage;

/// Service Bus, Cosmos DB, Blob Storage and Finance & Operations on loopback ports. Nothing they
/// take outlives this process.
#[derive(Debug, Parser)]
#[command(name = "azure-stack", version, about)]
struct Cli {
    /// Folder for `azure.toml` and `azure.env`.
    #[arg(long, default_value = "work", value_name = "DIR")]
    work: PathBuf,
    /// Orders that wait in the topic from the start.
    #[arg(long, default_value_t = 498, value_name = "N")]
    generate: usize,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let cli = Cli::parse();
    let stack = AzureStack::start(Arc::new(SystemClock)).await?;
    for event in OrderGenerator::new(6).take(cli.generate) {
        let message =
            NewMessage::new(&event.bytes).with_content_type("application/cloudevents+json");
        stack.service_bus().send(TOPIC, message)?;
    }
    let mut variables = String::new();
    for (name, value) in stack.variables() {
        writeln!(variables, "export {name}='{value}'")?;
    }
    std::fs::create_dir_all(&cli.work)?;
    let (settings, environment) = (cli.work.join("azure.toml"), cli.work.join("azure.env"));
    std::fs::write(&settings, SETTINGS)?;
    std::fs::write(&environment, variables)?;
    let (settings, environment) = (settings.display(), environment.display());
    writeln!(
        io::stdout(),
        "{} orders wait. In another terminal:\n\n\
         . {environment}\n\
         cargo build --features azure -p order-pipeline\n\
         target/debug/order-pipeline provision --config {settings}\n\
         target/debug/order-pipeline run --config {settings}\n\n\
         This ends with its input, or by a signal.",
        cli.generate
    )?;
    // A terminal that closes ends it too, and so does whoever started it.
    let ended = tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new()));
    tokio::select! {
        _ = ended => {}
        signal = tokio::signal::ctrl_c() => signal?,
    }
    for (order, row) in stack.fno().headers() {
        if row.imports != 1 {
            writeln!(io::stdout(), "{order} was imported {} times", row.imports)?;
        }
    }
    writeln!(
        io::stdout(),
        "{} orders imported",
        stack.fno().headers().len()
    )?;
    // A read of the terminal that nobody ends would keep the runtime.
    std::process::exit(0)
}
