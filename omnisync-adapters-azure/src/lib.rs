#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(
    feature = "blob",
    feature = "cosmos",
    feature = "event-grid",
    feature = "key-vault",
    feature = "service-bus",
    feature = "service-bus-rest"
))]
mod shared;

#[cfg(feature = "blob")]
#[cfg_attr(docsrs, doc(cfg(feature = "blob")))]
pub mod blob;

#[cfg(feature = "cosmos")]
#[cfg_attr(docsrs, doc(cfg(feature = "cosmos")))]
pub mod cosmos;

#[cfg(feature = "event-grid")]
#[cfg_attr(docsrs, doc(cfg(feature = "event-grid")))]
pub mod event_grid;

#[cfg(feature = "key-vault")]
#[cfg_attr(docsrs, doc(cfg(feature = "key-vault")))]
pub mod key_vault;

#[cfg(any(feature = "service-bus", feature = "service-bus-rest"))]
#[cfg_attr(
    docsrs,
    doc(cfg(any(feature = "service-bus", feature = "service-bus-rest")))
)]
pub mod service_bus;
