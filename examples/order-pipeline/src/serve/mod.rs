//! The push side: a CloudEvents webhook, and the flows in the background.

mod background;
mod webhook;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use omnisync_core::flow::{DeliverPolicy, IngestPolicy};
use omnisync_core::policy::{BatchPolicy, Schedule};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::ServeArgs;
use crate::error::HostError;
use crate::host::{Host, HostConfig};
use crate::workspace::Workspace;

/// Time between two questions for an import's status.
const POLL_MS: u32 = 200;

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
            ingest: IngestPolicy::default(),
            batch: BatchPolicy {
                schedule: Some(schedule),
                age_seconds_max: args.max_age,
                ..BatchPolicy::default()
            },
            deliver: DeliverPolicy {
                poll_ms: POLL_MS,
                ..DeliverPolicy::default()
            },
            fail_rate: 0.0,
        },
    )?);
    let failed = |what: &str| {
        let what = what.to_owned();
        move |source| HostError::Io { what, source }
    };
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(failed(&format!("listen on {}", args.listen)))?;
    let address = listener.local_addr().map_err(failed("learn the address"))?;
    writeln!(io::stdout(), "listening on http://{address}/")
        .map_err(failed("print the address"))?;

    let (stop, stopped) = watch::channel(false);
    let background = tokio::spawn(background::work(Arc::clone(&host), stopped));
    let router = webhook::router(Arc::clone(&host), &args.allow_origin, args.max_requests);
    let served = axum::serve(listener, router)
        .with_graceful_shutdown(shutdown_signal())
        .await;
    // The requests are answered; the background ends its step and no more.
    stop.send_replace(true);
    let worked = background.await;
    served.map_err(failed("serve"))?;
    worked.map_err(|error| HostError::Config(format!("the background work broke off: {error}")))?;
    Ok(ExitCode::SUCCESS)
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
