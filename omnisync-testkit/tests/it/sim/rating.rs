//! How many of some runs fail.

use omnisync_testkit::sim::Explorer;

use super::counter::{Bug, counter};

#[test]
fn every_run_is_judged_by_itself() {
    let scenario = counter(Bug::NoCompareAndSet);
    let explorer = Explorer::new(&scenario);
    let rate = explorer.on_threads(1).rate(7, 200);
    let explorer = Explorer::new(&scenario);
    let fails = |seed: &u64| {
        let run = explorer.replay(&explorer.tape_of_seed(*seed));
        run.violation.is_some()
    };
    let failing = (7..207).filter(fails).count();
    assert!(failing > 1, "{failing}");
    assert_eq!(rate.failing, u64::try_from(failing).unwrap());
    assert_eq!(rate.by_invariant.values().sum::<u64>(), rate.failing);
    assert_eq!((rate.report.runs, rate.report.seeds), (200, 200));
    assert_eq!(explorer.on_threads(3).rate(7, 200), rate);
}

#[test]
fn what_is_right_has_no_rate() {
    let scenario = counter(Bug::None);
    let rate = Explorer::new(&scenario).rate(0, 200);
    assert_eq!((rate.failing, rate.by_invariant.len()), (0, 0));
}
