//! Ports behind a seam. One decorator implements every port: what differs is only how a
//! distortion looks there.

mod blob_stage;
mod crm_sink;
mod erp_importer;
mod event_source;
mod state_store;

use super::Seam;

/// A port behind a [`Seam`].
#[derive(Debug)]
pub struct Intercepted<P> {
    inner: P,
    seam: Seam,
}

impl<P> Intercepted<P> {
    pub(super) fn new(inner: P, seam: Seam) -> Self {
        Self { inner, seam }
    }

    /// The port itself, without the seam.
    pub fn inner(&self) -> &P {
        &self.inner
    }
}
