use super::*;
use crate::json::{Limits, parse};
use crate::order::{FreightInTotal, TotalMode};
use serde_json::{Value as V, json};

fn good() -> V {
    json!({
        "orderId": "ORD-1", "customerId": "C-1", "orderDate": "2026-03-14",
        "totalAmount": 95.00, "currency": "USD", "freight": 12.5,
        "lineItems": [
            {"itemNumber": 1, "productCode": "P-1", "quantity": 10, "unitPrice": 10.0, "discount": 0.05}
        ],
        "shippingAddress": {"street": "1 Main St", "city": "Seattle", "state": "WA",
                            "zip": "00501", "country": "US"},
        "channel": {"kind": "web"}
    })
}

fn check(data: &V, rules: &OrderRules) -> Result<Validated, Vec<(String, Rule)>> {
    check_text(&data.to_string(), rules)
}

fn check_text(text: &str, rules: &OrderRules) -> Result<Validated, Vec<(String, Rule)>> {
    let data = parse(text.as_bytes(), &Limits::default()).unwrap();
    validate(&data, rules).map_err(|violations| {
        violations
            .into_iter()
            .map(|violation| (violation.pointer, violation.rule))
            .collect()
    })
}

/// The violations after `change` was made to a good order.
fn broken(change: impl FnOnce(&mut V)) -> Vec<(String, Rule)> {
    let mut data = good();
    change(&mut data);
    check(&data, &OrderRules::default()).unwrap_err()
}

fn one(pointer: &str, rule: Rule) -> Vec<(String, Rule)> {
    vec![(pointer.to_owned(), rule)]
}

#[test]
fn a_good_order_is_read_whole() {
    let valid = check(&good(), &OrderRules::default()).unwrap();
    assert!(valid.warnings.is_empty());
    let order = valid.order;
    assert_eq!(order.order_id.as_str(), "ORD-1");
    assert_eq!(order.lines_total(), Decimal::new(9500, 2));
    assert_eq!(order.shipping_address.zip.as_deref(), Some("00501"));
    assert_eq!(order.unknown["channel"].get(), r#"{"kind":"web"}"#);
}

#[test]
fn every_violation_is_reported_in_one_pass() {
    let found = check_text(
        r#"{"orderId":"a/b","customerId":7,"orderDate":"2026-02-30","totalAmount":-1,
            "currency":"XXX","lineItems":[{"itemNumber":1,"productCode":"P","quantity":0,
            "unitPrice":1e3},{"itemNumber":1,"productCode":" ","quantity":1,"unitPrice":1}],
            "shippingAddress":{"street":"","city":"X","country":"usa"}}"#,
        &OrderRules::default(),
    )
    .unwrap_err();
    let expected = [
        ("/orderId", Rule::Character),
        (
            "/customerId",
            Rule::WrongType {
                expected: "a string",
            },
        ),
        ("/orderDate", Rule::NotADate),
        ("/totalAmount", Rule::TooSmall),
        ("/currency", Rule::UnknownCurrency),
        ("/lineItems/0/quantity", Rule::TooSmall),
        ("/lineItems/0/unitPrice", Rule::NotPlainDecimal),
        ("/lineItems/1/productCode", Rule::Empty),
        ("/shippingAddress/street", Rule::Empty),
        ("/shippingAddress/country", Rule::BadCountry),
    ];
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(pointer, rule)| (pointer.to_owned(), rule))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn each_missing_member_is_named() {
    for name in [
        "orderId",
        "customerId",
        "orderDate",
        "totalAmount",
        "currency",
        "lineItems",
        "shippingAddress",
    ] {
        let found = broken(|data| {
            data.as_object_mut().unwrap().remove(name);
        });
        assert_eq!(found, one(&format!("/{name}"), Rule::Missing));
    }
    for name in ["itemNumber", "productCode", "quantity", "unitPrice"] {
        let found = broken(|data| {
            data["lineItems"][0].as_object_mut().unwrap().remove(name);
        });
        assert_eq!(found, one(&format!("/lineItems/0/{name}"), Rule::Missing));
    }
}

#[test]
fn null_is_the_same_as_absent() {
    let found = broken(|data| data["customerId"] = V::Null);
    assert_eq!(found, one("/customerId", Rule::Missing));
    let mut data = good();
    data["freight"] = V::Null;
    assert!(check(&data, &OrderRules::default()).is_ok());
}

#[test]
fn numbers_that_are_no_money_are_refused() {
    let cases = [
        ("1e3", Rule::NotPlainDecimal),
        ("1E400", Rule::NotPlainDecimal),
        (
            "\"12.00\"",
            Rule::WrongType {
                expected: "a number",
            },
        ),
        (
            "\"NaN\"",
            Rule::WrongType {
                expected: "a number",
            },
        ),
        ("-0.01", Rule::TooSmall),
        ("1000000000000.01", Rule::TooLarge),
        ("123456789012345678901234567890", Rule::TooLarge),
        ("0.1234567", Rule::TooPrecise { scale_max: 6 }),
        ("12345678901.123456", Rule::TooPrecise { scale_max: 6 }),
        (
            "true",
            Rule::WrongType {
                expected: "a number",
            },
        ),
    ];
    for (number, rule) in cases {
        let text = good()
            .to_string()
            .replace("\"unitPrice\":10.0", &format!("\"unitPrice\":{number}"));
        let found = check_text(&text, &OrderRules::default()).unwrap_err();
        assert_eq!(found, one("/lineItems/0/unitPrice", rule), "{number}");
    }
}

