//! What a system makes of the records of an object, without being asked.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use omnisync_core::crm::{FieldName, Fields, Native};
use rust_decimal::{Decimal, RoundingStrategy};

/// An object of a [`FakeCrm`](super::FakeCrm): its fields by the system's own names, and what
/// happens to them.
///
/// ```
/// use omnisync_core::crm::FieldName;
/// use omnisync_testkit::fake::crm::{CrmField, CrmObject, Normaliser};
///
/// let name = FieldName::new("Name")?;
/// let account = CrmObject::new("Account")
///     .with_field(name.clone(), CrmField::text().required().normalised_by(Normaliser::Trim))
///     .with_key([name]);
/// # Ok::<(), omnisync_core::id::IdError>(())
/// ```
#[derive(Debug, Clone)]
pub struct CrmObject {
    pub(super) name: String,
    pub(super) fields: BTreeMap<FieldName, CrmField>,
    pub(super) key: Vec<FieldName>,
    pub(super) triggers: Vec<Trigger>,
    pub(super) automations: Vec<Automation>,
}

impl CrmObject {
    /// An object without fields.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            fields: BTreeMap::new(),
            key: Vec::new(),
            triggers: Vec::new(),
            automations: Vec::new(),
        }
    }

    /// The same with one more field.
    #[must_use]
    pub fn with_field(mut self, name: FieldName, field: CrmField) -> Self {
        self.fields.insert(name, field);
        self
    }

    /// The same with a natural key, which one record may have where the system sees to it.
    #[must_use]
    pub fn with_key(mut self, fields: impl IntoIterator<Item = FieldName>) -> Self {
        self.key = fields.into_iter().collect();
        self
    }

    /// The same with a trigger. Triggers run in the order in which they were added, each once a
    /// transaction.
    #[must_use]
    pub fn with_trigger(mut self, trigger: Trigger) -> Self {
        self.triggers.push(trigger);
        self
    }

    /// The same with an automation.
    #[must_use]
    pub fn with_automation(mut self, automation: Automation) -> Self {
        self.automations.push(automation);
        self
    }
}

/// What the values of a field are, by the system's own types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Flag,
    List,
}

/// A field of a [`CrmObject`].
#[derive(Debug, Clone)]
pub struct CrmField {
    kind: Kind,
    required: bool,
    normalisers: Vec<Normaliser>,
    refused: Vec<Native>,
    pub(super) is_closed: bool,
}

impl CrmField {
    /// A field that holds text.
    pub const fn text() -> Self {
        Self::of(Kind::Text)
    }

    /// A field that holds a number.
    pub const fn number() -> Self {
        Self::of(Kind::Number)
    }

    /// A field that holds yes or no.
    pub const fn flag() -> Self {
        Self::of(Kind::Flag)
    }

    /// A field that holds several values.
    pub const fn list() -> Self {
        Self::of(Kind::List)
    }

    const fn of(kind: Kind) -> Self {
        Self {
            kind,
            required: false,
            normalisers: Vec::new(),
            refused: Vec::new(),
            is_closed: false,
        }
    }

    /// The same, never empty: a write that empties it is refused.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The same; every value goes through `normaliser`, after those that were named before.
    #[must_use]
    pub fn normalised_by(mut self, normaliser: Normaliser) -> Self {
        self.normalisers.push(normaliser);
        self
    }

    /// The same; this value is refused, as it is written.
    #[must_use]
    pub fn refusing(mut self, value: Native) -> Self {
        self.refused.push(value);
        self
    }

    /// The same, closed to the user of the integration: what it writes here is silently ignored.
    #[must_use]
    pub const fn ignored_on_write(mut self) -> Self {
        self.is_closed = true;
        self
    }

    /// What the field makes of `value`, or why it refuses it.
    pub(super) fn stored(&self, value: &Native) -> Result<Native, &'static str> {
        if self.refused.contains(value) {
            return Err("does not take this value");
        }
        let fits = match value {
            Native::Null => true,
            Native::Text(_) => self.kind == Kind::Text,
            Native::Number(_) => self.kind == Kind::Number,
            Native::Boolean(_) => self.kind == Kind::Flag,
            Native::List(_) => self.kind == Kind::List,
        };
        if !fits {
            return Err("holds values of another kind");
        }
        let stored = self.normalised(value.clone());
        if self.required && stored == Native::Null {
            return Err("must not be empty");
        }
        Ok(stored)
    }

    fn normalised(&self, value: Native) -> Native {
        let normalisers = self.normalisers.iter();
        normalisers.fold(emptied(value), |value, normaliser| {
            emptied(normaliser.apply(value))
        })
    }
}

/// No system tells empty text from no value.
fn emptied(value: Native) -> Native {
    match value {
        Native::Text(text) if text.is_empty() => Native::Null,
        value => value,
    }
}

/// What a field makes of a value. Values of other kinds stay as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Normaliser {
    /// White space around text is taken away.
    Trim,
    /// Text in upper case.
    Uppercase,
    /// Text in lower case.
    Lowercase,
    /// Every stretch of white space in text is one space.
    CollapseSpace,
    /// Text is cut off.
    Truncate {
        /// After so many characters.
        characters_max: usize,
    },
    /// Numbers are rounded, halves away from zero.
    Scale {
        /// To so many digits behind the point.
        digits: u32,
    },
    /// No value becomes this one.
    EmptyBecomes(Native),
}

