//! Which link a record belongs to.

use super::documents::{Documents, Kept, RecordEntry, Reservation, Saved};
use super::hear::contended;
use super::landscape::Landscape;
use super::look::{Looked, look};
use crate::crm::ledger::{
    IntentKind, KeyStanding, LinkRecord, MemberRecord, Observation, Observed,
};
use crate::crm::{EntityName, Fields, ForeignId, LinkId, Value};
use crate::error::PortError;
use crate::flow::Worker;
use crate::id::Sha256;

/// How often the link of a key is looked for again after somebody else changed it.
const CONFLICTS_MAX: usize = 8;

/// Why a record belongs to no link that its system does not have: it waits for nothing.
pub(super) const NOT_THERE: &str = "it is not there any more";

/// The link to which a record belongs, and why.
#[derive(Debug)]
pub(super) struct Kin {
    pub(super) link: LinkId,
    /// The natural key that stands for the link.
    key: Option<String>,
    /// The key of the link's creation that brought the record about.
    creation: Option<String>,
}

/// What a record turned out to be.
#[derive(Debug)]
pub(super) enum Identity {
    /// Part of a link, which it has yet to join.
    Link(Kin),
    /// Its natural key points at another record that is not linked yet; of these nobody knows.
    Waits(Vec<(EntityName, ForeignId)>),
    /// Its natural key stands for a record that is being removed everywhere.
    Ending,
    /// A person said that it is another thing than what its natural key stands for.
    Apart,
    /// Nothing that can be shared now.
    None(String),
}

/// Finds the link of a record, or makes one. A natural key is reserved before anything is created
/// anywhere, so two records that appear at once in two systems end as one link.
pub(super) async fn identify(
    documents: &Documents,
    landscape: &Landscape,
    entry: &RecordEntry,
) -> Result<Identity, PortError> {
    let Some(map) = landscape
        .system(&entry.system)
        .and_then(|system| system.map(&entry.entity))
    else {
        return Ok(Identity::None("its object is not shared".to_owned()));
    };
    let sight = look(
        documents,
        landscape,
        &entry.entity,
        &entry.system,
        &entry.id,
    )
    .await?;
    let Looked {
        observation: Observation::Present { fields, .. },
        creation,
        unknown,
        ..
    } = sight
    else {
        return Ok(Identity::None(NOT_THERE.to_owned()));
    };
    if let Some(kin) = created_by(documents, entry, creation).await? {
        return Ok(Identity::Link(kin));
    }
    let definition = landscape.entity(&entry.entity);
    let has_key = definition.is_some_and(|definition| !definition.natural_key.is_empty());
    let key_fields = map.key_fields().iter();
    let waits = key_fields.filter_map(|field| fields.get(field.as_str()));
    if waits
        .into_iter()
        .any(|observed| matches!(observed, Observed::Unresolved(_)))
    {
        return Ok(Identity::Waits(unknown));
    }
    let key = map.key_of(&readable(fields));
    match key {
        None if has_key => Ok(Identity::None("its natural key is incomplete".to_owned())),
        None => Ok(Identity::Link(Kin {
            link: own_link(entry, None),
            key: None,
            creation: None,
        })),
        Some(key) => reserve(documents, entry, &key).await,
    }
}

/// The link that a record founds, if it is the first of its kind. Always the same, so that an
/// attempt after a crash goes on with what the first one began; and another one for another key, or
/// for a key that was given away, since others may be part of the first by then.
fn own_link(entry: &RecordEntry, key: Option<(&str, u64)>) -> LinkId {
    let record = format!("{}\n{}\n{}", entry.entity, entry.system, entry.id);
    let of_key = key.map(|(key, generation)| format!("\n{generation}\n{key}"));
    let of_life = (entry.unlinked > 0).then(|| format!("\n{}", entry.unlinked));
    let parts = [Some(record), of_key, of_life];
    let text: String = parts.into_iter().flatten().collect();
    let hash = Sha256::of(text.as_bytes());
    let mut bytes = [0; 16];
    for (byte, of_hash) in bytes.iter_mut().zip(hash.as_bytes()) {
        *byte = *of_hash;
    }
    LinkId::from_bytes(bytes)
}

fn readable(fields: Fields<Observed>) -> Fields<Option<Value>> {
    fields
        .into_iter()
        .filter_map(|(field, observed)| match observed {
            Observed::Value(value) => Some((field, value)),
            Observed::Unresolved(_) | Observed::Unreadable => None,
        })
        .collect()
}

