use omnisync_adapters_dataverse::webhook::{CallbackRow, DeltaPage, ExecutionContext, describe};
use omnisync_core::crm::Hint;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::fixture::{OTHER, RECORD, USER, entity, pair, record, reference, typed, update};

/// One body that has every form of value in it.
fn body() -> String {
    let option = typed("OptionSetValue", json!({"Value": 1}));
    let mut event = update(&[
        pair("name", &json!("Länder \"&\" \u{1F600}")),
        pair("revenue", &typed("Money", json!({"Value": -12.50}))),
        pair("codes", &json!([option, option])),
        pair("ownerid", &reference("team", OTHER)),
        pair("founded", &json!("/Date(-86400000-0730)/")),
        pair(
            "flag",
            &typed("BooleanManagedProperty", json!({"Value": true})),
        ),
        pair(
            "parties",
            &typed(
                "EntityCollection",
                json!({"Entities": [entity("x", USER, &[])]}),
            ),
        ),
        pair("far", &typed("AliasedValue", json!({"Value": 1e10}))),
    ]);
    event["PostEntityImages"] = json!([pair("image", &entity("account", RECORD, &[]))]);
    event["ParentContext"] = update(&[]);
    event["SdkMessage"] = Value::Null;
    event.to_string()
}

fn page() -> String {
    json!({
        "@odata.context": "https://a/$metadata#accounts/$delta", "@odata.deltaLink": "https://a/d",
        "value": [
            {"@odata.etag": "W/\"1\"", "accountid": RECORD, "name": null},
            {"@odata.context": "#accounts/$deletedEntity", "id": OTHER, "reason": "deleted"},
        ],
    })
    .to_string()
}

fn row() -> String {
    json!({"SdkMessage": "Update", "ItemInternalId": RECORD, "_x_value": USER}).to_string()
}

/// Reads with everything. Whatever is read names one record a hint, and can be shown.
fn read_all(bytes: &[u8]) {
    let check = |hints: &[Hint]| assert!(hints.iter().all(|hint| !record(hint).is_empty()));
    if let Ok(context) = ExecutionContext::read(bytes) {
        assert!(
            context
                .identity()
                .is_none_or(|identity| !identity.contains('/'))
        );
        check(&context.hints().unwrap_or_default());
        check(&context.into_cut().hints().unwrap_or_default());
    }
    if let Ok(row) = CallbackRow::read(bytes) {
        check(&[row.hint("account").unwrap()]);
    }
    if let Ok(page) = DeltaPage::read(bytes, "accountid") {
        check(&page.hints("account").unwrap());
    }
    if let Ok(shown) = describe(bytes) {
        assert!(shown["form"].is_string());
    }
}

/// Texts that stand where others belong.
fn pieces() -> impl Strategy<Value = String> {
    let known = [
        "null",
        "true",
        "[]",
        "{}",
        "\"\"",
        "-0",
        "1e999",
        "1e-4294967296",
        "\"/Date(1-0000)/\"",
        "{\"__type\":\"Entity:\"}",
        "{\"__type\":\"Money:x\",\"Value\":1e30}",
        "{\"__type\":\"EntityCollection:\",\"Entities\":[1]}",
        "[{\"key\":\"Target\"}]",
        "[{\"key\":\"Target\",\"value\":[{\"LogicalName\":\"a\",\"Id\":null}]}]",
        "99999999999999999999999999999999999999999999",
    ];
    proptest::sample::select(known.to_vec()).prop_map(str::to_owned)
}

/// Every value of a document, by its pointer.
fn pointers(value: &Value, at: &str, out: &mut Vec<String>) {
    out.push(at.to_owned());
    match value {
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                pointers(element, &format!("{at}/{index}"), out);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                pointers(member, &format!("{at}/{}", name.replace('/', "~1")), out);
            }
        }
        _ => {}
    }
}

#[test]
fn the_bodies_are_read_as_they_are() {
    let context = ExecutionContext::read(body().as_bytes()).unwrap();
    assert_eq!(context.hints().unwrap()[0].fields.len(), 8);
    assert_eq!(
        DeltaPage::read(page().as_bytes(), "accountid")
            .unwrap()
            .rows
            .len(),
        2
    );
    assert!(CallbackRow::read(row().as_bytes()).is_ok());
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(bytes in any::<Vec<u8>>()) {
        read_all(&bytes);
    }

    #[test]
    fn no_broken_body_makes_a_reader_panic(
        body in proptest::sample::select(vec![body(), page(), row()]),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
        end in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        let mut bytes = body.into_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(end) = end {
            bytes.truncate(end.index(bytes.len()));
        }
        read_all(&bytes);
    }

    #[test]
    fn no_value_in_the_wrong_place_makes_a_reader_panic(
        body in proptest::sample::select(vec![body(), page(), row()]),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), pieces()), 1..4),
    ) {
        let mut document: Value = serde_json::from_str(&body).unwrap();
        let mut texts = Vec::new();
        for (position, (at, piece)) in changes.into_iter().enumerate() {
            let mut all = Vec::new();
            pointers(&document, "", &mut all);
            let place = document.pointer_mut(&all[at.index(all.len())]).unwrap();
            *place = json!(format!("@{position}@"));
            texts.push(piece);
        }
        let mut body = document.to_string();
        for (position, piece) in texts.iter().enumerate() {
            body = body.replace(&format!("\"@{position}@\""), piece);
        }
        read_all(body.as_bytes());
    }
}
