//! Tests of the testkit: the suites against the fakes, the suites against broken back ends, and
//! the explorers.
#![cfg(test)]

mod contracts;
mod explore;
mod fake_crm;
mod fake_erp;
mod fakes;
mod fixture;
mod published;
mod regressions;
mod sim;
mod teeth;

mod crm;
mod erp;
mod log;
mod zoo;

#[cfg(feature = "servers")]
mod server_fno;
#[cfg(feature = "service-bus")]
mod server_service_bus;
