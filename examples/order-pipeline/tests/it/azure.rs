//! The whole path on the services of Azure, on loopback ports: Service Bus, Cosmos DB, Blob
//! Storage, Finance & Operations, and several processes that share them.

mod stack;

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use omnisync_testkit::generate::OrderGenerator;
use serde_json::Value;

use crate::serve::Server;
use crate::support::{Running, check_counts, order, recorded_orders, report};
use stack::Stack;

/// Orders of a trial, as many as there are recorded ones.
const ORDERS: usize = 498;
/// Pause between two looks at how far the processes are.
const LOOK: Duration = Duration::from_millis(5);

/// The recorded orders where they are, else generated ones.
fn events() -> Vec<Value> {
    if std::env::var_os("OMNISYNC_SAMPLES").is_some() {
        let lines = recorded_orders();
        let events = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        return events.collect();
    }
    OrderGenerator::new(6)
        .take(ORDERS)
        .map(|event| serde_json::from_slice(&event.bytes).unwrap())
        .collect()
}

fn id_of(event: &Value) -> String {
    event["data"]["orderId"].as_str().unwrap().to_owned()
}

/// Fails unless every order of `events` was imported, and once.
fn check_all_imported(stack: &Stack, events: &[Value]) {
    let sent: BTreeSet<String> = events.iter().map(id_of).collect();
    assert_eq!(sent.len(), ORDERS);
    let lines: usize = events
        .iter()
        .map(|event| event["data"]["lineItems"].as_array().unwrap().len())
        .sum();

    let headers = stack.fno().headers();
    assert_eq!(headers.keys().cloned().collect::<BTreeSet<_>>(), sent);
    assert!(headers.values().all(|row| row.imports == 1));
    let rows = stack.fno().lines();
    assert_eq!(rows.len(), lines);
    assert!(rows.values().all(|row| row.imports == 1));
    assert_eq!(stack.fno().violations(), Vec::<String>::new());

    assert_eq!(stack.messages(), (0, 0), "waiting, and set aside");
    let status = stack.status();
    let imported = status.lines().find(|line| line.contains("Imported"));
    let count = imported.unwrap().split_whitespace().last().unwrap();
    assert_eq!(count, ORDERS.to_string(), "{status}");
}

/// Two processes at once, one of which is killed as soon as `is_time` says so.
fn one_of_two_is_killed(is_time: impl Fn(&Stack) -> bool) {
    let stack = Stack::start();
    let events = events();
    stack.publish(&events);
    let mut killed = Running(stack.run().spawn().unwrap());
    let survivor = stack.run().spawn().unwrap();
    while !is_time(&stack) {
        assert!(killed.0.try_wait().unwrap().is_none(), "it ended too early");
        thread::sleep(LOOK);
    }
    killed.0.kill().unwrap();
    assert!(!killed.0.wait().unwrap().success());
    let report = report(&survivor.wait_with_output().unwrap());
    assert_eq!(report["pending"], 0, "{report}");
    check_all_imported(&stack, &events);
}

#[test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
fn one_of_two_processes_is_killed_while_events_come_in() {
    let half = ORDERS as u64 / 2;
    one_of_two_is_killed(|stack| stack.completed() >= half);
}

#[test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
fn one_of_two_processes_is_killed_while_packages_are_imported() {
    one_of_two_is_killed(|stack| stack.fno().submissions() >= 2);
}

#[test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
fn one_process_settles_every_order_and_tells_of_it() {
    let stack = Stack::start();
    let events = events();
    stack.publish(&events);
    // The same events come twice, which nobody notices but the count of duplicates.
    stack.publish(&events[..10]);
    let report = report(&stack.run().output().unwrap());
    check_counts(
        &report,
        &[
            ("accepted", ORDERS),
            ("duplicates", 10),
            ("dead_lettered", 0),
            ("imported", ORDERS),
            ("rejected", 0),
            ("quarantined", 0),
            ("pending", 0),
        ],
    );
    check_all_imported(&stack, &events);

    let order = id_of(&events[0]);
    let story = stack.explain(&order);
    for word in ["Pending", "Claimed", "Staged", "Submitted", "Imported"] {
        assert!(story.contains(word), "{word} in {story}");
    }
}

#[test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
fn what_can_never_be_accepted_is_a_dead_letter_with_its_reason() {
    let stack = Stack::start();
    let mut events = events();
    events.truncate(3);
    let mut bad = events[1].clone();
    bad["data"]["orderId"] = Value::Null;
    stack.publish(&events[..1]);
    stack.publish(&[bad]);
    stack.publish(&events[2..]);
    let report = report(&stack.run().output().unwrap());
    check_counts(
        &report,
        &[("imported", 2), ("dead_lettered", 1), ("pending", 0)],
    );
    assert_eq!(stack.messages(), (0, 1));
    assert_eq!(stack.dead_letter_reasons(), ["ValidationFailure"]);
}

#[test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
fn a_server_takes_events_from_its_webhook_and_from_the_queue() {
    let stack = Stack::start();
    let server = Server::of(stack.serve());
    server.post(&order(1, 1)).check(200, &["Accepted"]);
    stack.publish(&[order(2, 1)]);
    while stack.fno().headers().len() < 2 || stack.messages() != (0, 0) {
        thread::sleep(LOOK);
    }
    server.stop();
}
