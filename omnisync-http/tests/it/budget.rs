//! Calls that an environment grants, and what happens when there are none left.

use std::sync::Arc;

use bytes::Bytes;
use futures::executor::block_on;
use omnisync_core::ErrorKind;
use omnisync_core::policy::{BudgetPolicy, Priority, ThrottlePolicy};
use omnisync_core::port::Clock as _;
use omnisync_http::{
    Call, Client, HttpError, Scope, SharedBudget, SharedThrottle, TokenCache, TokenProvider,
    TransportErrorKind,
};
use omnisync_testkit::clock::ManualClock;

use crate::support::{
    Counting, Ids, Script, URL, answer, answer_with, builder, clock, config, get, post, seconds,
};

/// A window of 960 seconds is counted in steps of ten.
const WINDOW_S: u32 = 960;

fn budget(clock: &ManualClock, calls_max: u64, calls_reserved: u64) -> SharedBudget {
    let policy = BudgetPolicy {
        calls_max: Some(calls_max),
        calls_reserved,
        window_seconds: WINDOW_S,
    };
    SharedBudget::new(policy, Arc::new(clock.clone()))
}

fn client(script: &Arc<Script>, clock: &ManualClock, budget: &SharedBudget) -> Client {
    builder(script, clock)
        .with_config(config())
        .with_budget(budget.clone())
        .build()
        .unwrap()
}

#[track_caller]
fn check_spent(client: &Client, call: Call, wait_s: u64) -> HttpError {
    let error = block_on(client.send(call)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled, "{error}");
    assert_eq!(error.retry_after(), Some(seconds(wait_s)), "{error}");
    error
}

#[test]
fn clients_share_one_budget_and_calls_come_back_after_the_window() {
    let clock = clock();
    let budget = budget(&clock, 3, 0);
    let script = Script::new(&clock, (0..6).map(|_| answer(200)));
    let clients = [(); 3].map(|()| client(&script, &clock, &budget));
    block_on(clients[0].send(get())).unwrap();
    clock.advance(seconds(400));
    block_on(clients[1].send(get())).unwrap();
    block_on(clients[2].clone().send(post())).unwrap();
    assert_eq!(budget.used(), 3);

    clock.advance(seconds(100));
    let start = clock.now();
    for client in &clients {
        let error = check_spent(client, post(), 470);
        assert!(!error.is_effect_open());
        assert_eq!(
            error.to_string(),
            "crm.create: throttled (POST https://acme.crm4.dynamics.com/api/data/v9.2/accounts: \
             not sent, since the budget of calls is spent)"
        );
    }
    // Nothing was sent, accounted or slept through.
    assert_eq!(script.take().len(), 3);
    assert_eq!(budget.used(), 3);
    assert_eq!(clock.now(), start);

    clock.advance(seconds(470));
    assert_eq!(budget.used(), 2);
    block_on(clients[0].send(get())).unwrap();
    check_spent(&clients[1], get(), 400);
    clock.advance(seconds(400));
    block_on(clients[1].send(get())).unwrap();
    block_on(clients[2].send(get())).unwrap();
    assert_eq!(script.take().len(), 3);
}

#[test]
fn reserved_calls_are_for_high_priority_alone() {
    let clock = clock();
    let budget = budget(&clock, 4, 2);
    let script = Script::new(&clock, (0..4).map(|_| answer(200)));
    let client = client(&script, &clock, &budget);
    block_on(client.send(get())).unwrap();
    block_on(client.send(get().with_priority(Priority::High))).unwrap();
    check_spent(&client, get(), 970);
    check_spent(&client, get().with_priority(Priority::Normal), 970);
    block_on(client.send(get().with_priority(Priority::High))).unwrap();
    block_on(client.send(get().with_priority(Priority::High))).unwrap();
    check_spent(&client, get().with_priority(Priority::High), 970);
    assert_eq!(script.take().len(), 4);
}

#[test]
fn every_attempt_is_accounted() {
    let clock = clock();
    let budget = budget(&clock, 10, 0);
    let script = Script::new(&clock, [answer(503), answer(429), answer(200), answer(400)]);
    let client = client(&script, &clock, &budget);
    block_on(client.send(get())).unwrap();
    assert_eq!(budget.used(), 3);
    block_on(client.send(get())).unwrap_err();
    assert_eq!(budget.used(), 4);
}

#[test]
fn a_repetition_without_a_call_left_ends_the_call() {
    let clock = clock();
    let budget = budget(&clock, 1, 0);
    let script = Script::new(&clock, [Err(TransportErrorKind::Cut)]);
    let client = client(&script, &clock, &budget);
    let error = check_spent(&client, get(), 969);
    // The first attempt was sent, and may have had an effect.
    assert!(error.is_effect_open());
    assert_eq!(script.take().len(), 1);
}

#[test]
fn a_window_that_is_shorter_than_the_longest_wait_is_not_slept_through() {
    let clock = clock();
    let policy = BudgetPolicy {
        calls_max: Some(1),
        calls_reserved: 0,
        window_seconds: 1,
    };
    let budget = SharedBudget::new(policy, Arc::new(clock.clone()));
    let script = Script::new(&clock, [answer(200), answer(200)]);
    let client = client(&script, &clock, &budget);
    block_on(client.send(get())).unwrap();
    let error = block_on(client.send(get())).unwrap_err();
    assert_eq!(error.attempts(), 1);
    assert!(error.retry_after().unwrap() <= seconds(2));
    clock.advance(error.retry_after().unwrap());
    block_on(client.send(get())).unwrap();
}

#[test]
fn a_call_that_waits_for_no_turn_is_not_accounted() {
    let clock = clock();
    let budget = budget(&clock, 3, 0);
    let script = Script::new(&clock, [answer_with(429, &[("retry-after", "600")], "")]);
    let throttle = SharedThrottle::new(ThrottlePolicy::default(), Arc::new(clock.clone()));
    let client = builder(&script, &clock)
        .with_throttle(throttle)
        .with_budget(budget.clone())
        .build()
        .unwrap();
    block_on(client.send(get())).unwrap_err();
    check_spent(&client, get(), 600);
    assert_eq!(budget.used(), 1);
}

#[test]
fn tokens_are_accounted_where_they_come_from_and_not_fetched_for_nothing() {
    let clock = clock();
    let budget = budget(&clock, 2, 0);
    let script = Script::new(&clock, [answer(401), answer(200)]);
    let provider = Counting::new(&clock);
    let asked: Arc<dyn TokenProvider> = Arc::<Counting>::clone(&provider);
    let tokens = TokenCache::new(asked, Arc::new(clock.clone()), Ids::new(1.0));
    let scope = Scope::of_resource("https://acme.crm4.dynamics.com").unwrap();
    let client = builder(&script, &clock)
        .with_tokens(tokens, scope)
        .with_budget(budget.clone())
        .build()
        .unwrap();
    let call = || {
        Call::new(
            "crm.read",
            http::Request::get(URL).body(Bytes::new()).unwrap(),
        )
    };
    // A fresh token after a 401: two requests, two tokens.
    block_on(client.send(call())).unwrap();
    assert_eq!(budget.used(), 2);
    assert_eq!(provider.issued(), 2);
    clock.advance(seconds(800));
    check_spent(&client, call(), 170);
    assert_eq!(provider.issued(), 2);
}
