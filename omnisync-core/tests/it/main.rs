//! The flows through their public interfaces, over the testkit's fakes.
#![cfg(test)]

mod batch;
mod crash;
mod crm_sync;
mod deliver;
mod explain;
mod field_map_laws;
mod guard;
mod ingest;
mod retention;
mod support;
mod sweep;
mod telemetry;
mod workers;
