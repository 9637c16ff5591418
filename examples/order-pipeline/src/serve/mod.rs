//! The push side: a CloudEvents webhook, and the flows in the background.

mod background;
mod webhook;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use omnisync_core::flow::DeliverPolicy;
use omnisync_core::policy::{BatchPolicy, Schedule};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::warn;

use crate::ServeArgs;
use crate::erp::ErpChoice;
use crate::error::HostError;
use crate::host::{Host, HostConfig, ingest_policy};
use crate::workspace::Workspace;

/// Time between two questions for an import's status.
const POLL_MS: u32 = 200;
/// Time that requests in progress get to end after a signal.
const GRACE: Duration = Duration::from_secs(10);

pub(crate) async fn serve(args: ServeArgs) -> Result<ExitCode, HostError> {
    let workspace = Workspace::create(&args.work)?;
    let _occupancy = workspace.occupy()?;
    workspace.pin_layout(args.layout.into())?;
    let schedule = Schedule::new(&args.window)
        .map_err(|error| HostError::Config(error.to_string()))?
        .with_offset(Duration::from_secs(args.window_offset));
    let host = Arc::new(Host::open(
        &workspace,
        HostConfig {
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
        },
    )?);
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(HostError::failed(format!("listen on {}", args.listen)))?;
    let address = listener
        .local_addr()
        .map_err(HostError::failed("learn the address"))?;
    writeln!(io::stdout(), "listening on http://{address}/")
        .map_err(HostError::failed("print the address"))?;

    let (stop, stopped) = watch::channel(false);
    let mut background = tokio::spawn(background::work(Arc::clone(&host), stopped.clone()));
    let router = webhook::router(Arc::clone(&host), &args.allow_origin, args.max_requests);
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
