//! A host of CRM sync, as an integration team would write one: two CRMs that people work in, a
//! ledger in the embedded store, and the flows of `omnisync-core` between them. The CRMs are the
//! testkit's.

mod check;
mod data;
mod desk;
mod error;
mod office;
mod people;
mod records;
mod report;
mod run;
mod systems;
mod values;
mod waits;
mod wire;
mod words;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use omnisync_core::crm::SystemName;
use omnisync_core::crm::ledger::{ConflictId, FieldPolicy};

use error::HostError;
use systems::Crm;

/// Two CRMs with manners, kept the same.
#[derive(Debug, Parser)]
#[command(name = "crm-sync", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Fills two CRMs, lets people edit in both, keeps them the same, and checks that they are.
    Run(RunArgs),
    /// Tells what is known of a record and why.
    Explain {
        /// Its id in a system, its link, or its number or code.
        record: String,
        /// Only if it takes part in this system.
        #[arg(long, value_parser = parse_system, value_name = "SYSTEM")]
        system: Option<SystemName>,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Lists the conflicts that wait for a person.
    Conflicts {
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Lists what waits for something but a decision.
    Waiting {
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Decides a conflict, and tells the systems.
    Resolve {
        /// Its id, as `conflicts` and `explain` tell it.
        #[arg(value_parser = parse_conflict)]
        conflict: ConflictId,
        #[command(flatten)]
        decision: DecisionArgs,
        /// Who says so.
        #[arg(long, value_name = "NAME")]
        by: String,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Tells which decisions would have been others under another rule.
    WhatIf {
        /// The rule for fields that have none of their own.
        #[arg(long, value_parser = parse_policy, value_name = "RULE")]
        policy: FieldPolicy,
        #[command(flatten)]
        place: PlaceArgs,
    },
}

#[derive(Debug, Args)]
struct RunArgs {
    /// Folder with `northwind-customers.ndjson` and `northwind-products.ndjson`. Without it,
    /// records are made up.
    #[arg(long, value_name = "DIR")]
    records: Option<PathBuf>,
    /// What people do, besides what is in every run.
    #[arg(long, default_value_t = 200, value_name = "N")]
    edits: u32,
    /// What everything random follows from.
    #[arg(long, default_value_t = 1, value_name = "S")]
    seed: u64,
    /// Who is right where two changed a field without knowing of each other: `latest`,
    /// `latest-at`, `max`, `min`, `union`, `manual`, `salesforce` or `dynamics`.
    #[arg(long, default_value = "latest", value_parser = parse_policy, value_name = "RULE")]
    conflicts: FieldPolicy,
    /// A person decides about this field. May be given more than once.
    #[arg(long, value_name = "FIELD")]
    manual: Vec<String>,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
    /// Folder for the ledger and the CRMs. Without it, one that is gone afterwards.
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
}

/// What is right.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct DecisionArgs {
    /// The system that is right, or `person` for what a person entered before.
    #[arg(long, value_parser = parse_side, value_name = "SYSTEM")]
    take: Option<SystemName>,
    /// A value that is right, whatever the systems have: options of a list with commas between them,
    /// a record by its key, nothing for an empty field.
    #[arg(long, value_name = "TEXT")]
    value: Option<String>,
}

/// Where a run left the ledger and the CRMs.
#[derive(Debug, Args)]
struct PlaceArgs {
    /// Folder of the run.
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
}

fn parse_system(text: &str) -> Result<SystemName, String> {
    let mut known = Crm::BOTH.into_iter().filter(|crm| crm.word() == text);
    let crm = known
        .next()
        .ok_or_else(|| "is neither `salesforce` nor `dynamics`".to_owned())?;
    crm.name().map_err(|error| error.to_string())
}

fn parse_side(text: &str) -> Result<SystemName, String> {
    let person = SystemName::person();
    if text == person.as_str() {
        return Ok(person);
    }
    parse_system(text)
}

fn parse_conflict(text: &str) -> Result<ConflictId, String> {
    let id = text.parse::<ConflictId>();
    id.map_err(|_| "is no id of a conflict: `conflicts` and `explain` tell them".to_owned())
}

fn parse_policy(text: &str) -> Result<FieldPolicy, String> {
    Ok(match text {
        "latest" => FieldPolicy::LatestObserved,
        "latest-at" => FieldPolicy::LatestAt {
            skew_max_seconds: SKEW_SECONDS_MAX,
        },
        "max" => FieldPolicy::Max,
        "min" => FieldPolicy::Min,
        "union" => FieldPolicy::Union,
        "manual" => FieldPolicy::Manual,
        other => {
            let system = parse_system(other).map_err(|_| {
                "is none of latest, latest-at, max, min, union, manual, salesforce, dynamics"
                    .to_owned()
            })?;
            FieldPolicy::SourceOfTruth { system }
        }
    })
}

/// How far ahead of ours the clock of a system may be.
const SKEW_SECONDS_MAX: u32 = 300;

/// Exit codes: 0 all is well, 1 the systems differ, something was lost, or something went wrong,
/// 2 wrong arguments.
fn main() -> ExitCode {
    let cli = Cli::parse();
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
        Command::Run(args) => return run::run(args).await,
        Command::Explain {
            record,
            system,
            place,
        } => desk::explain(&record, system.as_ref(), &place.data).await?,
        Command::Resolve {
            conflict,
            decision,
            by,
            place,
        } => desk::resolve(conflict, decision, &by, &place.data).await?,
        Command::Conflicts { place } => desk::conflicts(&place.data).await?,
        Command::Waiting { place } => desk::waiting(&place.data).await?,
        Command::WhatIf { policy, place } => desk::what_if(policy, &place.data).await?,
    }
    Ok(ExitCode::SUCCESS)
}
