//! The order events that everybody works on.

use omnisync_testkit::rng::SplitMix64;
use rust_decimal::Decimal;

const CUSTOMERS: u32 = 10_000;
const PRODUCTS: u32 = 5_000;
const LINES_MAX: u32 = 5;
const QUANTITY_MAX: u32 = 20;
/// Prices in cents, from 1.00.
const PRICE_MIN: u32 = 100;
const PRICES: u32 = 100_000;
/// City, state, postal code and country of the places that orders go to.
const PLACES: [(&str, &str, &str, &str); 5] = [
    ("Toronto", "ON", "M5V 2T6", "CA"),
    ("Seattle", "WA", "98101", "US"),
    ("Rotterdam", "ZH", "3011 AA", "NL"),
    ("Hamburg", "HH", "20095", "DE"),
    ("Lyon", "ARA", "69002", "FR"),
];

/// Events of `orders` orders, each in JSON on one line. The same seed makes the same events.
pub fn order_events(seed: u64, orders: u32) -> impl Iterator<Item = String> {
    let mut rng = SplitMix64::new(seed);
    (1..=orders).map(move |number| order_event(&mut rng, number))
}

/// The id of order `number`.
pub fn order_id(number: u32) -> String {
    format!("ORD-20260314-{number:07}")
}

/// The event of order `number`, drawn from `rng`.
pub fn order_event(rng: &mut SplitMix64, number: u32) -> String {
    let id = order_id(number);
    let mut total = Decimal::ZERO;
    let lines: Vec<String> = (1..=1 + rng.below(LINES_MAX))
        .map(|item| {
            let product = 1 + rng.below(PRODUCTS);
            let quantity = 1 + rng.below(QUANTITY_MAX);
            let price = Decimal::new(i64::from(PRICE_MIN + rng.below(PRICES)), 2);
            total += price * Decimal::from(quantity);
            format!(
                r#"{{"itemNumber":{item},"productCode":"SKU-{product:05}","quantity":{quantity},"unitPrice":{price}}}"#
            )
        })
        .collect();
    let (city, state, zip, country) = rng.pick(&PLACES).copied().unwrap_or(PLACES[0]);
    let (customer, house) = (1 + rng.below(CUSTOMERS), 1 + rng.below(999));
    let (minute, second) = (number / 60 % 60, number % 60);
    format!(
        r#"{{"specversion":"1.0","type":"OMS.Order.Created","source":"/oms/orders","id":"evt-{number:09}","time":"2026-03-14T08:{minute:02}:{second:02}Z","subject":"{id}","datacontenttype":"application/json","data":{{"orderId":"{id}","customerId":"CUST-{customer:05}","orderDate":"2026-03-14","totalAmount":{total},"currency":"USD","lineItems":[{lines}],"shippingAddress":{{"street":"{house} Harbour Street","city":"{city}","state":"{state}","zip":"{zip}","country":"{country}"}}}}}}"#,
        lines = lines.join(","),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_events() {
        let made = |seed| order_events(seed, 50).collect::<Vec<_>>();
        assert_eq!(made(1), made(1));
        assert_ne!(made(1), made(2));
    }
}
