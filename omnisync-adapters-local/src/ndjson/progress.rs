//! What is handed out, what comes again, and up to where everything is settled.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;

use chrono::{DateTime, Utc};
use omnisync_core::port::{Delivery, DeliveryToken};

use super::reader::{Batch, Line};
use super::wire::Position;

/// Header of a body that holds only the beginning of its line.
const TRUNCATED: &str = "omnisync-truncated";

/// Header with the length in bytes of a line that was truncated.
const TRUNCATED_FROM: &str = "omnisync-truncated-from-bytes";

/// Cost of a line that is not settled, beside its body, in bytes.
const HELD_BYTES: usize = 512;

/// Why nothing more comes from the reading thread.
#[derive(Debug)]
pub(super) enum End {
    Reached,
    Failed { kind: io::ErrorKind, text: String },
}

#[derive(Debug)]
struct Held {
    line: Line,
    /// Number of the delivery that can settle the line.
    attempt: u32,
    /// When the line comes again; `None` while somebody has it.
    due_at: Option<DateTime<Utc>>,
}

/// Pure bookkeeping of one input.
#[derive(Debug, Default)]
pub(super) struct Progress {
    ready: VecDeque<Line>,
    unsettled: BTreeMap<u64, Held>,
    unsettled_bytes: usize,
    waiting: BTreeSet<(DateTime<Utc>, u64)>,
    /// Behind the last line that was handed out.
    next: Option<Position>,
    end: Option<End>,
}

impl Progress {
    /// Takes in what the reading thread handed over.
    pub(super) fn take_in(&mut self, batch: Option<Batch>) {
        match batch {
            Some(Batch::Start(position)) => self.next = Some(position),
            Some(Batch::Lines(lines)) => self.ready.extend(lines),
            Some(Batch::End) => self.end = Some(End::Reached),
            Some(Batch::Failed(error)) => {
                self.end = Some(End::Failed {
                    kind: error.kind(),
                    text: error.to_string(),
                });
            }
            None if self.end.is_none() => {
                self.end = Some(End::Failed {
                    kind: io::ErrorKind::Other,
                    text: "the reading thread ended early".to_owned(),
                });
            }
            None => {}
        }
    }

    /// Hands out up to `max` deliveries: those that are due again, then new lines while less
    /// than `unsettled_bytes_max` bytes are unsettled.
    pub(super) fn hand_out(
        &mut self,
        max: usize,
        now: DateTime<Utc>,
        unsettled_bytes_max: usize,
    ) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        while deliveries.len() < max {
            let Some((due_at, offset)) = self.waiting.first().copied() else {
                break;
            };
            if due_at > now {
                break;
            }
            self.waiting.pop_first();
            if let Some(held) = self.unsettled.get_mut(&offset) {
                held.due_at = None;
                held.attempt = held.attempt.saturating_add(1);
                deliveries.push(delivery(held));
            }
        }
        while deliveries.len() < max && self.unsettled_bytes < unsettled_bytes_max {
            let Some(line) = self.ready.pop_front() else {
                break;
            };
            self.next = Some(line.end);
            self.unsettled_bytes += cost(&line);
            let held = Held {
                attempt: 1,
                due_at: None,
                line,
            };
            deliveries.push(delivery(&held));
            self.unsettled.insert(held.line.start.offset, held);
        }
        deliveries
    }

    /// True when another batch is wanted and can come.
    pub(super) fn wants_lines(&self, unsettled_bytes_max: usize) -> bool {
        self.ready.is_empty() && self.end.is_none() && self.unsettled_bytes < unsettled_bytes_max
    }

    /// When the next line comes again.
    pub(super) fn due_next(&self) -> Option<DateTime<Utc>> {
        self.waiting.first().map(|(due_at, _)| *due_at)
    }

    /// Why nothing more comes from the input, once all of it was handed out.
    pub(super) fn end(&self) -> Option<&End> {
        if self.ready.is_empty() {
            self.end.as_ref()
        } else {
            None
        }
    }

    /// True when the whole input was handed out and settled.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.end(), Some(End::Reached)) && self.unsettled.is_empty()
    }

    /// The line that `token` names, while somebody has it.
    pub(super) fn held(&self, token: &DeliveryToken) -> Option<&Line> {
        let (offset, attempt) = parse(token)?;
        let held = self.unsettled.get(&offset)?;
        (held.attempt == attempt && held.due_at.is_none()).then_some(&held.line)
    }

    /// Ends a delivery; false when it is not held.
    pub(super) fn finish(&mut self, token: &DeliveryToken) -> bool {
        let Some(line) = self.held(token) else {
            return false;
        };
        let (offset, bytes) = (line.start.offset, cost(line));
        self.unsettled.remove(&offset);
        self.unsettled_bytes = self.unsettled_bytes.saturating_sub(bytes);
        true
    }

    /// Lets a delivery come again at `due_at`; false when it is not held.
    pub(super) fn give_back(&mut self, token: &DeliveryToken, due_at: DateTime<Utc>) -> bool {
        let Some(offset) = self.held(token).map(|line| line.start.offset) else {
            return false;
        };
        if let Some(held) = self.unsettled.get_mut(&offset) {
            held.due_at = Some(due_at);
            self.waiting.insert((due_at, offset));
        }
        true
    }

    /// The place before which everything is settled; `None` before the first batch.
    pub(super) fn watermark(&self) -> Option<Position> {
        self.unsettled
            .first_key_value()
            .map(|(_, held)| held.line.start)
            .or(self.next)
    }
}

fn cost(line: &Line) -> usize {
    line.body.len().saturating_add(HELD_BYTES)
}

/// The byte offset names the line; behind a point stands the number of a redelivery.
fn token(held: &Held) -> DeliveryToken {
    let offset = held.line.start.offset;
    DeliveryToken(match held.attempt {
        1 => offset.to_string(),
        attempt => format!("{offset}.{attempt}"),
    })
}

fn parse(token: &DeliveryToken) -> Option<(u64, u32)> {
    match token.0.split_once('.') {
        None => Some((token.0.parse().ok()?, 1)),
        Some((offset, attempt)) => Some((offset.parse().ok()?, attempt.parse().ok()?)),
    }
}

fn delivery(held: &Held) -> Delivery {
    let content_type = "application/cloudevents+json".to_owned();
    let mut headers = vec![("content-type".to_owned(), content_type)];
    if held.line.is_truncated() {
        headers.push((TRUNCATED.to_owned(), "true".to_owned()));
        headers.push((TRUNCATED_FROM.to_owned(), held.line.bytes.to_string()));
    }
    Delivery {
        token: token(held),
        attempt: 1,
        cursor: format!("line {}", held.line.end.line),
        headers,
        body: held.line.body.clone(),
    }
}
