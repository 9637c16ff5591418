#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod clock;
pub mod ids;
pub mod rng;

pub mod fake;

pub mod crash;
pub mod fault;
pub mod journal;

pub mod contract;

pub mod sim;

pub mod generate;

#[cfg(feature = "proptest")]
#[cfg_attr(docsrs, doc(cfg(feature = "proptest")))]
pub mod law;

#[cfg(feature = "servers")]
#[cfg_attr(docsrs, doc(cfg(feature = "servers")))]
pub mod server;

pub mod zoo;
