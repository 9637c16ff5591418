//! The clauses of [`EventSource`].

mod desk;
mod receiving;
mod settling;

pub use receiving::{
    c01_receive_gives_at_most_max, c02_unsettled_deliveries_come_again,
    c07_body_and_headers_arrive_as_sent, c08_a_finite_source_says_when_it_ended,
    c09_one_bad_item_stops_nothing,
};
pub use settling::{
    c03_settled_deliveries_stay_away, c04_retry_after_waits_its_delay,
    c05_dead_letters_keep_body_and_reason, c06_settling_a_lost_delivery_is_refused,
    c10_extend_renews_the_lock, c11_what_comes_again_is_the_same,
};

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use omnisync_core::port::EventSource;

use super::macros::port_contract;
use crate::fake::{DeadLetter, Message};

/// What the clauses need from a test environment. Every clause gets its own, with nothing in
/// the source.
///
/// The source and everything behind it live by one clock. `receive` must come back by itself
/// when its `wait` is over: the clock is real, or moves on a wait, as
/// [`ManualClock::auto`](crate::clock::ManualClock::auto) does. A lock lasts at least 30 seconds
/// of that clock.
#[async_trait]
pub trait EventSourceFixture: Send + Sync {
    /// Sends messages. Clauses call this before they open the source, and only once, so that
    /// it may write a file.
    async fn publish(&self, messages: Vec<Message>);

    /// The source under test. Every call gives a handle of the same living process.
    async fn source(&self) -> Arc<dyn EventSource>;

    /// The source as it is after the process was killed. Clauses give up their handles before
    /// they call this.
    async fn restart(&self) -> Arc<dyn EventSource>;

    /// Lets time pass.
    async fn pass(&self, by: Duration);

    /// How long a delivery is held; `None` when it is held until the process ends.
    fn lock(&self) -> Option<Duration>;

    /// What was set aside, as an operator reads it. A back end that keeps no headers there
    /// gives none.
    async fn dead_letters(&self) -> Vec<DeadLetter>;

    /// The source ends.
    fn finite(&self) -> bool;

    /// The source carries headers.
    fn carries_headers(&self) -> bool;

    /// Bodies may hold any bytes; when `false`, only one line of UTF-8 that is not empty.
    fn carries_any_bytes(&self) -> bool;
}

port_contract!(event_source, __event_source_clauses, EventSourceFixture);

#[doc(hidden)]
#[macro_export]
macro_rules! __event_source_clauses {
    ($then:ident, $($context:tt)*) => {
        $crate::$then! { ($($context)*) event_source [
            c01_receive_gives_at_most_max,
            c02_unsettled_deliveries_come_again,
            c03_settled_deliveries_stay_away,
            c04_retry_after_waits_its_delay,
            c05_dead_letters_keep_body_and_reason,
            c06_settling_a_lost_delivery_is_refused,
            c07_body_and_headers_arrive_as_sent,
            c08_a_finite_source_says_when_it_ended,
            c09_one_bad_item_stops_nothing,
            c10_extend_renews_the_lock,
            c11_what_comes_again_is_the_same,
        ] }
    };
}

/// Tests an [`EventSource`](omnisync_core::port::EventSource): one `#[test]` per clause.
///
/// `fixture` is an expression that builds an
/// [`EventSourceFixture`](crate::contract::EventSourceFixture); `run` blocks on a future and is
/// [`block_on`](crate::contract::block_on) by default. See [`contract`](crate::contract).
#[macro_export]
macro_rules! event_source_contract {
    (fixture = $fixture:expr $(,)?) => {
        $crate::event_source_contract!(fixture = $fixture, run = $crate::contract::block_on);
    };
    (fixture = $fixture:expr, run = $run:expr $(,)?) => {
        $crate::__event_source_clauses!(__clause_tests, $fixture, $run);
    };
}
