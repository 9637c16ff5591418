use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::super::error::{MapError, RefusalReason, TableProblem};
use super::super::map::is_default;
use super::Refused;
use crate::crm::{FieldName, Native, Value};

/// How yes and no look in a system. Each may have several spellings: the first is written, and all
/// of them are read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BooleanLens {
    /// Spellings of yes.
    pub yes: Vec<Native>,
    /// Spellings of no.
    pub no: Vec<Native>,
    /// What no value is, for systems whose field always has one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub default: Option<bool>,
}

/// How the options of a choice look in a system. The table has every option once, and no native
/// value twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChoiceLens {
    /// The table.
    pub table: Vec<ChoiceEntry>,
}

/// How any of several options look in a system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChoicesLens {
    /// The table.
    pub table: Vec<ChoiceEntry>,
    /// How several values are one.
    #[serde(default)]
    pub form: ListForm,
}

/// One line of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChoiceEntry {
    /// Canonical name.
    pub option: String,
    /// What the system has for it: text or a number.
    pub native: Native,
}

/// How several values are one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ListForm {
    /// A list.
    List,
    /// Text with this between any two: `;` in Salesforce, `,` in Dataverse.
    Separated(String),
}

impl Default for ListForm {
    fn default() -> Self {
        Self::Separated(";".to_owned())
    }
}

impl Default for BooleanLens {
    fn default() -> Self {
        Self {
            yes: vec![Native::Boolean(true)],
            no: vec![Native::Boolean(false)],
            default: None,
        }
    }
}

impl BooleanLens {
    /// Yes and no as these.
    pub fn spelled(yes: Native, no: Native) -> Self {
        Self {
            yes: vec![yes],
            no: vec![no],
            default: None,
        }
    }

    /// Sets what no value is.
    #[must_use]
    pub fn with_default(mut self, default: bool) -> Self {
        self.default = Some(default);
        self
    }

    pub(super) fn check(&self, field: &FieldName, errors: &mut Vec<MapError>) {
        let is_missing = self.yes.is_empty() || self.no.is_empty();
        let is_ambiguous = self.yes.iter().any(|native| self.no.contains(native));
        let is_single = self.yes.iter().chain(&self.no).all(is_single);
        if is_missing || is_ambiguous || !is_single {
            errors.push(MapError::Spelling {
                field: field.clone(),
            });
        }
    }

    pub(super) fn read(&self, native: &Native) -> Refused<Option<Value>> {
        let value = if self.yes.contains(native) {
            true
        } else if self.no.contains(native) {
            false
        } else {
            return Err(RefusalReason::UnknownChoice);
        };
        Ok(Some(Value::Boolean(value)))
    }

    pub(super) fn write(&self, value: Option<bool>) -> Native {
        let spellings = match value {
            Some(true) => self.yes.first(),
            Some(false) => self.no.first(),
            None => None,
        };
        spellings.cloned().unwrap_or(Native::Null)
    }
}

impl ChoiceLens {
    /// Every option under its canonical name.
    pub fn by_name<T: AsRef<str>>(options: impl IntoIterator<Item = T>) -> Self {
        Self {
            table: table_by_name(options),
        }
    }

    /// Every option under its number.
    pub fn by_number<T: AsRef<str>>(options: impl IntoIterator<Item = (i64, T)>) -> Self {
        Self {
            table: table_by_number(options),
        }
    }

    pub(super) fn check(&self, field: &FieldName, options: &[String], errors: &mut Vec<MapError>) {
        check_table(&self.table, field, options, is_single, errors);
    }

    pub(super) fn read(&self, native: &Native) -> Refused<Option<Value>> {
        let option = option_of(&self.table, native)?;
        Ok(Some(Value::Choice(option.into())))
    }

    pub(super) fn write(&self, option: &str) -> Refused<Native> {
        native_of(&self.table, option).cloned()
    }
}

impl ChoicesLens {
    /// Every option under its canonical name, with `;` between any two.
    pub fn by_name<T: AsRef<str>>(options: impl IntoIterator<Item = T>) -> Self {
        Self {
            table: table_by_name(options),
            form: ListForm::default(),
        }
    }

    /// Every option under its number.
    pub fn by_number<T: AsRef<str>>(options: impl IntoIterator<Item = (i64, T)>) -> Self {
        Self {
            table: table_by_number(options),
            form: ListForm::default(),
        }
    }

    /// Sets how several values are one.
    #[must_use]
    pub fn with_form(mut self, form: ListForm) -> Self {
        self.form = form;
        self
    }

    pub(super) fn check(&self, field: &FieldName, options: &[String], errors: &mut Vec<MapError>) {
        let before = errors.len();
        check_table(
            &self.table,
            field,
            options,
            |native| is_single(native) && self.is_readable(native),
            errors,
        );
        // `1` and `"1"` are two values, and one text.
        if errors.len() == before && matches!(self.form, ListForm::Separated(_)) {
            let mut seen = BTreeSet::new();
            for entry in &self.table {
                if !seen.insert(element_text(&entry.native)) {
                    errors.push(MapError::Table {
                        field: field.clone(),
                        problem: TableProblem::Ambiguous {
                            option: entry.option.clone(),
                        },
                    });
                }
            }
        }
    }

