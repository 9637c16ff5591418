use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

use omnisync_core::crm::field_map::FieldMap;
use omnisync_core::crm::{EntityDefinition, FieldName, SystemName};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use thiserror::Error;

use super::CASES_MIN;
use super::check::{self, Values};
use super::mapping::Mapping;
use super::native::{Record, records};
use super::value::values;

/// The laws of one mapping. Every run tries the same records.
#[derive(Debug)]
pub struct Laws {
    mapping: Box<dyn Mapping>,
    map: FieldMap,
    entity: EntityDefinition,
    system: SystemName,
}

/// A law that does not hold, with the smallest record found that shows it.
#[derive(Debug, Error)]
#[error("{law}: {story}")]
pub struct Broken {
    /// The law.
    pub law: &'static str,
    /// What was tried and what came of it.
    pub story: String,
}

impl Laws {
    /// The laws of a field map.
    ///
    /// # Errors
    /// The map does not compile.
    pub fn new(map: &FieldMap, entity: &EntityDefinition) -> Result<Self, Broken> {
        let system = SystemName::new("here").map_err(|error| not_compiled(&error))?;
        let compiled = map
            .clone()
            .compile(entity, &system)
            .map_err(|errors| not_compiled(&errors))?;
        Self::of(compiled, map, entity)
    }

    /// The laws of a mapping that is not made from `map`, but speaks of the same fields. Its
    /// system is `here`.
    ///
    /// # Errors
    /// The laws cannot be set up.
    pub fn of(
        mapping: impl Mapping + 'static,
        map: &FieldMap,
        entity: &EntityDefinition,
    ) -> Result<Self, Broken> {
        Ok(Self {
            mapping: Box::new(mapping),
            map: map.clone(),
            entity: entity.clone(),
            system: SystemName::new("here").map_err(|error| not_compiled(&error))?,
        })
    }

    /// Putting back what was read changes nothing.
    ///
    /// # Errors
    /// A record that shows otherwise.
    pub fn get_put(&self) -> Result<(), Broken> {
        run("get-put", &self.records(), |record| {
            check::get_put(self.mapping(), &record.held(self.mapping()))
        })
    }

    /// What is read is in its normal form already, unless it cannot be written at all.
    ///
    /// # Errors
    /// A record that shows otherwise.
    pub fn reading_is_normal(&self) -> Result<(), Broken> {
        run("reading is normal", &self.records(), |record| {
            check::reading_is_normal(self.mapping(), &record.held(self.mapping()))
        })
    }

    /// What was put is read in its normal form.
    ///
    /// # Errors
    /// A record that shows otherwise, or fields of which no value was ever taken.
    pub fn put_get(&self) -> Result<(), Broken> {
        let tried = RefCell::new(BTreeSet::new());
        let inputs = (self.values(), self.records());
        run("put-get", &inputs, |(values, record)| {
            let held = record.held(self.mapping());
            check::put_get(self.mapping(), values, &held, |field| {
                tried.borrow_mut().insert(field.clone());
            })
        })?;
        self.all_tried("put-get", &tried.into_inner(), |field| {
            self.mapping.reads_back(field.as_str())
        })
    }

    /// The normal form of a normal form is itself.
    ///
    /// # Errors
    /// A value that shows otherwise.
    pub fn normal_is_stable(&self) -> Result<(), Broken> {
        run("normal is stable", &self.values(), |values| {
            check::normal_is_stable(self.mapping(), values)
        })
    }

    /// Of two puts, the second decides what is read.
    ///
    /// # Errors
    /// A record that shows otherwise.
    pub fn put_put(&self) -> Result<(), Broken> {
        let inputs = (self.values(), self.values(), self.records());
        run("put-put", &inputs, |(first, second, record)| {
            let held = record.held(self.mapping());
            check::put_put(self.mapping(), first, second, &held)
        })
    }

    /// A put writes native fields of its own fields only, and other fields read as before.
    ///
    /// # Errors
    /// A record that shows otherwise.
    pub fn isolation(&self) -> Result<(), Broken> {
        let inputs = (self.values(), self.records());
        run("isolation", &inputs, |(values, record)| {
            check::isolation(self.mapping(), values, &record.held(self.mapping()))
        })
    }

    /// A value that has been through this system and another comes to rest: going the same way
    /// again changes nothing.
    ///
    /// # Errors
    /// The other map does not compile, or a value that shows otherwise.
    pub fn round_trip(&self, other: &FieldMap) -> Result<(), Broken> {
        let system = SystemName::new("there").map_err(|error| not_compiled(&error))?;
        let there = other
            .clone()
            .compile(&self.entity, &system)
            .map_err(|errors| not_compiled(&errors))?;
        let tried = RefCell::new(BTreeSet::new());
        let inputs = self.values();
        run("round trip", &inputs, |values| {
            check::round_trip(self.mapping(), &there, values, |field| {
                tried.borrow_mut().insert(field.clone());
            })
        })?;
        self.all_tried("round trip", &tried.into_inner(), |field| {
            let is_reference = self.entity.fields.get(field.as_str()).is_some_and(|known| {
                known.kind.value_kind() == omnisync_core::crm::ValueKind::Reference
            });
            let name = field.as_str();
            !is_reference && self.mapping.reads_back(name) && there.reads_back(name)
        })
    }

    fn mapping(&self) -> &dyn Mapping {
        self.mapping.as_ref()
    }

    fn values(&self) -> BoxedStrategy<Values> {
        values(&self.map, &self.entity, &self.system)
    }

    fn records(&self) -> BoxedStrategy<Record> {
        records(&self.map, self.values())
    }

    /// A law that was never put to the test says nothing.
    fn all_tried(
        &self,
        law: &'static str,
        tried: &BTreeSet<FieldName>,
        concerns: impl Fn(&FieldName) -> bool,
    ) -> Result<(), Broken> {
        let untried = self
            .entity
            .fields
            .names()
            .find(|field| concerns(field) && !tried.contains(*field));
        match untried {
            Some(field) => Err(Broken {
                law,
                story: format!("no generated value of {field} was ever taken"),
            }),
            None => Ok(()),
        }
    }
}

fn run<S: Strategy>(
    law: &'static str,
    inputs: &S,
    check: impl Fn(&S::Value) -> Result<(), String>,
) -> Result<(), Broken> {
    let usual = Config::default();
    let config = Config {
        cases: usual.cases.max(CASES_MIN),
        failure_persistence: None,
        ..usual
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::XorShift);
    TestRunner::new_with_rng(config, rng)
        .run(inputs, |input| check(&input).map_err(TestCaseError::fail))
        .map_err(|failure| Broken {
            law,
            story: failure.to_string(),
        })
}

fn not_compiled(error: &dyn fmt::Debug) -> Broken {
    Broken {
        law: "compiles",
        story: format!("{error:?}"),
    }
}
