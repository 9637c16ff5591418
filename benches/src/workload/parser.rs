use omnisync_core::event::CloudEvent;
use omnisync_core::json::{self, Limits};
use omnisync_core::order::{Order, OrderRules, validate};

use super::{Failure, Work};
use crate::events::order_events;

const SEED: u64 = 1;

/// Events in JSON become valid orders.
#[derive(Debug)]
pub struct Parser {
    events: Vec<String>,
}

impl Parser {
    /// The work for this many orders.
    pub fn new(orders: u32) -> Self {
        let events = order_events(SEED, orders).collect();
        Self { events }
    }

    /// The orders that the work finds.
    pub(super) fn orders(&self) -> impl Iterator<Item = Result<Order, Failure>> {
        self.events.iter().map(|event| order(event))
    }
}

impl Work for Parser {
    fn run(&self) -> Result<u64, Failure> {
        let mut lines = 0;
        for order in self.orders() {
            lines += u64::try_from(order?.line_items.len())?;
        }
        Ok(lines)
    }
}

/// The order of an event in JSON.
///
/// # Errors
/// What is wrong with the event.
pub fn order(event: &str) -> Result<Order, Failure> {
    let event = CloudEvent::from_json(event.as_bytes())?;
    let text = event.data().as_json().ok_or("an event without data")?;
    let data = json::parse(text.as_bytes(), &Limits::default())?;
    let valid = validate(&data, &OrderRules::default())
        .map_err(|violations| format!("an order with {} violations", violations.len()))?;
    Ok(valid.order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_an_order() {
        let work = Parser::new(20);
        assert_eq!(work.orders().flatten().count(), 20);
        assert_eq!(work.run().unwrap(), work.run().unwrap());
    }
}
