//! Reading a record, and what its references mean.

use super::documents::Documents;
use super::landscape::Landscape;
use crate::crm::ledger::{MergeInto, Observation, Observed};
use crate::crm::{
    EntityName, Fields, ForeignId, Native, Reference, ReferenceTarget, SystemName, Value,
};
use crate::error::{ErrorKind, PortError};
use crate::port::{CrmRecord, Sight};

/// What a read brought.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) observation: Observation,
    /// The fields as the system has them.
    pub(super) native: Fields<Native>,
    /// The key of the creation that brought it about, where the system tells.
    pub(super) creation: Option<String>,
    /// Records that are pointed at and that nobody has looked at yet.
    pub(super) unknown: Vec<(EntityName, ForeignId)>,
}

pub(super) async fn look(
    documents: &Documents,
    landscape: &Landscape,
    entity: &EntityName,
    system: &SystemName,
    id: &ForeignId,
) -> Result<Looked, PortError> {
    let known = landscape.system(system);
    let Some((known, map)) = known.and_then(|known| Some((known, known.map(entity)?))) else {
        return Err(
            PortError::new(ErrorKind::Misconfigured, "crm_sync.look").with_detail(format!(
                "{system} does not share {entity} in this landscape"
            )),
        );
    };
    let record = CrmRecord {
        object: map.object().to_owned(),
        id: id.clone(),
    };
    let nothing = |observation| Looked {
        observation,
        native: Fields::new(),
        creation: None,
        unknown: Vec::new(),
    };
    let snapshot = match known.sink().read(&record, map.native_fields()).await? {
        Sight::Present(snapshot) => snapshot,
        Sight::Gone { .. } | Sight::Missing => return Ok(nothing(Observation::Gone)),
        Sight::Merged { into } => {
            return Ok(nothing(Observation::Merged(MergeInto {
                into,
                link: None,
                opposed: false,
            })));
        }
    };
    let mut fields = Fields::new();
    let mut unknown = Vec::new();
    for (field, read) in map.get(&snapshot.fields) {
        let observed = match read {
            Ok(Some(Value::Reference(reference))) => {
                let resolved = resolve(documents, &reference).await?;
                if resolved.is_none()
                    && let ReferenceTarget::Foreign { id, .. } = &reference.target
                {
                    unknown.push((reference.entity.clone(), id.clone()));
                }
                match resolved {
                    Some(link) => Observed::Value(Some(Value::from(link))),
                    None => Observed::Unresolved(reference),
                }
            }
            Ok(value) => Observed::Value(value),
            Err(_) => Observed::Unreadable,
        };
        fields.insert(field, observed);
    }
    Ok(Looked {
        observation: Observation::Present {
            version: snapshot.version,
            fields,
            modified_at: snapshot.modified_at,
        },
        native: snapshot.fields,
        creation: snapshot.creation,
        unknown,
    })
}

/// The same reference by the identity that all systems share, where there is one yet.
pub(super) async fn resolve(
    documents: &Documents,
    reference: &Reference,
) -> Result<Option<Reference>, PortError> {
    let link = match &reference.target {
        ReferenceTarget::Link(_) => return Ok(Some(reference.clone())),
        ReferenceTarget::Foreign { system, id } => {
            let entry = documents.record(&reference.entity, system, id).await?;
            // What points at a record that was merged away means the one that is left.
            entry.and_then(|entry| entry.content.merged_into.or(entry.content.link))
        }
        ReferenceTarget::Key(key) => {
            let entry = documents.key(&reference.entity, key).await?;
            entry.map(|entry| entry.content.link)
        }
    };
    Ok(link.map(|link| Reference {
        entity: reference.entity.clone(),
        target: ReferenceTarget::Link(link),
    }))
}

/// The value as `system` takes it. `None` where it points at a record that `system` does not have
/// yet.
pub(super) async fn for_system(
    documents: &Documents,
    system: &SystemName,
    value: Option<&Value>,
) -> Result<Option<Vec<Option<Value>>>, PortError> {
    let Some(Value::Reference(reference)) = value else {
        return Ok(Some(vec![value.cloned()]));
    };
    let ReferenceTarget::Link(link) = reference.target else {
        return Ok(Some(vec![value.cloned()]));
    };
    let Some(target) = documents.link(link).await? else {
        return Ok(None);
    };
    let with = |target| {
        Some(Value::from(Reference {
            entity: reference.entity.clone(),
            target,
        }))
    };
    let id = target
        .content
        .members
        .get(system)
        .and_then(|member| member.id.clone());
    let by_id = id.map(|id| {
        with(ReferenceTarget::Foreign {
            system: system.clone(),
            id,
        })
    });
    let by_key = target
        .content
        .natural_key
        .map(|key| with(ReferenceTarget::Key(key.into())));
    // Which of the two the system's field holds is for its map to say.
    let spellings: Vec<_> = by_id.into_iter().chain(by_key).collect();
    Ok((!spellings.is_empty()).then_some(spellings))
}
