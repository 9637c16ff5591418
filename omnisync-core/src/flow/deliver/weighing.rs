//! What became of the records that an ERP does not name.

use super::super::build::order_of;
use super::super::settle::{ExpectedRecords, Fates, Reading};
use super::flow::Deliver;
use super::settling::SETTLE_ORDERS;
use crate::batch::{BatchRecord, Member};
use crate::error::{ErrorKind, PortError};
use crate::id::OrderId;
use crate::order::OrderRecord;
use crate::port::RecordKey;

impl Deliver {
    /// The records that an order put into the package; `None` where that cannot be told any more.
    pub(super) fn expected(
        &self,
        record: &OrderRecord,
        member: &Member,
    ) -> Result<Option<ExpectedRecords>, PortError> {
        if record.content_hash != member.content {
            return Ok(None);
        }
        let Ok(order) = order_of(record) else {
            return Ok(None);
        };
        let (header, lines) = self.spec.format.record_keys(&order).map_err(|error| {
            PortError::new(ErrorKind::Invalid, "deliver.verdict")
                .with_detail(format!(
                    "order {} was packed in another format than today's: deliver its batch with \
                     that one",
                    member.order
                ))
                .with_source(error)
        })?;
        Ok(Some(ExpectedRecords {
            order: member.order.clone(),
            header,
            lines,
        }))
    }

    /// Decides what became of the records that an ERP does not name which names refused ones
    /// only. Where some are refused, every order is read once more for it: a refusal that none
    /// of them knows leaves the others open. False while something is open.
    pub(super) async fn weigh(
        &self,
        batch: &BatchRecord,
        members: &[Member],
        fates: &mut Fates,
        reading: Reading,
    ) -> Result<bool, PortError> {
        let Some(package) = &batch.package else {
            return Ok(false);
        };
        let mut labels = None;
        for chunk in members.chunks(SETTLE_ORDERS) {
            let ids: Vec<OrderId> = chunk.iter().map(|member| member.order.clone()).collect();
            let orders = self.repository.orders_each(&ids).await?;
            for (record, member) in orders.into_iter().zip(chunk) {
                let Ok(Some(record)) = record else { continue };
                let Some(expected) = self.expected(&record, member)? else {
                    continue;
                };
                fates.claim(&expected);
                let of = |key: &RecordKey| key.entity.clone();
                labels
                    .get_or_insert_with(|| (of(&expected.header), expected.lines.first().map(of)));
            }
            if labels.is_some() && !fates.has_refused() {
                break;
            }
        }
        let Some((headers, lines)) = labels else {
            return Ok(false);
        };
        let headers = fates.weigh(&headers, package.orders.into(), reading);
        let lines = lines.is_none_or(|lines| fates.weigh(&lines, package.lines.into(), reading));
        Ok(headers && lines)
    }
}
