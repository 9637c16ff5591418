//! How the systems of a scenario are set up: the same for every run.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use omnisync_core::crm::field_map::{
    Case, CompiledFieldMap, DecimalLens, FieldMap, Lens, Rounding, Rule, TextLens,
};
use omnisync_core::crm::{EntityDefinition, FieldDefinition, FieldKind, FieldName, SystemName};
use omnisync_core::port::{Clock, CrmCapability, Precondition};

use super::systems::{
    CITY, CODE, CREDIT, Manners, NATIVE_CITY, NATIVE_CODE, NATIVE_CREDIT, NATIVE_NOTE,
    NATIVE_PARENT, NATIVE_STATUS, PARENT, System, entity_name, field,
};
use crate::fake::FakeCrm;
use crate::fake::crm::{
    Automation, CrmField, CrmObject, CrmOptions, Derived, Normaliser, Removing, Trigger,
};

/// What differs between the systems of scenarios.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    pub(super) systems: usize,
    pub(super) manners: Manners,
    pub(super) capability: CrmCapability,
    pub(super) removing: Removing,
    /// Receipts of writes tell the version.
    pub(super) tells_versions: bool,
    /// The clock of the second system is so far ahead.
    pub(super) skew: TimeDelta,
    /// What systems do by themselves.
    pub(super) automates: Automates,
    /// Records say when a person has something to decide.
    pub(super) marks: bool,
    /// Records point at each other.
    pub(super) refers: bool,
    /// The unit of the clock by which weak conditions tell changes apart.
    pub(super) unit: Duration,
}

#[derive(Debug, Clone)]
pub(super) struct Blueprint {
    pub(super) entity: EntityDefinition,
    pub(super) systems: Vec<SystemPlan>,
    skew: TimeDelta,
}

#[derive(Debug, Clone)]
pub(super) struct SystemPlan {
    pub(super) name: SystemName,
    pub(super) object: String,
    pub(super) options: CrmOptions,
    pub(super) map: FieldMap,
    pub(super) compiled: CompiledFieldMap,
    /// Whatever is written reads back as the map says.
    pub(super) is_known: bool,
    /// Writes are conditional on the very version that was read.
    pub(super) is_strict: bool,
    /// Receipts of writes tell the version.
    pub(super) tells_versions: bool,
    /// Where records say that a person has something to decide.
    pub(super) mark: Option<FieldName>,
}

/// What systems do by themselves when fields change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Automates {
    Nothing,
    /// Each changes other fields than the one that changed.
    Aside,
    /// The first two change the very field, each back to its own liking.
    InACircle,
    /// The first two change the very field, to what it never was.
    ForEver,
}

/// What a system makes of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Keep,
    Capitals,
    Small,
}

impl Setup {
    /// So many systems that can do everything and keep what they are told.
    pub(super) const fn new(systems: usize) -> Self {
        Self {
            systems,
            manners: Manners::Keep,
            capability: CrmCapability::strict(),
            removing: Removing::Deactivates,
            tells_versions: true,
            skew: TimeDelta::zero(),
            automates: Automates::Nothing,
            marks: false,
            refers: false,
            unit: Duration::from_secs(1),
        }
    }
}

impl Manners {
    const fn of(self, system: usize) -> Way {
        match (self, system) {
            (Self::OneNormalises { .. } | Self::TwoDisagree, 1) => Way::Capitals,
            (Self::TwoDisagree, 0) => Way::Small,
            _ => Way::Keep,
        }
    }

    /// The map of the system says what it makes of values.
    const fn is_known(self, system: usize) -> bool {
        match self {
            Self::OneNormalises { is_known } => is_known,
            Self::Keep => true,
            Self::TwoDisagree => system > 1,
        }
    }
}

impl Blueprint {
    pub(super) fn new(setup: &Setup) -> Self {
        let entity = entity(setup.refers);
        Self {
            systems: (0..setup.systems)
                .map(|at| plan(at, setup, &entity))
                .collect(),
            skew: setup.skew,
            entity,
        }
    }

    pub(super) fn build(&self, clock: &Arc<dyn Clock>) -> Vec<System> {
        let fake = |at: usize, plan: &SystemPlan| {
            let ahead = Ahead {
                clock: Arc::clone(clock),
                by: self.skew,
            };
            let clock: Arc<dyn Clock> = match at {
                1 => Arc::new(ahead),
                _ => Arc::clone(clock),
            };
            FakeCrm::new(clock, plan.options.clone())
        };
        let plans = self.systems.iter().enumerate();
        let systems = plans.map(|(at, plan)| System {
            crm: fake(at, plan),
            sample: fake(at, plan),
            plan: Arc::new(plan.clone()),
        });
        systems.collect()
    }
}

/// A clock that is wrong.
#[derive(Debug)]
struct Ahead {
    clock: Arc<dyn Clock>,
    by: TimeDelta,
}

#[async_trait]
impl Clock for Ahead {
    fn now(&self) -> DateTime<Utc> {
        let now = self.clock.now();
        now.checked_add_signed(self.by).unwrap_or(now)
    }

    async fn sleep_until(&self, instant: DateTime<Utc>) {
        let at = instant.checked_sub_signed(self.by).unwrap_or(instant);
        self.clock.sleep_until(at).await;
    }
}

