#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "finops")]
mod shared;

#[cfg(feature = "finops")]
#[cfg_attr(docsrs, doc(cfg(feature = "finops")))]
pub mod finops;

#[cfg(feature = "webhook")]
#[cfg_attr(docsrs, doc(cfg(feature = "webhook")))]
pub mod webhook;
