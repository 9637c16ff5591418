//! The packager of `omnisync-core` against a reader that knows nothing of it.

use std::collections::BTreeMap;

use chrono::DateTime;
use omnisync_core::dixf::{FieldMap, PackageWriter};
use omnisync_core::event::CloudEvent;
use omnisync_core::id::{BatchId, ProjectName};
use omnisync_core::json::{self, Limits};
use omnisync_core::order::{Order, OrderRules, validate};
use omnisync_core::package::PackageInfo;
use omnisync_testkit::generate::OrderGenerator;
use rust_decimal::Decimal;

use super::place;

const ORDERS: usize = 300;

fn orders() -> Vec<Order> {
    OrderGenerator::new(7)
        .with_awkward(300)
        .take(ORDERS)
        .map(|event| {
            let event = CloudEvent::from_json(&event.bytes).unwrap();
            let data = event.into_data();
            let data = data.as_json().unwrap().as_bytes();
            let data = json::parse(data, &Limits::default()).unwrap();
            validate(&data, &OrderRules::default()).unwrap().order
        })
        .collect()
}

fn packed(orders: &[Order]) -> Vec<u8> {
    let info = PackageInfo {
        definition_group: ProjectName::new("Orders").unwrap(),
        description: "orders <of> \"today\" & more".to_owned(),
        batch_id: BatchId::from_hash([1; 16]),
        created_at: DateTime::UNIX_EPOCH,
        exported_by: "test".to_owned(),
    };
    let map = FieldMap::dmf().compile().unwrap();
    let mut writer = PackageWriter::new(Vec::new(), &map, info).unwrap();
    for order in orders {
        writer.append(order).unwrap();
    }
    writer.finish().unwrap().0
}

fn number(text: &str) -> Decimal {
    text.parse().unwrap()
}

#[tokio::test]
async fn packed_orders_arrive_with_their_exact_amounts() {
    let orders = orders();
    let place = place(|_| ()).await;

    let word = place.client.import("E-1", &packed(&orders)).await;

    assert_eq!(place.client.errors("E-1").await, []);
    assert_eq!(word, "Succeeded");
    let headers = place.fno.headers();
    let mut lines = BTreeMap::new();
    for line in place.fno.lines().into_values() {
        let order = line.get("SALESORDERNUMBER").to_owned();
        let item = number(line.get("LINECREATIONSEQUENCENUMBER"));
        assert!(lines.insert((order, item), line).is_none());
    }
    assert_eq!(headers.len(), ORDERS);
    let expected: usize = orders.iter().map(|order| order.line_items.len()).sum();
    assert_eq!(lines.len(), expected);
    for order in &orders {
        let id = order.order_id.as_str();
        let header = &headers[id];
        assert_eq!(header.get("CURRENCYCODE"), order.currency.to_string());
        assert_eq!(
            header.get("ORDERINGCUSTOMERACCOUNTNUMBER"),
            order.customer_id
        );
        assert_eq!(
            header.get("DELIVERYADDRESSCITY"),
            order.shipping_address.city
        );
        for item in &order.line_items {
            let line = &lines[&(id.to_owned(), Decimal::from(item.item_number))];
            assert_eq!(line.get("ITEMNUMBER"), item.product_code);
            assert_eq!(number(line.get("ORDEREDSALESQUANTITY")), item.quantity);
            assert_eq!(number(line.get("SALESPRICE")), item.unit_price);
            let full = item.quantity * item.unit_price;
            let amount = full - full * item.discount.unwrap_or_default();
            // Rounded to the digits of the currency, and no further.
            let written = number(line.get("LINEAMOUNT"));
            let off = (written - amount).abs();
            assert!(off <= Decimal::new(5, written.scale() + 1), "{id}: {off}");
        }
    }
}

#[tokio::test]
async fn packed_orders_that_come_again_double_nothing() {
    let orders = orders();
    let package = packed(&orders);
    let place = place(|_| ()).await;

    place.client.import("E-1", &package).await;
    let lines = place.fno.lines().len();
    place.client.import("E-2", &package).await;

    assert_eq!(place.fno.headers().len(), ORDERS);
    assert_eq!(place.fno.lines().len(), lines);
    assert!(place.fno.lines().values().all(|line| line.imports == 2));
}