    /// True if the element can be found again among others.
    fn is_readable(&self, native: &Native) -> bool {
        match (&self.form, element_text(native)) {
            (ListForm::List, _) => true,
            (ListForm::Separated(separator), Some(text)) => {
                // With one character between them, no two elements can make up a third.
                separator.chars().count() == 1
                    && !text.contains(separator.as_str())
                    && text.trim() == text
            }
            (ListForm::Separated(_), None) => false,
        }
    }

    pub(super) fn read(&self, native: &Native) -> Refused<Option<Value>> {
        let options: BTreeSet<String> = match (&self.form, native) {
            (ListForm::List, Native::List(elements)) => elements
                .iter()
                .map(|element| option_of(&self.table, element).map(str::to_owned))
                .collect::<Result<_, _>>()?,
            (ListForm::Separated(separator), Native::Text(text)) => text
                .split(separator.as_str())
                .map(str::trim)
                .filter(|element| !element.is_empty())
                .map(|element| self.option_of_text(element))
                .collect::<Result<_, _>>()?,
            // One number alone has nothing to be separated from.
            (ListForm::Separated(_), Native::Number(_)) => {
                BTreeSet::from([option_of(&self.table, native)?.to_owned()])
            }
            _ => return Err(RefusalReason::WrongNative),
        };
        Ok(Some(options)
            .filter(|options| !options.is_empty())
            .map(Value::Choices))
    }

    pub(super) fn write(&self, options: &BTreeSet<String>) -> Refused<Native> {
        for option in options {
            native_of(&self.table, option)?;
        }
        // In the order of the table, so that one set is always one text.
        let natives = self
            .table
            .iter()
            .filter(|entry| options.contains(&entry.option))
            .map(|entry| &entry.native);
        if options.is_empty() {
            return Ok(Native::Null);
        }
        Ok(match &self.form {
            ListForm::List => Native::List(natives.cloned().collect()),
            ListForm::Separated(separator) => {
                let texts: Vec<String> = natives.filter_map(element_text).collect();
                Native::Text(texts.join(separator))
            }
        })
    }

    fn option_of_text(&self, text: &str) -> Refused<String> {
        self.table
            .iter()
            .find(|entry| element_text(&entry.native).as_deref() == Some(text))
            .map(|entry| entry.option.clone())
            .ok_or(RefusalReason::UnknownChoice)
    }
}

/// What an element is within text.
fn element_text(native: &Native) -> Option<String> {
    match native {
        Native::Text(text) => Some(text.clone()),
        Native::Number(number) => Some(number.normalize().to_string()),
        _ => None,
    }
}

/// True if it is one value that is not taken for none.
fn is_single(native: &Native) -> bool {
    match native {
        Native::Boolean(_) | Native::Number(_) => true,
        Native::Text(text) => !text.is_empty(),
        Native::Null | Native::List(_) => false,
    }
}

fn table_by_name<T: AsRef<str>>(options: impl IntoIterator<Item = T>) -> Vec<ChoiceEntry> {
    let entry = |option: T| ChoiceEntry {
        option: option.as_ref().to_owned(),
        native: Native::Text(option.as_ref().to_owned()),
    };
    options.into_iter().map(entry).collect()
}

fn table_by_number<T: AsRef<str>>(options: impl IntoIterator<Item = (i64, T)>) -> Vec<ChoiceEntry> {
    let entry = |(number, option): (i64, T)| ChoiceEntry {
        option: option.as_ref().to_owned(),
        native: Native::Number(number.into()),
    };
    options.into_iter().map(entry).collect()
}

fn option_of<'a>(table: &'a [ChoiceEntry], native: &Native) -> Refused<&'a str> {
    table
        .iter()
        .find(|entry| entry.native == *native)
        .map(|entry| entry.option.as_str())
        .ok_or(RefusalReason::UnknownChoice)
}

fn native_of<'a>(table: &'a [ChoiceEntry], option: &str) -> Refused<&'a Native> {
    table
        .iter()
        .find(|entry| entry.option == option)
        .map(|entry| &entry.native)
        .ok_or(RefusalReason::UnknownChoice)
}

fn check_table(
    table: &[ChoiceEntry],
    field: &FieldName,
    options: &[String],
    is_readable: impl Fn(&Native) -> bool,
    errors: &mut Vec<MapError>,
) {
    let mut natives: BTreeMap<&Native, &str> = BTreeMap::new();
    let mut named: BTreeSet<&str> = BTreeSet::new();
    let mut problems = Vec::new();
    for entry in table {
        let option = || entry.option.clone();
        if !options.contains(&entry.option) {
            problems.push(TableProblem::Unknown { option: option() });
        }
        if !named.insert(&entry.option) {
            problems.push(TableProblem::Repeated { option: option() });
        }
        if !is_readable(&entry.native) {
            problems.push(TableProblem::Unreadable { option: option() });
        } else if natives.insert(&entry.native, &entry.option).is_some() {
            problems.push(TableProblem::Ambiguous { option: option() });
        }
    }
    let missing = options
        .iter()
        .filter(|option| !named.contains(option.as_str()))
        .map(|option| TableProblem::Missing {
            option: option.clone(),
        });
    errors.extend(
        problems
            .into_iter()
            .chain(missing)
            .map(|problem| MapError::Table {
                field: field.clone(),
                problem,
            }),
    );
}
