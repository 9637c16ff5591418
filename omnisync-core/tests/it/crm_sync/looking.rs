use std::sync::Arc;
use std::time::Duration;

use futures::executor::block_on;
use omnisync_core::crm::{ChangeKind, Hint, HintScope, Origin};
use omnisync_core::flow::{CrmWork, EchoRule, Heard, HintDecoder, Listen, Undecodable};
use omnisync_core::port::{DeadLetterReason, Delivery};

use super::kit::{Office, Setting, entity, system};

fn hint(object: &str, user: &str) -> Hint {
    Hint {
        object: object.to_owned(),
        scope: HintScope::Records(vec!["x".parse().unwrap()]),
        kind: ChangeKind::Update,
        origin: Origin {
            user: Some(user.to_owned()),
            client: None,
        },
        at: None,
        fields: Vec::new(),
    }
}

#[test]
fn changes_that_no_event_told_are_caught_up_with() {
    let office = Office::new();
    let id = office.create("sf", &[("Code__c", "B-1"), ("Name", "Alpha")]);
    office.settle();
    office.edit("sf", &id, &[("Name", Some("Beta"))]);
    let _lost = office.crm("sf").take_events(10);
    office.settle();
    let other = office.only("dv");
    assert_eq!(
        office.text("dv", &other, "cr_name").as_deref(),
        Some("Alpha")
    );
    block_on(office.hear().catch_up(&system("sf"), &entity("Brand"))).unwrap();
    office.settle();
    assert_eq!(
        office.text("dv", &other, "cr_name").as_deref(),
        Some("Beta")
    );
}

#[test]
fn an_overflow_says_that_everything_has_to_be_compared() {
    let office = Office::new();
    office.create("sf", &[("Code__c", "B-1")]);
    assert!(office.crm("sf").overflow_event(0));
    office.hear_events();
    let hear = office.hear();
    let behind = || block_on(hear.is_behind(&system("sf"), &entity("Brand"))).unwrap();
    assert!(behind());
    office.catch_up();
    assert!(!behind());
    office.settle();
    assert_eq!(office.crm("dv").records().len(), 1);
}

#[test]
fn hints_of_an_integration_user_are_dropped_only_where_that_is_asked_for() {
    let heard = |office: &Office, hint: &Hint| {
        let outcome = block_on(
            office
                .hear()
                .hear(&system("sf"), std::slice::from_ref(hint)),
        );
        outcome.unwrap().hints.remove(0)
    };
    let office = Office::new();
    assert_eq!(heard(&office, &hint("Brand__c", "bot")), Heard::Records(1));
    assert_eq!(heard(&office, &hint("Other", "bot")), Heard::NotShared);
    let office = Office::with(Setting {
        echo: EchoRule::DropByUser {
            user: "bot".to_owned(),
        },
        ..Setting::default()
    });
    assert_eq!(heard(&office, &hint("Brand__c", "bot")), Heard::Dropped);
    assert_eq!(heard(&office, &hint("Brand__c", "ann")), Heard::Records(1));
}

#[test]
fn a_hint_of_a_record_that_is_not_there_does_no_harm() {
    let office = Office::new();
    block_on(
        office
            .hear()
            .hear(&system("sf"), &[hint("Brand__c", "ann")]),
    )
    .unwrap();
    office.settle();
    assert!(office.crm("dv").records().is_empty());
}

#[test]
fn a_read_that_is_behind_is_made_again() {
    let office = Office::new();
    let id = office.create("sf", &[("Code__c", "B-1"), ("Name", "Alpha")]);
    office.settle();
    office.edit("sf", &id, &[("Name", Some("Beta"))]);
    office.settle();
    assert!(office.crm("sf").read_stale(&id, 1));
    office.edit("sf", &id, &[("Name", Some("Gamma"))]);
    office.settle();
    office.pass(2);
    office.hint_everything();
    office.settle();
    let other = office.only("dv");
    assert_eq!(
        office.text("dv", &other, "cr_name").as_deref(),
        Some("Gamma")
    );
    assert_eq!(office.text("sf", &id, "Name").as_deref(), Some("Gamma"));
}

/// Bodies that name records, one a line.
#[derive(Debug)]
struct Lines;

impl HintDecoder for Lines {
    fn decode(&self, delivery: &Delivery) -> Result<Vec<Hint>, Undecodable> {
        let dead = || Undecodable {
            reason: DeadLetterReason::JsonDeserialiseFailure,
            description: "no id on line 1".to_owned(),
        };
        let text = std::str::from_utf8(&delivery.body).map_err(|_| dead())?;
        let ids: Result<_, _> = text.lines().map(str::parse).collect();
        let mut hint = hint("Brand__c", "ann");
        hint.scope = HintScope::Records(ids.map_err(|_| dead())?);
        Ok(vec![hint])
    }
}

#[test]
fn a_stream_is_acknowledged_once_its_hints_are_stored() {
    let office = Office::new();
    let id = office.create("sf", &[("Code__c", "B-1")]);
    let queue = office.queue(&[id.as_str(), "no/id"]);
    let listen = Listen::new(office.hear(), system("sf"), Arc::new(Lines));

    office.store.throttle(1, Duration::from_secs(9));
    let outcome = block_on(listen.run_once(&queue)).unwrap();
    assert_eq!((outcome.heard, outcome.returned), (0, 1), "{outcome:?}");
    assert_eq!(outcome.dead.len(), 1);
    assert_eq!(queue.dead_letters().len(), 1);

    office.pass(60);
    let outcome = block_on(listen.run_once(&queue)).unwrap();
    assert_eq!((outcome.heard, outcome.returned), (1, 0), "{outcome:?}");
    assert_eq!(queue.unsettled(), 0);
    let _unheard = office.crm("sf").take_events(10);
    office.settle();
    assert_eq!(office.crm("dv").records().len(), 1);
}

#[test]
fn a_system_that_asks_for_time_at_a_write_is_left_alone() {
    let office = Office::new();
    office.create("sf", &[("Code__c", "B-1"), ("Name", "Alpha")]);
    office.create("sf", &[("Code__c", "B-2"), ("Name", "Beta")]);
    office.hear_events();
    office.crm("dv").throttle(1, Duration::from_secs(9));

    let outcome = office.run();

    assert!(outcome.more);
    let last = outcome.items.last().unwrap();
    let CrmWork::Failed(error) = &last.work else {
        panic!("{last:?}");
    };
    assert_eq!(error.retry_after(), Some(Duration::from_secs(9)));
    assert_eq!(office.crm("dv").operations(), 1);

    office.pass(10);
    office.settle();
    assert_eq!(office.crm("dv").records().len(), 2);
}
