//! A host of the order pipeline, as an integration team would write one: it composes the flows
//! of `omnisync-core` with the embedded adapters and, in place of a real Finance & Operations
//! environment, the testkit's ERP.

#[cfg(feature = "azure")]
mod configured;
mod embedded;
mod erp;
mod error;
mod host;
mod inspect;
mod pace;
mod report;
mod run;
mod serve;
mod settings;
#[cfg(feature = "azure")]
mod worker;
mod workspace;

use std::io::{self, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use omnisync_core::dixf::Layout;
use omnisync_core::order::TotalMode;

#[cfg(feature = "azure")]
use configured::HostSettings;
use error::HostError;

/// CloudEvents in, data packages out, every order settled.
#[derive(Debug, Parser)]
#[command(name = "order-pipeline", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Takes events in, batches them and delivers until nothing is left.
    Run(RunArgs),
    /// Shows how many orders and batches are in which state.
    Status {
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Tells what happened to an order and what it waits for.
    Explain {
        /// Number of the order.
        order: String,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Checks a package and shows what it holds.
    Verify {
        /// The package.
        package: PathBuf,
    },
    /// Takes events from a webhook and delivers in the background.
    Serve(ServeArgs),
    /// Creates the database and containers that a file of settings names.
    #[cfg(feature = "azure")]
    Provision {
        /// TOML file that describes the host.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

/// Where orders are kept.
#[derive(Debug, Args)]
struct PlaceArgs {
    /// Work folder.
    #[arg(long, default_value = "work", value_name = "DIR")]
    work: PathBuf,
    /// TOML file that describes the host.
    #[cfg(feature = "azure")]
    #[arg(long, value_name = "FILE", conflicts_with = "work")]
    config: Option<PathBuf>,
}

impl Command {
    /// What is logged unless `RUST_LOG` says otherwise. A run tells everything in its result; a
    /// server has nothing but its log.
    const fn log_level(&self) -> &'static str {
        match self {
            Self::Serve(_) => "warn",
            _ => "off",
        }
    }
}

#[derive(Debug, Args)]
struct RunArgs {
    /// Events, one a line; `-` is standard input. Without it, orders are generated.
    #[arg(long, value_name = "FILE")]
    orders: Option<PathBuf>,
    /// Folder for state, packages, dead letters and the ERP.
    #[arg(long, default_value = "work", value_name = "DIR")]
    work: PathBuf,
    /// Form of the packages.
    #[arg(long, value_enum, default_value_t = LayoutArg::Dmf)]
    layout: LayoutArg,
    /// Number of orders to generate when no file is given.
    #[arg(
        long,
        default_value_t = 1_000,
        value_name = "N",
        conflicts_with = "orders"
    )]
    generate: usize,
    /// What an order does whose total is not the sum of its lines.
    #[arg(long, value_enum, default_value_t = TotalsArg::Warn)]
    totals: TotalsArg,
    /// Most orders in a package.
    #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = parse_positive)]
    max_orders: usize,
    /// Share of orders that the built-in ERP refuses, 0 to 1.
    #[arg(
        long,
        default_value_t = 0.0,
        value_name = "P",
        value_parser = parse_share,
        conflicts_with = "erp_config"
    )]
    fail_rate: f64,
    #[command(flatten)]
    erp: ErpArgs,
    /// TOML file that describes the whole host: where events come from, where state and packages
    /// are kept, what takes them. Any number of processes share it.
    #[cfg(feature = "azure")]
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["orders", "work", "layout", "generate", "totals", "max_orders", "fail_rate", "erp", "erp_config"]
    )]
    config: Option<PathBuf>,
    /// Prints the result as one JSON object on standard output.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ServeArgs {
    /// Address to listen on; port 0 takes a free one and prints it.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    listen: SocketAddr,
    /// Folder for state, packages and the ERP.
    #[arg(long, default_value = "work", value_name = "DIR")]
    work: PathBuf,
    /// Form of the packages.
    #[arg(long, value_enum, default_value_t = LayoutArg::Dmf)]
    layout: LayoutArg,
    /// What an order does whose total is not the sum of its lines.
    #[arg(long, value_enum, default_value_t = TotalsArg::Warn)]
    totals: TotalsArg,
    /// When batch windows close: a cron expression in UTC, with or without seconds.
    #[arg(long, default_value = "0 0 */4 * * *", value_name = "CRON")]
    window: String,
    /// How much later than the expression says, in seconds.
    #[arg(long, default_value_t = 0, value_name = "S")]
    window_offset: u64,
    /// Longest time that an order waits for a batch, in seconds.
    #[arg(long, default_value_t = 14_400, value_name = "S")]
    max_age: u32,
    /// Requests that are handled at the same time; more are told to come again later.
    #[arg(long, default_value_t = 256, value_name = "N", value_parser = parse_positive)]
    max_requests: usize,
    /// Origin whose handshake gets consent, `*` for any.
    #[arg(long, default_value = "*", value_name = "ORIGIN")]
    allow_origin: String,
    /// Variable of the environment with a secret that deliveries have to know: in the parameter
    /// `code` of the URL, or in the header `x-omnisync-secret`. Given twice while one secret
    /// replaces the other. Without it, this server listens to its own machine alone.
    #[arg(long, value_name = "NAME")]
    secret_env: Vec<String>,
    /// Takes deliveries from whoever reaches the server, from other machines too: something in
    /// front of it knows who that is.
    #[arg(long, conflicts_with = "secret_env")]
    open: bool,
    #[command(flatten)]
    erp: ErpArgs,
    /// TOML file that describes the whole host, its queue included. Any number of processes share
    /// it.
    #[cfg(feature = "azure")]
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["work", "layout", "totals", "window", "window_offset", "max_age", "erp", "erp_config"]
    )]
    config: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct ErpArgs {
    /// What takes the packages.
    #[arg(long, value_enum, default_value_t = ErpArg::BuiltIn, requires_if("finops", "erp_config"))]
    erp: ErpArg,
    /// TOML file that describes the environment of Finance & Operations.
    #[arg(long, value_name = "FILE")]
    erp_config: Option<PathBuf>,
}

