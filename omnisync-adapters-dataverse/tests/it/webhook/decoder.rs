use omnisync_adapters_dataverse::webhook::ContextDecoder;
use omnisync_core::crm::HintScope;
use omnisync_core::flow::HintDecoder as _;
use omnisync_core::port::{DeadLetterReason, Delivery, DeliveryToken};
use serde_json::json;

use super::fixture::{RECORD, message, pair, reference, update};

fn delivery(headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Delivery {
    let headers = headers.iter();
    Delivery {
        token: DeliveryToken("1".to_owned()),
        attempt: 1,
        cursor: "1".to_owned(),
        headers: headers
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        body: body.into().into(),
    }
}

#[test]
fn a_delivery_gives_the_hints_of_its_context() {
    let event = update(&[pair("name", &json!("Acme"))]);
    for (headers, fields) in [
        ([].as_slice(), 1),
        (&[("x-ms-dynamics-msg-size-exceeded", "true")], 0),
    ] {
        let delivery = delivery(headers, event.to_string());
        let hints = ContextDecoder.decode(&delivery).unwrap();
        let scope = HintScope::Records(vec![RECORD.parse().unwrap()]);
        assert_eq!(hints.len(), 1);
        assert_eq!((&hints[0].scope, hints[0].fields.len()), (&scope, fields));
    }
}

#[track_caller]
fn check(body: impl Into<Vec<u8>>, reason: DeadLetterReason) {
    let dead = ContextDecoder.decode(&delivery(&[], body)).unwrap_err();
    assert_eq!(dead.reason, reason);
    assert!(!dead.description.contains("Acme"), "{}", dead.description);
}

#[test]
fn what_can_never_be_read_says_why() {
    check("{\"Acme", DeadLetterReason::JsonDeserialiseFailure);
    check(vec![b' '; 600 * 1_024], DeadLetterReason::TooLarge);
    check("\"Acme\"", DeadLetterReason::ValidationFailure);
    let mut nobody = message("Delete", &[pair("Target", &reference("account", RECORD))]);
    nobody["PrimaryEntityId"] = json!(null);
    nobody["InputParameters"] = json!([]);
    check(nobody.to_string(), DeadLetterReason::ValidationFailure);
}
