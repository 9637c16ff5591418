//! A record that was hinted at: to which link it belongs, and what becomes of its hints.

use chrono::{DateTime, TimeDelta, Utc};
use tracing::warn;

use super::{CONFLICTS_MAX, CrmSync, STALE_PAUSE};
use crate::crm::{EntityName, ForeignId, LinkId, SystemName};
use crate::error::PortError;
use crate::flow::crm_sync::documents::{RecordEntry, Saved};
use crate::flow::crm_sync::hear::contended;
use crate::flow::crm_sync::identify::{Identity, Joined, Kin, identify, join};
use crate::flow::crm_sync::outcome::{CrmItem, CrmWork};
use crate::flow::crm_sync::write::look_again;

/// How long until a record whose key points at another one is looked at again.
const KEY_PAUSE: TimeDelta = TimeDelta::seconds(10);

/// What became of a record that nobody knew.
enum Introduced {
    To(LinkId),
    No(CrmWork),
}

/// What a link says of a record.
#[derive(Clone, Copy)]
enum Claim {
    /// It is about to count on it.
    Joins,
    /// It counts on it, and is stored so.
    Counts,
}

impl CrmSync {
    pub(super) async fn record(&self, entry: RecordEntry, waiting: &[RecordEntry]) -> CrmItem {
        let mut item = CrmItem {
            entity: Some(entry.entity.clone()),
            record: Some((entry.system.clone(), entry.id.clone())),
            link: entry.link,
            work: CrmWork::Busy,
            notices: Vec::new(),
        };
        item.work = match self.hinted(&entry, &mut item, waiting).await {
            Ok(work) => work,
            // Where the store itself is busy nothing is written: the record stays due.
            Err(error) if error.is_of_store() => CrmWork::Failed(error),
            Err(error) => {
                warn!(error = %error, "a record is taken up again later");
                let until = look_again(&error, self.worker.now());
                match self.settle(&entry, item.link, Some(until), None).await {
                    Ok(()) => CrmWork::Failed(error),
                    Err(second) => {
                        let second = second.no_sooner(error.retry_after());
                        CrmWork::Failed(second.with_source(error))
                    }
                }
            }
        };
        item
    }

    async fn hinted(
        &self,
        entry: &RecordEntry,
        item: &mut CrmItem,
        waiting: &[RecordEntry],
    ) -> Result<CrmWork, PortError> {
        let hint = (&entry.system, &entry.id);
        let known = match item.link {
            Some(id) => self
                .work(id, Some(hint), &entry.told, waiting, &mut item.notices)
                .await?
                .map(|work| (id, work)),
            None => None,
        };
        let (id, work) = match known {
            Some(known) => known,
            // Nobody knows it yet, or whoever was about to make it known died.
            None => match self.introduce(entry, item).await? {
                Introduced::To(id) => {
                    let notices = &mut item.notices;
                    let work = self.work(id, Some(hint), &entry.told, waiting, notices);
                    let work = work.await?;
                    (id, work.ok_or_else(|| contended("crm_sync.identify"))?)
                }
                Introduced::No(work) => return Ok(work),
            },
        };
        let due = match &work {
            CrmWork::Busy => Some(self.worker.now() + STALE_PAUSE),
            _ => None,
        };
        self.settle(entry, Some(id), due, None).await?;
        Ok(work)
    }

    /// Makes a record part of the link to which it belongs.
    async fn introduce(
        &self,
        entry: &RecordEntry,
        item: &mut CrmItem,
    ) -> Result<Introduced, PortError> {
        let mut was_looked_at = false;
        for _ in 0..CONFLICTS_MAX {
            let (reason, again) = match identify(&self.documents, &self.landscape, entry).await? {
                Identity::Link(kin) => {
                    let found = kin.link;
                    item.link = Some(found);
                    match self.take_part(entry, &kin, was_looked_at).await? {
                        Joined::Yes => return Ok(Introduced::To(found)),
                        Joined::No => continue,
                        joined @ (Joined::Behind(_) | Joined::Creating) if !was_looked_at => {
                            // The first one may be removed, or have another key by now. What became
                            // of a creation is found out before anything else takes its place.
                            was_looked_at = true;
                            let first = match &joined {
                                Joined::Behind(first) => Some((&entry.system, first)),
                                _ => None,
                            };
                            let first = self.work(found, first, &[], &[], &mut item.notices);
                            if let Some(CrmWork::Busy) = first.await? {
                                let until = self.worker.now() + STALE_PAUSE;
                                self.settle(entry, None, Some(until), None).await?;
                                return Ok(Introduced::No(CrmWork::Busy));
                            }
                            continue;
                        }
                        Joined::Creating => {
                            let reason = "a record with its natural key is being created";
                            (reason.to_owned(), Some(self.worker.now() + KEY_PAUSE))
                        }
                        Joined::Behind(_) => {
                            let reason = "another record of its system has its natural key";
                            self.settle(entry, None, None, Some(reason.to_owned()))
                                .await?;
                            return Ok(Introduced::No(CrmWork::Duplicate));
                        }
                    }
                }
                Identity::Waits(unknown) => {
                    self.pull(&entry.system, &unknown).await?;
                    let reason = "its natural key points at a record that is not linked yet";
                    (reason.to_owned(), Some(self.worker.now() + KEY_PAUSE))
                }
                Identity::Ending => {
                    let reason = "the record that had its natural key is still being removed";
                    (reason.to_owned(), Some(self.worker.now() + KEY_PAUSE))
                }
                Identity::Apart => {
                    let reason = "a person said that it is another thing than the record with its \
                                  natural key";
                    (reason.to_owned(), None)
                }
                Identity::None(reason) => (reason, None),
            };
            self.settle(entry, None, again, Some(reason.clone()))
                .await?;
            return Ok(Introduced::No(CrmWork::Unlinked { reason }));
        }
        Err(contended("crm_sync.identify"))
    }

