use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use super::rules::{self, PolicyError};
use crate::crm::field_map::{CompiledFieldMap, FieldMap, MapError};
use crate::crm::ledger::{Lenses, SyncPolicy};
use crate::crm::{EntityDefinition, EntityName, FieldName, Fields, Origin, SystemName, Value};
use crate::port::{CrmSink, Precondition};

/// The systems that share records, the entities that they share, and the rules.
#[derive(Debug, Clone)]
pub struct Landscape {
    entities: BTreeMap<EntityName, EntityDefinition>,
    policies: BTreeMap<EntityName, SyncPolicy>,
    systems: BTreeMap<SystemName, CrmSystem>,
    /// The systems of each entity, in the order of their names.
    taking_part: BTreeMap<EntityName, Vec<SystemName>>,
}

/// One system.
#[derive(Debug, Clone)]
pub struct CrmSystem {
    name: SystemName,
    sink: Arc<dyn CrmSink>,
    maps: BTreeMap<EntityName, CompiledFieldMap>,
    given: Vec<FieldMap>,
    status_field: Option<FieldName>,
    echo: EchoRule,
}

/// Which hints are not followed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum EchoRule {
    /// Every hint is followed: what it is about is read, and our own writes are known by their
    /// values.
    #[default]
    FollowAll,
    /// Hints of this user are dropped, as older integrations did. Changes that people or automation
    /// make as this user, or together with it, are lost until another hint.
    DropByUser {
        /// Its id in the system.
        user: String,
    },
    /// Hints of this client are dropped, with the same loss.
    DropByClient {
        /// The name by which it announced itself.
        client: String,
    },
}

impl EchoRule {
    pub(super) fn drops(&self, origin: &Origin) -> bool {
        match self {
            Self::FollowAll => false,
            Self::DropByUser { user } => origin.user.as_ref() == Some(user),
            Self::DropByClient { client } => origin.client.as_ref() == Some(client),
        }
    }
}

/// Why systems cannot be put together so.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LandscapeError {
    /// A map speaks of an entity that is not defined.
    #[error("system {system} maps {entity}, which is not defined")]
    UnknownEntity {
        /// The system.
        system: SystemName,
        /// The entity.
        entity: EntityName,
    },
    /// A map cannot be used.
    #[error("the map of {entity} in {system} cannot be used: {}", list(.errors))]
    Map {
        /// The system.
        system: SystemName,
        /// The entity.
        entity: EntityName,
        /// Everything that is wrong with it.
        errors: Vec<MapError>,
    },
    /// Nobody takes part.
    #[error("there is no system")]
    NoSystem,
    /// Two systems have one name.
    #[error("two systems are called {system}")]
    SystemTwice {
        /// The name.
        system: SystemName,
    },
    /// A system has a name that stands for something else.
    #[error("no system can be called {system}: that stands for people who decide")]
    ReservedName {
        /// The name.
        system: SystemName,
    },
    /// Two entities have one name.
    #[error("{entity} is defined twice")]
    EntityTwice {
        /// The name.
        entity: EntityName,
    },
    /// A system maps an entity twice.
    #[error("two maps of {system} are of {entity}")]
    MappedTwice {
        /// The system.
        system: SystemName,
        /// The entity.
        entity: EntityName,
    },
    /// What says that a person has something to decide is shared itself.
    #[error("{field} of {system} says that a person has something to decide, and is mapped")]
    StatusMapped {
        /// The system.
        system: SystemName,
        /// Its field.
        field: FieldName,
    },
    /// Rules for an entity that is not defined.
    #[error("there are rules for {entity}, which is not defined")]
    RulesOfNothing {
        /// The entity.
        entity: EntityName,
    },
    /// Rules that make no sense for these systems.
    #[error("the rules of {entity} cannot be used: {}", list(.errors))]
    Rules {
        /// The entity.
        entity: EntityName,
        /// Everything that is wrong with them.
        errors: Vec<PolicyError>,
    },
    /// Two maps of a system speak of one object.
    #[error("two maps of {system} speak of {object}")]
    ObjectTwice {
        /// The system.
        system: SystemName,
        /// Its object.
        object: String,
    },
}

