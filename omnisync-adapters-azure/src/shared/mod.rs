//! What the services have in common.

#[cfg(any(
    feature = "blob",
    feature = "service-bus",
    feature = "service-bus-rest"
))]
pub(crate) mod connection_string;
#[cfg(any(
    feature = "blob",
    feature = "event-grid",
    feature = "service-bus",
    feature = "service-bus-rest"
))]
pub(crate) mod signature;
#[cfg(any(feature = "blob", feature = "event-grid"))]
pub(crate) mod text;
#[cfg_attr(
    not(feature = "key-vault"),
    allow(dead_code, reason = "the other services need a part of it")
)]
pub(crate) mod variables;
