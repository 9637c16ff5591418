use std::sync::Arc;

use omnisync_core::port::Clock;

/// What a topic and its subscription are set up for.
#[derive(Debug, Clone)]
pub struct GridOptions {
    /// Time of the schedule.
    pub clock: Arc<dyn Clock>,
    /// The access key. Default some text.
    pub key: String,
    /// Name of the subscription. Default `ORDERS`.
    pub subscription: String,
    /// Target of the webhook: path, and query with its secret. Default `/`.
    pub target: String,
    /// Headers that every delivery carries besides those of the service. Default none.
    pub headers: Vec<(String, String)>,
    /// Events of a delivery. Default 1: each by itself, and not in an array.
    pub batch_events_max: usize,
    /// How often an event is delivered at most. Default 30.
    pub attempts_max: u32,
    /// How long an event is worth delivering, in seconds. Default 86,400.
    pub time_to_live_s: u32,
    /// Largest body that the topic takes, in bytes. Default 1,048,576.
    pub body_bytes_max: usize,
}

impl GridOptions {
    /// A topic as the service makes them, by `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            key: "bG9vcGJhY2stdG9waWMta2V5".to_owned(),
            subscription: "ORDERS".to_owned(),
            target: "/".to_owned(),
            headers: Vec::new(),
            batch_events_max: 1,
            attempts_max: 30,
            time_to_live_s: 86_400,
            body_bytes_max: 1_048_576,
        }
    }
}
