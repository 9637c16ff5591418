//! What the order system sends in a run.

use omnisync_core::id::OrderId;
use omnisync_core::port::FailureClass;
use rust_decimal::Decimal;

use super::super::world::Sim;
use crate::fake::{Message, OrderFailure, PlainFormat};

/// Words that stand for personal data and must never appear outside an order's own document.
pub(super) const CANARIES: [&str; 2] = ["Canary-Zoe-7431", "Canary-Lane-2208"];
/// Currency of all orders.
pub(super) const CURRENCY: &str = "CAD";
/// Price of one piece in cents; its multiples are no binary fractions.
const UNIT_CENTS: i64 = 1_010;

/// How often the ERP fails an order that it always fails: more often than a run has time for.
const FAILURES: usize = 100;

/// What is special about an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Twist {
    /// Nothing.
    Plain,
    /// Its event comes twice under one id.
    SameEvent,
    /// Its content comes twice, under two ids.
    SameContent,
    /// A newer revision comes right behind it.
    Update,
    /// A newer revision comes before it.
    UpdateFirst,
    /// A newer revision comes once a batch has claimed the order.
    UpdateWhileClaimed,
    /// A newer revision comes once the ERP has the order.
    UpdateAfterImport,
    /// It is cancelled right away.
    Cancel,
    /// It is cancelled once a batch has claimed it.
    CancelWhileClaimed,
    /// It is cancelled once the ERP has it.
    CancelAfterImport,
    /// Another event has the same revision and other content.
    Conflict,
    /// The same, once a batch has claimed the order.
    ConflictWhileClaimed,
    /// It cannot be packed.
    Unpackable,
    /// Its event is cut off.
    CutOff,
    /// Its event is of a type that nobody agreed on.
    UnknownType,
    /// The ERP refuses it.
    Refused,
    /// The ERP takes its header and refuses its lines.
    HalfRefused,
    /// The ERP fails once, and takes it when it comes again.
    FailsOnce,
    /// The ERP takes its header, fails on its lines once, and takes all when it comes again.
    HalfFailsOnce,
    /// The ERP fails however often it comes.
    FailsAlways,
    /// The results of its import never mention it.
    Unmentioned,
}

impl Twist {
    /// All of them, the plain one first.
    pub const ALL: [Self; 21] = [
        Self::Plain,
        Self::SameEvent,
        Self::SameContent,
        Self::Update,
        Self::UpdateFirst,
        Self::UpdateWhileClaimed,
        Self::UpdateAfterImport,
        Self::Cancel,
        Self::CancelWhileClaimed,
        Self::CancelAfterImport,
        Self::Conflict,
        Self::ConflictWhileClaimed,
        Self::Unpackable,
        Self::CutOff,
        Self::UnknownType,
        Self::Refused,
        Self::HalfRefused,
        Self::FailsOnce,
        Self::HalfFailsOnce,
        Self::FailsAlways,
        Self::Unmentioned,
    ];
}

/// Where the orders of a run come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drawing {
    /// One order for each.
    Fixed(Vec<Twist>),
    /// Between one order and so many, each with any twist.
    Any {
        /// Most orders.
        orders_max: u32,
    },
}

/// When a message is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    AtOnce,
    Claimed,
    Imported,
}

/// Everything about the orders of a run.
#[derive(Debug)]
pub(super) struct Workload {
    pub(super) orders: Vec<PlannedOrder>,
}

/// One order, and all that is sent about it.
#[derive(Debug)]
pub(super) struct PlannedOrder {
    pub(super) id: OrderId,
    pub(super) twist: Twist,
    pub(super) events: Vec<PlannedEvent>,
}

/// One event.
#[derive(Debug, Clone)]
pub(super) struct PlannedEvent {
    pub(super) id: String,
    pub(super) when: When,
    /// Can be accepted at all.
    pub(super) is_valid: bool,
    pub(super) revision: u64,
    pub(super) cancels: bool,
    /// What the ERP has to hold if this event's content counts.
    pub(super) amount: Decimal,
    pub(super) message: Message,
}

impl Workload {
    pub(super) fn draw(drawing: &Drawing, sim: &Sim) -> Self {
        let twists: Vec<Twist> = match drawing {
            Drawing::Fixed(twists) => twists.clone(),
            Drawing::Any { orders_max } => {
                let orders = 1 + sim.choose(*orders_max);
                (0..orders).map(|_| any_twist(sim)).collect()
            }
        };
        let orders = twists
            .into_iter()
            .enumerate()
            .filter_map(|(index, twist)| PlannedOrder::new(index, twist))
            .collect();
        Self { orders }
    }
}

/// Half of all orders are plain.
fn any_twist(sim: &Sim) -> Twist {
    if sim.choose(2) == 0 {
        return Twist::Plain;
    }
    let bound = u32::try_from(Twist::ALL.len()).unwrap_or(1);
    let index = usize::try_from(sim.choose(bound)).unwrap_or_default();
    Twist::ALL.get(index).copied().unwrap_or(Twist::Plain)
}

impl PlannedOrder {
    fn new(index: usize, twist: Twist) -> Option<Self> {
        let id = OrderId::new(format!("O-{}", index + 1)).ok()?;
        let events = events(&id, twist);
        Some(Self { id, twist, events })
    }

