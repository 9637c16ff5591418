//! Events, from bytes to hints.

mod context;
mod decoder;
mod delta;
mod describe;
mod fixture;
mod hints;
mod robust;
mod row;
mod samples;
