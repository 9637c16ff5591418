//! Keeping the records of a landscape the same.

mod effect;
mod introduce;
mod key;
mod merge;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use tracing::instrument;

use self::key::Keyed;
use self::merge::Merged;
use super::documents::{
    Documents, Kept, LinkState, RecordEntry, Saved, Unreadable, link_of, record_of,
};
use super::hear::{Hear, contended};
use super::landscape::Landscape;
use super::look::{look, resolve};
use super::outcome::{CrmItem, CrmNotice, CrmSyncOutcome, CrmWork};
use super::write::{UNREADABLE_PAUSE, look_again};
use crate::crm::ledger::{
    LinkRecord, MemberRecord, Observation, Outlook, Step, SyncPolicy, Target, Told,
};
use crate::crm::{EntityName, Fields, ForeignId, LinkId, Native, Origin, SystemName};
use crate::error::{ErrorKind, PortError};
use crate::flow::Worker;
use crate::port::StateStore;

/// Records and links that a run takes.
const ITEMS_MAX: usize = 200;

/// Steps for one link in one run: what is left is taken up by the next.
const STEPS_MAX: u32 = 64;

/// How often a link is read and driven again after somebody else changed it.
const CONFLICTS_MAX: usize = 8;

/// How long until a read that was behind is made again.
const STALE_PAUSE: TimeDelta = TimeDelta::seconds(1);

/// Keeps the records of a landscape the same. Any number of workers may run it.
#[derive(Debug)]
pub struct CrmSync {
    documents: Documents,
    hear: Hear,
    landscape: Arc<Landscape>,
    worker: Worker,
}

/// How far a link was brought.
enum Driven {
    /// Nothing more to do before then.
    Done,
    /// Another worker has announced a write.
    Busy,
    /// Somebody else changed the link.
    Raced,
}

#[derive(Debug, Default)]
struct Tally {
    looks: u32,
    writes: u32,
}

impl CrmSync {
    /// A worker over `store`.
    pub fn new(store: Arc<dyn StateStore>, landscape: Arc<Landscape>, worker: Worker) -> Self {
        Self {
            documents: Documents::new(Arc::clone(&store)),
            hear: Hear::new(store, Arc::clone(&landscape), worker.clone()),
            landscape,
            worker,
        }
    }

    /// Works on what is due: records that were hinted at, then links that somebody has to go on
    /// with. A failure of one does not stop the others, but where a store or a system asks for time:
    /// then the run ends and the rest stays due, so that a host can wait.
    ///
    /// # Errors
    /// Those of the queries. What failed for one record is in the outcome.
    #[instrument(skip_all, fields(worker = %self.worker.id))]
    pub async fn run_once(&self) -> Result<CrmSyncOutcome, PortError> {
        let now = self.worker.now();
        let mut outcome = CrmSyncOutcome::default();
        let records = self.documents.due_records(now, ITEMS_MAX).await?;
        let mut linked = false;
        outcome.more = records.is_full;
        for unreadable in records.unreadable {
            outcome.items.push(self.set_aside(unreadable).await);
        }
        let mut waiting = records.found.into_iter();
        while let Some(entry) = waiting.next() {
            let before = entry.link;
            let item = self.record(entry, waiting.as_slice()).await;
            linked |= before.is_none() && item.link.is_some();
            let is_busy = asks_for_time(&item.work);
            outcome.items.push(item);
            if is_busy {
                outcome.more = true;
                return Ok(outcome);
            }
        }
        let due = self.documents.due_links(now, ITEMS_MAX).await?;
        outcome.more |= due.is_full;
        for unreadable in due.unreadable {
            outcome.items.push(self.set_aside(unreadable).await);
        }
        let mut links = due.found;
        if linked {
            // What waited for a record may go on.
            for parked in self.documents.waiting_links(ITEMS_MAX).await? {
                let is_new = links.iter().all(|link| link.link != parked.link);
                if is_new && self.may_go_on(&parked).await? {
                    links.push(parked);
                }
            }
        }
        for link in links {
            let mut notices = Vec::new();
            let worked = self.work(link.link, None, &[], &[], &mut notices);
            let work = match worked.await {
                Ok(Some(work)) => work,
                Ok(None) => continue,
                Err(error) => CrmWork::Failed(error),
            };
            let is_busy = asks_for_time(&work);
            outcome.items.push(CrmItem {
                entity: Some(link.entity),
                record: None,
                link: Some(link.link),
                work,
                notices,
            });
            if is_busy {
                outcome.more = true;
                break;
            }
        }
        Ok(outcome)
    }

    /// A document that cannot be read is told of, and left alone for a while.
    async fn set_aside(&self, unreadable: Unreadable) -> CrmItem {
        let record = record_of(unreadable.key());
        let link = link_of(unreadable.key());
        let until = self.worker.now() + UNREADABLE_PAUSE;
        let work = match self.documents.set_aside(&unreadable, until).await {
            Ok(()) => CrmWork::Failed(unreadable.error),
            Err(second) => CrmWork::Failed(second.with_source(unreadable.error)),
        };
        CrmItem {
            entity: record.as_ref().map(|(entity, ..)| entity.clone()),
            record: record.map(|(_, system, id)| (system, id)),
            link,
            work,
            notices: Vec::new(),
        }
    }

