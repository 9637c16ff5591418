//! Data packages over HTTP into the testkit's Finance & Operations server.

mod contract;
mod faults;
mod results;
mod secrets;
mod setup;
mod submitting;
mod support;
