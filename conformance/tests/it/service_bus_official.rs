//! The broker of the testkit against `@azure/service-bus`: what Microsoft's client does with the
//! service it does with the broker.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use omnisync_conformance::node as conformance;
use omnisync_core::port::Clock;
use omnisync_testkit::server::service_bus::{
    Entity, Fault, ServiceBus, ServiceBusOptions, ServiceBusServer, Step,
};
use serde_json::Value;

/// The time of the machine, and whatever was added to it.
#[derive(Debug, Default)]
struct ShiftedClock(Mutex<Duration>);

impl ShiftedClock {
    fn advance(&self, by: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}

#[async_trait]
impl Clock for ShiftedClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the client looks at the machine's clock"
    )]
    fn now(&self) -> DateTime<Utc> {
        let shift = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        DateTime::from(SystemTime::now() + shift)
    }

    async fn sleep_until(&self, instant: DateTime<Utc>) {
        while let Ok(left) = (instant - self.now()).to_std() {
            tokio::time::sleep(left.max(Duration::from_millis(1))).await;
        }
    }
}

fn options(clock: &Arc<ShiftedClock>) -> ServiceBusOptions {
    let clock: Arc<dyn Clock> = Arc::<ShiftedClock>::clone(clock);
    ServiceBusOptions::new(clock).with_entities([
        Entity::queue("orders"),
        Entity::queue("empty"),
        Entity::queue("no-window").with(|it| it.duplicate_window_ms = None),
        Entity::queue("three-times").with(|it| it.deliveries_max = 3),
        Entity::queue("buries").with(|it| it.dead_letter_expired = true),
        Entity::queue("sessions").with(|it| it.sessions = true),
        Entity::topic("events", ["first", "second"]),
    ])
}

/// Runs a check of `js/service_bus.mjs`, and moves the clock when it asks for it; its result.
fn node(check: &str, arguments: &[String], bus: &ServiceBus, clock: &ShiftedClock) -> Value {
    let mut child = conformance::script("service_bus.mjs")
        .unwrap()
        .arg(check)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut moved = child.stdin.take().unwrap();
    let mut last = Value::Null;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        last = serde_json::from_str(&line.unwrap()).unwrap();
        if let Some(by_ms) = last["advance"].as_u64() {
            clock.advance(Duration::from_millis(by_ms));
            bus.tick();
        } else if last["cut"] == true {
            bus.cut_connections();
        } else {
            continue;
        }
        writeln!(moved, "done").unwrap();
    }
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{check}: {errors}");
    last
}

/// Runs a check against a broker of its own.
async fn check_with(
    check: &'static str,
    prepare: impl FnOnce(&mut ServiceBusOptions),
    faults: &[(Step, Fault)],
    arguments: impl FnOnce(&str) -> Vec<String>,
) -> (ServiceBus, Value) {
    let clock = Arc::new(ShiftedClock::default());
    let mut options = options(&clock);
    prepare(&mut options);
    let server = ServiceBusServer::start(options).await.unwrap();
    let bus = server.service_bus().clone();
    for (step, fault) in faults {
        bus.inject(Some(*step), *fault);
    }
    let connection_string = server.connection_string();
    let mut all = vec![connection_string.clone()];
    all.extend(arguments(&connection_string));
    let result = {
        let bus = bus.clone();
        let run = move || node(check, &all, &bus, &clock);
        tokio::task::spawn_blocking(run).await.unwrap()
    };
    assert_eq!(bus.faults_left(), 0);
    server.stop().await;
    (bus, result)
}

async fn check(check: &'static str) -> (ServiceBus, Value) {
    check_with(check, |_| (), &[], |_| Vec::new()).await
}

macro_rules! checks {
    ($($name:ident)*) => {$(
        #[tokio::test]
        #[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
        async fn $name() {
            let (_, result) = check(stringify!($name)).await;
            assert_eq!(result["check"], stringify!($name));
        }
    )*};
}

checks! {
    send_values
    batch_send
    duplicates_of_an_entity_without_a_window_come
    peek_lock_hides_and_complete_removes
    receive_and_delete
    abandon_counts_and_changes_properties
    defer_and_receive_deferred
    dead_letter_queue_takes_nothing_from_outside
    complete_after_the_lock_is_lost
    renew_after_the_lock_is_lost
    a_waiting_receiver_gets_what_is_redelivered
    peek
    schedule_and_cancel
    time_to_live
    topic_fans_out
    session_by_id
    session_next
    session_none_in_time
    session_state_and_renewal
    session_lock_lost
    session_deferred
    session_rules
    large_message
    message_too_large
    unknown_entity
    subscribe_goes_on_after_the_connection_is_cut
}

#[tokio::test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn send_and_receive() {
    let (bus, _) = check("send_and_receive").await;
    let counters = bus.counters();
    assert_eq!((counters.sent, counters.completed), (1, 1));
    assert_eq!(bus.messages("orders"), []);
}

#[tokio::test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn duplicate_is_dropped() {
    let (bus, _) = check("duplicate_is_dropped").await;
    assert_eq!(bus.counters().duplicates, 2);
}

#[tokio::test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn renew_keeps_the_lock() {
    let (bus, _) = check("renew_keeps_the_lock").await;
    assert_eq!(bus.counters().renewals, 1);
}

#[tokio::test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn dead_letter_with_reason() {
    let (bus, _) = check("dead_letter_with_reason").await;
    let counters = bus.counters();
    assert_eq!((counters.dead_lettered, counters.completed), (1, 1));
}

#[tokio::test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn max_deliveries() {
    let (bus, _) = check("max_deliveries").await;
    let dead = bus.dead_letters("three-times");
    assert_eq!(dead.len(), 1);
    assert_eq!(
        dead[0].dead_letter_reason.as_deref(),
        Some("MaxDeliveryCountExceeded")
    );
}

#[tokio::test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn a_lock_outlives_its_link() {
    let (bus, result) = check("a_lock_outlives_its_link").await;
    // The client settles without its link, or leaves the message to its lock.
    let left = u64::from(bus.counters().completed == 0);
    assert_eq!(result["left"], left);
}

#[tokio::test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn bad_key_is_refused() {
    let wrong = |right: &str| vec![right.replace("SharedAccessKey=", "SharedAccessKey=not")];
    let (bus, _) = check_with(
        "bad_key_is_refused",
        |it| it.access.checked = true,
        &[],
        wrong,
    )
    .await;
    assert_eq!(bus.counters().sent, 1);
}

#[tokio::test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn busy_server() {
    let faults = [(Step::Send, Fault::Busy), (Step::Settle, Fault::Busy)];
    let (bus, _) = check_with("busy_server", |_| (), &faults, |_| Vec::new()).await;
    assert_eq!(bus.backlog("orders"), 1);
}
