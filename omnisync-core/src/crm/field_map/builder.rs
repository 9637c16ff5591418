use super::lens::{Case, Lens};
use super::map::{Constant, Direction, FieldMap, Join, Rule};
use crate::crm::{EntityName, FieldName, Native};

/// Builds a [`FieldMap`] rule by rule. Names that are none are kept, and reported by
/// [`FieldMap::compile`] with everything else.
#[derive(Debug, Clone)]
pub struct FieldMapBuilder {
    map: FieldMap,
}

/// Stands for a name that is none until the map is compiled, which refuses it.
const NO_NAME: &str = "unnamed";

fn field(name: &str, bad: &mut Vec<String>) -> FieldName {
    FieldName::new(name).unwrap_or_else(|_| {
        bad.push(name.to_owned());
        FieldName::known(NO_NAME)
    })
}

impl FieldMapBuilder {
    pub(super) fn new(entity: &str, object: String) -> Self {
        let mut bad_names = Vec::new();
        let entity = EntityName::new(entity).unwrap_or_else(|_| {
            bad_names.push(entity.to_owned());
            EntityName::known(NO_NAME)
        });
        Self {
            map: FieldMap {
                entity,
                object,
                key_case: Case::Keep,
                rules: Vec::new(),
                joins: Vec::new(),
                constants: Vec::new(),
                bad_names,
            },
        }
    }

    /// Adds a rule.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.map.rules.push(rule);
        self
    }

    /// Adds a rule whose values look in the system as the kind of the field usually does.
    #[must_use]
    pub fn rename(self, field: impl AsRef<str>, native: impl AsRef<str>) -> Self {
        self.rule(Rule::new(field, native))
    }

    /// Adds a native field that several fields share.
    #[must_use]
    pub fn join(mut self, join: Join) -> Self {
        self.map.joins.push(join);
        self
    }

    /// Adds what a new record gets in a native field.
    #[must_use]
    pub fn constant(mut self, native: impl AsRef<str>, value: Native) -> Self {
        let native = field(native.as_ref(), &mut self.map.bad_names);
        self.map.constants.push(Constant {
            native,
            value,
            check: false,
        });
        self
    }

    /// The same, and records that hold something else are named by
    /// [`departures`](super::CompiledFieldMap::departures).
    #[must_use]
    pub fn checked_constant(self, native: impl AsRef<str>, value: Native) -> Self {
        let mut built = self.constant(native, value);
        if let Some(constant) = built.map.constants.last_mut() {
            constant.check = true;
        }
        built
    }

    /// Sets which letters of the natural key count as one.
    #[must_use]
    pub fn key_case(mut self, case: Case) -> Self {
        self.map.key_case = case;
        self
    }

    /// Takes away every rule of a field, and the joins that it is part of.
    #[must_use]
    pub fn without(mut self, field: &str) -> Self {
        self.map.rules.retain(|rule| rule.field.as_str() != field);
        self.map
            .joins
            .retain(|join| !join.fields.iter().any(|part| part.as_str() == field));
        self
    }

    /// Takes away the constant of a native field.
    #[must_use]
    pub fn without_constant(mut self, native: &str) -> Self {
        self.map
            .constants
            .retain(|constant| constant.native.as_str() != native);
        self
    }

    /// The map.
    pub fn build(self) -> FieldMap {
        self.map
    }
}

impl From<FieldMap> for FieldMapBuilder {
    fn from(map: FieldMap) -> Self {
        Self { map }
    }
}

impl Rule {
    /// A rule of both ways with the usual look of the field's kind.
    pub fn new(name: impl AsRef<str>, native: impl AsRef<str>) -> Self {
        let mut bad_names = Vec::new();
        Self {
            field: field(name.as_ref(), &mut bad_names),
            native: field(native.as_ref(), &mut bad_names),
            lens: Lens::Plain,
            direction: Direction::Both,
            bad_names,
        }
    }

    /// Sets how values look in the system.
    #[must_use]
    pub fn with_lens(mut self, lens: Lens) -> Self {
        self.lens = lens;
        self
    }

    /// The native field is read and never written.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.direction = Direction::ReadOnly;
        self
    }

    /// The native field is written and never read.
    #[must_use]
    pub fn write_only(mut self) -> Self {
        self.direction = Direction::WriteOnly;
        self
    }
}