impl Normaliser {
    fn apply(&self, value: Native) -> Native {
        match (self, value) {
            (Self::Trim, Native::Text(text)) => Native::Text(text.trim().to_owned()),
            (Self::Uppercase, Native::Text(text)) => Native::Text(text.to_uppercase()),
            (Self::Lowercase, Native::Text(text)) => Native::Text(text.to_lowercase()),
            (Self::CollapseSpace, Native::Text(text)) => Native::Text(collapsed(&text)),
            (Self::Truncate { characters_max }, Native::Text(text)) => {
                Native::Text(text.chars().take(*characters_max).collect())
            }
            (Self::Scale { digits }, Native::Number(number)) => Native::Number(
                number.round_dp_with_strategy(*digits, RoundingStrategy::MidpointAwayFromZero),
            ),
            (Self::EmptyBecomes(other), Native::Null) => other.clone(),
            (_, value) => value,
        }
    }
}

fn collapsed(text: &str) -> String {
    let mut collapsed = String::with_capacity(text.len());
    let mut in_space = false;
    for c in text.chars() {
        if !c.is_whitespace() {
            collapsed.push(c);
        } else if !in_space {
            collapsed.push(' ');
        }
        in_space = c.is_whitespace();
    }
    collapsed
}

/// A change of one field sets another in the same transaction, whoever made the change.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// A change of this field
    pub when: FieldName,
    /// sets this one
    pub sets: FieldName,
    /// to this.
    pub to: Derived,
}

/// A change of some fields makes a change of its own afterwards, by a user of its own.
#[derive(Debug, Clone)]
pub struct Automation {
    /// A change of any of these
    pub when: Vec<FieldName>,
    /// sets these, if they differ by then,
    pub sets: Vec<(FieldName, Derived)>,
    /// in the name of this user,
    pub user: String,
    /// so much later. It runs when the system is next used after that time.
    pub delay: TimeDelta,
}

/// A value that a system makes from a record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Derived {
    /// This one.
    Constant(Native),
    /// That of another field.
    CopyOf(FieldName),
    /// The texts of some fields, with spaces between them.
    Joined(Vec<FieldName>),
    /// A number from -90 to 90 with six digits that the texts of these fields determine: where an
    /// address lies. None while they are empty.
    Place(Vec<FieldName>),
    /// That of a field, in another form.
    Rewritten {
        /// The field.
        field: FieldName,
        /// What is made of it.
        by: Normaliser,
    },
    /// One more than the field held.
    Counted,
}

impl Derived {
    /// The value for `target` of a record that holds `fields`.
    pub(super) fn of(&self, target: &FieldName, fields: &Fields<Native>) -> Native {
        match self {
            Self::Constant(value) => value.clone(),
            Self::CopyOf(field) => fields.get(field.as_str()).cloned().unwrap_or(Native::Null),
            Self::Joined(names) => Native::Text(joined(names, fields)),
            Self::Rewritten { field, by } => {
                let value = fields.get(field.as_str()).cloned();
                by.apply(value.unwrap_or(Native::Null))
            }
            Self::Place(names) => match joined(names, fields) {
                text if text.is_empty() => Native::Null,
                text => Native::Number(place(&text)),
            },
            Self::Counted => match fields.get(target.as_str()) {
                Some(Native::Number(number)) => {
                    Native::Number(number.checked_add(Decimal::ONE).unwrap_or_default())
                }
                _ => Native::Number(Decimal::ONE),
            },
        }
    }
}

fn joined(names: &[FieldName], fields: &Fields<Native>) -> String {
    let texts = names.iter().filter_map(|name| fields.get(name.as_str()));
    let texts: Vec<&str> = texts.filter_map(Native::as_text).collect();
    texts.join(" ")
}

/// FNV-1a, brought down to degrees.
fn place(text: &str) -> Decimal {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let millionths = i64::try_from(hash % 180_000_001).unwrap_or_default();
    Decimal::new(millionths - 90_000_000, 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Native {
        Native::Text(text.to_owned())
    }

    #[track_caller]
    fn check(normalisers: &[Normaliser], value: &Native, want: Native) {
        let kind = match value {
            Native::Number(_) => CrmField::number(),
            _ => CrmField::text(),
        };
        let field = normalisers.iter().cloned();
        let field = field.fold(kind, CrmField::normalised_by);
        assert!(field.stored(value) == Ok(want));
    }

    #[test]
    fn normalisers_run_one_after_the_other() {
        use Normaliser::{
            CollapseSpace, EmptyBecomes, Lowercase, Scale, Trim, Truncate, Uppercase,
        };

        check(&[Trim, Uppercase], &text(" straße "), text("STRASSE"));
        check(&[Lowercase], &text("ÀB"), text("àb"));
        check(&[CollapseSpace], &text("a \t\n b "), text("a b "));
        check(&[Truncate { characters_max: 2 }], &text("äöü"), text("äö"));
        check(&[Trim, EmptyBecomes(text("-"))], &text("  "), text("-"));
        check(&[Trim], &text("  "), Native::Null);
        let number = |text: &str| Native::Number(text.parse().unwrap());
        check(&[Scale { digits: 1 }], &number("-0.25"), number("-0.3"));
    }

    #[test]
    fn a_place_is_on_the_globe_and_follows_the_address() {
        let limit = Decimal::from(90);
        for city in ["Basel", "Bern", ""] {
            assert!(place(city).abs() <= limit);
        }
        assert_ne!(place("Basel"), place("Bern"));
    }
}
