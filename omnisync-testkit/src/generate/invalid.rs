use omnisync_core::port::DeadLetterReason;

use crate::rng::SplitMix64;

/// More than any event may hold, in bytes.
const OVERSIZED_BYTES: usize = (1 << 20) + 1;

/// What is wrong with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum InvalidKind {
    /// A comma too many.
    MalformedJson,
    /// The line ends in the middle.
    Truncated,
    /// A text holds a byte that is no UTF-8.
    BadUtf8,
    /// A quantity is the bare word `NaN`.
    NotANumber,
    /// A member comes twice with different values.
    DuplicateKey,
    /// The envelope has no `specversion`.
    NoSpecVersion,
    /// The type of event is none that is known.
    UnknownType,
    /// `data` is `null`.
    NullData,
    /// The event has more than 1 MiB.
    Oversized,
    /// A quantity is a text.
    WrongType,
    /// `customerId` is missing.
    MissingField,
    /// A quantity is below zero.
    NegativeQuantity,
    /// A quantity has forty digits.
    HugeQuantity,
    /// The currency does not exist.
    BadCurrency,
    /// The order date is 30 February.
    ImpossibleDate,
    /// The total is not the sum of the lines. Set aside only where the pipeline enforces totals.
    WrongTotal,
}

impl InvalidKind {
    /// Every kind.
    pub const ALL: [Self; 16] = [
        Self::MalformedJson,
        Self::Truncated,
        Self::BadUtf8,
        Self::NotANumber,
        Self::DuplicateKey,
        Self::NoSpecVersion,
        Self::UnknownType,
        Self::NullData,
        Self::Oversized,
        Self::WrongType,
        Self::MissingField,
        Self::NegativeQuantity,
        Self::HugeQuantity,
        Self::BadCurrency,
        Self::ImpossibleDate,
        Self::WrongTotal,
    ];

    /// Every kind that a pipeline with default settings sets aside.
    pub fn by_default() -> impl Iterator<Item = Self> {
        Self::ALL
            .into_iter()
            .filter(|kind| *kind != Self::WrongTotal)
    }

    /// Why such an event is set aside.
    pub const fn reason(self) -> DeadLetterReason {
        match self {
            Self::MalformedJson
            | Self::Truncated
            | Self::BadUtf8
            | Self::NotANumber
            | Self::DuplicateKey => DeadLetterReason::JsonDeserialiseFailure,
            Self::NoSpecVersion => DeadLetterReason::InvalidCloudEvent,
            Self::UnknownType => DeadLetterReason::UnknownEventType,
            Self::NullData => DeadLetterReason::NullPayload,
            Self::Oversized => DeadLetterReason::TooLarge,
            Self::WrongType
            | Self::MissingField
            | Self::NegativeQuantity
            | Self::HugeQuantity
            | Self::BadCurrency
            | Self::ImpossibleDate
            | Self::WrongTotal => DeadLetterReason::ValidationFailure,
        }
    }

    /// Makes a rendered event invalid. It stays on one line.
    pub(super) fn spoil(self, event: String, rng: &mut SplitMix64) -> Vec<u8> {
        match self {
            Self::MalformedJson => event.replacen("\"data\":{", "\"data\":{,", 1).into(),
            Self::Truncated => {
                let mut bytes = event.into_bytes();
                let half = bytes.len() / 2;
                let rest = u32::try_from(bytes.len() - half).unwrap_or(u32::MAX);
                let cut = half + usize::try_from(rng.below(rest)).unwrap_or_default();
                bytes.truncate(cut);
                bytes
            }
            Self::BadUtf8 => spoil_utf8(event),
            Self::NotANumber => with_value(&event, "quantity", "NaN").into(),
            Self::DuplicateKey => event
                .replacen("\"data\":{", "\"data\":{\"customerId\":\"CUST-0\",", 1)
                .into(),
            Self::NoSpecVersion => event.replacen("\"specversion\":\"1.0\",", "", 1).into(),
            Self::UnknownType => with_value(&event, "type", "\"OMS.Order.Archived\"").into(),
            Self::NullData => {
                let envelope = event.split("\"data\":").next().unwrap_or_default();
                format!("{envelope}\"data\":null}}").into()
            }
            Self::Oversized => {
                let note = format!("\"data\":{{\"note\":\"{}\",", "x".repeat(OVERSIZED_BYTES));
                event.replacen("\"data\":{", &note, 1).into()
            }
            Self::WrongType => with_value(&event, "quantity", "\"three\"").into(),
            Self::MissingField => {
                let value = value_of(&event, "customerId").to_owned();
                event
                    .replacen(&format!("\"customerId\":{value},"), "", 1)
                    .into()
            }
            Self::NegativeQuantity => with_value(&event, "quantity", "-3").into(),
            Self::HugeQuantity => with_value(&event, "quantity", &"9".repeat(40)).into(),
            Self::BadCurrency => with_value(&event, "currency", "\"ZZZ\"").into(),
            Self::ImpossibleDate => with_value(&event, "orderDate", "\"2026-02-30\"").into(),
            Self::WrongTotal => {
                let total = format!("1{}", value_of(&event, "totalAmount"));
                with_value(&event, "totalAmount", &total).into()
            }
        }
    }
}

/// The first value of `name`, which is a number or a text without commas.
fn value_of<'a>(event: &'a str, name: &str) -> &'a str {
    let label = format!("\"{name}\":");
    let behind = event.split_once(&label).map_or("", |(_, behind)| behind);
    behind.split([',', '}']).next().unwrap_or_default()
}

fn with_value(event: &str, name: &str, value: &str) -> String {
    let old = format!("\"{name}\":{}", value_of(event, name));
    event.replacen(&old, &format!("\"{name}\":{value}"), 1)
}

fn spoil_utf8(event: String) -> Vec<u8> {
    let mut bytes = event.into_bytes();
    let customer = bytes.windows(5).position(|window| window == b"CUST-");
    if let Some(byte) = customer.and_then(|at| bytes.get_mut(at)) {
        *byte = 0xff;
    }
    bytes
}
