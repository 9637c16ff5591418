//! The Finance & Operations server, over HTTP.

mod access;
pub(crate) mod client;
mod connector;
mod faults;
mod importing;
mod packages;
mod packer;
mod results;
mod storage;
mod submitting;

use std::sync::Arc;

use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::server::fno::{Access, Fno, FnoOptions, FnoServer};

use client::Client;

const TOKEN: &str = "a-fixed-token";

/// A server, its environment and a client that is signed in.
struct Place {
    server: FnoServer,
    fno: Fno,
    clock: ManualClock,
    client: Client,
}

async fn place(change: impl FnOnce(&mut FnoOptions)) -> Place {
    let clock = ManualClock::default();
    let mut options = FnoOptions::new(Arc::new(clock.clone()));
    options.access = Access {
        fixed_token: Some(TOKEN.to_owned()),
        ..Access::default()
    };
    change(&mut options);
    let server = FnoServer::start(options).await.unwrap();
    let client = client_of(&server);
    let fno = server.fno().clone();
    Place {
        server,
        fno,
        clock,
        client,
    }
}

fn client_of(server: &FnoServer) -> Client {
    Client {
        base: server.base_url().to_owned(),
        token: TOKEN.to_owned(),
    }
}
