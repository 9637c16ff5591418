//! `Manifest.xml`: the entities of a package.

use super::entity::EntityData;
use super::record::{Member, Opaque, document, record};

record! {
    /// The manifest of a package.
    pub struct Manifest as "DataManagementPackageManifest" {
        /// Name of the data project.
        definition_group_name: String = "DefinitionGroupName",
        /// Free text.
        description: String = "Description",
        /// The entities of the package.
        package_entity_list: Vec<EntityData> = "PackageEntityList",
        /// Kind of data project. 1 in packages of 2026, absent in those of 2017.
        project_category: i32 = "ProjectCategory",
        /// Null in packages of 2026, absent in those of 2017.
        rules_data: Opaque = "RulesData",
    }
}

document!(Manifest);

impl Manifest {
    /// Name of the file.
    pub const FILE_NAME: &'static str = "Manifest.xml";

    /// A manifest in the shape of 2026.
    pub fn new(definition_group: &str, description: &str, entities: Vec<EntityData>) -> Self {
        Self {
            definition_group_name: definition_group.into(),
            description: description.into(),
            package_entity_list: entities.into(),
            project_category: 1.into(),
            rules_data: Member::Nil,
            unknown: Vec::new(),
        }
    }

    /// The entities, none when the list is absent or null.
    pub fn entities(&self) -> &[EntityData] {
        self.package_entity_list.value().map_or(&[], Vec::as_slice)
    }
}
