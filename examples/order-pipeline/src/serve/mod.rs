//! The push side: a CloudEvents webhook, and the flows in the background.

mod background;
mod webhook;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use omnisync_adapters_azure::event_grid::{
    EventGridHandler, EventGridHandlerConfig, FixedSecrets, IngestReceiver,
};
use omnisync_core::flow::DeliverPolicy;
use omnisync_core::policy::{BatchPolicy, Schedule};
use omnisync_core::port::EventSource;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::warn;

use crate::ServeArgs;
#[cfg(feature = "azure")]
use crate::configured::HostSettings;
use crate::embedded::{self, EmbeddedConfig};
use crate::erp::ErpChoice;
use crate::error::HostError;
use crate::host::{Host, ingest_policy};
use crate::workspace::{Occupancy, Workspace};

/// Time between two questions for an import's status.
const POLL_MS: u32 = 200;
/// Time that requests in progress get to end after a signal.
const GRACE: Duration = Duration::from_secs(10);

/// What a server works with.
struct Opened {
    host: Host,
    /// A queue that is read besides.
    events: Option<Arc<dyn EventSource>>,
    /// Keeps other processes out of the work folder.
    _occupancy: Option<Occupancy>,
}

pub(crate) async fn serve(args: ServeArgs) -> Result<ExitCode, HostError> {
    let secrets = secrets(&args.secret_env)?;
    check_exposure(&args)?;
    let opened = open(&args)?;
    let host = Arc::new(opened.host);
    let handler = handler(&host, &args, secrets)?;
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(HostError::failed(format!("listen on {}", args.listen)))?;
    let address = listener
        .local_addr()
        .map_err(HostError::failed("learn the address"))?;
    writeln!(io::stdout(), "listening on http://{address}/")
        .map_err(HostError::failed("print the address"))?;

    let (stop, stopped) = watch::channel(false);
    let background = background::run(Arc::clone(&host), opened.events, stopped.clone());
    let mut background = tokio::spawn(background);
    let router = webhook::router(handler);
    let server = axum::serve(listener, router).with_graceful_shutdown(until_told(stopped));
    let server = tokio::spawn(server.into_future());

    // The background ends by itself only by a bug, and a server that takes orders in and never
    // delivers them helps nobody.
    let broken = tokio::select! {
        () = shutdown_signal() => None,
        ended = &mut background => Some(ended),
    };
    stop.send_replace(true);
    match timeout(GRACE, server).await {
        Ok(Ok(ended)) => ended.map_err(HostError::failed("serve"))?,
        Ok(Err(error)) => return Err(HostError::BrokenOff(error.to_string())),
        // Nobody was told that such an order is durable: its sender sends it again.
        Err(_) => warn!("requests that did not end were cut off"),
    }
    // The background ends its step and no more.
    let worked = match broken {
        Some(ended) => ended,
        None => background.await,
    };
    worked.map_err(|error| HostError::BrokenOff(error.to_string()))?;
    Ok(ExitCode::SUCCESS)
}

fn open(args: &ServeArgs) -> Result<Opened, HostError> {
    #[cfg(feature = "azure")]
    if let Some(path) = &args.config {
        let configured = HostSettings::read(path)?.open()?;
        return Ok(Opened {
            host: configured.host,
            events: configured.events,
            _occupancy: None,
        });
    }
    let workspace = Workspace::create(&args.work)?;
    let occupancy = workspace.occupy()?;
    workspace.pin_layout(args.layout.into())?;
    let schedule = Schedule::new(&args.window)
        .map_err(|error| HostError::Config(error.to_string()))?
        .with_offset(Duration::from_secs(args.window_offset));
    let config = EmbeddedConfig {
        layout: args.layout.into(),
        ingest: ingest_policy(args.totals.into()),
        batch: BatchPolicy {
            schedule: Some(schedule),
            age_seconds_max: args.max_age,
            ..BatchPolicy::default()
        },
        deliver: DeliverPolicy {
            poll_ms: POLL_MS,
            ..DeliverPolicy::default()
        },
        erp: ErpChoice::of(args.erp.config(), args.layout.into(), 0.0)?,
    };
    Ok(Opened {
        host: embedded::open(&workspace, config)?,
        events: None,
        _occupancy: Some(occupancy),
    })
}

/// Nobody opens the server to other machines by leaving something out.
fn check_exposure(args: &ServeArgs) -> Result<(), HostError> {
    if args.open || !args.secret_env.is_empty() || args.listen.ip().is_loopback() {
        return Ok(());
    }
    Err(HostError::Config(format!(
        "anybody who reaches {} could deliver orders: name a variable with a secret (--secret-env), \
         listen on a loopback address (--listen), or say that something in front of this server \
         knows who delivers (--open)",
        args.listen
    )))
}

/// The shared secrets in these variables of the environment; none when none is named.
fn secrets(names: &[String]) -> Result<Option<FixedSecrets>, HostError> {
    if names.is_empty() {
        return Ok(None);
    }
    let secret = |name: &String| {
        std::env::var(name).map_err(|_| {
            HostError::Config(format!(
                "the variable {name}, which --secret-env names, is not set"
            ))
        })
    };
    let secrets: Vec<String> = names.iter().map(secret).collect::<Result<_, _>>()?;
    Ok(Some(FixedSecrets::new(secrets)?))
}

fn handler(
    host: &Host,
    args: &ServeArgs,
    secrets: Option<FixedSecrets>,
) -> Result<EventGridHandler, HostError> {
    let config = EventGridHandlerConfig::default()
        .with_origin(&args.allow_origin)
        .with_deliveries_at_once_max(args.max_requests);
    let receiver = IngestReceiver::new(Arc::clone(&host.ingest));
    let builder = EventGridHandler::builder(Arc::new(receiver)).with_config(config);
    let builder = match secrets {
        Some(secrets) => builder.with_secrets(Arc::new(secrets)),
        None => builder.without_authentication(),
    };
    Ok(builder.build()?)
}

async fn until_told(mut stopped: watch::Receiver<bool>) {
    // The sender is gone only when the host ends.
    drop(stopped.wait_for(|stopped| *stopped).await);
}

async fn shutdown_signal() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    // Without a handler there is no signal to wait for: the process just runs.
    if interrupt.await.is_err() {
        std::future::pending::<()>().await;
    }
}