#[test]
fn quantities_are_positive_and_bounded() {
    assert_eq!(
        broken(|data| data["lineItems"][0]["quantity"] = json!(-3)),
        one("/lineItems/0/quantity", Rule::TooSmall)
    );
    assert_eq!(
        broken(|data| data["lineItems"][0]["quantity"] = json!(1_000_001)),
        one("/lineItems/0/quantity", Rule::TooLarge)
    );
}

#[test]
fn a_total_has_no_more_digits_than_its_currency() {
    assert_eq!(
        broken(|data| data["totalAmount"] = json!(95.001)),
        one("/totalAmount", Rule::TooPrecise { scale_max: 2 })
    );
    assert_eq!(
        broken(|data| {
            data["currency"] = json!("JPY");
            data["totalAmount"] = json!(95.5);
            data["freight"] = json!(12);
        }),
        one("/totalAmount", Rule::TooPrecise { scale_max: 0 })
    );
}

#[test]
fn dates_have_to_exist() {
    for date in [
        "2026-02-30",
        "2026-13-01",
        "14.03.2026",
        "2026-3-14",
        "yesterday",
        "",
    ] {
        let found = broken(|data| data["orderDate"] = json!(date));
        assert_eq!(found, one("/orderDate", Rule::NotADate), "{date}");
    }
    let found = broken(|data| data["orderDate"] = json!("1899-12-31"));
    assert_eq!(found, one("/orderDate", Rule::YearOutOfRange));
}

#[test]
fn the_business_date_of_a_timestamp_is_the_one_that_was_written() {
    let mut data = good();
    data["orderDate"] = json!("2026-03-14T23:30:00-08:00");
    let order = check(&data, &OrderRules::default()).unwrap().order;
    assert_eq!(order.order_date.to_string(), "2026-03-14");
}

#[test]
fn lines_are_counted_and_numbered_once() {
    assert_eq!(
        broken(|data| data["lineItems"] = json!([])),
        one("/lineItems", Rule::NoLines)
    );
    assert_eq!(
        broken(|data| {
            let line = data["lineItems"][0].clone();
            data["lineItems"].as_array_mut().unwrap().push(line);
        }),
        one("/lineItems/1/itemNumber", Rule::DuplicateItemNumber)
    );
    let rules = OrderRules {
        lines_max: 0,
        ..OrderRules::default()
    };
    assert_eq!(
        check(&good(), &rules).unwrap_err(),
        one("/lineItems", Rule::TooManyLines { max: 0 })
    );
}

#[test]
fn an_order_that_is_no_object_is_refused() {
    let found = check(&json!([1]), &OrderRules::default()).unwrap_err();
    assert_eq!(
        found,
        one(
            "",
            Rule::WrongType {
                expected: "an object"
            }
        )
    );
}

#[test]
fn the_total_is_checked_as_the_policy_says() {
    use FreightInTotal::{Either, Excluded, Included};
    use TotalMode::{Enforce, Off, Warn};

    let with = |mode, freight, total: f64| {
        let mut data = good();
        data["totalAmount"] = json!(total);
        let total = TotalPolicy {
            mode,
            freight,
            ..TotalPolicy::default()
        };
        let rules = OrderRules {
            total,
            ..OrderRules::default()
        };
        match check(&data, &rules) {
            Ok(valid) if valid.warnings.is_empty() => "fits",
            Ok(_) => "warns",
            Err(_) => "refused",
        }
    };
    assert_eq!(with(Enforce, Excluded, 95.0), "fits");
    assert_eq!(with(Enforce, Excluded, 95.01), "fits");
    assert_eq!(with(Enforce, Excluded, 95.02), "refused");
    assert_eq!(with(Enforce, Excluded, 107.5), "refused");
    assert_eq!(with(Enforce, Included, 107.5), "fits");
    assert_eq!(with(Enforce, Either, 107.5), "fits");
    assert_eq!(with(Enforce, Either, 95.0), "fits");
    assert_eq!(with(Warn, Either, 100.0), "warns");
    assert_eq!(with(Off, Either, 100.0), "fits");
}

#[test]
fn a_violation_never_shows_what_was_sent() {
    let secret = "CANARY-7f3a";
    let text = good()
        .to_string()
        .replace("\"C-1\"", &format!("\"{secret}\\u0000\""))
        .replace("\"US\"", &format!("\"{secret}\""))
        .replace("2026-03-14", secret);
    let data = parse(text.as_bytes(), &Limits::default()).unwrap();
    let violations = validate(&data, &OrderRules::default()).unwrap_err();
    assert_eq!(violations.len(), 3);
    for violation in violations {
        assert!(!format!("{violation} {violation:?}").contains(secret));
    }
}
