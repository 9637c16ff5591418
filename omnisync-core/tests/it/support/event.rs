//! Order events, written out.

use chrono::{DateTime, SecondsFormat, Utc};
use omnisync_testkit::fake::Message;

/// A country that may be written but that nobody assigned: orders pass validation, and the field
/// map has no value for their country column.
pub(crate) const NOWHERE: &str = "QQ";

/// An order event, rendered on demand.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) kind: &'static str,
    pub(crate) key: String,
    pub(crate) order: String,
    pub(crate) revision: Option<u64>,
    pub(crate) time: Option<DateTime<Utc>>,
    pub(crate) quantity: u32,
    pub(crate) lines: u32,
    pub(crate) country: String,
    pub(crate) name: String,
    pub(crate) street: String,
}

impl Event {
    pub(crate) fn created(order: &str) -> Self {
        Self {
            kind: "OMS.Order.Created",
            key: format!("{order}-1"),
            order: order.to_owned(),
            revision: Some(1),
            time: None,
            quantity: 1,
            lines: 2,
            country: "CA".to_owned(),
            name: "Zoe".to_owned(),
            street: "1 Main St".to_owned(),
        }
    }

    /// The order with twice the quantity.
    pub(crate) fn updated(order: &str, revision: u64) -> Self {
        Self {
            kind: "OMS.Order.Updated",
            key: format!("{order}-{revision}"),
            revision: Some(revision),
            quantity: u32::try_from(revision).unwrap(),
            ..Self::created(order)
        }
    }

    pub(crate) fn cancelled(order: &str, revision: u64) -> Self {
        Self {
            kind: "OMS.Order.Cancelled",
            ..Self::updated(order, revision)
        }
    }

    pub(crate) fn of_nowhere(mut self) -> Self {
        self.country = NOWHERE.to_owned();
        self
    }

    pub(crate) fn at(mut self, time: DateTime<Utc>) -> Self {
        self.time = Some(time);
        self
    }

    pub(crate) fn json(&self) -> String {
        let lines: Vec<String> = (1..=self.lines)
            .map(|number| {
                format!(
                    r#"{{"itemNumber":{number},"productCode":"P-{number}","quantity":{},"unitPrice":2.50}}"#,
                    self.quantity
                )
            })
            .collect();
        let revision = self
            .revision
            .map_or_else(String::new, |number| format!(r#""revision":{number},"#));
        let time = self.time.map_or_else(String::new, |time| {
            let time = time.to_rfc3339_opts(SecondsFormat::Millis, true);
            format!(r#""time":"{time}","#)
        });
        let total = f64::from(self.quantity * self.lines) * 2.5;
        format!(
            r#"{{"specversion":"1.0","type":"{}","source":"https://oms.example/orders","id":"{}",{time}"datacontenttype":"application/json","data":{{"orderId":"{}",{revision}"customerId":"C-1","orderDate":"2026-01-01","totalAmount":{total:.2},"currency":"CAD","lineItems":[{}],"shippingAddress":{{"name":"{}","street":"{}","city":"Toronto","country":"{}"}}}}}}"#,
            self.kind,
            self.key,
            self.order,
            lines.join(","),
            self.name,
            self.street,
            self.country,
        )
    }

    pub(crate) fn message(&self) -> Message {
        Message::new(self.json())
    }
}
