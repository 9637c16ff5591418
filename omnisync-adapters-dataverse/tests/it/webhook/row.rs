use omnisync_adapters_dataverse::webhook::CallbackRow;
use omnisync_core::crm::{ChangeKind, Native};
use serde_json::{Value, json};

use super::fixture::{OTHER, RECORD, USER, record};

fn row() -> Value {
    json!({
        "SdkMessage": "Update",
        "ItemInternalId": RECORD.to_uppercase(),
        "accountid": RECORD,
        "name": "Acme \"20\"",
        "revenue": 100.10,
        "statecode": 0,
        "_statecode_label": "Active",
        "_ownerid_value": USER,
        "_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname": "systemuser",
        "_modifiedby_value": format!("{{{}}}", OTHER.to_uppercase()),
        "modifiedon": "2026-03-14T08:00:00Z",
        "parent": {"name": "expanded"},
    })
}

fn read(row: &Value) -> CallbackRow {
    CallbackRow::read(row.to_string().as_bytes()).unwrap()
}

#[test]
fn a_call_back_says_which_record_and_who_but_not_which_columns() {
    let read = read(&row());
    let hint = read.hint("account").unwrap();
    assert_eq!(hint.object, "account");
    assert_eq!(record(&hint), RECORD);
    assert_eq!(hint.kind, ChangeKind::Update);
    assert_eq!(hint.origin.user.as_deref(), Some(OTHER));
    assert_eq!(hint.at, "2026-03-14T08:00:00Z".parse().ok());
    assert!(hint.fields.is_empty());
}

#[test]
fn the_row_is_read_with_its_lookups_and_labels() {
    let columns = read(&row()).columns;
    assert_eq!(
        columns.get("name"),
        Some(&Native::Text("Acme \"20\"".to_owned()))
    );
    assert_eq!(
        columns.get("revenue"),
        Some(&Native::Number("100.1".parse().unwrap()))
    );
    assert_eq!(columns.lookup("ownerid").unwrap().to_string(), USER);
    assert_eq!(columns.label("statecode"), Some("Active"));
    let names: Vec<&str> = columns.iter().map(|(name, _)| name).collect();
    assert!(!names.contains(&"SdkMessage") && !names.contains(&"parent"));
    assert!(names.iter().all(|name| !name.contains('@')));
}

#[test]
fn a_deleted_row_has_its_id_alone() {
    let read = read(&json!({"SdkMessage": "Delete", "ItemInternalId": RECORD}));
    let hint = read.hint("account").unwrap();
    assert_eq!(
        (record(&hint).as_str(), hint.kind),
        (RECORD, ChangeKind::Delete)
    );
    assert!(read.columns.is_empty());
}

#[test]
fn rows_that_name_no_record_and_tables_that_are_none_are_refused() {
    let refused = |row: Value| {
        CallbackRow::read(row.to_string().as_bytes())
            .unwrap_err()
            .to_string()
    };
    let expected = "expected the guid of the record at \"/ItemInternalId\" of the event";
    assert_eq!(refused(json!({"SdkMessage": "Create"})), expected);
    assert_eq!(refused(json!({"ItemInternalId": "CANARY"})), expected);
    assert_eq!(
        refused(json!([])),
        "expected an object at \"\" of the event"
    );
    assert!(read(&row()).hint("no table").is_err());
}
