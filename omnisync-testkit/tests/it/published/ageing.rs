//! What the platform deletes.

use std::time::Duration;

use omnisync_testkit::contract::block_on;
use omnisync_testkit::zoo::orders::published::Status;

use super::{DAY, World, created};

#[test]
fn packages_go_after_seven_days_though_nobody_delivered_them() {
    let world = World::new();
    let packages = world.pack_each(&["ORD-1", "ORD-2"]);
    block_on(world.host().delivery().run_once());

    world.clock.advance(7 * DAY);
    let expired = block_on(world.host().lifecycle().run_once()).unwrap();

    assert_eq!(expired.packages, packages);
    assert!(world.imports("ORD-1") > 0);
    assert_eq!(world.imports("ORD-2"), 0);
    assert_eq!(world.status("ORD-2"), Status::Processed);
}

#[test]
fn packages_stay_for_seven_days() {
    let world = World::new();
    world.pack_each(&["ORD-1"]);
    let host = world.host();

    world.clock.advance(7 * DAY);
    let early = block_on(host.lifecycle().expire_packages()).unwrap();
    world.clock.advance(Duration::from_secs(1));
    let late = block_on(host.lifecycle().expire_packages()).unwrap();

    assert_eq!((early.len(), late.len()), (0, 1));
}

#[test]
fn a_pending_order_is_deleted_after_thirty_days() {
    let world = World::new();
    world.ingest(&["ORD-1"]);
    let host = world.host();

    world.clock.advance(30 * DAY);
    let expired = block_on(host.lifecycle().run_once()).unwrap();
    assert!(expired.orders.is_empty());
    assert_eq!(world.status("ORD-1"), Status::Pending);

    world.clock.advance(Duration::from_secs(1));
    let expired = block_on(host.lifecycle().run_once()).unwrap();
    assert_eq!(expired.orders, ["ORD-1"]);
    assert_eq!(world.erp.tables().orders(), 0);
}

#[test]
fn an_order_that_comes_again_after_its_document_was_deleted_is_delivered_again() {
    let world = World::hurried();
    world.publish(&created("ORD-1"));
    block_on(world.host().tick()).unwrap();
    world.clock.advance(31 * DAY);
    block_on(world.host().lifecycle().run_once()).unwrap();

    world.publish(&created("ORD-1"));
    block_on(world.host().tick()).unwrap();

    assert_eq!(world.imports("ORD-1"), 2);
}
