//! What the ways of measuring share: the order events that everybody works on, fixed workloads over
//! the core, and the plots that results are shown in.

pub mod events;
pub mod plot;
pub mod workload;
