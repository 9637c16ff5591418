#[cfg(feature = "event-grid-entra")]
mod authority;
mod config;
mod deliveries;
#[cfg(feature = "event-grid-entra")]
mod entra;
mod ingest;
mod letting_in;
mod property;
mod publisher;
mod secrets;
mod support;
mod topic;
