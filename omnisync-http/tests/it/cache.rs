//! Who asks for tokens, when, and who waits.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use futures::FutureExt as _;
use futures::channel::oneshot;
use futures::executor::{LocalPool, block_on};
use futures::future::{RemoteHandle, join_all};
use futures::task::LocalSpawnExt as _;
use omnisync_core::port::Clock as _;
use omnisync_core::{ErrorKind, PortError};
use omnisync_http::{AccessToken, Scope, Secret, TokenCache, TokenProvider};
use omnisync_testkit::clock::ManualClock;

use crate::support::{Ids, seconds};

type Answer = Result<AccessToken, PortError>;

/// A provider whose answers a test gives one by one, while callers wait.
#[derive(Debug, Default)]
struct Authority {
    asked: Mutex<Vec<oneshot::Sender<Answer>>>,
}

#[async_trait]
impl TokenProvider for Authority {
    async fn token(&self, _: &Scope) -> Answer {
        let (answer, question) = oneshot::channel();
        self.asked.lock().unwrap().push(answer);
        question.await.expect("an answer")
    }
}

struct Case {
    pool: LocalPool,
    clock: ManualClock,
    authority: Arc<Authority>,
    cache: TokenCache,
}

type Caller = RemoteHandle<Answer>;

impl Case {
    fn new(jitter: f64) -> Self {
        let clock = ManualClock::default();
        let authority = Arc::new(Authority::default());
        let ids = Ids::new(jitter);
        let provider: Arc<dyn TokenProvider> = Arc::<Authority>::clone(&authority);
        let cache = TokenCache::new(provider, Arc::new(clock.clone()), ids);
        Self {
            pool: LocalPool::new(),
            clock,
            authority,
            cache,
        }
    }

    /// Somebody who wants a token, and gets as far as possible.
    fn caller(&mut self) -> Caller {
        self.caller_of("scope")
    }

    fn caller_of(&mut self, scope: &str) -> Caller {
        let (cache, scope) = (self.cache.clone(), Scope::new(scope).unwrap());
        let future = async move { cache.token(&scope).await };
        let handle = self.pool.spawner().spawn_local_with_handle(future);
        self.pool.run_until_stalled();
        handle.unwrap()
    }

    /// Requests that wait for an answer.
    fn open(&self) -> usize {
        let asked = self.authority.asked.lock().unwrap();
        asked.iter().filter(|answer| !answer.is_canceled()).count()
    }

    /// Grants the oldest open request.
    fn grant(&mut self, name: &str, life_s: i64) {
        let expires_at = self.now() + TimeDelta::seconds(life_s);
        self.answer(Ok(AccessToken::new(Secret::new(name), expires_at)));
    }

    fn refuse(&mut self, error: PortError) {
        self.answer(Err(error));
    }

    fn answer(&mut self, answer: Answer) {
        let mut asked = self.authority.asked.lock().unwrap();
        asked.retain(|answer| !answer.is_canceled());
        let question = asked.remove(0);
        drop(asked);
        question.send(answer).unwrap();
        self.pool.run_until_stalled();
    }

    /// A caller that need not wait.
    #[track_caller]
    fn served(&mut self, name: &str) -> AccessToken {
        let caller = self.caller();
        let token = done(caller).unwrap();
        assert_eq!(token.secret().expose(), name);
        token
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }
}

/// What a caller got that need not wait any longer.
#[track_caller]
fn done(caller: Caller) -> Answer {
    caller.now_or_never().expect("the caller still waits")
}

fn unavailable() -> PortError {
    PortError::new(ErrorKind::Unavailable, "token.test")
        .with_detail("down")
        .with_source(std::io::Error::other("cause"))
}

#[test]
fn many_callers_make_one_request() {
    let mut case = Case::new(0.0);
    let callers: Vec<Caller> = (0..100).map(|_| case.caller()).collect();
    assert_eq!(case.open(), 1);
    case.grant("a", 3_600);
    for token in block_on(join_all(callers)) {
        assert_eq!(token.unwrap().secret().expose(), "a");
    }
    case.served("a");
}

#[test]
fn every_scope_has_its_own_token() {
    let mut case = Case::new(0.0);
    let (one, other) = (case.caller_of("one"), case.caller_of("other"));
    assert_eq!(case.open(), 2);
    case.grant("a", 3_600);
    case.grant("b", 3_600);
    let secret = |answer: Answer| answer.unwrap().secret().expose().to_owned();
    assert_eq!(secret(done(one)), "a");
    assert_eq!(secret(done(other)), "b");
}

#[test]
fn a_caller_that_gives_up_leaves_the_request_to_the_others() {
    let mut case = Case::new(0.0);
    let first = case.caller();
    let second = case.caller();
    drop(first);
    case.pool.run_until_stalled();
    assert_eq!(case.open(), 1);
    case.grant("a", 3_600);
    assert_eq!(done(second).unwrap().secret().expose(), "a");
}

#[test]
fn a_request_that_all_gave_up_is_made_anew() {
    let mut case = Case::new(0.0);
    drop(case.caller());
    case.pool.run_until_stalled();
    assert_eq!(case.open(), 0);
    let caller = case.caller();
    assert_eq!(case.open(), 1);
    case.grant("b", 3_600);
    assert_eq!(done(caller).unwrap().secret().expose(), "b");
}

