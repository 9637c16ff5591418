//! The natural key of a link that gets another one, or is brought back.
//!
//! | step | a crash after it |
//! |---|---|
//! | the link says which key it is about to take | goes on with the next step |
//! | the key is reserved: created, or taken over by compare-and-set | the same; nobody else takes a key that is announced |
//! | the link says that it has the key | its former key is whoever's takes it over |
//!
//! A reservation counts only as long as its link says so, so a step of a worker that was overtaken
//! leaves nothing behind that could stand in the way.

use chrono::{DateTime, TimeDelta, Utc};

use super::CrmSync;
use crate::crm::ledger::LinkRecord;
use crate::crm::{EntityName, FieldName, Fields, ForeignId, LinkId, Origin, SystemName};
use crate::error::PortError;
use crate::flow::crm_sync::documents::{Kept, LinkState, Reservation};

/// How long a key that stands for another link is waited for: its record may be about to be removed,
/// or to get another key.
const TAKEN_PAUSE: TimeDelta = TimeDelta::seconds(10);

/// Where the key of a link stands.
pub(super) enum Keyed {
    /// As it should be.
    Yes,
    /// Not before then.
    Waits(DateTime<Utc>),
    /// Somebody else changed the link.
    Raced,
}

impl CrmSync {
    /// Sees to it that the natural key that is agreed is the one that the link has reserved, and
    /// that what people decided about keys is carried out.
    pub(super) async fn settle_keys(
        &self,
        link: &mut Kept<LinkRecord>,
        now: DateTime<Utc>,
    ) -> Result<Keyed, PortError> {
        if !link.content.is_looked_at(&self.worker.id, now) {
            return Ok(Keyed::Yes);
        }
        self.carry_out(link).await?;
        self.keep_merged(&link.content).await?;
        let Some((key, fields)) = self.key_due(&link.content) else {
            return Ok(Keyed::Yes);
        };
        // Stored first: from then on nobody else takes the key as one that is free.
        link.content.claims(&key, now);
        if !self.save(link, LinkState::Working, Some(now)).await? {
            return Ok(Keyed::Raced);
        }
        let mut freed = Vec::new();
        let (entity, own) = (&link.content.entity, link.content.link);
        match self.documents.reserve(entity, &key, |_| own).await? {
            Reservation::Taken(_) => freed = link.content.keyed(now),
            Reservation::Of(other, _) => {
                let since = link.content.claim.as_ref().map(|claim| claim.since);
                let until = since.map_or(now, |since| since + TAKEN_PAUSE);
                if until > now {
                    self.look_at(other).await?;
                    return Ok(Keyed::Waits(until));
                }
                if self.end_unfounded(&link.content, other, &key, now).await? {
                    return Ok(Keyed::Waits(now));
                }
                link.content.key_is_taken(other, &fields, now);
            }
        }
        if !self.save(link, LinkState::Working, Some(now)).await? {
            return Ok(Keyed::Raced);
        }
        self.look_again(&link.content.entity, &freed).await?;
        Ok(Keyed::Yes)
    }

    /// The key that the link has to reserve, and the fields that make it.
    fn key_due(&self, link: &LinkRecord) -> Option<(String, Vec<FieldName>)> {
        if !link.life.alive || link.life.held.is_some() {
            return None;
        }
        let lenses = self.landscape.lenses(&link.entity);
        let mut systems = crate::crm::ledger::Lenses::systems(&lenses).iter();
        let map = systems.find_map(|system| self.landscape.system(system)?.map(&link.entity))?;
        let fields = map.key_fields();
        if fields.is_empty() {
            return None;
        }
        let bases = fields.iter().map(|field| link.fields.get(field.as_str()));
        let settled = bases.map(|base| base.filter(|base| base.held.is_none()));
        let values = fields.iter().zip(settled);
        let values = values.map(|(field, base)| Some((field.clone(), base?.value.clone())));
        let values: Option<Fields<_>> = values
            .collect::<Option<Vec<_>>>()
            .map(|values| values.into_iter().collect());
        let announced = link.claim.as_ref().map(|claim| &claim.key);
        let back = announced.filter(|key| link.natural_key.as_ref() == Some(key));
        let key = values.and_then(|values| map.key_of(&values));
        let key = key.or_else(|| back.cloned())?;
        let is_due = announced.is_some() || link.natural_key.as_ref() != Some(&key);
        is_due.then(|| (key, fields.to_vec()))
    }

    /// A key may stand for a link that was never founded, since whoever was about to died. Then that
    /// link is stored empty: nobody founds it any more, and its key is free. False if it was founded.
    async fn end_unfounded(
        &self,
        link: &LinkRecord,
        other: LinkId,
        key: &str,
        now: DateTime<Utc>,
    ) -> Result<bool, PortError> {
        if self.documents.link(other).await?.is_some() {
            return Ok(false);
        }
        let (entity, origin) = (link.entity.clone(), link.life.origin.clone());
        let content = LinkRecord::new(other, entity, Some(key.to_owned()), origin, now);
        let unfounded = Kept {
            content,
            etag: None,
        };
        // Where its founder was first after all, that shows when the key is asked for again.
        self.documents
            .save_link(&unfounded, LinkState::Quiet, None)
            .await?;
        Ok(true)
    }

    /// Every record of a link is looked at.
    async fn look_at(&self, link: LinkId) -> Result<(), PortError> {
        let Some(stored) = self.documents.link(link).await? else {
            return Ok(());
        };
        let members = stored.content.members.iter();
        let records =
            members.filter_map(|(system, member)| Some((system.clone(), member.id.clone()?)));
        let records: Vec<_> = records.collect();
        self.look_again(&stored.content.entity, &records).await
    }

    async fn look_again(
        &self,
        entity: &EntityName,
        records: &[(SystemName, ForeignId)],
    ) -> Result<(), PortError> {
        for (system, id) in records {
            let origin = Origin::default();
            self.hear.note(entity, system, id, &origin).await?;
        }
        Ok(())
    }

    /// Records whose place was decided are looked at again; only then the conflict is over.
    async fn carry_out(&self, link: &mut Kept<LinkRecord>) -> Result<(), PortError> {
        for (conflict, records) in link.content.decided_keys() {
            self.look_again(&link.content.entity, &records).await?;
            link.content.carried_out(conflict);
        }
        Ok(())
    }
}
