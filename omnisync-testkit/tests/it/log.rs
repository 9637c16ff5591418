//! A minimal log that settles by watermark, for the suite alone: lines without headers, held
//! until the process ends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::port::{
    Clock, Delivery, DeliveryToken, Disposition, EventSource, EventSourceCapability, Received,
    Settled,
};
use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::contract::EventSourceFixture;
use omnisync_testkit::fake::{DeadLetter, Message};

#[derive(Debug)]
pub(crate) struct Log {
    clock: ManualClock,
    dead_letter: bool,
    disk: Arc<Mutex<Disk>>,
    process: Mutex<Arc<Mutex<Process>>>,
}

/// What survives the process.
#[derive(Debug, Default)]
struct Disk {
    lines: Vec<Message>,
    position: usize,
    dead_letters: BTreeMap<usize, DeadLetter>,
}

#[derive(Debug, Default)]
struct Process {
    next: usize,
    held: BTreeSet<usize>,
    returned: BTreeMap<usize, DateTime<Utc>>,
    settled: BTreeSet<usize>,
}

#[derive(Debug)]
struct Reader {
    clock: ManualClock,
    dead_letter: bool,
    disk: Arc<Mutex<Disk>>,
    process: Arc<Mutex<Process>>,
}

impl Log {
    pub(crate) fn new(dead_letter: bool) -> Self {
        let clock = ManualClock::default().auto();
        Self {
            clock,
            dead_letter,
            disk: Arc::default(),
            process: Mutex::default(),
        }
    }

    fn reader(&self) -> Arc<dyn EventSource> {
        Arc::new(Reader {
            clock: self.clock.clone(),
            dead_letter: self.dead_letter,
            disk: Arc::clone(&self.disk),
            process: Arc::clone(&self.process.lock().unwrap()),
        })
    }
}

#[async_trait]
impl EventSourceFixture for Log {
    async fn publish(&self, messages: Vec<Message>) {
        self.disk.lock().unwrap().lines = messages;
    }

    async fn source(&self) -> Arc<dyn EventSource> {
        self.reader()
    }

    async fn restart(&self) -> Arc<dyn EventSource> {
        let next = self.disk.lock().unwrap().position;
        let process = Process {
            next,
            ..Process::default()
        };
        *self.process.lock().unwrap() = Arc::new(Mutex::new(process));
        self.reader()
    }

    async fn pass(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn lock(&self) -> Option<Duration> {
        None
    }

    async fn dead_letters(&self) -> Vec<DeadLetter> {
        self.disk
            .lock()
            .unwrap()
            .dead_letters
            .values()
            .cloned()
            .collect()
    }

    fn finite(&self) -> bool {
        true
    }

    fn carries_headers(&self) -> bool {
        false
    }

    fn carries_any_bytes(&self) -> bool {
        false
    }
}

#[async_trait]
impl EventSource for Reader {
    fn capability(&self) -> EventSourceCapability {
        let mut capability = EventSourceCapability::log();
        capability.dead_letter = self.dead_letter;
        capability
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Received, PortError> {
        let received = self.take(max);
        if received.deliveries.is_empty() && !received.ended {
            let until = self.clock.now() + wait;
            self.clock.sleep_until(until).await;
            return Ok(self.take(max));
        }
        Ok(received)
    }

    async fn settle(
        &self,
        delivery: &Delivery,
        disposition: Disposition,
    ) -> Result<Settled, PortError> {
        let refused = |kind| PortError::new(kind, "event_source.settle");
        let mut process = self.process.lock().unwrap();
        let mut disk = self.disk.lock().unwrap();
        let at: usize = delivery
            .token
            .0
            .parse()
            .map_err(|_| refused(ErrorKind::LockLost))?;
        if !process.held.contains(&at) {
            return Err(refused(ErrorKind::LockLost));
        }
        let settled = match disposition {
            Disposition::RetryAfter(delay) => {
                process.returned.insert(at, self.clock.now() + delay);
                process.held.remove(&at);
                return Ok(Settled::Returned);
            }
            Disposition::Complete => Settled::Completed,
            Disposition::DeadLetter { .. } if !self.dead_letter => {
                return Err(refused(ErrorKind::Unsupported));
            }
            Disposition::DeadLetter {
                reason,
                description,
            } => {
                let message = disk.lines[at].clone();
                let letter = DeadLetter {
                    message,
                    reason: reason.to_string(),
                    description,
                };
                match disk.dead_letters.insert(at, letter) {
                    Some(_) => Settled::AlreadyDeadLettered,
                    None => Settled::DeadLettered,
                }
            }
        };
        process.held.remove(&at);
        process.settled.insert(at);
        while process.settled.contains(&disk.position) {
            disk.position += 1;
        }
        Ok(settled)
    }

    async fn extend(&self, _: &Delivery) -> Result<DateTime<Utc>, PortError> {
        Err(PortError::new(
            ErrorKind::Unsupported,
            "event_source.extend",
        ))
    }
}

impl Reader {
    fn take(&self, max: usize) -> Received {
        let now = self.clock.now();
        let mut process = self.process.lock().unwrap();
        let disk = self.disk.lock().unwrap();
        let due = process
            .returned
            .iter()
            .filter(|(_, due)| **due <= now)
            .map(|(at, _)| *at);
        let mut take: Vec<usize> = due.take(max).collect();
        for at in &take {
            process.returned.remove(at);
        }
        while take.len() < max && process.next < disk.lines.len() {
            take.push(process.next);
            process.next += 1;
        }
        process.held.extend(&take);
        let ended = process.next == disk.lines.len() && process.returned.is_empty();
        let deliver = |at: &usize| Delivery {
            token: DeliveryToken(at.to_string()),
            attempt: 1,
            cursor: format!("line {}", at + 1),
            headers: Vec::new(),
            body: disk.lines[*at].body.clone(),
        };
        Received {
            deliveries: take.iter().map(deliver).collect(),
            ended,
        }
    }
}