    /// How the ERP fails the imports of this order, one after the other.
    pub(super) fn failures(&self) -> Vec<OrderFailure> {
        let data = || OrderFailure::data("Customer account does not exist.");
        let transient = || OrderFailure::transient("The record is locked.");
        match self.twist {
            Twist::Refused => vec![data()],
            Twist::HalfRefused => vec![data().of_lines()],
            Twist::FailsOnce => vec![transient()],
            Twist::HalfFailsOnce => vec![transient().of_lines()],
            Twist::FailsAlways => vec![transient(); FAILURES],
            _ => Vec::new(),
        }
    }

    /// It cannot simply go through by itself.
    pub(super) fn is_bad(&self) -> bool {
        matches!(
            self.twist,
            Twist::Conflict
                | Twist::ConflictWhileClaimed
                | Twist::Unpackable
                | Twist::CutOff
                | Twist::UnknownType
                | Twist::Refused
                | Twist::HalfRefused
                | Twist::FailsAlways
                | Twist::Unmentioned
        )
    }

    /// The ERP has to hold it in the end, whatever else becomes of it.
    pub(super) fn must_arrive(&self) -> bool {
        let cancelled = self.events.iter().any(|event| event.cancels);
        !cancelled && (!self.is_bad() || self.twist == Twist::Unmentioned)
    }

    /// The ERP does not want it.
    pub(super) fn is_refused(&self) -> bool {
        matches!(self.twist, Twist::Refused | Twist::HalfRefused)
    }

    pub(super) fn is_transient(&self) -> bool {
        self.failures()
            .iter()
            .any(|failure| failure.class == FailureClass::Transient)
    }
}

fn events(id: &OrderId, twist: Twist) -> Vec<PlannedEvent> {
    let created = Draft::new(id, "OMS.Order.Created", 1, 1);
    let updated = Draft::new(id, "OMS.Order.Updated", 2, 2);
    let cancelled = Draft {
        cancels: true,
        ..Draft::new(id, "OMS.Order.Cancelled", 2, 1)
    };
    let conflicting = Draft {
        key: format!("{id}-1b"),
        ..Draft::new(id, "OMS.Order.Created", 1, 3)
    };
    let first = || created.event(When::AtOnce);
    match twist {
        Twist::SameEvent => vec![first(), first()],
        Twist::SameContent => {
            let again = Draft {
                key: format!("{id}-1again"),
                ..created.clone()
            };
            vec![first(), again.event(When::AtOnce)]
        }
        Twist::Update => vec![first(), updated.event(When::AtOnce)],
        Twist::UpdateFirst => vec![updated.event(When::AtOnce), first()],
        Twist::UpdateWhileClaimed => vec![first(), updated.event(When::Claimed)],
        Twist::UpdateAfterImport => vec![first(), updated.event(When::Imported)],
        Twist::Cancel => vec![first(), cancelled.event(When::AtOnce)],
        Twist::CancelWhileClaimed => vec![first(), cancelled.event(When::Claimed)],
        Twist::CancelAfterImport => vec![first(), cancelled.event(When::Imported)],
        Twist::Conflict => vec![first(), conflicting.event(When::AtOnce)],
        Twist::ConflictWhileClaimed => vec![first(), conflicting.event(When::Claimed)],
        Twist::Unpackable => {
            let nowhere = Draft {
                country: PlainFormat::NOWHERE,
                ..created.clone()
            };
            vec![nowhere.event(When::AtOnce)]
        }
        Twist::CutOff => {
            let mut event = first();
            let half = event.message.body.len() / 2;
            event.message.body.truncate(half);
            event.is_valid = false;
            vec![event]
        }
        Twist::UnknownType => {
            let unknown = Draft {
                kind: "OMS.Order.Dreamt",
                ..created.clone()
            };
            let mut event = unknown.event(When::AtOnce);
            event.is_valid = false;
            vec![event]
        }
        _ => vec![first()],
    }
}

#[derive(Debug, Clone)]
struct Draft {
    order: String,
    kind: &'static str,
    key: String,
    revision: u64,
    quantity: i64,
    cancels: bool,
    country: &'static str,
}

impl Draft {
    fn new(id: &OrderId, kind: &'static str, revision: u64, quantity: i64) -> Self {
        Self {
            order: id.to_string(),
            kind,
            key: format!("{id}-{revision}"),
            revision,
            quantity,
            cancels: false,
            country: "CA",
        }
    }

    fn event(&self, when: When) -> PlannedEvent {
        let cents = UNIT_CENTS * self.quantity;
        let price = Decimal::new(UNIT_CENTS, 2);
        let amount = Decimal::new(cents, 2);
        let [name, street] = CANARIES;
        let text = format!(
            r#"{{"specversion":"1.0","type":"{kind}","source":"https://oms.example/orders","id":"{key}","datacontenttype":"application/json","data":{{"orderId":"{order}","revision":{revision},"customerId":"C-1","orderDate":"2026-01-01","totalAmount":{amount},"currency":"{CURRENCY}","lineItems":[{{"itemNumber":1,"productCode":"P-1","quantity":{quantity},"unitPrice":{price}}}],"shippingAddress":{{"name":"{name}","street":"{street}","city":"Toronto","country":"{country}"}}}}}}"#,
            kind = self.kind,
            key = self.key,
            order = self.order,
            revision = self.revision,
            quantity = self.quantity,
            country = self.country,
        );
        PlannedEvent {
            id: self.key.clone(),
            when,
            is_valid: true,
            revision: self.revision,
            cancels: self.cancels,
            amount,
            message: Message::new(text),
        }
    }
}