/// Which link a key stands for, or is reserved from now on.
async fn reserve(
    documents: &Documents,
    entry: &RecordEntry,
    key: &str,
) -> Result<Identity, PortError> {
    let taker = |generation| own_link(entry, Some((key, generation)));
    let (link, record) = match documents.reserve(&entry.entity, key, taker).await? {
        Reservation::Taken(link) => (link, None),
        // Whoever was to found it may have died: then this record founds it.
        Reservation::Of(link, record) => (link, record),
    };
    if let Some(record) = record {
        let is_held = record.key_standing(key) == KeyStanding::Held;
        if is_held && record.is_apart(&entry.system, &entry.id) {
            return Ok(Identity::Apart);
        }
        if !is_held && !record.may_have_created(&entry.system) {
            return Ok(Identity::Ending);
        }
    }
    Ok(Identity::Link(Kin {
        link,
        key: Some(key.to_owned()),
        creation: None,
    }))
}

/// The link that created a record, as long as that counts on what came of it. Without this a record
/// that got another key before its creation was answered would be a new one to everybody.
async fn created_by(
    documents: &Documents,
    entry: &RecordEntry,
    creation: Option<String>,
) -> Result<Option<Kin>, PortError> {
    let maker = creation.as_deref().and_then(LinkRecord::link_of_creation);
    let (Some(link), Some(creation)) = (maker, creation) else {
        return Ok(None);
    };
    let stored = documents.link(link).await?;
    let is_its = stored.is_some_and(|stored| {
        let record = &stored.content;
        record.entity == entry.entity && record.is_of_creation(&entry.system, &entry.id, &creation)
    });
    Ok(is_its.then_some(Kin {
        link,
        key: None,
        creation: Some(creation),
    }))
}

/// What became of a record that was to be part of a link.
#[derive(Debug)]
pub(super) enum Joined {
    Yes,
    /// The link stands for the key no more.
    No,
    /// The link has another record of its system.
    Behind(ForeignId),
    /// The link may have created another record of its system, and does not know yet.
    Creating,
}

/// Makes a record part of a link. Where the link has another record of its system, a conflict says
/// so if `says_duplicate`.
pub(super) async fn join(
    documents: &Documents,
    landscape: &Landscape,
    worker: &Worker,
    entry: &RecordEntry,
    kin: &Kin,
    says_duplicate: bool,
) -> Result<Joined, PortError> {
    let system = landscape.system(&entry.system);
    let knows_creations = system.is_some_and(|one| one.sink().capability().creates_once);
    let Kin {
        link,
        key,
        creation,
    } = kin;
    for _ in 0..CONFLICTS_MAX {
        let mut stored = documents.link(*link).await?.unwrap_or_else(|| Kept {
            content: LinkRecord::new(
                *link,
                entry.entity.clone(),
                key.clone(),
                entry.system.clone(),
                worker.now(),
            ),
            etag: None,
        });
        let mut other = None;
        let record = &mut stored.content;
        let is_stored = stored.etag.is_some();
        let created = creation.as_deref();
        if created.is_some_and(|key| !record.is_of_creation(&entry.system, &entry.id, key)) {
            return Ok(Joined::No);
        }
        if let Some(key) = key.as_deref().filter(|_| is_stored)
            && record.key_standing(key) != KeyStanding::Held
            && !record.may_have_created(&entry.system)
        {
            return Ok(Joined::No);
        }
        match record.members.get(&entry.system) {
            Some(member) if member.id.as_ref() == Some(&entry.id) => {
                return Ok(Joined::Yes);
            }
            Some(MemberRecord { id: Some(id), .. }) => {
                let id = id.clone();
                if !says_duplicate {
                    return Ok(Joined::Behind(id));
                }
                record.duplicate(&entry.system, &entry.id, worker.now());
                other = Some(id);
            }
            Some(_) if created.is_some() => {
                record.shown_created(&entry.system, entry.id.clone());
            }
            Some(member) => {
                let creation = member.intent.as_ref().or(member.unfinished.as_ref());
                let creating = creation.is_some_and(|intent| intent.kind == IntentKind::Create);
                let goes_on = record.life.alive && record.life.held.is_none();
                if creating && goes_on && knows_creations {
                    // This is not what came of it.
                    return Ok(Joined::Creating);
                }
                if creating {
                    record.found_created(&entry.system, entry.id.clone());
                } else {
                    record.joined(&entry.system, entry.id.clone());
                }
            }
            None => {
                let member = MemberRecord::of(entry.id.clone());
                record.members.insert(entry.system.clone(), member);
            }
        }
        let due = Some(worker.now());
        let state = super::documents::LinkState::Working;
        if let Saved::Yes(_) = documents.save_link(&stored, state, due).await? {
            return Ok(other.map_or(Joined::Yes, Joined::Behind));
        }
    }
    Err(contended("crm_sync.identify"))
}
