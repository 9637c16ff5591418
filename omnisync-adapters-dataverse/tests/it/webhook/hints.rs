use chrono::{DateTime, Utc};
use omnisync_adapters_dataverse::webhook::{DecodeError, ExecutionContext, says_size_exceeded};
use omnisync_core::crm::{ChangeKind, FieldName, ForeignId, Hint, HintScope, Origin};
use serde_json::{Value, json};

use super::fixture::{
    OPERATION, ORGANIZATION, OTHER, RECORD, USER, entity, fields, hint, message, pair, read,
    record, reference, typed, update,
};

#[track_caller]
fn check_time(hint: &Hint, expected: &str) {
    assert_eq!(hint.at, Some(expected.parse().unwrap()));
}

#[test]
fn an_update_names_the_columns_that_changed_and_none_of_the_platform() {
    let event = update(&[
        pair("name", &json!("Acme")),
        pair("ownerid", &reference("systemuser", USER)),
        pair("createdon", &json!("/Date(0)/")),
    ]);
    let (_, hint) = hint(&event);
    let expected = Hint {
        object: "account".to_owned(),
        scope: HintScope::Records(vec![ForeignId::new(RECORD).unwrap()]),
        kind: ChangeKind::Update,
        origin: Origin {
            user: Some(USER.to_owned()),
            client: None,
        },
        at: "2026-03-14T08:00:00Z".parse().ok(),
        fields: ["name", "ownerid"]
            .map(|name| FieldName::new(name).unwrap())
            .into(),
    };
    assert_eq!(hint, expected);
}

#[test]
fn a_deleted_record_is_named_by_reference() {
    let event = message("Delete", &[pair("Target", &reference("account", RECORD))]);
    let (id, hint) = hint(&event);
    assert_eq!((id.as_str(), hint.kind), (RECORD, ChangeKind::Delete));
    check_time(&hint, "2026-03-14T08:00:01.500Z");
    assert!(hint.fields.is_empty());
}

#[test]
fn a_time_that_was_held_in_another_zone_says_nothing() {
    let at = |text: &str| {
        let mut event = message("Delete", &[pair("Target", &reference("account", RECORD))]);
        event["OperationCreatedOn"] = json!(text);
        hint(&event).1.at
    };
    let expected: Option<DateTime<Utc>> = "2026-03-14T08:00:00Z".parse().ok();
    assert_eq!(at("/Date(1773475200000)/"), expected);
    assert_eq!(at("/Date(1773475200000+0000)/"), expected);
    assert_eq!(at("/Date(1773475200000-0700)/"), None);
    // A column of the record is a moment whatever its offset.
    let mut event = update(&[]);
    event["OperationCreatedOn"] = json!("/Date(1773500400000-0700)/");
    let text = event
        .to_string()
        .replace("(1773475200000)", "(1773475200000-0700)");
    let hints = ExecutionContext::read(text.as_bytes())
        .unwrap()
        .hints()
        .unwrap();
    assert_eq!(hints[0].at, expected);
}

#[test]
fn messages_that_change_a_record_without_its_columns_say_which_they_change() {
    let moniker = [
        pair("EntityMoniker", &reference("account", RECORD)),
        pair("State", &typed("OptionSetValue", json!({"Value": 1}))),
    ];
    for name in ["SetState", "SetStateDynamicEntity"] {
        let (id, hint) = hint(&message(name, &moniker));
        assert_eq!((id.as_str(), hint.kind), (RECORD, ChangeKind::Update));
        assert_eq!(fields(&hint), ["statecode", "statuscode"]);
    }
    let assign = [
        pair("Target", &reference("account", RECORD)),
        pair("Assignee", &reference("systemuser", USER)),
    ];
    let (id, hint) = hint(&message("Assign", &assign));
    assert_eq!((id.as_str(), hint.kind), (RECORD, ChangeKind::Update));
    assert_eq!(fields(&hint), ["ownerid"]);
}

#[test]
fn every_record_of_a_message_is_named() {
    let records = |event: &Value| {
        let hints = read(event).hints().unwrap();
        let each = hints
            .iter()
            .map(|hint| (hint.object.clone(), record(hint), hint.kind));
        each.collect::<Vec<_>>()
    };
    let update = ChangeKind::Update;
    let account = |id: &str, kind| ("account".to_owned(), id.to_owned(), kind);
    let contact = |id: &str, kind| ("contact".to_owned(), id.to_owned(), kind);

    let relationship = typed("Relationship", json!({"SchemaName": "account_contacts"}));
    let associate = [
        pair("Target", &reference("account", RECORD)),
        pair("Relationship", &relationship),
        pair("RelatedEntities", &json!([reference("contact", OTHER)])),
    ];
    for name in ["Associate", "Disassociate"] {
        assert_eq!(
            records(&message(name, &associate)),
            [account(RECORD, update), contact(OTHER, update)]
        );
    }
    let merge = [
        pair("Target", &reference("account", RECORD)),
        pair("SubordinateId", &json!(OTHER)),
        pair("PerformParentingChecks", &json!(false)),
    ];
    assert_eq!(
        records(&message("Merge", &merge)),
        [account(RECORD, update), account(OTHER, update)]
    );
    let several = typed(
        "EntityCollection",
        json!({"Entities": [entity("account", RECORD, &[]), entity("account", OTHER, &[])]}),
    );
    let mut event = message("CreateMultiple", &[pair("Targets", &several)]);
    event["PrimaryEntityId"] = json!("00000000-0000-0000-0000-000000000000");
    let create = ChangeKind::Create;
    assert_eq!(
        records(&event),
        [account(RECORD, create), account(OTHER, create)]
    );
}

