use omnisync_adapters_dataverse::webhook::{DecodeError, DeltaPage, DeltaRow, NextLink};
use omnisync_core::crm::{ChangeKind, Native};
use omnisync_core::json::Limits;
use serde_json::{Value, json};

use super::fixture::{OTHER, RECORD, USER, record};

const BASE: &str = "https://acme.crm.dynamics.com/api/data/v9.2";

fn page() -> Value {
    json!({
        "@odata.context": format!("{BASE}/$metadata#accounts(name)/$delta"),
        "@odata.deltaLink": format!("{BASE}/accounts?$select=name&$deltatoken=919043%2103"),
        "value": [
            {
                "@odata.etag": "W/\"915244\"", "accountid": RECORD, "name": "Acme",
                "_modifiedby_value": USER, "modifiedon": "2026-03-14T08:00:00Z",
            },
            {
                "@odata.context": format!("{BASE}/$metadata#accounts/$deletedEntity"),
                "id": OTHER.to_uppercase(), "reason": "deleted",
            },
        ],
    })
}

fn read(page: &Value) -> Result<DeltaPage, DecodeError> {
    DeltaPage::read(page.to_string().as_bytes(), "accountid")
}

#[test]
fn changed_and_deleted_rows_become_hints_in_their_order() {
    let page = read(&page()).unwrap();
    let hints = page.hints("account").unwrap();
    assert_eq!(hints.len(), 2);
    assert_eq!(
        (record(&hints[0]).as_str(), hints[0].kind),
        (RECORD, ChangeKind::Update)
    );
    assert_eq!(hints[0].at, "2026-03-14T08:00:00Z".parse().ok());
    assert_eq!(hints[0].origin.user.as_deref(), Some(USER));
    assert!(hints[0].fields.is_empty());
    assert_eq!(
        (record(&hints[1]).as_str(), hints[1].kind),
        (OTHER, ChangeKind::Delete)
    );
    assert!(hints.iter().all(|hint| hint.object == "account"));
}

#[test]
fn a_row_carries_its_version_and_what_was_selected() {
    let page = read(&page()).unwrap();
    let DeltaRow::Changed {
        version, columns, ..
    } = &page.rows[0]
    else {
        panic!("{:?}", page.rows[0]);
    };
    assert_eq!(version.as_ref().unwrap().as_str(), "W/\"915244\"");
    assert_eq!(columns.get("name"), Some(&Native::Text("Acme".to_owned())));
}

#[test]
fn the_link_is_kept_as_it_is_and_not_shown() {
    let delta = format!("{BASE}/accounts?$select=name&$deltatoken=919043%2103");
    let read_page = read(&page()).unwrap();
    assert_eq!(read_page.next, Some(NextLink::Delta(delta)));
    assert!(!format!("{read_page:?}").contains("deltatoken"));
    let mut more = page();
    more["@odata.nextLink"] = json!(format!("{BASE}/accounts?$skiptoken=x"));
    assert!(matches!(read(&more).unwrap().next, Some(NextLink::Page(_))));
    let none = json!({"value": []});
    assert_eq!(read(&none).unwrap().next, None);
}

#[test]
fn a_row_that_is_gone_for_another_reason_is_not_called_deleted() {
    let mut page = page();
    page["value"][1]["reason"] = json!("changed");
    page["value"][1]["id"] = json!(format!("accounts({OTHER})"));
    let hints = read(&page).unwrap().hints("account").unwrap();
    assert_eq!(
        (record(&hints[1]).as_str(), hints[1].kind),
        (OTHER, ChangeKind::Unknown)
    );
}

#[test]
fn rows_without_a_record_are_named_by_their_place() {
    let refused = |page: &Value| read(page).unwrap_err().to_string();
    let mut missing = page();
    missing["value"][0]
        .as_object_mut()
        .unwrap()
        .remove("accountid");
    assert_eq!(
        refused(&missing),
        "expected the guid of the record at \"/value/0/accountid\" of the event"
    );
    let mut missing = page();
    missing["value"][1]["id"] = json!("CANARY");
    assert_eq!(
        refused(&missing),
        "expected the guid of the record at \"/value/1/id\" of the event"
    );
    assert_eq!(
        refused(&json!({})),
        "expected an array at \"/value\" of the event"
    );
    assert!(read(&page()).unwrap().hints("").is_err());
}

#[test]
fn limits_hold() {
    let limits = Limits {
        values_max: 5,
        ..Limits::default()
    };
    let body = page().to_string();
    let error = DeltaPage::read_within(body.as_bytes(), "accountid", &limits).unwrap_err();
    assert!(matches!(error, DecodeError::Json(_)), "{error}");
}
