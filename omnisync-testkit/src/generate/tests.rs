use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use omnisync_core::order::Currency;
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::Value;

use super::places::COUNTRIES;
use super::*;

fn decimal(value: &Value) -> Decimal {
    Decimal::from_str(&value.to_string()).unwrap()
}

fn parse(event: &GeneratedEvent) -> Value {
    serde_json::from_slice(&event.bytes).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let bytes = |seed| {
        let mut out = Vec::new();
        OrderGenerator::mixed(seed)
            .write_ndjson(2_000, &mut out)
            .unwrap();
        out
    };
    assert_eq!(bytes(5), bytes(5));
    assert_ne!(bytes(5), bytes(6));
}

#[test]
fn plain_events_are_valid_orders_whose_total_is_the_sum_of_their_lines() {
    for event in OrderGenerator::new(11).with_awkward(300).take(3_000) {
        let Expectation::Accepted {
            order_id,
            revision: 1,
        } = &event.expectation
        else {
            panic!("{:?}", event.expectation)
        };
        let json = parse(&event);
        let data = &json["data"];
        assert_eq!(data["orderId"], **order_id);
        let currency = Currency::parse(data["currency"].as_str().unwrap()).unwrap();
        let mut total = Decimal::ZERO;
        for line in data["lineItems"].as_array().unwrap() {
            let discount = line.get("discount").map(decimal).unwrap_or_default();
            let price = decimal(&line["unitPrice"]);
            assert!(price > Decimal::ZERO && price.scale() <= currency.minor_digits());
            let amount = decimal(&line["quantity"]) * price * (Decimal::ONE - discount);
            total += amount.round_dp_with_strategy(
                currency.minor_digits(),
                RoundingStrategy::MidpointNearestEven,
            );
        }
        assert_eq!(decimal(&data["totalAmount"]), total, "{order_id}");
    }
}

#[test]
fn the_table_of_countries_agrees_with_the_currencies_of_the_core() {
    for country in COUNTRIES {
        let currency = Currency::parse(country.currency).unwrap();
        assert_eq!(
            currency.minor_digits(),
            country.minor_digits,
            "{}",
            country.code
        );
        assert!(omnisync_core::order::Country::parse(country.code).is_some());
        assert!(!country.places.is_empty() && !country.streets.is_empty());
    }
    assert!(COUNTRIES.len() >= 20);
}

#[test]
fn every_event_is_one_line() {
    for event in OrderGenerator::mixed(3).with_awkward(500).take(3_000) {
        assert!(!event.bytes.contains(&b'\n'));
    }
}

#[test]
fn every_kind_of_invalid_event_is_drawn_and_differs_from_a_valid_one() {
    let mut seen = BTreeSet::new();
    let events = OrderGenerator::new(4)
        .with_invalid(1_000)
        .with_invalid_kinds(InvalidKind::ALL);
    for event in events.take(500) {
        let Expectation::DeadLetter { kind, reason } = event.expectation else {
            panic!("{:?}", event.expectation)
        };
        assert_eq!(reason, kind.reason());
        let parsed = serde_json::from_slice::<Value>(&event.bytes);
        let no_json = [
            InvalidKind::MalformedJson,
            InvalidKind::Truncated,
            InvalidKind::BadUtf8,
            InvalidKind::NotANumber,
        ];
        assert_eq!(parsed.is_err(), no_json.contains(&kind), "{kind:?}");
        let Ok(json) = parsed else {
            seen.insert(kind);
            continue;
        };
        let data = &json["data"];
        let broken = match kind {
            InvalidKind::DuplicateKey => {
                String::from_utf8_lossy(&event.bytes)
                    .matches("\"customerId\"")
                    .count()
                    == 2
            }
            InvalidKind::NoSpecVersion => json.get("specversion").is_none(),
            InvalidKind::UnknownType => json["type"] == "OMS.Order.Archived",
            InvalidKind::NullData => data.is_null(),
            InvalidKind::Oversized => event.bytes.len() > 1 << 20,
            InvalidKind::WrongType => data["lineItems"][0]["quantity"].is_string(),
            InvalidKind::MissingField => data.get("customerId").is_none(),
            InvalidKind::NegativeQuantity => data["lineItems"][0]["quantity"] == -3,
            InvalidKind::HugeQuantity => data["lineItems"][0]["quantity"].as_f64().unwrap() > 1e39,
            InvalidKind::BadCurrency => data["currency"] == "ZZZ",
            InvalidKind::ImpossibleDate => data["orderDate"] == "2026-02-30",
            InvalidKind::WrongTotal => data["totalAmount"].as_f64().unwrap() >= 10.0,
            other => panic!("{other:?} is no JSON"),
        };
        assert!(broken, "{kind:?}");
        seen.insert(kind);
    }
    assert_eq!(seen, InvalidKind::ALL.into());
}

#[test]
fn expectations_agree_with_a_model_that_keeps_the_latest_time() {
    let mut latest: BTreeMap<String, (String, Value)> = BTreeMap::new();
    let mut tally = Tally::default();
    for event in OrderGenerator::mixed(9).take(5_000) {
        tally.count(&event.expectation);
        if matches!(event.expectation, Expectation::DeadLetter { .. }) {
            continue;
        }
        let json = parse(&event);
        let id = json["data"]["orderId"].as_str().unwrap().to_owned();
        let time = json["time"].as_str().unwrap().to_owned();
        let known = latest.get(&id);
        let (newer, same) = known.map_or((true, false), |(at, data)| {
            (time > *at, time == *at && json["data"] == *data)
        });
        match &event.expectation {
            Expectation::Accepted { order_id, .. } => assert!(newer && *order_id == id),
            Expectation::Cancelled { order_id, .. } => {
                assert!(newer && *order_id == id);
                assert_eq!(json["type"], "OMS.Order.Cancelled");
            }
            Expectation::Duplicate { .. } => assert!(same, "{id}"),
            Expectation::Superseded { .. } => assert!(!newer && !same, "{id}"),
            Expectation::DeadLetter { .. } => {}
        }
        if newer {
            latest.insert(id, (time, json["data"].clone()));
        }
    }
    let every_kind = [
        tally.accepted,
        tally.cancelled,
        tally.duplicates,
        tally.superseded,
        tally.dead_letters,
    ];
    assert!(every_kind.iter().all(|count| *count > 30), "{tally:?}");
}
