//! What people have to look after: conflicts to decide, and what waits for something.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::desk::{CrmDesk, DeskError};
use super::documents::{CRM_LINKS, CRM_RECORDS, LinkState, RecordEntry, WAITING};
use super::identify::NOT_THERE;
use crate::crm::ledger::{Awaited, Conflict, LinkRecord, MemberRecord, Obstacle, Refusal};
use crate::crm::{EntityName, FieldName, ForeignId, LinkId, SystemName};
use crate::error::{ErrorKind, PortError};
use crate::port::{Collection, DocumentKey, Page, Query};

/// A part of the documents, by the word that the store selects on.
type Stage = (Collection, &'static str);

/// Where links with an open conflict are: at rest, or with a write under way.
const CONFLICTS: [Stage; 2] = [
    (CRM_LINKS, LinkState::Conflict.as_str()),
    (CRM_LINKS, LinkState::Working.as_str()),
];

/// Where something waits.
const WAITS: [Stage; 4] = [
    (CRM_LINKS, LinkState::Parked.as_str()),
    (CRM_LINKS, LinkState::Conflict.as_str()),
    (CRM_LINKS, LinkState::Working.as_str()),
    (CRM_RECORDS, WAITING),
];

/// A part of a list.
#[derive(Debug, Clone)]
pub struct CrmPage<T> {
    /// What was found, in no promised order.
    pub items: Vec<T>,
    /// Documents that cannot be read, and so are in no list.
    pub unreadable: Vec<DocumentKey>,
    /// Where to go on; `None` at the end. Only this ends a list, never a page without items.
    pub continuation: Option<String>,
}

/// A conflict that a person has to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenConflict {
    /// What kind of record it is about.
    pub entity: EntityName,
    /// What identifies the record among people.
    pub natural_key: Option<String>,
    /// Its id in each system that has it.
    pub records: BTreeMap<SystemName, ForeignId>,
    /// The conflict, with what each side says.
    pub conflict: Conflict,
}

/// A record of one system that waits for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrmWaiting {
    /// What kind of record it is.
    pub entity: EntityName,
    /// What identifies it among people, where that is known.
    pub natural_key: Option<String>,
    /// Its link; `None` where it belongs to none.
    pub link: Option<LinkId>,
    /// The system.
    pub system: SystemName,
    /// Its id there; `None` where it is yet to be created.
    pub id: Option<ForeignId>,
    /// Everything that it waits for.
    pub causes: Vec<WaitCause>,
}

/// What a record waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitCause {
    /// A field points at a record that nobody knows yet.
    Reference {
        /// The field.
        field: FieldName,
        /// What it points at, since when, and whether it is overdue.
        awaited: Awaited,
    },
    /// Nothing is written to the record at present.
    Obstacle(Obstacle),
    /// A field is not written at present.
    Refused {
        /// The field.
        field: FieldName,
        /// Why.
        refusal: Refusal,
    },
    /// It belongs to no link.
    Unlinked {
        /// Why.
        reason: String,
        /// When that is looked at again; `None` for when somebody changes the record.
        until: Option<DateTime<Utc>>,
    },
}

impl CrmDesk {
    /// Every conflict that a person has to decide, page by page: from the beginning, or from the
    /// `continuation` of the page before. A page comes of `documents_max` documents at most.
    ///
    /// The store selects links by the word of their state, so this costs what is open, not what is
    /// stored, and in addition a look at each link that is being worked on at that time. A link whose
    /// state changes while the list is read may come twice or be left out: whoever has to know asks
    /// again.
    ///
    /// # Errors
    /// Those of the store. `Invalid` for a continuation of another list or store.
    pub async fn open_conflicts(
        &self,
        from: Option<&str>,
        documents_max: usize,
    ) -> Result<CrmPage<OpenConflict>, PortError> {
        let (page, continuation) = self.stage(&CONFLICTS, from, documents_max).await?;
        let mut found = CrmPage {
            items: Vec::new(),
            unreadable: Vec::new(),
            continuation,
        };
        for document in page.documents {
            match document.parse::<LinkRecord>() {
                Ok(link) => found.items.extend(open_conflicts_of(link)),
                Err(_) => found.unreadable.push(document.key),
            }
        }
        Ok(found)
    }

