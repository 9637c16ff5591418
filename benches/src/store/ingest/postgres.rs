//! `PostgreSQL`, one insert a transaction.

use std::sync::Arc;

use tokio_postgres::{Client, Config, NoTls, Statement};

use super::super::input::Entry;
use super::producers::{self, Producer};
use super::{Ingested, check};
use crate::error::Error;

const WHO: &str = "postgres";

struct Connection {
    client: Client,
    insert: Statement,
}

impl Producer for Connection {
    async fn put(&mut self, entry: &Entry) -> Result<(), Error> {
        self.client
            .execute(&self.insert, &[&entry.id, &entry.bytes()])
            .await
            .map_err(Error::store(WHO))?;
        Ok(())
    }
}

pub(super) async fn run(
    entries: &Arc<Vec<Entry>>,
    address: &str,
    producers: usize,
) -> Result<Ingested, Error> {
    let failed = Error::store(WHO);
    let reader = connect(address).await?;
    for setting in ["fsync", "synchronous_commit"] {
        let row = reader.query_one(&format!("SHOW {setting}"), &[]).await;
        let value: String = row.map_err(failed)?.get(0);
        if value != "on" {
            return Err(Error::Mismatch(format!(
                "{WHO} runs with {setting} {value}"
            )));
        }
    }
    reader
        .batch_execute(
            "DROP TABLE IF EXISTS orders; \
             CREATE TABLE orders (id text PRIMARY KEY, status text, body bytea)",
        )
        .await
        .map_err(failed)?;
    let mut connections = Vec::with_capacity(producers);
    for _ in 0..producers {
        let client = connect(address).await?;
        let insert = client
            .prepare("INSERT INTO orders VALUES ($1, 'Pending', $2)")
            .await
            .map_err(failed)?;
        connections.push(Connection { client, insert });
    }
    let ingested = producers::run(entries, connections).await?;
    let rows = reader
        .query("SELECT id, body FROM orders", &[])
        .await
        .map_err(failed)?;
    let found = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    check(WHO, entries, found)?;
    Ok(ingested)
}

async fn connect(address: &str) -> Result<Client, Error> {
    let mut config = Config::new();
    config.user("postgres").dbname("postgres");
    match address.rsplit_once(':') {
        Some((host, port)) if !address.contains('/') => {
            config
                .host(host)
                .port(port.parse().map_err(Error::store(WHO))?);
        }
        _ => {
            config.host_path(address);
        }
    }
    let (client, connection) = config.connect(NoTls).await.map_err(Error::store(WHO))?;
    // Ends with its client, which then tells what went wrong.
    tokio::spawn(async move { drop(connection.await) });
    Ok(client)
}
