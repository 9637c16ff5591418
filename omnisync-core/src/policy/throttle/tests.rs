use proptest::prelude::*;

use super::*;

fn policy() -> ThrottlePolicy {
    ThrottlePolicy {
        window_ms: 10_000,
        requests_start: 50,
        requests_min: 1,
        ..ThrottlePolicy::default()
    }
}

fn at(ms: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::milliseconds(ms)
}

/// A peer that takes `limit` requests of any ten seconds, asked as often as the throttle
/// allows. How many it took, and how many it refused.
fn asked(throttle: &mut Throttle, limit: usize, from_ms: i64, to_ms: i64) -> (usize, usize) {
    let mut taken: VecDeque<i64> = VecDeque::new();
    let (mut all, mut refused) = (0, 0);
    for now in from_ms..to_ms {
        while throttle.ask(at(now)) == Turn::Now {
            while taken.front().is_some_and(|then| then + 10_000 <= now) {
                taken.pop_front();
            }
            if taken.len() < limit {
                taken.push_back(now);
                all += 1;
                throttle.taken();
            } else {
                refused += 1;
                let wait = taken.front().map_or(0, |then| then + 10_000 - now);
                let wait = Duration::from_millis(u64::try_from(wait).unwrap());
                throttle.refused(at(now), Refused::Requests, Some(wait));
            }
        }
    }
    (all, refused)
}

#[test]
fn it_finds_the_limit_and_hardly_ever_meets_it_again() {
    for limit in [20, 50, 400] {
        let mut throttle = Throttle::new(policy());
        asked(&mut throttle, limit, 0, 200_000);
        let (taken, refused) = asked(&mut throttle, limit, 300_000, 600_000);
        assert!(taken * 100 >= limit * 30 * 90, "{limit}: {taken}");
        assert!(refused * 20_000 <= 300_000 * 2, "{limit}: {refused}");
    }
}

#[test]
fn a_limit_that_rises_is_noticed() {
    let mut throttle = Throttle::new(policy());
    asked(&mut throttle, 100, 0, 100_000);
    // It believes the old one for twenty seconds, and then needs a window.
    asked(&mut throttle, 200, 160_000, 200_000);
    let (taken, _) = asked(&mut throttle, 200, 210_000, 270_000);
    assert!(taken >= 200 * 6 * 9 / 10, "{taken}");
}

#[test]
fn requests_at_once_are_halved_and_grow_again() {
    let mut throttle = Throttle::new(ThrottlePolicy {
        concurrent_start: 8,
        ..ThrottlePolicy::default()
    });
    let mut now = 0;
    let mut fill = |throttle: &mut Throttle| {
        let mut sent = 0;
        loop {
            match throttle.ask(at(now)) {
                Turn::Now => sent += 1,
                Turn::At(then) => now = then.timestamp_millis() + 1,
                Turn::AfterAnother => return (sent, now),
            }
        }
    };
    let (sent, then) = fill(&mut throttle);
    assert_eq!(sent, 8);
    throttle.refused(at(then), Refused::Concurrency, None);
    assert_eq!(throttle.ask(at(then)), Turn::At(at(then + 1_000)));
    assert!(throttle.concurrent_max() < 5.0);
    // The rest of the burst is refused for the same reason.
    for _ in 0..3 {
        throttle.refused(at(then + 1), Refused::Concurrency, None);
    }
    assert!(throttle.concurrent_max() >= 4.0);
    for _ in 0..4 {
        throttle.taken();
    }
    let (sent, _) = fill(&mut throttle);
    assert_eq!(sent, 4);
    for _ in 0..20 {
        throttle.taken();
        fill(&mut throttle);
    }
    assert!(throttle.concurrent_max() > 6.0);
}

#[test]
fn requests_one_after_the_other_say_nothing_about_many_at_once() {
    let mut throttle = Throttle::new(ThrottlePolicy {
        concurrent_start: 8,
        ..ThrottlePolicy::default()
    });
    for second in 0..1_000 {
        assert_eq!(throttle.ask(at(second * 1_000)), Turn::Now);
        throttle.taken();
    }
    assert!(throttle.concurrent_max() <= 8.0);
}

