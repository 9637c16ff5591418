use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use omnisync_core::error::PortError;
use omnisync_core::port::{
    Delivery, Disposition, EventSource, EventSourceCapability, Received, Settled,
};

use super::super::distortion::{position, shuffle};
use super::super::{Distortion, Seen, Subject};
use super::Intercepted;

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<P: EventSource> EventSource for Intercepted<P> {
    fn capability(&self) -> EventSourceCapability {
        self.inner.capability()
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Received, PortError> {
        let subject = Subject::Deliveries(max);
        let (call, distortion) = self.seam.before("event_source.receive", subject).await?;
        let mut result = self.inner.receive(max, wait).await;
        if let Ok(received) = &mut result {
            for delivery in &received.deliveries {
                self.seam.show(&call, Seen::Received(delivery));
            }
            distort(&mut received.deliveries, max, distortion);
        }
        self.seam.after(&call, result).await
    }

    async fn settle(
        &self,
        delivery: &Delivery,
        disposition: Disposition,
    ) -> Result<Settled, PortError> {
        let subject = Subject::Delivery {
            cursor: delivery.cursor.clone(),
            ending: word(&disposition),
        };
        let (call, distortion) = self.seam.before("event_source.settle", subject).await?;
        let settle = async || {
            let result = self.inner.settle(delivery, disposition.clone()).await;
            if let Ok(settled) = result {
                let seen = Seen::Settled(delivery, &disposition, settled);
                self.seam.show(&call, seen);
            }
            result
        };
        let mut result = settle().await;
        if distortion == Some(Distortion::Repeated) {
            result = settle().await;
        }
        self.seam.after(&call, result).await
    }

    async fn extend(&self, delivery: &Delivery) -> Result<DateTime<Utc>, PortError> {
        let subject = Subject::Delivery {
            cursor: delivery.cursor.clone(),
            ending: "extend",
        };
        let (call, _) = self.seam.before("event_source.extend", subject).await?;
        let result = self.inner.extend(delivery).await;
        self.seam.after(&call, result).await
    }
}

fn distort(deliveries: &mut Vec<Delivery>, max: usize, distortion: Option<Distortion>) {
    match distortion {
        Some(Distortion::Shuffled { dice }) => shuffle(deliveries, dice),
        Some(Distortion::Doubled { dice }) if deliveries.len() < max => {
            if let Some(twice) = deliveries.get(position(dice, deliveries.len())).cloned() {
                deliveries.push(twice);
            }
        }
        _ => {}
    }
}

const fn word(disposition: &Disposition) -> &'static str {
    match disposition {
        Disposition::Complete => "complete",
        Disposition::RetryAfter(_) => "retry",
        Disposition::DeadLetter { .. } => "dead letter",
    }
}
