//! An announced write: made, answered, and stored.

use chrono::TimeDelta;

use super::{CrmSync, Driven};
use crate::crm::field_map::CompiledFieldMap;
use crate::crm::ledger::{IntentKind, LinkRecord, SyncPolicy, Target};
use crate::crm::{Fields, ForeignId, Native, SystemName};
use crate::error::PortError;
use crate::flow::crm_sync::documents::{Kept, LinkState};
use crate::flow::crm_sync::look::look;
use crate::flow::crm_sync::write::{Prepared, Remedy, known, look_again, perform, prepare, remedy};
use crate::port::{CrmRecord, Sight, Snapshot};

impl CrmSync {
    pub(super) async fn write(
        &self,
        link: &mut Kept<LinkRecord>,
        target: &Target,
        current: Fields<Native>,
        policy: &SyncPolicy,
    ) -> Result<Driven, PortError> {
        let (system, map) = known(&self.landscape, &link.content, &target.system)?;
        let current = if current.is_empty() {
            match self.parts_of(link, target, map).await {
                Ok(parts) => parts,
                Err(error) => return Err(self.withdraw(link, target, error)),
            }
        } else {
            current
        };
        let documents = &self.documents;
        let prepared = prepare(documents, &mut link.content, system, map, &current).await;
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return Err(self.withdraw(link, target, error)),
        };
        let natives = match prepared {
            Prepared::Ready(natives) => natives,
            Prepared::Blocked(reason) => {
                let now = self.worker.now();
                let retry = i64::from(policy.park_retry_seconds);
                let until = now + TimeDelta::seconds(retry);
                link.content.refused(&target.system, reason, until, now);
                return Ok(Driven::Done);
            }
        };
        let member = link.content.members.get(&target.system);
        let Some(intent) = member.and_then(|member| member.intent.as_ref()) else {
            return Ok(Driven::Done);
        };
        let (kind, lease_until) = (intent.kind, intent.until);
        if kind == IntentKind::Update && natives.is_empty() && !marks(&link.content, target) {
            // It reads as the values already.
            let member = link.content.members.get(&target.system);
            let seen = member.and_then(|member| member.seen.clone());
            if let Some(id) = &target.id {
                link.content.acknowledged(&target.system, id.clone(), seen);
            }
            return Ok(Driven::Done);
        }
        // The intent is stored before the effect.
        if !self
            .save(link, LinkState::Working, Some(lease_until))
            .await?
        {
            return Ok(Driven::Raced);
        }
        if self.worker.now() >= lease_until {
            // Somebody else may have taken over while this was stored.
            return Ok(Driven::Raced);
        }
        let written = perform(system, map, &link.content, target, natives).await;
        let now = self.worker.now();
        let record = &mut link.content;
        let (mut new, mut busy) = (None, None);
        match written {
            Ok(receipt) => {
                new = (kind == IntentKind::Create).then(|| receipt.id.clone());
                record.acknowledged(&target.system, receipt.id, receipt.version);
                if new.is_some() && system.sink().capability().unique_keys {
                    record.stands_alone(&target.system, now);
                }
            }
            Err(error) => {
                let system = &target.system;
                match remedy(kind, system, &error, policy, now) {
                    Remedy::Look => record.unanswered(system),
                    Remedy::Overtaken => record.overtaken(system),
                    Remedy::Forget => record.forgotten(system),
                    Remedy::Exists => new = self.meet(link, system, policy).await?,
                    Remedy::Pause(reason, until) => record.paused(system, reason, until, now),
                    Remedy::Refuse(reason, until) => record.refused(system, reason, until, now),
                    Remedy::Invalid(reason, until) => record.invalid(system, reason, until, now),
                }
                busy = error.retry_after().is_some().then_some(error);
            }
        }
        // What was learnt is stored before the next step.
        let asked = busy.as_ref().and_then(PortError::retry_after);
        let saved = self.save(link, LinkState::Working, Some(self.worker.now()));
        let saved = saved.await.map_err(|error| error.no_sooner(asked))?;
        if let Some(busy) = busy {
            // Whoever asks for time gets it from this worker, also where somebody else changed the
            // link and nothing says so there.
            return Err(busy);
        }
        if !saved {
            return Ok(Driven::Raced);
        }
        if let Some(id) = new {
            self.bind(&link.content.entity, &target.system, &id, link.content.link)
                .await?;
        }
        Ok(Driven::Done)
    }

    /// Takes an announced write back that could not even be put together.
    fn withdraw(
        &self,
        link: &mut Kept<LinkRecord>,
        target: &Target,
        error: PortError,
    ) -> PortError {
        let now = self.worker.now();
        let until = look_again(&error, now);
        let system = &target.system;
        let reason = format!("what {system} holds cannot be read: {}", error.kind());
        link.content.paused(system, reason, until, now);
        error
    }

    /// What the target holds, where a write has to know: fields that share a native field.
    async fn parts_of(
        &self,
        link: &Kept<LinkRecord>,
        target: &Target,
        map: &CompiledFieldMap,
    ) -> Result<Fields<Native>, PortError> {
        let member = link.content.members.get(&target.system);
        let intent = member.and_then(|member| member.intent.as_ref());
        let mut fields = intent.iter().flat_map(|intent| intent.fields.names());
        let (Some(id), true) = (
            &target.id,
            fields.any(|one| map.needs_current(one.as_str())),
        ) else {
            return Ok(Fields::new());
        };
        let entity = &link.content.entity;
        let looked = look(&self.documents, &self.landscape, entity, &target.system, id).await?;
        Ok(looked.native)
    }

    /// A creation met a record with the same natural key: it takes part, if it is the only one and
    /// belongs to nothing else.
    async fn meet(
        &self,
        link: &mut Kept<LinkRecord>,
        system: &SystemName,
        policy: &SyncPolicy,
    ) -> Result<Option<ForeignId>, PortError> {
        let found = self.find(link, system).await?;
        let now = self.worker.now();
        match found.as_slice() {
            [only] => {
                let is_free = self.is_free(&link.content, system, only).await?;
                if is_free {
                    link.content.met(system, only.clone());
                    link.content.stands_alone(system, now);
                    return Ok(Some(only.clone()));
                }
                link.content.duplicate(system, only, now);
            }
            many => {
                for id in many {
                    link.content.duplicate(system, id, now);
                }
            }
        }
        let (known, _) = known(&self.landscape, &link.content, system)?;
        if known.sink().capability().creates_once {
            link.content.never_made(system);
        }
        let until = LinkRecord::refused_until(policy, now);
        let reason = format!("{system} has another record with the natural key");
        link.content.refused(system, reason, until, now);
        Ok(None)
    }

    /// A record that nobody has linked and that is the only one with the natural key takes part
    /// before anything is created. Where there is none, or it is not so simple, a creation goes on:
    /// what the system says to that decides.
    pub(super) async fn seek(
        &self,
        link: &mut Kept<LinkRecord>,
        system: &SystemName,
    ) -> Result<Driven, PortError> {
        let found = self.find(link, system).await?;
        let takes_part = match found.as_slice() {
            [only] => self.is_free(&link.content, system, only).await?,
            _ => false,
        };
        let (Some(only), true) = (found.first(), takes_part) else {
            link.content.not_there(system);
            return Ok(Driven::Done);
        };
        link.content.met(system, only.clone());
        link.content.stands_alone(system, self.worker.now());
        self.adopt(link, system, only).await
    }

    /// Stores a link that counts on a record since it was found, and then says so to the record.
    async fn adopt(
        &self,
        link: &mut Kept<LinkRecord>,
        system: &SystemName,
        id: &ForeignId,
    ) -> Result<Driven, PortError> {
        let now = self.worker.now();
        if !self.save(link, LinkState::Working, Some(now)).await? {
            return Ok(Driven::Raced);
        }
        let (entity, own) = (&link.content.entity, link.content.link);
        self.bind(entity, system, id, own).await?;
        Ok(Driven::Done)
    }

    /// True if no other link counts on a record, or may have created it.
    async fn is_free(
        &self,
        link: &LinkRecord,
        system: &SystemName,
        id: &ForeignId,
    ) -> Result<bool, PortError> {
        let entry = self.documents.record(&link.entity, system, id).await?;
        let other = entry.and_then(|entry| entry.content.link);
        if let Some(other) = other {
            return Ok(other == link.link || !self.has_member(other, system, id).await?);
        }
        self.is_unmade(link, system, id).await
    }

    /// True if no other link waits for the record as for one that it created.
    async fn is_unmade(
        &self,
        link: &LinkRecord,
        system: &SystemName,
        id: &ForeignId,
    ) -> Result<bool, PortError> {
        let (known, map) = known(&self.landscape, link, system)?;
        if !known.sink().capability().creates_once {
            return Ok(true);
        }
        let record = CrmRecord {
            object: map.object().to_owned(),
            id: id.clone(),
        };
        let sight = known.sink().read(&record, &map.key_natives()).await?;
        let Sight::Present(Snapshot {
            creation: Some(creation),
            ..
        }) = sight
        else {
            return Ok(true);
        };
        let maker = LinkRecord::link_of_creation(&creation);
        let Some(maker) = maker.filter(|maker| *maker != link.link) else {
            return Ok(true);
        };
        let stored = self.documents.link(maker).await?;
        Ok(stored.is_none_or(|stored| {
            let maker = &stored.content;
            maker.entity != link.entity || !maker.is_of_creation(system, id, &creation)
        }))
    }

    /// The records of `system` with the natural key of the link, without those that a person set
    /// apart.
    async fn find(
        &self,
        link: &Kept<LinkRecord>,
        system: &SystemName,
    ) -> Result<Vec<ForeignId>, PortError> {
        let (known, map) = known(&self.landscape, &link.content, system)?;
        // As it was to be created: the key may have become another one since.
        let member = link.content.members.get(system);
        let intent = member.and_then(|member| member.intent.as_ref());
        let mut values = Fields::new();
        for field in map.key_fields() {
            let written = intent.and_then(|intent| intent.fields.get(field.as_str()));
            let value = match written {
                Some(written) => written.value.clone(),
                None => link.content.value(field.as_str()).flatten().cloned(),
            };
            if value.is_some() {
                values.insert(field.clone(), value);
            }
        }
        let natives = map.put(&values, &Fields::new()).unwrap_or_default();
        if natives.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = known.sink().find(map.object(), &natives).await?;
        found.retain(|id| !link.content.is_apart(system, id));
        Ok(found)
    }

    /// Whether a creation without an answer brought a record about.
    pub(super) async fn find_created(
        &self,
        link: &mut Kept<LinkRecord>,
        system: &SystemName,
        policy: &SyncPolicy,
    ) -> Result<Driven, PortError> {
        let (known, _) = known(&self.landscape, &link.content, system)?;
        let now = self.worker.now();
        if known.sink().capability().creates_once {
            // Asked again for the same, the system gives the record of the first time.
            let target = Target {
                system: system.clone(),
                id: None,
            };
            link.content.repeat(system, &self.worker.id, policy, now);
            return self.write(link, &target, Fields::new(), policy).await;
        }
        match self.find(link, system).await?.as_slice() {
            [] => link.content.not_found(system),
            [first, others @ ..] => {
                for other in others {
                    link.content.duplicate(system, other, now);
                }
                link.content.found_created(system, first.clone());
                return self.adopt(link, system, first).await;
            }
        }
        Ok(Driven::Done)
    }
}

/// True if the announced write sets or takes away the mark of a conflict.
fn marks(record: &LinkRecord, target: &Target) -> bool {
    let member = record.members.get(&target.system);
    let intent = member.and_then(|member| member.intent.as_ref());
    intent.is_some_and(|intent| intent.mark.is_some())
}
