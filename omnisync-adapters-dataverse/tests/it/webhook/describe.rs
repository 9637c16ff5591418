use omnisync_adapters_dataverse::webhook::describe;
use serde_json::{Value, json};

use super::fixture::{
    OPERATION, ORGANIZATION, OTHER, RECORD, USER, pair, reference, typed, update,
};

fn described(body: &Value) -> Value {
    describe(body.to_string().as_bytes()).unwrap()
}

#[test]
fn an_event_is_shown_with_what_comes_of_it() {
    let mut event = update(&[
        pair("name", &json!("Acme")),
        pair("revenue", &typed("Money", json!({"Value": 12.50}))),
        pair(
            "industrycode",
            &typed("OptionSetValue", json!({"Value": 7})),
        ),
        pair(
            "parentaccountid",
            &reference("account", &OTHER.to_uppercase()),
        ),
        pair("new_ref", &json!(format!("{{{}}}", USER.to_uppercase()))),
    ]);
    event["OperationCreatedOn"] = json!("/Date(1773475200000-0700)/");
    let shown = described(&event);
    assert_eq!(shown["form"], "executionContext");
    assert_eq!(
        shown["identity"],
        format!("{ORGANIZATION}:{OPERATION}:1:Update:{RECORD}")
    );
    assert_eq!(shown["hints"][0]["kind"], "update");
    let context = &shown["context"];
    assert_eq!(context["operationCreatedOn"], "2026-03-14T01:00:00-07:00");
    assert_eq!(context["initiatingUserId"], USER);
    assert_eq!(context["depth"], 1);
    assert!(context.get("requestId").is_none());
    let columns = &context["inputParameters"]["Target"]["entity"]["attributes"];
    assert_eq!(columns["name"], "Acme");
    assert_eq!(columns["revenue"], json!({"money": "12.5"}));
    assert_eq!(columns["industrycode"], json!({"choice": 7}));
    assert_eq!(columns["parentaccountid"]["reference"]["id"], OTHER);
    assert_eq!(columns["new_ref"], USER);
    assert_eq!(columns["modifiedon"], "2026-03-14T08:00:00Z");
}

#[test]
fn an_event_that_cannot_be_followed_is_shown_with_the_reason() {
    let shown = described(&json!({"MessageName": "WhoAmI", "New": [1]}));
    let reason = shown["hints"]["refused"].as_str().unwrap();
    assert!(reason.starts_with("the event names no record"), "{reason}");
    assert_eq!(shown["context"]["unknown"], json!({"New": [1]}));
}

#[test]
fn names_that_occur_twice_are_both_shown() {
    let event = update(&[
        pair("x", &json!(1)),
        pair("x", &json!(2)),
        pair("x", &json!(3)),
    ]);
    let shown = described(&event);
    let columns = &shown["context"]["inputParameters"]["Target"]["entity"]["attributes"];
    assert_eq!(
        [&columns["x"], &columns["x#2"], &columns["x#3"]],
        ["1", "2", "3"]
    );
}

#[test]
fn the_other_forms_are_told_apart() {
    let row = json!({"SdkMessage": "Create", "ItemInternalId": RECORD, "revenue": 0.1});
    let shown = described(&row);
    assert_eq!(shown["form"], "callbackRow");
    assert_eq!(shown["columns"], json!({"revenue": "0.1"}));
    let page = json!({
        "@odata.context": "https://a/$metadata#accounts/$delta", "@odata.deltaLink": "https://a/d",
        "value": [
            {"@odata.etag": "W/\"1\"", "accountid": RECORD, "_ownerid_value": USER},
            {"@odata.context": "#accounts/$deletedEntity", "id": OTHER, "reason": "deleted"},
        ],
    });
    let shown = described(&page);
    assert_eq!(shown["form"], "deltaPage");
    assert_eq!(shown["deltaLink"], "https://a/d");
    assert_eq!(shown["rows"][0]["record"], RECORD);
    assert_eq!(
        shown["rows"][1],
        json!({"change": "deleted", "record": OTHER})
    );
}

#[test]
fn bytes_that_are_no_event_are_refused() {
    assert!(describe(b"").is_err());
    assert!(describe(b"[1]").is_err());
    assert!(describe(b"\xff").is_err());
}
