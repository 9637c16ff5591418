//! Identifiers and jitter that a seed determines.

use std::sync::{Mutex, PoisonError};

use omnisync_core::port::IdSource;
use uuid::{Builder, Uuid};

use crate::rng::SplitMix64;

/// Deterministic identifiers: seed and counter side by side, so sources with different seeds
/// never collide.
///
/// ```
/// use omnisync_core::port::IdSource;
/// use omnisync_testkit::ids::SeqIds;
///
/// assert_eq!(SeqIds::new(1).unique(), SeqIds::new(1).unique());
/// assert_ne!(SeqIds::new(1).unique(), SeqIds::new(2).unique());
/// ```
#[derive(Debug)]
pub struct SeqIds {
    seed: u32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    issued: u64,
    jitter: SplitMix64,
}

impl SeqIds {
    /// A source named by `seed`. Give every worker, and every life of a worker, its own.
    pub fn new(seed: u32) -> Self {
        let state = State {
            issued: 0,
            jitter: SplitMix64::new(u64::from(seed)),
        };
        Self {
            seed,
            state: Mutex::new(state),
        }
    }
}

impl IdSource for SeqIds {
    fn unique(&self) -> Uuid {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.issued += 1;
        // The seed fills the first group and the counter the last ones: version and variant
        // bits overwrite neither.
        let [_, _, c2, c3, c4, c5, c6, c7] = state.issued.to_be_bytes();
        let [s0, s1, s2, s3] = self.seed.to_be_bytes();
        let bytes = [s0, s1, s2, s3, 0, 0, 0, 0, 0, 0, c2, c3, c4, c5, c6, c7];
        Builder::from_custom_bytes(bytes).into_uuid()
    }

    fn jitter(&self) -> f64 {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .jitter
            .fraction()
    }
}