fn list<E: fmt::Display>(errors: &[E]) -> String {
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

impl CrmSystem {
    /// A system behind `sink`.
    pub fn new(name: SystemName, sink: Arc<dyn CrmSink>) -> Self {
        Self {
            name,
            sink,
            maps: BTreeMap::new(),
            given: Vec::new(),
            status_field: None,
            echo: EchoRule::default(),
        }
    }

    /// The same with a map of one of its objects.
    #[must_use]
    pub fn with_map(mut self, map: FieldMap) -> Self {
        self.given.push(map);
        self
    }

    /// The same with a field that says `Conflict` while a person has something to decide. It must
    /// not be mapped.
    #[must_use]
    pub fn with_status_field(mut self, field: FieldName) -> Self {
        self.status_field = Some(field);
        self
    }

    /// The same with another rule for hints.
    #[must_use]
    pub fn with_echo_rule(mut self, rule: EchoRule) -> Self {
        self.echo = rule;
        self
    }

    /// Its name.
    pub fn name(&self) -> &SystemName {
        &self.name
    }

    pub(super) fn sink(&self) -> &Arc<dyn CrmSink> {
        &self.sink
    }

    pub(super) fn map(&self, entity: &EntityName) -> Option<&CompiledFieldMap> {
        self.maps.get(entity)
    }

    pub(super) fn entity_of(&self, object: &str) -> Option<EntityName> {
        let maps = self.maps.iter();
        let mut of = maps.filter(|(_, map)| map.object() == object);
        of.next().map(|(entity, _)| entity.clone())
    }

    /// True if a write fails where the record was changed since it was read.
    pub(super) fn guards(&self) -> bool {
        self.sink.capability().precondition == Precondition::Version
    }

    pub(super) fn status_field(&self) -> Option<&FieldName> {
        self.status_field.as_ref()
    }

    pub(super) fn echo(&self) -> &EchoRule {
        &self.echo
    }

    fn compile(
        mut self,
        entities: &BTreeMap<EntityName, EntityDefinition>,
    ) -> Result<Self, LandscapeError> {
        for map in std::mem::take(&mut self.given) {
            let entity = map.entity.clone();
            let unknown = || LandscapeError::UnknownEntity {
                system: self.name.clone(),
                entity: entity.clone(),
            };
            let definition = entities.get(&entity).ok_or_else(unknown)?;
            let compiled = map.compile(definition, &self.name);
            let compiled = compiled.map_err(|errors| LandscapeError::Map {
                system: self.name.clone(),
                entity: entity.clone(),
                errors,
            })?;
            if self
                .maps
                .values()
                .any(|one| one.object() == compiled.object())
            {
                return Err(LandscapeError::ObjectTwice {
                    system: self.name.clone(),
                    object: compiled.object().to_owned(),
                });
            }
            let status = self.status_field.iter();
            let mut mapped = status.filter(|field| compiled.speaks_of(field.as_str()));
            if let Some(field) = mapped.next() {
                return Err(LandscapeError::StatusMapped {
                    system: self.name.clone(),
                    field: field.clone(),
                });
            }
            if self.maps.insert(entity.clone(), compiled).is_some() {
                return Err(LandscapeError::MappedTwice {
                    system: self.name,
                    entity,
                });
            }
        }
        Ok(self)
    }
}

impl Landscape {
    /// Puts systems together. One alone is enough for a host that only listens to it.
    ///
    /// # Errors
    /// A map that cannot be used, with everything that is wrong with it; names that stand for two
    /// things.
    pub fn new(
        entities: impl IntoIterator<Item = EntityDefinition>,
        systems: impl IntoIterator<Item = CrmSystem>,
    ) -> Result<Self, LandscapeError> {
        let mut defined = BTreeMap::new();
        for entity in entities {
            let name = entity.name.clone();
            if defined.insert(name.clone(), entity).is_some() {
                return Err(LandscapeError::EntityTwice { entity: name });
            }
        }
        let entities = defined;
        let mut compiled = BTreeMap::new();
        let mut taking_part: BTreeMap<EntityName, Vec<SystemName>> = BTreeMap::new();
        for system in systems {
            if system.name.is_person() {
                let system = system.name;
                return Err(LandscapeError::ReservedName { system });
            }
            let system = system.compile(&entities)?;
            for entity in system.maps.keys() {
                let names = taking_part.entry(entity.clone()).or_default();
                names.push(system.name.clone());
            }
            let name = system.name.clone();
            if compiled.insert(name.clone(), system).is_some() {
                return Err(LandscapeError::SystemTwice { system: name });
            }
        }
        if compiled.is_empty() {
            return Err(LandscapeError::NoSystem);
        }
        for names in taking_part.values_mut() {
            names.sort();
        }
        Ok(Self {
            entities,
            policies: BTreeMap::new(),
            systems: compiled,
            taking_part,
        })
    }

    /// The same with rules for an entity.
    ///
    /// # Errors
    /// Rules of an entity, a field or a source of truth that these systems do not have, or times of
    /// nothing; everything that is wrong.
    pub fn with_policy(
        mut self,
        entity: EntityName,
        policy: SyncPolicy,
    ) -> Result<Self, LandscapeError> {
        let Some(definition) = self.entities.get(&entity) else {
            return Err(LandscapeError::RulesOfNothing { entity });
        };
        let errors = rules::check(&policy, definition, &self);
        if !errors.is_empty() {
            return Err(LandscapeError::Rules { entity, errors });
        }
        self.policies.insert(entity, policy);
        Ok(self)
    }

    /// The rules of an entity.
    pub fn policy(&self, entity: &EntityName) -> SyncPolicy {
        self.policies.get(entity).cloned().unwrap_or_default()
    }

    /// Every system.
    pub fn systems(&self) -> impl Iterator<Item = &CrmSystem> {
        self.systems.values()
    }

    /// Each system with each of the entities that it shares.
    pub(super) fn shared(&self) -> impl Iterator<Item = (&SystemName, &EntityName)> {
        let systems = self.systems.values();
        systems.flat_map(|system| system.maps.keys().map(|entity| (&system.name, entity)))
    }

    pub(super) fn system(&self, name: &SystemName) -> Option<&CrmSystem> {
        self.systems.get(name)
    }

    pub(super) fn entity(&self, name: &EntityName) -> Option<&EntityDefinition> {
        self.entities.get(name)
    }

    pub(super) fn lenses<'a>(&'a self, entity: &EntityName) -> EntityLenses<'a> {
        EntityLenses {
            landscape: self,
            definition: self.entities.get(entity),
            systems: self.taking_part.get(entity).map_or(&[], Vec::as_slice),
        }
    }
}

