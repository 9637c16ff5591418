//! Mutants that put the flows together differently.

use omnisync_core::crm::{FieldDefinition, FieldKind, FieldName};

use super::{over, scenes};
use crate::sim::crm::{CrmPort, CrmPorts};
use crate::zoo::Specimen;

/// A field that no map speaks of, as the systems call it and as it is shared.
const CONTROL: (&str, &str) = ("Note", "note");

pub(super) fn specimens() -> Vec<Specimen> {
    vec![Specimen::of_sync(
        "control-field-mapped",
        "a field that is no system's business but its own is shared",
        &["I-S1", "I-S9"],
        [scenes::any()],
        over(control_field_mapped),
    )]
}

fn control_field_mapped(mut ports: CrmPorts) -> CrmPorts {
    let (native, shared) = CONTROL;
    let Ok(field) = FieldName::new(shared) else {
        return ports;
    };
    let text = FieldDefinition {
        kind: FieldKind::Text,
        required: false,
    };
    ports.entity.fields.insert(field, text);
    let with_control = |port: CrmPort| CrmPort {
        map: port.map.edit().rename(shared, native).build(),
        ..port
    };
    ports.systems = ports.systems.into_iter().map(with_control).collect();
    ports
}
