#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "cdc")]
#[cfg_attr(docsrs, doc(cfg(feature = "cdc")))]
pub mod cdc;
