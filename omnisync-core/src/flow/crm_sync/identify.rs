//! Which link a record belongs to.

use super::documents::{Documents, Kept, KeyEntry, RecordEntry, Saved};
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

/// What a record turned out to be.
#[derive(Debug)]
pub(super) enum Identity {
    /// Part of this link, which it has yet to join.
    Link {
        /// The link.
        link: LinkId,
        /// The natural key.
        key: Option<String>,
    },
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
        unknown,
        ..
    } = sight
    else {
        return Ok(Identity::None(NOT_THERE.to_owned()));
    };
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
    let link = match &key {
        None if has_key => {
            return Ok(Identity::None("its natural key is incomplete".to_owned()));
        }
        None => own_link(entry, None),
        Some(key) => match reserve(documents, entry, key).await? {
            Reserved::For(link) => link,
            Reserved::Ending => return Ok(Identity::Ending),
            Reserved::Apart => return Ok(Identity::Apart),
        },
    };
    Ok(Identity::Link { link, key })
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

/// Whose a key is.
enum Reserved {
    For(LinkId),
    Ending,
    Apart,
}

async fn reserve(
    documents: &Documents,
    entry: &RecordEntry,
    key: &str,
) -> Result<Reserved, PortError> {
    for _ in 0..CONFLICTS_MAX {
        let reserved = documents.key(&entry.entity, key).await?;
        let mut generation = 1;
        let mut etag = None;
        if let Some(reserved) = reserved {
            let link = reserved.content.link;
            // Without a document its founder is about to write it, or died: then this record founds
            // it.
            let Some(stored) = documents.link(link).await? else {
                return Ok(Reserved::For(link));
            };
            match stored.content.key_standing(key) {
                KeyStanding::Held if stored.content.is_apart(&entry.system, &entry.id) => {
                    return Ok(Reserved::Apart);
                }
                KeyStanding::Held => return Ok(Reserved::For(link)),
                KeyStanding::Ending if stored.content.may_have_created(&entry.system) => {
                    return Ok(Reserved::For(link));
                }
                KeyStanding::Ending => return Ok(Reserved::Ending),
                KeyStanding::Free => {}
            }
            generation = reserved.content.generation + 1;
            etag = reserved.etag;
        }
        let link = own_link(entry, Some((key, generation)));
        let content = KeyEntry {
            entity: entry.entity.clone(),
            key: key.to_owned(),
            link,
            generation,
        };
        if let Saved::Yes(_) = documents.reserve_key(&Kept { content, etag }).await? {
            return Ok(Reserved::For(link));
        }
    }
    Err(contended("crm_sync.identify"))
}

/// What became of a record that was to be part of a link.
#[derive(Debug)]
pub(super) enum Joined {
    Yes,
    /// The link stands for the key no more.
    No,
    /// The link has another record of its system.
    Behind(ForeignId),
}

/// Makes a record part of a link. Where the link has another record of its system, a conflict says
/// so if `says_duplicate`.
pub(super) async fn join(
    documents: &Documents,
    worker: &Worker,
    entry: &RecordEntry,
    link: LinkId,
    key: Option<String>,
    says_duplicate: bool,
) -> Result<Joined, PortError> {
    for _ in 0..CONFLICTS_MAX {
        let mut stored = documents.link(link).await?.unwrap_or_else(|| Kept {
            content: LinkRecord::new(
                link,
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
            Some(member) => {
                let creation = member.intent.as_ref().or(member.unfinished.as_ref());
                let creating = creation.is_some_and(|intent| intent.kind == IntentKind::Create);
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