    async fn take_part(
        &self,
        entry: &RecordEntry,
        kin: &Kin,
        says_duplicate: bool,
    ) -> Result<Joined, PortError> {
        // Bound before it joins: once the link counts on it, its removal has to be heard.
        let (entity, system, id) = (&entry.entity, &entry.system, &entry.id);
        let bound = self.lead_to(kin.link, Claim::Joins, (entity, system, id));
        if !bound.await? {
            // Another link counts on it since this one was found.
            return Err(contended("crm_sync.identify"));
        }
        let documents = &self.documents;
        let (landscape, worker) = (&self.landscape, &self.worker);
        join(documents, landscape, worker, entry, kin, says_duplicate).await
    }

    /// The hints that were seen are dealt with; those that came since are not.
    async fn settle(
        &self,
        entry: &RecordEntry,
        link: Option<LinkId>,
        due: Option<DateTime<Utc>>,
        waits_for: Option<String>,
    ) -> Result<(), PortError> {
        let stored = self
            .documents
            .record(&entry.entity, &entry.system, &entry.id)
            .await?;
        let Some(mut stored) = stored else {
            return Ok(());
        };
        if stored.content.hints != entry.hints {
            return Ok(());
        }
        stored.content.due = due;
        stored.content.told.clear();
        stored.content.link = stored.content.link.or(link);
        stored.content.waits_for = waits_for;
        // Where somebody else changed it the hint is followed once more.
        self.documents.save_record(&stored).await?;
        Ok(())
    }

    /// Writes that a record belongs to a link, which is stored and counts on it. False for a record
    /// that is part of another link: then it is no part of this one.
    pub(super) async fn bind(
        &self,
        entity: &EntityName,
        system: &SystemName,
        id: &ForeignId,
        link: LinkId,
    ) -> Result<bool, PortError> {
        let record = (entity, system, id);
        self.lead_to(link, Claim::Counts, record).await
    }

    /// Writes which link a record belongs to, so that its hints lead there. For a record that we
    /// created or met only once the link says so: one that takes no part must not be taken for its
    /// member. False for a record that is part of another link.
    ///
    /// Of two links at most one counts on a record for good. Each is stored with the record before
    /// it is written here that it counts on it. Whoever leads the record elsewhere after that looks
    /// at the link later than that, and finds the record there; whoever looked before finds the
    /// document changed, and looks again.
    async fn lead_to(
        &self,
        link: LinkId,
        claim: Claim,
        (entity, system, id): (&EntityName, &SystemName, &ForeignId),
    ) -> Result<bool, PortError> {
        let counts = matches!(claim, Claim::Counts);
        for _ in 0..CONFLICTS_MAX {
            let stored = self.documents.record(entity, system, id).await?;
            let mut entry = stored.unwrap_or_else(|| RecordEntry::unheard(entity, system, id));
            match entry.content.link {
                Some(same) if same == link && (entry.content.counted || !counts) => {
                    return Ok(true);
                }
                Some(same) if same == link => {}
                Some(other) if self.has_member(other, system, id).await? => return Ok(false),
                _ => {}
            }
            entry.content.link = Some(link);
            entry.content.counted = counts;
            entry.content.waits_for = None;
            if let Saved::Yes(_) = self.documents.save_record(&entry).await? {
                return Ok(true);
            }
        }
        Err(contended("crm_sync.bind"))
    }

    /// True if a link counts on a record.
    pub(super) async fn has_member(
        &self,
        link: LinkId,
        system: &SystemName,
        id: &ForeignId,
    ) -> Result<bool, PortError> {
        let stored = self.documents.link(link).await?;
        let members = stored.as_ref().map(|stored| &stored.content.members);
        let member = members.and_then(|members| members.get(system));
        Ok(member.is_some_and(|member| member.id.as_ref() == Some(id)))
    }
}
