//! Systems, stores and documents that fail.

use futures::executor::block_on;
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::flow::{CRM_LINKS, CRM_RECORDS, CrmSyncOutcome, CrmWork};
use omnisync_core::port::{
    Action, Collection, Content, DocumentKey, Expect, StateStoreExt as _, Write,
};
use serde_json::value::RawValue;

use super::kit::{Office, Setting};

/// A document that no program of ours wrote.
fn plant(office: &Office, collection: Collection, id: &str) {
    let body = RawValue::from_string(r#"{"written":"by hand"}"#.to_owned());
    let write = Write {
        key: DocumentKey::new(collection, id),
        expect: Expect::Any,
        action: Action::Put(Content {
            state: "hinted".to_owned(),
            due_at: Some(omnisync_core::port::Clock::now(&office.clock)),
            expires_at: None,
            body: body.unwrap(),
        }),
    };
    block_on(office.store.write_one(write)).unwrap();
}

fn failures(outcome: &CrmSyncOutcome) -> Vec<&PortError> {
    let works = outcome.items.iter().map(|item| &item.work);
    works
        .filter_map(|work| match work {
            CrmWork::Failed(error) => Some(error),
            _ => None,
        })
        .collect()
}

#[test]
fn a_document_that_cannot_be_read_is_told_of_and_holds_nothing_up() {
    let office = Office::new();
    let link = "00000000-0000-8000-8000-000000000000";
    plant(&office, CRM_RECORDS, "Brand:sf:broken");
    plant(&office, CRM_LINKS, link);
    office.create("sf", &[("Code__c", "B-1")]);
    office.hear_events();

    let outcome = office.run();

    let errors = failures(&outcome);
    let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        errors
            .iter()
            .all(|error| error.kind() == ErrorKind::Corrupt)
    );
    assert!(told[0].contains("crm-records/Brand:sf:broken"), "{told:?}");
    assert!(told[1].contains(&format!("crm-links/{link}")), "{told:?}");
    let first = &outcome.items[0];
    let (system, id) = first.record.clone().unwrap();
    assert_eq!((system.as_str(), id.as_str()), ("sf", "broken"));
    assert_eq!(first.entity.as_ref().unwrap().as_str(), "Brand");
    assert_eq!(office.crm("dv").records().len(), 1, "the others go on");

    // It is not tried again at once, and not forgotten.
    office.settle();
    office.pass(11 * 60);
    assert_eq!(failures(&office.run()).len(), 2);
}

#[test]
fn a_write_that_cannot_be_put_together_waits() {
    let office = Office::with(Setting {
        joined: true,
        ..Setting::default()
    });
    let fields = [("Code__c", "B-1"), ("Name", "Alpha"), ("City", "Bern")];
    let id = office.create("sf", &fields);
    office.settle();
    let other = office.only("dv");
    let joined = |office: &Office| office.text("dv", &other, "cr_name");
    assert_eq!(joined(&office).as_deref(), Some("Alpha; Bern"));

    office.edit("sf", &id, &[("City", Some("Basel"))]);
    office.hear_events();
    let down = || PortError::new(ErrorKind::Unavailable, "crm_sink.read");
    office.ways["dv"].fail_read(down());
    assert_eq!(failures(&office.run()).len(), 1);
    let link = office.link("Brand", "sf", &id);
    let obstacle = link.members.values().find_map(|one| one.obstacle.as_ref());
    assert!(obstacle.unwrap().reason.contains("dv"), "{obstacle:?}");
    // Until the pause is over nobody asks.
    let calls = office.ways["dv"].reads();
    for _ in 0..3 {
        assert!(office.run().items.is_empty());
    }
    assert_eq!(office.ways["dv"].reads(), calls);
    office.pass(6);
    office.settle();
    assert_eq!(joined(&office).as_deref(), Some("Alpha; Basel"));
}

#[test]
fn a_system_may_call_its_operations_as_it_likes() {
    let office = Office::new();
    let id = office.create("sf", &[("Code__c", "B-1")]);
    office.hear_events();
    // A system that is kept in a store of documents, say.
    let odd = PortError::new(ErrorKind::Unavailable, "state_store.get");
    office.ways["sf"].fail_read(odd);
    assert_eq!(failures(&office.run()).len(), 1);
    // It is left alone for a while, as every system is that fails.
    assert!(office.run().items.is_empty());
    office.pass(6);
    office.settle();
    assert!(office.is_in_use("sf", &id));
    assert_eq!(office.crm("dv").records().len(), 1);
}
