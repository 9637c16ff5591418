//! Starts the testkit's Finance & Operations server by itself, for clients in any language.

mod client;
mod self_test;

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, ValueEnum};
use omnisync_adapters_local::SystemClock;
use omnisync_core::port::RepeatedExecution;
use omnisync_testkit::server::fno::{
    Access, Fno, FnoOptions, FnoServer, RateLimit, RetryAfter, refuse_share,
};

/// A Finance & Operations environment on a loopback port. Nothing it takes outlives it.
#[derive(Debug, Parser)]
#[command(name = "fno-server", version, about)]
struct Cli {
    /// Port of the loopback address; 0 is a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Company, or several of them; the first is the default.
    #[arg(long, default_value = "USMF", value_name = "ID")]
    company: Vec<String>,
    /// What happens to an execution id that comes again.
    #[arg(long, value_enum, default_value_t = Repeated::Rejected)]
    repeated: Repeated,
    /// Share of the orders that are refused, from 0 to 1.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    fail_share: f64,
    /// The status question that finds an import ended.
    #[arg(long, default_value_t = 2, value_name = "N")]
    polls: u32,
    /// How many status questions after a submission are told that it was not found.
    #[arg(long, default_value_t = 0, value_name = "N")]
    unseen_polls: u32,
    /// `ImportFromPackage` answers when the import has ended, by status questions of somebody else.
    #[arg(long)]
    blocking: bool,
    /// Most calls of the service in a window; without it, there is no limit.
    #[arg(long, value_name = "N")]
    rate_limit: Option<usize>,
    /// Length of that window.
    #[arg(long, default_value_t = 1_000, value_name = "MS")]
    rate_window_ms: u32,
    /// Most calls of the service at once, where there is a limit.
    #[arg(long, default_value_t = 52, value_name = "N")]
    concurrent: usize,
    /// Imports orders through itself over HTTP, and ends.
    #[arg(long)]
    self_test: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Repeated {
    Rejected,
    ReturnsExisting,
    RunsAgain,
}

impl From<Repeated> for RepeatedExecution {
    fn from(repeated: Repeated) -> Self {
        match repeated {
            Repeated::Rejected => Self::Rejected,
            Repeated::ReturnsExisting => Self::ReturnsExisting,
            Repeated::RunsAgain => Self::RunsAgain,
        }
    }
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    let cli = Cli::parse();
    let fno = environment(&cli);
    let server = FnoServer::serve_on(fno, cli.port).await?;
    if cli.self_test {
        let report = self_test::run(&server, cli.fail_share).await?;
        writeln!(io::stdout(), "{report}")?;
    } else {
        write!(io::stdout(), "{}", instructions(&server, &cli))?;
        tokio::signal::ctrl_c().await?;
    }
    server.stop().await;
    Ok(ExitCode::SUCCESS)
}

fn environment(cli: &Cli) -> Fno {
    let fno = Fno::new(FnoOptions {
        companies: cli.company.clone(),
        repeated_execution: cli.repeated.into(),
        polls_to_end: Some(cli.polls),
        unseen_polls: cli.unseen_polls,
        blocking: cli.blocking,
        ..FnoOptions::new(Arc::new(SystemClock))
    });
    if cli.fail_share > 0.0 {
        fno.set_rule(refuse_share(cli.fail_share));
    }
    fno.limit(cli.rate_limit.map(|requests_max| RateLimit {
        requests_max,
        window_ms: cli.rate_window_ms,
        concurrent_max: cli.concurrent,
        retry_after: RetryAfter::Seconds(cli.rate_window_ms.div_ceil(1_000)),
    }));
    fno
}

fn instructions(server: &FnoServer, cli: &Cli) -> String {
    let Access {
        client_id,
        client_secret,
        ..
    } = Access::default();
    let base = server.base_url();
    let token = server.token_url();
    let company = cli.company.first().map_or("", String::as_str);
    let actions = "$BASE/data/DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities";
    format!(
        r#"base URL        {base}
token endpoint  {token}
client id       {client_id}
client secret   {client_secret}

BASE={base}
TOKEN=$(curl -s {token} \
  -d grant_type=client_credentials -d client_id={client_id} -d client_secret={client_secret} \
  --data-urlencode scope=$BASE/.default | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
curl -s {actions}.GetAzureWriteUrl -H "Authorization: Bearer $TOKEN" \
  -H 'Content-Type: application/json' -d '{{"uniqueFileName":"orders.zip"}}'
curl -s -X PUT "$BLOB_URL" -H 'x-ms-blob-type: BlockBlob' --data-binary @orders.zip
curl -s {actions}.ImportFromPackage -H "Authorization: Bearer $TOKEN" \
  -H 'Content-Type: application/json' -d '{{"packageUrl":"'$BLOB_URL'","definitionGroupId":"Orders",
  "executionId":"run-1","execute":true,"overwrite":true,"legalEntityId":"{company}"}}'
curl -s {actions}.GetExecutionSummaryStatus -H "Authorization: Bearer $TOKEN" \
  -H 'Content-Type: application/json' -d '{{"executionId":"run-1"}}'
"#
    )
}
