//! What the services of the Dynamics family have in common.

pub(crate) mod odata;
pub(crate) mod text;