    /// Every record that waits for something but a decision, page by page as
    /// [`open_conflicts`](Self::open_conflicts): parked references, systems and fields that are not
    /// written at present, and records that belong to no link.
    ///
    /// Links that rest without a wait are not read; those with an open conflict are, since one word
    /// says only the first of both.
    ///
    /// # Errors
    /// Those of the store. `Invalid` for a continuation of another list or store.
    pub async fn waiting(
        &self,
        from: Option<&str>,
        documents_max: usize,
    ) -> Result<CrmPage<CrmWaiting>, PortError> {
        let (page, continuation) = self.stage(&WAITS, from, documents_max).await?;
        let mut found = CrmPage {
            items: Vec::new(),
            unreadable: Vec::new(),
            continuation,
        };
        for document in page.documents {
            let read = if document.key.collection == CRM_RECORDS {
                document
                    .parse()
                    .map(|entry| unlinked(entry).into_iter().collect())
            } else {
                document.parse().map(|link| waits_of(&link))
            };
            match read {
                Ok(mut waits) => found.items.append(&mut waits),
                Err(_) => found.unreadable.push(document.key),
            }
        }
        Ok(found)
    }

    /// A person mended what was in the way of a link: what was refused is tried again, and what
    /// waits is looked at, by the next run of [`CrmSync`](super::CrmSync).
    ///
    /// # Errors
    /// [`DeskError::NoLink`] where there is no such link; else those of the store.
    pub async fn retry(&self, link: LinkId) -> Result<(), DeskError> {
        let missing = || DeskError::NoLink { link };
        self.change(link, missing, |record, _| {
            record.retry();
            Ok(())
        })
        .await
    }

    /// One page of one of the stages, and where to go on.
    async fn stage(
        &self,
        stages: &[Stage],
        from: Option<&str>,
        documents_max: usize,
    ) -> Result<(Page, Option<String>), PortError> {
        let (at, continuation) = place(from).ok_or_else(unknown_place)?;
        let (collection, state) = stages.get(at).copied().ok_or_else(unknown_place)?;
        let mut query = Query::all(collection)
            .in_state(state)
            .with_page_items_max(documents_max.max(1));
        query.continuation = continuation;
        let mut page = self.documents.page(query).await?;
        let next = match page.continuation.take() {
            Some(continuation) => Some(format!("{at}:{continuation}")),
            None if at + 1 < stages.len() => Some(format!("{}:", at + 1)),
            None => None,
        };
        Ok((page, next))
    }
}

/// The stage that a continuation is in, and the store's own continuation there.
fn place(from: Option<&str>) -> Option<(usize, Option<String>)> {
    let Some(from) = from else {
        return Some((0, None));
    };
    let (at, continuation) = from.split_once(':')?;
    let continuation = (!continuation.is_empty()).then(|| continuation.to_owned());
    Some((at.parse().ok()?, continuation))
}

fn unknown_place() -> PortError {
    PortError::new(ErrorKind::Invalid, "crm_desk.list")
        .with_detail("this is no continuation of the list")
        .without_effect()
}

fn open_conflicts_of(link: LinkRecord) -> impl Iterator<Item = OpenConflict> {
    let members = link.members.iter();
    let records: BTreeMap<_, _> = members
        .filter_map(|(system, member)| Some((system.clone(), member.id.clone()?)))
        .collect();
    let (entity, natural_key) = (link.entity, link.natural_key);
    let open = link.conflicts.into_iter().filter(Conflict::is_open);
    open.map(move |conflict| OpenConflict {
        entity: entity.clone(),
        natural_key: natural_key.clone(),
        records: records.clone(),
        conflict,
    })
}

fn waits_of(link: &LinkRecord) -> Vec<CrmWaiting> {
    let members = link.members.iter();
    let waits = members.map(|(system, member)| CrmWaiting {
        entity: link.entity.clone(),
        natural_key: link.natural_key.clone(),
        link: Some(link.link),
        system: system.clone(),
        id: member.id.clone(),
        causes: causes_of(member),
    });
    waits.filter(|wait| !wait.causes.is_empty()).collect()
}

fn causes_of(member: &MemberRecord) -> Vec<WaitCause> {
    let awaited = member
        .awaited()
        .map(|(field, awaited)| WaitCause::Reference {
            field: field.clone(),
            awaited: awaited.clone(),
        });
    let obstacle = member.obstacle.iter().cloned().map(WaitCause::Obstacle);
    let refused = member.refused.iter();
    let refused = refused.map(|(field, refusal)| WaitCause::Refused {
        field: field.clone(),
        refusal: refusal.clone(),
    });
    awaited.chain(obstacle).chain(refused).collect()
}

/// A record that is there, and that belongs to no link.
fn unlinked(entry: RecordEntry) -> Option<CrmWaiting> {
    let reason = entry.waits_for.filter(|reason| reason != NOT_THERE)?;
    entry.link.is_none().then(|| CrmWaiting {
        entity: entry.entity,
        natural_key: None,
        link: None,
        system: entry.system,
        id: Some(entry.id),
        causes: vec![WaitCause::Unlinked {
            reason,
            until: entry.due,
        }],
    })
}