/// How the systems of one entity see it.
#[derive(Debug, Clone, Copy)]
pub(super) struct EntityLenses<'a> {
    landscape: &'a Landscape,
    definition: Option<&'a EntityDefinition>,
    systems: &'a [SystemName],
}

impl EntityLenses<'_> {
    fn map(&self, system: &SystemName) -> Option<&CompiledFieldMap> {
        let entity = &self.definition?.name;
        self.landscape.system(system)?.map(entity)
    }

    fn fields(&self) -> Option<&Fields<crate::crm::FieldDefinition>> {
        self.definition.map(|definition| &definition.fields)
    }
}

impl Lenses for EntityLenses<'_> {
    fn systems(&self) -> &[SystemName] {
        self.systems
    }

    fn normal(
        &self,
        system: &SystemName,
        field: &FieldName,
        value: Option<&Value>,
    ) -> Option<Option<Value>> {
        let map = self.map(system)?;
        map.normal(field.as_str(), &value.cloned()).ok()
    }

    fn takes(&self, system: &SystemName, field: &FieldName) -> bool {
        self.map(system)
            .is_some_and(|map| map.writable(field.as_str()))
    }

    fn shows(&self, system: &SystemName, field: &FieldName) -> bool {
        self.map(system)
            .is_some_and(|map| map.readable(field.as_str()))
    }

    fn requires(&self, field: &FieldName) -> bool {
        self.fields()
            .and_then(|fields| fields.get(field.as_str()))
            .is_some_and(|field| field.required)
    }

    fn guards(&self, system: &SystemName) -> bool {
        self.landscape.system(system).is_some_and(CrmSystem::guards)
    }

    fn marks(&self, system: &SystemName) -> bool {
        self.landscape
            .system(system)
            .is_some_and(|system| system.status_field.is_some())
    }
}