impl ErpArgs {
    /// The file of the environment, where one takes the packages.
    fn config(&self) -> Option<&Path> {
        match self.erp {
            ErpArg::BuiltIn => None,
            ErpArg::Finops => self.erp_config.as_deref(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ErpArg {
    /// An ERP in the work folder.
    BuiltIn,
    /// An environment of Dynamics 365 Finance & Operations.
    Finops,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LayoutArg {
    /// What Finance & Operations imports.
    Dmf,
    /// The JSON files of the order-pipeline design.
    Seed,
}

impl From<LayoutArg> for Layout {
    fn from(layout: LayoutArg) -> Self {
        match layout {
            LayoutArg::Dmf => Self::Dmf,
            LayoutArg::Seed => Self::Seed,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TotalsArg {
    /// It is accepted with a warning: many order systems include taxes.
    Warn,
    /// It is set aside.
    Enforce,
}

impl From<TotalsArg> for TotalMode {
    fn from(totals: TotalsArg) -> Self {
        match totals {
            TotalsArg::Warn => Self::Warn,
            TotalsArg::Enforce => Self::Enforce,
        }
    }
}

fn parse_positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("has to be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err("is not a number".to_owned()),
    }
}

fn parse_share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("has to be between 0 and 1".to_owned()),
    }
}

/// Exit codes: 0 nothing is pending, 1 something went wrong, 2 wrong arguments, 3 orders are
/// pending.
fn main() -> ExitCode {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(cli.command.log_level())),
        )
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(dispatch(cli.command)),
        Err(error) => Err(HostError::failed("start the runtime")(error)),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            // Standard error may be closed; there is nobody left to tell then.
            drop(writeln!(io::stderr(), "error: {}", error.report()));
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(command: Command) -> Result<ExitCode, HostError> {
    match command {
        Command::Run(args) => run::run(args).await,
        Command::Status { place } => inspect::status(&place).await,
        Command::Explain { order, place } => inspect::explain(&order, &place).await,
        Command::Verify { package } => inspect::verify(&package),
        Command::Serve(args) => serve::serve(args).await,
        #[cfg(feature = "azure")]
        Command::Provision { config } => {
            HostSettings::read(&config)?.provision().await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