proptest! {
    #[test]
    fn nothing_is_sent_while_the_peer_asks_for_peace(
        steps in prop::collection::vec((0..3_000_i64, 0..4_u8), 1..200),
    ) {
        let mut throttle = Throttle::new(policy());
        let (mut now, mut peace, mut on_their_way) = (0, 0, 0_u32);
        for (pause, what) in steps {
            now += pause;
            match what {
                0 if on_their_way > 0 => {
                    on_their_way -= 1;
                    peace = peace.max(now + 2_000);
                    let wait = Some(Duration::from_secs(2));
                    throttle.refused(at(now), Refused::Requests, wait);
                }
                1 if on_their_way > 0 => {
                    on_their_way -= 1;
                    throttle.taken();
                }
                _ => match throttle.ask(at(now)) {
                    Turn::Now => {
                        prop_assert!(now >= peace);
                        on_their_way += 1;
                    }
                    Turn::At(then) => prop_assert!(then > at(now)),
                    Turn::AfterAnother => prop_assert!(on_their_way > 0),
                },
            }
        }
    }
}

#[test]
fn a_peer_that_does_not_say_when_is_asked_ever_more_rarely() {
    let mut throttle = Throttle::new(policy());
    let mut now = 0;
    let mut pauses = Vec::new();
    for _ in 0..7 {
        assert_eq!(throttle.ask(at(now)), Turn::Now);
        throttle.refused(at(now), Refused::Concurrency, None);
        // Those that were on their way already belong to the same pause.
        throttle.refused(at(now + 10), Refused::Concurrency, None);
        let Turn::At(then) = throttle.ask(at(now + 20)) else {
            panic!("it does not wait");
        };
        pauses.push(then.timestamp_millis() - now);
        now = then.timestamp_millis();
    }
    assert_eq!(pauses, [1_000, 2_000, 4_000, 8_000, 16_000, 16_000, 16_000]);
    now += 60_000;
    assert_eq!(throttle.ask(at(now)), Turn::Now);
    throttle.refused(at(now), Refused::Concurrency, None);
    assert_eq!(throttle.ask(at(now)), Turn::At(at(now + 1_000)));
}

#[test]
fn a_limit_on_requests_at_once_that_is_met_again_is_believed() {
    let mut throttle = Throttle::new(ThrottlePolicy {
        window_ms: 1_000,
        requests_start: 1_000_000,
        concurrent_start: 20,
        ..ThrottlePolicy::default()
    });
    let mut refusals = Vec::new();
    let mut on_their_way = 0;
    // Ten at once, each for 100 ms, for ten minutes.
    for now in 0..600_000 {
        if now % 10 == 0 && on_their_way > 0 {
            on_their_way -= 1;
            throttle.taken();
        }
        while throttle.ask(at(now)) == Turn::Now {
            if on_their_way < 10 {
                on_their_way += 1;
            } else {
                refusals.push(now);
                throttle.refused(at(now), Refused::Concurrency, None);
            }
        }
    }
    let late = refusals.iter().filter(|at| **at > 120_000).count();
    assert!(late <= 12, "{late}");
    let most = throttle.concurrent_max();
    assert!((9.0..=11.0).contains(&most), "{most}");
}

#[test]
fn a_peer_that_is_busy_is_left_alone_and_has_said_nothing_about_a_limit() {
    let mut throttle = Throttle::new(ThrottlePolicy::default());
    assert_eq!(throttle.ask(at(0)), Turn::Now);
    throttle.refused(at(0), Refused::Busy, Some(Duration::from_secs(2)));
    assert_eq!(throttle.ask(at(1_999)), Turn::At(at(2_000)));
    assert_eq!(throttle.ask(at(2_000)), Turn::Now);
    assert!(throttle.requests_max() >= 3_000.0);
    assert!(throttle.concurrent_max() >= 40.0);
}

#[test]
fn one_refusal_of_a_quiet_caller_does_not_slow_it_down_for_long() {
    let mut throttle = Throttle::new(ThrottlePolicy::default());
    assert_eq!(throttle.ask(at(0)), Turn::Now);
    throttle.refused(at(0), Refused::Requests, Some(Duration::from_secs(1)));
    let mut sent = 0;
    for ms in 1_000..61_000 {
        if throttle.ask(at(ms)) == Turn::Now {
            throttle.taken();
            sent += 1;
        }
    }
    assert!(sent >= 12, "{sent}");
}
