use chrono::{DateTime, Utc};
use omnisync_core::event::{CloudEvent, ExtensionValue};

/// What Event Grid writes into an event that it puts among the dead letters.
///
/// A blob of dead letters is an array of events: read it with
/// [`parse_batch_each`](omnisync_core::event::parse_batch_each).
///
/// ```
/// use omnisync_adapters_azure::event_grid::{DeadLettered, GridDeadLetterReason};
/// use omnisync_core::event::CloudEvent;
///
/// let event = CloudEvent::from_json(br#"{"specversion": "1.0", "id": "1", "source": "/orders",
///     "type": "OMS.Order.Created", "deadletterreason": "MaxDeliveryAttemptsExceeded",
///     "deliveryattempts": 30, "lastdeliveryoutcome": "NotFound",
///     "publishtime": "2026-01-05T06:00:00.1234567Z"}"#)?;
/// let dead = DeadLettered::of(&event).expect("a dead letter");
/// assert_eq!(dead.reason, GridDeadLetterReason::MaxDeliveryAttemptsExceeded);
/// assert_eq!(dead.delivery_attempts, Some(30));
/// # Ok::<(), omnisync_core::event::EventError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLettered {
    /// Why it was given up (`deadletterreason`).
    pub reason: GridDeadLetterReason,
    /// How often it was delivered (`deliveryattempts`).
    pub delivery_attempts: Option<u32>,
    /// What the last delivery ended with (`lastdeliveryoutcome`).
    pub last_delivery_outcome: Option<String>,
    /// When it was published (`publishtime`).
    pub published_at: Option<DateTime<Utc>>,
    /// When it was delivered last (`lastdeliveryattempttime`).
    pub last_delivered_at: Option<DateTime<Utc>>,
}

/// Why Event Grid gives an event up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GridDeadLetterReason {
    /// It was delivered as often as the subscription allows.
    MaxDeliveryAttemptsExceeded,
    /// It was not delivered within the time that the subscription gives it.
    TimeToLiveExceeded,
    /// A reason that is not known here.
    Other(String),
}

impl DeadLettered {
    /// What the event says about its delivery; `None` when it is no dead letter.
    pub fn of(event: &CloudEvent) -> Option<Self> {
        let text = |name| event.extension(name).and_then(ExtensionValue::as_str);
        let time = |name| {
            let time = event.extension(name)?.to_timestamp()?;
            Some(time.instant())
        };
        let attempts = event.extension("deliveryattempts");
        let attempts = attempts.and_then(ExtensionValue::as_integer);
        Some(Self {
            reason: GridDeadLetterReason::of(text("deadletterreason")?),
            delivery_attempts: attempts.and_then(|attempts| attempts.try_into().ok()),
            last_delivery_outcome: text("lastdeliveryoutcome").map(str::to_owned),
            published_at: time("publishtime"),
            last_delivered_at: time("lastdeliveryattempttime"),
        })
    }
}

impl GridDeadLetterReason {
    fn of(text: &str) -> Self {
        let is = |name: &str| text.eq_ignore_ascii_case(name);
        if is("MaxDeliveryAttemptsExceeded") {
            Self::MaxDeliveryAttemptsExceeded
        } else if is("TimeToLiveExceeded") {
            Self::TimeToLiveExceeded
        } else {
            Self::Other(text.to_owned())
        }
    }
}
