//! Databases and containers.

use azure_data_cosmos::CosmosError;
use azure_data_cosmos::clients::DatabaseClient;
use azure_data_cosmos::models::{
    CompositeIndex, CompositeIndexOrder, CompositeIndexProperty, ContainerProperties, IndexingMode,
    IndexingPolicy, ThroughputProperties, TimeToLive,
};
use azure_data_cosmos::options::CreateContainerOptions;
use omnisync_core::{ErrorKind, PortError};

use super::address::Place;
use super::client::CosmosClients;
use super::config::Throughput;
use super::refusal::Refusal;

pub(super) const PROVISION: &str = "cosmos.provision";

/// Members that no query selects on, and that are large.
const UNINDEXED: [&str; 8] = [
    "/omsEvent/*",
    "/queued/*",
    "/trail/*",
    "/omnisync/kept/*",
    "/omnisync/texts/*",
    "/omnisync/body/*",
    "/omnisync/text/?",
    "/omnisync/write/?",
];

/// Creates the database where it is not there.
pub(super) async fn database(clients: &CosmosClients) -> Result<DatabaseClient, PortError> {
    let about = || format!("database {}", clients.database_name());
    let failed = |error: &CosmosError| Refusal::of(error).port(PROVISION, &about());
    let client = clients.client().await.map_err(|error| failed(&error))?;
    let created = Box::pin(client.create_database(clients.database_name(), None)).await;
    match created {
        Ok(_) => {}
        Err(error) if error.status().is_conflict() => {}
        Err(error) => return Err(failed(&error)),
    }
    clients.database().await.map_err(|error| failed(&error))
}

/// Creates the container where it is not there, and looks at its partition key where it is.
pub(super) async fn container(
    database: &DatabaseClient,
    place: &Place,
    throughput: Option<Throughput>,
) -> Result<(), PortError> {
    let about = format!("container {}", place.container);
    let failed = |error: &CosmosError| Refusal::of(error).port(PROVISION, &about);
    let options = throughput.map(|throughput| {
        CreateContainerOptions::default().with_throughput(match throughput {
            Throughput::Manual(units) => ThroughputProperties::manual(units.into()),
            Throughput::Autoscale(units) => ThroughputProperties::autoscale(units.into(), None),
        })
    });
    let created = Box::pin(database.create_container(properties(place), options)).await;
    match created {
        Ok(_) => return Ok(()),
        Err(error) if error.status().is_conflict() => {}
        Err(error) => return Err(failed(&error)),
    }
    let client = database.container_client(place.container.clone(), None);
    let client = client.await.map_err(|error| failed(&error))?;
    let found = client.read(None).await.map_err(|error| failed(&error))?;
    let found = found.into_model().map_err(|error| failed(&error))?;
    let wrong = if found.partition_key.paths() != [format!("/{}", place.partition_key)] {
        "it exists with another partition key; set partition_key, or name another container"
    } else if !matches!(found.default_ttl, TimeToLive::NoDefault) {
        // Without any, nothing expires; with a number, what still waits does.
        "it exists with another defaultTtl than -1, so that nothing expires, or too much; set it"
    } else {
        return Ok(());
    };
    let error = PortError::new(ErrorKind::Misconfigured, PROVISION);
    Err(error.with_detail(format!("{about}: {wrong}")))
}

fn properties(place: &Place) -> ContainerProperties {
    let partition_key = format!("/{}", place.partition_key);
    ContainerProperties::new(place.container.clone(), partition_key.into())
        .with_default_ttl(TimeToLive::NoDefault)
        .with_indexing_policy(indexing())
}

/// What queries of ours and of dashboards select on, and nothing large.
fn indexing() -> IndexingPolicy {
    use CompositeIndexOrder::{Ascending, Descending};

    let composite = |paths: &[(&'static str, CompositeIndexOrder)]| {
        let begin = CompositeIndex::default();
        paths.iter().fold(begin, |index, (path, order)| {
            index.with_property(CompositeIndexProperty::new(*path, order.clone()))
        })
    };
    let policy = IndexingPolicy::default()
        .with_indexing_mode(IndexingMode::Consistent)
        .with_included_path("/*")
        .with_excluded_path("/\"_etag\"/?")
        .with_composite_index(composite(&[
            ("/processingStatus", Ascending),
            ("/ingestedAt", Descending),
        ]))
        .with_composite_index(composite(&[
            ("/processingStatus", Ascending),
            ("/ingestedAt", Ascending),
        ]))
        .with_composite_index(composite(&[
            ("/batchId", Ascending),
            ("/processedAt", Descending),
        ]))
        .with_composite_index(composite(&[
            ("/omnisync/collection", Ascending),
            ("/omnisync/state", Ascending),
            ("/omnisync/dueAt", Ascending),
        ]));
    UNINDEXED
        .into_iter()
        .fold(policy, IndexingPolicy::with_excluded_path)
}
