use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tracing::{instrument, warn};

use super::hear::Hear;
use crate::crm::{Hint, SystemName};
use crate::error::{ErrorKind, PortError};
use crate::policy::RetryPolicy;
use crate::port::{DeadLetterReason, Delivery, Disposition, EventSource};

/// Deliveries that a run takes.
const RECEIVE_MAX: usize = 500;

/// How long a run waits for the first delivery.
const WAIT: Duration = Duration::from_secs(1);

/// Reads deliveries of one kind of change stream. The adapters have one for each form.
pub trait HintDecoder: fmt::Debug + Send + Sync + 'static {
    /// Everything that the delivery says.
    ///
    /// # Errors
    /// Why it can never be read, without what it holds.
    fn decode(&self, delivery: &Delivery) -> Result<Vec<Hint>, Undecodable>;
}

/// A delivery that can never be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecodable {
    /// Why, as the queue of dead letters has it.
    pub reason: DeadLetterReason,
    /// Where and what, for people; no content.
    pub description: String,
}

/// Takes a change stream into the ledger's list of what to look at.
#[derive(Debug)]
pub struct Listen {
    hear: Hear,
    system: SystemName,
    decoder: Arc<dyn HintDecoder>,
    retry: RetryPolicy,
}

/// What a run of [`Listen`] did.
#[derive(Debug, Default)]
pub struct ListenOutcome {
    /// Deliveries whose hints are stored.
    pub heard: usize,
    /// Deliveries that can never be read, with their descriptions.
    pub dead: Vec<Undecodable>,
    /// Deliveries that come again.
    pub returned: usize,
    /// Settlements that did not take effect: those deliveries come again, and change nothing then.
    pub unsettled: Vec<PortError>,
    /// The source has ended.
    pub ended: bool,
}

impl Listen {
    /// Listens to the stream of `system`, which `decoder` reads.
    pub fn new(hear: Hear, system: SystemName, decoder: Arc<dyn HintDecoder>) -> Self {
        Self {
            hear,
            system,
            decoder,
            retry: RetryPolicy::default(),
        }
    }

    /// The same with other delays of deliveries that the store could not take.
    #[must_use]
    pub fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Takes in one portion of deliveries. Each is acknowledged only after its hints are stored.
    ///
    /// # Errors
    /// Those of `receive`.
    #[instrument(skip_all, fields(system = %self.system))]
    pub async fn run_once(&self, source: &dyn EventSource) -> Result<ListenOutcome, PortError> {
        let received = source.receive(RECEIVE_MAX, WAIT).await?;
        let mut outcome = ListenOutcome {
            ended: received.ended,
            ..ListenOutcome::default()
        };
        let mut tokens = HashSet::new();
        // A store that asks for time is not asked again for the rest.
        let mut pause: Option<Duration> = None;
        for delivery in &received.deliveries {
            if !tokens.insert(&delivery.token) {
                continue;
            }
            let disposition = match self.decoder.decode(delivery) {
                Err(dead) => {
                    warn!(reason = %dead.reason, "a change event cannot be read");
                    let disposition = Disposition::DeadLetter {
                        reason: dead.reason,
                        description: dead.description.clone(),
                    };
                    outcome.dead.push(dead);
                    disposition
                }
                Ok(hints) => self.store(delivery, &hints, &mut pause).await?,
            };
            match &disposition {
                Disposition::Complete => outcome.heard += 1,
                Disposition::RetryAfter(_) => outcome.returned += 1,
                Disposition::DeadLetter { .. } => {}
            }
            if let Err(error) = source.settle(delivery, disposition).await {
                outcome.unsettled.push(error);
            }
        }
        Ok(outcome)
    }

    async fn store(
        &self,
        delivery: &Delivery,
        hints: &[Hint],
        pause: &mut Option<Duration>,
    ) -> Result<Disposition, PortError> {
        if let Some(left) = pause {
            return Ok(Disposition::RetryAfter(*left));
        }
        match self.hear.hear(&self.system, hints).await {
            Ok(_) => Ok(Disposition::Complete),
            Err(error) if error.kind() == ErrorKind::Misconfigured => Err(error),
            Err(error) => {
                warn!(error = %error, "hints are not stored and come again");
                let delay = self.retry.delay(delivery.attempt, self.hear.jitter());
                let delay = delay.max(error.retry_after().unwrap_or_default());
                if error.retry_after().is_some() {
                    *pause = Some(delay);
                }
                Ok(Disposition::RetryAfter(delay))
            }
        }
    }
}
