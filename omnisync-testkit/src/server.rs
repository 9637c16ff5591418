//! Servers on a loopback port that speak as the real services do, for adapters and for hosts
//! under test.

pub mod event_grid;
pub mod fno;

#[cfg(feature = "service-bus")]
#[cfg_attr(docsrs, doc(cfg(feature = "service-bus")))]
pub mod service_bus;