#[test]
fn a_message_that_is_not_known_still_says_where_to_look() {
    let kind = |name: &str| hint(&message(name, &[])).1.kind;
    assert_eq!(kind("new_Recalculate"), ChangeKind::Unknown);
    assert_eq!(kind("Restore"), ChangeKind::Undelete);
    assert_eq!(kind("create"), ChangeKind::Create);
}

#[test]
fn a_cut_event_names_its_record_and_no_columns() {
    let mut event = update(&[pair("name", &json!("Acme"))]);
    for member in [
        "ParentContext",
        "InputParameters",
        "PreEntityImages",
        "PostEntityImages",
    ] {
        event.as_object_mut().unwrap().remove(member);
    }
    let (id, cut) = hint(&event);
    assert!(read(&event).is_cut());
    assert_eq!((id.as_str(), cut.kind), (RECORD, ChangeKind::Update));
    assert!(cut.fields.is_empty());
    check_time(&cut, "2026-03-14T08:00:01.500Z");

    // Where only the transport says so, what is left of the parameters is not believed.
    let whole = read(&update(&[pair("name", &json!("Acme"))]));
    let hints = whole.into_cut().hints().unwrap();
    assert_eq!(hints, [cut]);
}

#[test]
fn transports_say_that_an_event_was_cut() {
    assert!(says_size_exceeded([(
        "X-MS-Dynamics-Msg-Size-Exceeded",
        "True"
    )]));
    assert!(says_size_exceeded([
        ("a", "b"),
        ("MessageMaxSizeExceeded", "")
    ]));
    assert!(!says_size_exceeded([("MessageMaxSizeExceeded", "False")]));
    assert!(!says_size_exceeded([("content-type", "application/json")]));
}

#[test]
fn a_tag_is_found_here_and_further_out() {
    let tag = pair("tag", &json!("omnisync"));
    let mut event = update(&[]);
    event["SharedVariables"] = json!([tag]);
    assert_eq!(hint(&event).1.origin.client.as_deref(), Some("omnisync"));
    let mut inner = update(&[]);
    inner["ParentContext"] = event;
    assert_eq!(hint(&inner).1.origin.client.as_deref(), Some("omnisync"));
}

#[test]
fn every_attempt_to_deliver_an_event_has_one_identity() {
    let event = update(&[]);
    let identity = read(&event).identity().unwrap();
    assert_eq!(
        identity,
        format!("{ORGANIZATION}:{OPERATION}:1:Update:{RECORD}")
    );
    for (member, value) in [
        ("OrganizationId", json!(OTHER)),
        ("OperationId", json!(OTHER)),
        ("MessageName", json!("Assign")),
        ("PrimaryEntityId", json!(OTHER)),
        ("Depth", json!(2)),
    ] {
        let mut other = event.clone();
        other[member] = value;
        assert_ne!(read(&other).identity().unwrap(), identity, "{member}");
    }
    let mut hostile = event;
    hostile["MessageName"] = json!("a:b/\n".repeat(100));
    let identity = read(&hostile).identity().unwrap();
    assert!(identity.len() < 256 && !identity.contains(['/', '\n']));
}

#[test]
fn data_events_of_finance_and_operations_are_read_alike() {
    let mut event = json!({
        "BusinessEventId": "CustCustomerV3Entity_DataEvent_Create",
        "EventId": "A1B2C3D4-0000-4000-8000-0000000000FF",
        "EventTime": "/Date(1773475200000)/",
        "MajorVersion": 0,
        "PrimaryEntityName": "mserp_custcustomerv3entity",
        "PrimaryEntityId": RECORD,
        "InitiatingUserId": "{00000000-0000-0000-0000-000000000000}",
        "InputParameters": [pair("Target", &entity(
            "mserp_custcustomerv3entity", RECORD, &[pair("mserp_name", &json!("Acme"))],
        ))],
    });
    let (id, found) = hint(&event);
    assert_eq!((id.as_str(), found.kind), (RECORD, ChangeKind::Create));
    assert_eq!(found.object, "mserp_custcustomerv3entity");
    check_time(&found, "2026-03-14T08:00:00Z");
    assert_eq!(found.origin, Origin::default());
    assert_eq!(fields(&found), ["mserp_name"]);
    let context = read(&event);
    assert_eq!(
        context.identity().as_deref(),
        Some("event:A1B2C3D4-0000-4000-8000-0000000000FF")
    );
    event["BusinessEventId"] = json!("CustCustomerV3Entity_DataEvent_Delete");
    assert_eq!(hint(&event).1.kind, ChangeKind::Delete);
}

#[test]
fn an_event_without_a_record_is_refused() {
    let mut event = message("WhoAmI", &[]);
    event["PrimaryEntityName"] = json!("none");
    assert_eq!(read(&event).hints(), Err(DecodeError::NoRecord));
    event["PrimaryEntityName"] = json!("acc ount\n");
    assert_eq!(read(&event).hints(), Err(DecodeError::NoRecord));
    event["PrimaryEntityName"] = json!("account");
    event["PrimaryEntityId"] = json!("00000000-0000-0000-0000-000000000000");
    assert_eq!(read(&event).hints(), Err(DecodeError::NoRecord));
}

#[test]
fn a_created_record_is_found_by_the_id_it_was_given() {
    let mut event = message(
        "Create",
        &[pair(
            "Target",
            &typed(
                "Entity",
                json!({
                    "LogicalName": "account", "Attributes": [pair("name", &json!("Acme"))],
                }),
            ),
        )],
    );
    event["PrimaryEntityId"] = Value::Null;
    event["OutputParameters"] = json!([pair("id", &json!(RECORD.to_uppercase()))]);
    let (id, hint) = hint(&event);
    assert_eq!((id.as_str(), hint.kind), (RECORD, ChangeKind::Create));
    assert_eq!(fields(&hint), ["name"]);
}