fn entity(refers: bool) -> EntityDefinition {
    let define = |kind, required| FieldDefinition { kind, required };
    let parent = FieldKind::Reference {
        entity: entity_name(),
    };
    let parent = refers.then(|| (field(PARENT), define(parent, false)));
    EntityDefinition {
        name: entity_name(),
        fields: [
            (field(CODE), define(FieldKind::Text, true)),
            (field(CITY), define(FieldKind::Text, false)),
            (
                field(CREDIT),
                define(FieldKind::Decimal { scale: 2 }, false),
            ),
        ]
        .into_iter()
        .chain(parent)
        .collect(),
        natural_key: vec![field(CODE)],
    }
}

fn plan(at: usize, setup: &Setup, entity: &EntityDefinition) -> SystemPlan {
    let way = setup.manners.of(at);
    let is_known = setup.manners.is_known(at);
    let name = system_name(at);
    let object = format!("Thing{at}");
    let mut options = CrmOptions::new(name.clone())
        .with_object(shape(at, &object, way, setup))
        .with_capability(setup.capability)
        .with_unit(setup.unit)
        .removing_by(setup.removing);
    if !setup.tells_versions {
        options = options.without_versions_in_receipts();
    }
    let map = map(&object, is_known && way == Way::Capitals, setup.refers);
    SystemPlan {
        compiled: compiled(&map, entity, &name),
        name,
        object,
        options,
        map,
        is_known,
        is_strict: setup.capability.precondition == Precondition::Version,
        tells_versions: setup.tells_versions,
        mark: setup.marks.then(|| field(NATIVE_STATUS)),
    }
}

/// The fields of a system's object, and what it does with them by itself.
fn shape(at: usize, object: &str, way: Way, setup: &Setup) -> CrmObject {
    let (city, credit) = match way {
        Way::Keep => (CrmField::text(), CrmField::number()),
        Way::Capitals => (
            CrmField::text()
                .normalised_by(Normaliser::Trim)
                .normalised_by(Normaliser::Uppercase),
            CrmField::number().normalised_by(Normaliser::Scale { digits: 1 }),
        ),
        Way::Small => (
            CrmField::text()
                .normalised_by(Normaliser::Trim)
                .normalised_by(Normaliser::Lowercase),
            CrmField::number(),
        ),
    };
    let mut shape = CrmObject::new(object)
        .with_field(field(NATIVE_CODE), CrmField::text().required())
        .with_field(field(NATIVE_CITY), city)
        .with_field(field(NATIVE_CREDIT), credit)
        .with_field(field(NATIVE_NOTE), CrmField::text())
        .with_key([field(NATIVE_CODE)]);
    if setup.marks {
        shape = shape.with_field(field(NATIVE_STATUS), CrmField::text());
    }
    if setup.refers {
        shape = shape.with_field(field(NATIVE_PARENT), CrmField::text());
    }
    automated(shape, at, setup.automates)
}

fn automated(shape: CrmObject, at: usize, automates: Automates) -> CrmObject {
    // Later, in the name of somebody who is neither a person nor us.
    let later = |when: &str, sets: Vec<(FieldName, Derived)>| Automation {
        when: vec![field(when)],
        sets,
        user: "geocoder".to_owned(),
        delay: TimeDelta::milliseconds(5),
    };
    let rewritten = |by| Derived::Rewritten {
        field: field(NATIVE_CITY),
        by,
    };
    match (automates, at) {
        // In one transaction with whatever changes the city, our writes too.
        (Automates::Aside, 0) => shape.with_trigger(Trigger {
            when: field(NATIVE_CITY),
            sets: field(NATIVE_CREDIT),
            to: Derived::Counted,
        }),
        (Automates::Aside, 1) => {
            let note = Derived::Joined(vec![field(NATIVE_CODE), field(NATIVE_CITY)]);
            let sets = vec![
                (field(NATIVE_NOTE), note),
                (field(NATIVE_CREDIT), Derived::Counted),
            ];
            shape.with_automation(later(NATIVE_CITY, sets))
        }
        (Automates::InACircle, 0 | 1) => {
            let liking = if at == 0 {
                Normaliser::Lowercase
            } else {
                Normaliser::Uppercase
            };
            let sets = vec![(field(NATIVE_CITY), rewritten(liking))];
            shape.with_automation(later(NATIVE_CITY, sets))
        }
        (Automates::ForEver, 0 | 1) => {
            let sets = vec![(field(NATIVE_CREDIT), Derived::Counted)];
            shape.with_automation(later(NATIVE_CREDIT, sets))
        }
        _ => shape,
    }
}

fn map(object: &str, foresees: bool, refers: bool) -> FieldMap {
    let mut city = Rule::new(CITY, NATIVE_CITY);
    let mut credit = Rule::new(CREDIT, NATIVE_CREDIT);
    if foresees {
        let lens = TextLens::trimmed().with_case(Case::Upper);
        city = city.with_lens(Lens::Text(lens));
        let lens = DecimalLens::scaled(1, Rounding::HalfUp);
        credit = credit.with_lens(Lens::Decimal(lens));
    }
    let map = FieldMap::builder(super::systems::ENTITY, object)
        .rename(CODE, NATIVE_CODE)
        .rule(city)
        .rule(credit);
    let map = if refers {
        map.rename(PARENT, NATIVE_PARENT)
    } else {
        map
    };
    map.build()
}

#[expect(clippy::expect_used, reason = "the names of the systems are names")]
pub(super) fn system_name(at: usize) -> SystemName {
    SystemName::new(format!("s{at}")).expect("a short name in ASCII")
}

#[expect(
    clippy::expect_used,
    reason = "a test compiles every map of the scenarios"
)]
fn compiled(map: &FieldMap, entity: &EntityDefinition, system: &SystemName) -> CompiledFieldMap {
    let compiled = map.clone().compile(entity, system);
    compiled.expect("the map speaks of fields of the entity")
}
