use crate::json::Limits;

/// What the readers of events accept at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventLimits {
    /// Bytes of one event: its JSON text, or its HTTP header values and body. Default 1 MiB;
    /// the specification asks consumers to take at least 64 KiB.
    pub event_bytes_max: usize,
    /// Objects and arrays around a value, the event included. Default 64, at most
    /// [`Limits::DEPTH_CEILING`].
    pub depth_max: usize,
    /// Attributes of one event, extensions included. Default 128.
    pub attributes_max: usize,
    /// Events of one batch. Default 5,000.
    pub batch_events_max: usize,
    /// Bytes of one batch as a whole. Default 16 MiB.
    pub batch_bytes_max: usize,
}

impl Default for EventLimits {
    fn default() -> Self {
        Self {
            event_bytes_max: 1024 * 1024,
            depth_max: 64,
            attributes_max: 128,
            batch_events_max: 5_000,
            batch_bytes_max: 16 * 1024 * 1024,
        }
    }
}

impl EventLimits {
    /// Limits for the JSON text of a whole event.
    pub(super) fn of_event(&self) -> Limits {
        Limits {
            bytes_max: self.event_bytes_max,
            depth_max: self.depth_max,
            ..Limits::default()
        }
    }

    /// Limits for data that will sit inside an event.
    pub(super) fn of_data(&self) -> Limits {
        Limits {
            depth_max: self.depth_max.saturating_sub(1),
            ..self.of_event()
        }
    }
}
