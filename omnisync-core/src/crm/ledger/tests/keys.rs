//! Whose a natural key is, and what was stored before links said so.

use chrono::DateTime;

use super::super::{
    Choice, Conflict, ConflictSubject, KeyStanding, LinkRecord, MemberRecord, Presence,
};
use crate::crm::{EntityName, ForeignId, LinkId, SystemName};

fn link() -> LinkRecord {
    let now = DateTime::UNIX_EPOCH;
    let system = SystemName::new("sf").unwrap();
    let entity = EntityName::new("Brand").unwrap();
    let id = LinkId::from_bytes([7; 16]);
    let mut link = LinkRecord::new(id, entity, Some("B-1".to_owned()), system.clone(), now);
    let mut member = MemberRecord::of(ForeignId::new("sf-1").unwrap());
    member.look = false;
    member.presence = Presence::InUse;
    link.members.insert(system, member);
    link
}

#[test]
fn a_reservation_is_worth_what_its_link_says() {
    let mut link = link();
    let now = DateTime::UNIX_EPOCH;
    assert_eq!(link.key_standing("B-1"), KeyStanding::Held);
    assert_eq!(link.key_standing("B-2"), KeyStanding::Free);
    link.claims("B-2", now);
    assert_eq!(link.key_standing("B-2"), KeyStanding::Held);
    assert!(link.keyed(now).is_empty());
    assert_eq!(link.key_standing("B-1"), KeyStanding::Free);
    assert_eq!(link.key_standing("B-2"), KeyStanding::Held);

    link.life.alive = false;
    assert_eq!(link.key_standing("B-2"), KeyStanding::Ending);
    for member in link.members.values_mut() {
        member.presence = Presence::Gone;
    }
    link.claims("B-2", now);
    assert!(link.is_over());
    assert_eq!(link.key_standing("B-2"), KeyStanding::Free);
    // Whoever may be back by now is looked at first.
    for member in link.members.values_mut() {
        member.look = true;
    }
    assert_ne!(link.key_standing("B-2"), KeyStanding::Free);
}

#[test]
fn the_last_record_that_leaves_takes_the_life_with_it() {
    let mut link = link();
    let system = SystemName::new("sf").unwrap();
    link.leaves(&system, DateTime::UNIX_EPOCH);
    assert!(link.is_over());
    assert!(link.is_apart(&system, &ForeignId::new("sf-1").unwrap()));
}

#[test]
fn what_was_stored_before_is_read() {
    let conflict: Conflict = serde_json::from_str(
        r#"{ "id": "07070707-0707-8707-8707-070707070707.1",
             "subject": { "duplicateKey": { "system": "sf", "id": "sf-2" } },
             "at": "2026-01-01T00:00:00Z", "sides": [{ "system": "sf" }], "state": "open" }"#,
    )
    .unwrap();
    assert!(matches!(
        conflict.subject,
        ConflictSubject::DuplicateKey { other: None, .. }
    ));
    let text = serde_json::to_value(link()).unwrap();
    for added in ["claim", "apart", "left", "absorbed"] {
        assert!(
            text.get(added).is_none(),
            "{added} is told only where it is"
        );
    }
    let read: LinkRecord = serde_json::from_value(text).unwrap();
    assert_eq!(read, link());
    for (choice, text) in [
        (Choice::Apart, r#""apart""#),
        (Choice::Value { value: None }, r#"{"value":{}}"#),
        (
            Choice::Record {
                id: ForeignId::new("sf-2").unwrap(),
            },
            r#"{"record":{"id":"sf-2"}}"#,
        ),
    ] {
        assert_eq!(serde_json::to_string(&choice).unwrap(), text);
    }
}
