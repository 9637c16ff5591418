use std::collections::HashSet;

use omnisync_adapters_local::{SystemClock, SystemIds};
use omnisync_core::port::{Clock, IdSource};

#[tokio::test]
async fn sleeping_until_a_moment_ends_no_earlier_than_it() {
    let start = SystemClock.now();
    let moment = start + chrono::TimeDelta::milliseconds(5);
    SystemClock.sleep_until(moment).await;
    assert!(SystemClock.now() >= moment);
    SystemClock.sleep_until(start).await;
}

#[test]
fn now_has_whole_microseconds_as_the_stores_keep_them() {
    assert_eq!(SystemClock.now().timestamp_subsec_nanos() % 1_000, 0);
}

#[test]
fn ids_differ_and_jitter_spreads_over_its_range() {
    let ids: HashSet<_> = (0..1_000).map(|_| SystemIds.unique()).collect();
    assert_eq!(ids.len(), 1_000);

    let jitter: Vec<f64> = (0..1_000).map(|_| SystemIds.jitter()).collect();
    assert!(jitter.iter().all(|value| (0.0..1.0).contains(value)));
    assert!(jitter.iter().any(|value| *value < 0.25) && jitter.iter().any(|value| *value > 0.75));
}