#[test]
fn all_callers_of_a_failed_request_get_its_error_and_the_next_one_asks() {
    let mut case = Case::new(0.0);
    let callers = [case.caller(), case.caller()];
    case.refuse(unavailable());
    for caller in callers {
        let error = done(caller).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(error.report(), "token.test: unavailable (down): cause");
    }
    let caller = case.caller();
    case.grant("a", 3_600);
    assert!(done(caller).is_ok());
}

#[test]
fn a_token_is_replaced_before_its_end_by_one_caller_while_the_others_go_on() {
    let mut case = Case::new(0.0);
    let caller = case.caller();
    case.grant("a", 3_600);
    drop(caller);
    case.clock.advance(seconds(3_299));
    case.served("a");
    case.clock.advance(seconds(1));
    let first = case.caller();
    assert_eq!(case.open(), 1);
    case.served("a");
    case.grant("b", 3_600);
    assert_eq!(done(first).unwrap().secret().expose(), "b");
    case.served("b");
}

#[test]
fn jitter_spreads_the_refresh_over_a_fifth_of_the_margin() {
    let mut case = Case::new(1.0);
    let caller = case.caller();
    case.grant("a", 3_600);
    drop(caller);
    case.clock.advance(seconds(3_359));
    case.served("a");
    case.clock.advance(seconds(1));
    let _refresh = case.caller();
    assert_eq!(case.open(), 1);
}

#[test]
fn a_failed_refresh_is_no_error_while_the_old_token_works() {
    let mut case = Case::new(0.0);
    let caller = case.caller();
    case.grant("a", 3_600);
    drop(caller);
    case.clock.advance(seconds(3_301));
    let refresh = case.caller();
    case.refuse(unavailable());
    assert_eq!(done(refresh).unwrap().secret().expose(), "a");

    // It is not tried again at once, but before long.
    case.served("a");
    assert_eq!(case.open(), 0);
    case.clock.advance(seconds(30));
    let refresh = case.caller();
    assert_eq!(case.open(), 1);

    // An old token that ended meanwhile does not help.
    case.clock.advance(seconds(300));
    case.refuse(unavailable());
    assert!(done(refresh).is_err());
}

#[test]
fn a_short_life_is_used_by_half() {
    let mut case = Case::new(0.0);
    let caller = case.caller();
    case.grant("a", 100);
    drop(caller);
    case.clock.advance(seconds(49));
    case.served("a");
    case.clock.advance(seconds(1));
    let refresh = case.caller();
    assert_eq!(case.open(), 1);
    case.grant("b", 0);
    assert_eq!(done(refresh).unwrap().secret().expose(), "b");
    let _next = case.caller();
    assert_eq!(case.open(), 1);
}

#[test]
fn only_the_token_that_was_not_taken_is_forgotten() {
    let mut case = Case::new(0.0);
    let scope = Scope::new("scope").unwrap();
    let caller = case.caller();
    case.grant("a", 3_600);
    let old = done(caller).unwrap();
    case.cache.invalidate(&scope, &old);
    let caller = case.caller();
    case.grant("b", 3_600);
    drop(caller);

    // Whoever still held the old one says so, too.
    case.cache.invalidate(&scope, &old);
    case.cache.invalidate(&Scope::new("other").unwrap(), &old);
    case.served("b");
    assert_eq!(case.open(), 0);
}

#[test]
fn an_authority_that_asks_for_a_pause_gets_it() {
    let mut case = Case::new(0.0);
    let caller = case.caller();
    case.refuse(unavailable().with_retry_after(seconds(20)));
    assert!(done(caller).is_err());
    case.clock.advance(seconds(19));
    let caller = case.caller();
    let error = done(caller).unwrap_err();
    assert_eq!(error.retry_after(), Some(seconds(20)));
    assert_eq!(case.open(), 0);
    case.clock.advance(seconds(1));
    let _caller = case.caller();
    assert_eq!(case.open(), 1);
}

#[test]
fn a_rest_after_a_failed_refresh_does_not_outlive_the_old_token() {
    let mut case = Case::new(0.0);
    let caller = case.caller();
    case.grant("a", 3_600);
    let old = done(caller).unwrap();
    case.clock.advance(seconds(3_301));
    let refresh = case.caller();
    case.refuse(unavailable());
    drop(refresh);
    case.cache.invalidate(&Scope::new("scope").unwrap(), &old);
    let _caller = case.caller();
    assert_eq!(case.open(), 1);
}

/// Gives a token for an hour, and counts.
#[derive(Debug)]
struct Counting(ManualClock, AtomicUsize);

#[async_trait]
impl TokenProvider for Counting {
    async fn token(&self, _: &Scope) -> Answer {
        self.1.fetch_add(1, Ordering::Relaxed);
        let expires_at = self.0.now() + TimeDelta::hours(1);
        Ok(AccessToken::new(Secret::new("a"), expires_at))
    }
}

#[test]
fn threads_make_one_request() {
    for _ in 0..50 {
        let clock = ManualClock::default();
        let provider = Arc::new(Counting(clock.clone(), AtomicUsize::new(0)));
        let given: Arc<dyn TokenProvider> = Arc::<Counting>::clone(&provider);
        let cache = TokenCache::new(given, Arc::new(clock), Ids::new(0.0));
        let start = Barrier::new(8);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    block_on(cache.token(&Scope::new("scope").unwrap())).unwrap()
                });
            }
        });
        assert_eq!(provider.1.load(Ordering::Relaxed), 1);
    }
}
