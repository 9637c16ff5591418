//! Whether rules make sense for the systems that they are for.

use thiserror::Error;

use super::landscape::Landscape;
use crate::crm::ledger::{FieldPolicy, SyncPolicy};
use crate::crm::{EntityDefinition, FieldName, SystemName};

/// Why rules cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// A rule for a field that the entity does not have.
    #[error("there is no field {field}")]
    UnknownField {
        /// The field.
        field: FieldName,
    },
    /// The truth is in a system that is not there.
    #[error("{system} is a source of truth and no system of the landscape")]
    UnknownSystem {
        /// The system.
        system: SystemName,
    },
    /// The truth is in a system that does not share the entity.
    #[error("{system} is a source of truth and does not share the entity")]
    NotShared {
        /// The system.
        system: SystemName,
    },
    /// The truth about a field is in a system whose map does not read it.
    #[error("{system} is the source of truth of {field}, and its map does not read it")]
    NotSupplied {
        /// The system.
        system: SystemName,
        /// The field.
        field: FieldName,
    },
    /// A time that has to pass, of none.
    #[error("{setting} is zero")]
    Zero {
        /// The setting, as it is stored.
        setting: &'static str,
    },
}

/// Everything that is wrong with the rules of an entity.
pub(super) fn check(
    policy: &SyncPolicy,
    entity: &EntityDefinition,
    landscape: &Landscape,
) -> Vec<PolicyError> {
    let times = [
        ("refusedRetrySeconds", policy.refused_retry_seconds),
        ("leaseSeconds", policy.lease_seconds),
        ("parkRetrySeconds", policy.park_retry_seconds),
        ("parkOverdueRetrySeconds", policy.park_overdue_retry_seconds),
    ];
    let zeros = times.into_iter().filter(|(_, seconds)| *seconds == 0);
    let mut errors: Vec<_> = zeros
        .map(|(setting, _)| PolicyError::Zero { setting })
        .collect();
    // Where the truth does not have a field, the rule for all of them leaves it to the others.
    errors.extend(truth(&policy.field_default, None, entity, landscape));
    for (field, rule) in policy.fields.iter() {
        if entity.fields.contains(field.as_str()) {
            errors.extend(truth(rule, Some(field), entity, landscape));
        } else {
            errors.push(PolicyError::UnknownField {
                field: field.clone(),
            });
        }
    }
    errors
}

/// What is wrong with a source of truth: of one field, or of those without a rule of their own.
fn truth(
    rule: &FieldPolicy,
    field: Option<&FieldName>,
    entity: &EntityDefinition,
    landscape: &Landscape,
) -> Option<PolicyError> {
    let FieldPolicy::SourceOfTruth { system } = rule else {
        return None;
    };
    let name = || system.clone();
    let Some(known) = landscape.system(system) else {
        return Some(PolicyError::UnknownSystem { system: name() });
    };
    let Some(map) = known.map(&entity.name) else {
        return Some(PolicyError::NotShared { system: name() });
    };
    let unread = field.filter(|field| !map.readable(field.as_str()))?;
    Some(PolicyError::NotSupplied {
        system: name(),
        field: unread.clone(),
    })
}