    /// True if a record that the link waits for is known by now.
    async fn may_go_on(&self, link: &LinkRecord) -> Result<bool, PortError> {
        let awaited = link.members.values().flat_map(MemberRecord::awaited);
        for (_, awaited) in awaited {
            let known = resolve(&self.documents, &awaited.reference).await?;
            if known.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Goes on with a link. `None` where the record that was hinted at is no part of it. Whatever else
    /// of it waits to be looked at is looked at before anything is written, so that what people
    /// changed in several systems at once is told once.
    async fn work(
        &self,
        link: LinkId,
        hint: Option<(&SystemName, &ForeignId)>,
        told: &[Told],
        waiting: &[RecordEntry],
        notices: &mut Vec<CrmNotice>,
    ) -> Result<Option<CrmWork>, PortError> {
        let mut tally = Tally::default();
        for _ in 0..CONFLICTS_MAX {
            let Some(mut stored) = self.documents.link(link).await? else {
                return Ok(None);
            };
            match hint {
                Some((system, id)) => {
                    let member = stored.content.members.get(system);
                    if member.is_none_or(|member| member.id.as_ref() != Some(id)) {
                        return Ok(None);
                    }
                    stored.content.hint(system);
                    for told in told {
                        let now = self.worker.now();
                        stored.content.told(system, told.clone(), now);
                    }
                }
                None => stored.content.retry_parked(),
            }
            for other in waiting.iter().filter(|other| other.link == Some(link)) {
                let member = stored.content.members.get(&other.system);
                if member.is_some_and(|member| member.id.as_ref() == Some(&other.id)) {
                    stored.content.hint(&other.system);
                }
            }
            match self.drive(stored, &mut tally, notices).await? {
                Driven::Done => {
                    return Ok(Some(CrmWork::Done {
                        looks: tally.looks,
                        writes: tally.writes,
                    }));
                }
                Driven::Busy => return Ok(Some(CrmWork::Busy)),
                Driven::Raced => {}
            }
        }
        Err(contended("crm_sync.work"))
    }

    /// Does what the ledger says, until there is nothing to do.
    async fn drive(
        &self,
        mut link: Kept<LinkRecord>,
        tally: &mut Tally,
        notices: &mut Vec<CrmNotice>,
    ) -> Result<Driven, PortError> {
        let policy = self.landscape.policy(&link.content.entity);
        let mut seen: Option<(SystemName, Fields<Native>)> = None;
        for _ in 0..STEPS_MAX {
            let now = self.worker.now();
            match self.settle_keys(&mut link, now).await? {
                Keyed::Yes => {}
                Keyed::Waits(until) => return self.rest(&mut link, Some(until), notices).await,
                Keyed::Raced => return Ok(Driven::Raced),
            }
            let lenses = self.landscape.lenses(&link.content.entity);
            let step = link.content.plan(&lenses, &policy, &self.worker.id, now);
            match step {
                Step::Rest => return self.rest(&mut link, None, notices).await,
                Step::Busy(_) => return Ok(Driven::Busy),
                Step::Wait(until) => return self.rest(&mut link, Some(until), notices).await,
                Step::Look(target) => {
                    tally.looks += 1;
                    match self.observe(&mut link, &target, &policy).await {
                        Ok(None) => return Ok(Driven::Raced),
                        Ok(Some((Outlook::Stale, _))) => {
                            let until = now + STALE_PAUSE;
                            return self.rest(&mut link, Some(until), notices).await;
                        }
                        Ok(Some((_, native))) => seen = Some((target.system, native)),
                        Err(error) => {
                            return Err(self.postpone(&mut link, error, now, notices).await);
                        }
                    }
                }
                Step::Find(system) => match self.find_created(&mut link, &system, &policy).await {
                    Ok(Driven::Done) => {}
                    Ok(other) => return Ok(other),
                    Err(error) => return Err(self.postpone(&mut link, error, now, notices).await),
                },
                Step::Seek(system) => match self.seek(&mut link, &system).await {
                    Ok(Driven::Done) => {}
                    Ok(other) => return Ok(other),
                    Err(error) => return Err(self.postpone(&mut link, error, now, notices).await),
                },
                Step::Write(target) => {
                    let native = match &seen {
                        Some((system, native)) if *system == target.system => native.clone(),
                        _ => Fields::new(),
                    };
                    tally.writes += 1;
                    match self.write(&mut link, &target, native, &policy).await {
                        Ok(Driven::Raced) => return Ok(Driven::Raced),
                        Ok(_) => {}
                        Err(error) => {
                            return Err(self.postpone(&mut link, error, now, notices).await);
                        }
                    }
                }
            }
        }
        self.rest(&mut link, Some(self.worker.now()), notices).await
    }

    /// Looks at a record. `None` where somebody else changed the link.
    async fn observe(
        &self,
        link: &mut Kept<LinkRecord>,
        target: &Target,
        policy: &SyncPolicy,
    ) -> Result<Option<(Outlook, Fields<Native>)>, PortError> {
        let nothing = |outlook| Some((outlook, Fields::new()));
        let Some(id) = &target.id else {
            return Ok(nothing(Outlook::NoNews));
        };
        if !self.hear_of(link, target).await? {
            // It became part of another link before this one was known to count on it.
            link.content.release(&target.system, self.worker.now());
            return Ok(nothing(Outlook::News));
        }
        let entity = link.content.entity.clone();
        let looked = look(
            &self.documents,
            &self.landscape,
            &entity,
            &target.system,
            id,
        )
        .await?;
        self.pull(&target.system, &looked.unknown).await?;
        let observation = match looked.observation {
            Observation::Merged(merge) => {
                match self
                    .merged(&mut link.content, &target.system, id, merge)
                    .await?
                {
                    Merged::Into(merge) => Observation::Merged(merge),
                    Merged::Relinked => {
                        // Stored before it is said that the link counts on the other record.
                        let now = self.worker.now();
                        let saved = self.save(link, LinkState::Working, Some(now)).await?;
                        return Ok(nothing(Outlook::News).filter(|_| saved));
                    }
                    Merged::Waits => return Ok(nothing(Outlook::Stale)),
                }
            }
            seen => {
                self.unmerged(&link.content, &target.system, id).await?;
                seen
            }
        };
        let lenses = self.landscape.lenses(&entity);
        let outlook = link.content.observe(
            &target.system,
            observation,
            &lenses,
            policy,
            self.worker.now(),
        );
        Ok(Some((outlook, looked.native)))
    }

    /// Records that others point at are looked at, though no event spoke of them.
    async fn pull(
        &self,
        system: &SystemName,
        unknown: &[(EntityName, ForeignId)],
    ) -> Result<(), PortError> {
        for (entity, id) in unknown {
            if self.documents.record(entity, system, id).await?.is_none() {
                let origin = Origin::default();
                self.hear.note(entity, system, id, &origin).await?;
            }
        }
        Ok(())
    }

    /// Before a record is looked at for the first time it is made known as a member: what happens to
    /// it from then on is heard of, whoever died when it was created. False if it is another link's.
    async fn hear_of(
        &self,
        link: &mut Kept<LinkRecord>,
        target: &Target,
    ) -> Result<bool, PortError> {
        let member = link.content.members.get(&target.system);
        if let (Some(id), false) = (&target.id, member.is_some_and(|member| member.bound)) {
            let (entity, own) = (&link.content.entity, link.content.link);
            if !self.bind(entity, &target.system, id, own).await? {
                return Ok(false);
            }
            link.content.bound(&target.system);
        }
        Ok(true)
    }

    /// What failed is tried again later; what is to be told of it.
    async fn postpone(
        &self,
        link: &mut Kept<LinkRecord>,
        error: PortError,
        now: DateTime<Utc>,
        notices: &mut Vec<CrmNotice>,
    ) -> PortError {
        if error.is_of_store() {
            // What asks for time, or is down, is not asked to remember that.
            return error;
        }
        let again = look_again(&error, now);
        match self.rest(link, Some(again), notices).await {
            Ok(_) => error,
            Err(second) => second.no_sooner(error.retry_after()),
        }
    }

    /// Stores the link as it is, with what people are told of it.
    async fn rest(
        &self,
        link: &mut Kept<LinkRecord>,
        until: Option<DateTime<Utc>>,
        notices: &mut Vec<CrmNotice>,
    ) -> Result<Driven, PortError> {
        let record = &mut link.content;
        let policy = self.landscape.policy(&record.entity);
        let overdue = record.overdue(&policy, self.worker.now());
        let opened = record.untold_conflicts();
        let opened = opened.into_iter().map(Box::new).map(CrmNotice::Conflict);
        let news = opened.chain(overdue.into_iter().map(CrmNotice::Overdue));
        let state = if record.open_conflicts().next().is_some() {
            LinkState::Conflict
        } else if until.is_some() {
            LinkState::Parked
        } else {
            LinkState::Quiet
        };
        if !self.save(link, state, until).await? {
            return Ok(Driven::Raced);
        }
        notices.extend(news);
        Ok(Driven::Done)
    }

    async fn save(
        &self,
        link: &mut Kept<LinkRecord>,
        state: LinkState,
        due: Option<DateTime<Utc>>,
    ) -> Result<bool, PortError> {
        loop {
            match self.documents.save_link(link, state, due).await {
                Ok(Saved::Yes(etag)) => {
                    link.etag = Some(etag);
                    return Ok(true);
                }
                Ok(Saved::Lost) => return Ok(false),
                // What was decided long ago is the first to go.
                Err(error)
                    if error.kind() == ErrorKind::TooLarge && link.content.shed_decisions() => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// True if somebody is to be left alone for a while.
fn asks_for_time(work: &CrmWork) -> bool {
    matches!(work, CrmWork::Failed(error) if error.retry_after().is_some())
}
