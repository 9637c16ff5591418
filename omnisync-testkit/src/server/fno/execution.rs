//! One import and what became of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::import::{EntityOutcome, Fate};
use super::package::Package;

/// An import.
#[derive(Debug, Clone)]
pub(crate) struct Execution {
    pub(crate) id: String,
    pub(crate) group: String,
    pub(crate) company: String,
    /// The package, or why there is nothing to import.
    pub(crate) package: Result<Package, String>,
    pub(crate) phase: Phase,
    pub(crate) entities: Vec<EntityOutcome>,
    pub(crate) unseen_left: u32,
    pub(crate) polls: u32,
    pub(crate) said: Option<String>,
    pub(crate) silent: bool,
    pub(crate) runs: u32,
    /// How often an asked for error keys file was fetched, by entity label.
    pub(crate) keys_files: BTreeMap<String, u32>,
}

/// Where an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    NotRun,
    Executing,
    Ended,
    Canceled,
}

/// What an import came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutionView {
    /// Execution id.
    pub id: String,
    /// Data project.
    pub definition_group: String,
    /// Company.
    pub company: String,
    /// The status word.
    pub status: String,
    /// How often a package was submitted under this id and run.
    pub runs: u32,
}

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordView {
    /// Entity label.
    pub entity: String,
    /// Value of the key column.
    pub key: String,
    /// Why it was refused, with the code; `None` when it is in the table.
    pub error: Option<String>,
}

impl Execution {
    pub(crate) fn view(&self) -> ExecutionView {
        ExecutionView {
            id: self.id.clone(),
            definition_group: self.group.clone(),
            company: self.company.clone(),
            status: self.word().to_owned(),
            runs: self.runs,
        }
    }

    pub(crate) fn records(&self) -> Vec<RecordView> {
        let of = |entity: &EntityOutcome| {
            let label = entity.label.clone();
            let rows = entity.rows.iter();
            rows.map(|row| RecordView {
                entity: label.clone(),
                key: row.key.clone(),
                error: row.fate.error().map(super::rule::RowError::text),
            })
            .collect::<Vec<_>>()
        };
        self.entities.iter().flat_map(of).collect()
    }

    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended | Phase::Canceled)
    }

    /// The status word.
    pub(crate) fn word(&self) -> &str {
        match (&self.said, self.phase) {
            (Some(word), _) => word,
            (None, Phase::NotRun) => "NotRun",
            (None, Phase::Executing) => "Executing",
            (None, Phase::Canceled) => "Canceled",
            (None, Phase::Ended) => self.result_word(),
        }
    }

    fn result_word(&self) -> &'static str {
        let failed = self
            .entities
            .iter()
            .any(|entity| entity.file_error.is_some() || entity.failures() > 0);
        let imported = self
            .entities
            .iter()
            .any(|entity| entity.rows.len() > entity.failures());
        match (self.package.is_err() || failed, imported) {
            (false, _) => "Succeeded",
            (true, true) => "PartiallySucceeded",
            (true, false) => "Failed",
        }
    }

    pub(crate) fn entity(&self, label: &str) -> Option<&EntityOutcome> {
        self.entities.iter().find(|entity| entity.label == label)
    }

    /// The list that `GetExecutionErrors` puts into a string.
    pub(crate) fn errors(&self) -> Value {
        let entry = |record: &str, message: &str| json!({"RecordId": record, "Field": "", "ErrorMessage": message});
        let package = self.package.as_ref().err();
        let mut errors: Vec<_> = package.map(|error| entry("", error)).into_iter().collect();
        for entity in &self.entities {
            errors.extend(entity.file_error.iter().map(|error| entry("", error)));
            errors.extend(entity.rows.iter().filter_map(|row| {
                let error = row.fate.error()?;
                Some(entry(&row.key, &error.text()))
            }));
        }
        Value::Array(errors)
    }

    /// Rows of the entity set of job details.
    pub(crate) fn details(&self) -> Vec<Value> {
        let planned = self.package.iter().flat_map(|package| {
            let entities = package.manifest.entities.iter();
            entities.filter(|entity| !entity.disabled)
        });
        planned
            .map(|planned| {
                let outcome = self.entity(&planned.label);
                let (staging, target) = self.entity_words(outcome);
                let count = |of: fn(&Fate) -> bool| outcome.map_or(0, |entity| entity.count(of));
                json!({
                    "JobId": self.id,
                    "DefinitionGroupId": self.group,
                    "EntityName": planned.label,
                    "StagingStatus": staging,
                    "TargetStatus": target,
                    "StagingRecordsCreatedCount": outcome.map_or(0, EntityOutcome::staged),
                    "StagingRecordsUpdatedCount": 0,
                    "StagingErrorCount": count(|fate| matches!(fate, Fate::NotStaged(_))),
                    "TargetRecordsCreatedCount": count(|fate| matches!(fate, Fate::Created)),
                    "TargetRecordsUpdatedCount": count(|fate| matches!(fate, Fate::Updated)),
                    "TargetErrorCount": count(|fate| matches!(fate, Fate::Refused(_))),
                })
            })
            .collect()
    }

    /// Staging and target status of an entity.
    pub(crate) fn entity_words(
        &self,
        outcome: Option<&EntityOutcome>,
    ) -> (&'static str, &'static str) {
        match (self.phase, outcome) {
            (Phase::NotRun, _) => ("NotRun", "NotRun"),
            (Phase::Executing, _) => ("Executing", "NotStarted"),
            (Phase::Canceled, _) => ("Canceled", "Canceled"),
            (Phase::Ended, None) => ("Error", "NotRun"),
            (Phase::Ended, Some(entity)) if entity.file_error.is_some() => ("Error", "NotRun"),
            (Phase::Ended, Some(entity)) => {
                let word = |failed: bool| if failed { "Error" } else { "Finished" };
                let unstaged = entity.count(|fate| matches!(fate, Fate::NotStaged(_)));
                let refused = entity.count(|fate| matches!(fate, Fate::Refused(_)));
                (word(unstaged > 0), word(refused > 0))
            }
        }
    }

    /// Keys of the rows that the target refused; `None` when there are none.
    pub(crate) fn keys_file(&self, label: &str, header: bool) -> Option<String> {
        let entity = self.entity(label)?;
        let keys = entity
            .rows
            .iter()
            .filter(|row| matches!(row.fate, Fate::Refused(_)));
        let mut lines: Vec<_> = keys.map(|row| csv_line(&[row.key.as_str()])).collect();
        if lines.is_empty() {
            return None;
        }
        if header {
            lines.insert(0, csv_line(&[entity.key]));
        }
        Some(lines.concat())
    }

    /// Whole rows that did not get into staging; `None` when there are none.
    pub(crate) fn staging_error_file(&self, label: &str) -> Option<String> {
        let entity = self.entity(label)?;
        let rows = entity
            .rows
            .iter()
            .filter(|row| matches!(row.fate, Fate::NotStaged(_)));
        let mut lines: Vec<_> = rows.map(|row| csv_line(&row.cells)).collect();
        if lines.is_empty() {
            return None;
        }
        lines.insert(0, csv_line(&entity.columns));
        Some(lines.concat())
    }
}

fn csv_line<S: AsRef<str>>(cells: &[S]) -> String {
    let cells: Vec<_> = cells
        .iter()
        .map(|cell| {
            let cell = cell.as_ref();
            if cell.contains([',', '"', '\r', '\n']) {
                format!("\"{}\"", cell.replace('"', "\"\""))
            } else {
                cell.to_owned()
            }
        })
        .collect();
    format!("{}\r\n", cells.join(","))
}
