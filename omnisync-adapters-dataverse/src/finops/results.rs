//! What became of the records of an import, from everything that the environment tells.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chrono::TimeDelta;
use omnisync_core::port::{
    EntityTotal, FailureClass, ImportProblem, RecordKey, RecordOutcome, RecordResult, ResultsPage,
};
use omnisync_core::{ErrorKind, PortError};
use serde_json::json;

use super::catalogue::{classify, classify_whole};
use super::client::{FinOpsClient, Step};
use super::config::{EntityConfig, FinOpsConfig};
use super::error_file::{self, Key};
use super::wire::{self, ExecutionError};

/// Messages of one record that are kept.
const MESSAGES_MAX: usize = 5;

/// The results of an import that has ended.
pub(super) async fn read(
    client: &FinOpsClient,
    config: &FinOpsConfig,
    execution: &str,
) -> Result<ResultsPage, PortError> {
    let totals = totals(client, execution).await?;
    let mut errors = Errors::of(errors(client, execution).await?);
    let mut records = Vec::new();
    for entity in &config.entities {
        // An entity that never began has no files.
        if !totals.iter().any(|total| total.entity == entity.label) {
            continue;
        }
        for key in refused(client, config, execution, entity).await? {
            records.push(errors.result(entity, key));
        }
    }
    let (problems, unmatched) = errors.into_rest();
    records.extend(unmatched);
    Ok(ResultsPage {
        totals: Some(totals),
        problems,
        ..ResultsPage::of(records, None)
    })
}

/// The results of a message that never became an import.
pub(super) fn of_message(log: &str) -> ResultsPage {
    let text = if log.trim().is_empty() {
        "the data job could not open the package"
    } else {
        log
    };
    let problem = problem(text);
    ResultsPage {
        totals: Some(Vec::new()),
        problems: vec![problem],
        ..ResultsPage::default()
    }
}

async fn totals(client: &FinOpsClient, execution: &str) -> Result<Vec<EntityTotal>, PortError> {
    let step = Step::JobDetails;
    let body = client.job_details(execution).await?;
    let details = wire::job_details(&body).map_err(|error| step.unreadable(error))?;
    let total = |detail: wire::JobDetail| EntityTotal {
        entity: detail.entity_name,
        imported: detail.created.saturating_add(detail.updated),
    };
    Ok(details.into_iter().map(total).collect())
}

async fn errors(client: &FinOpsClient, execution: &str) -> Result<Vec<ExecutionError>, PortError> {
    let step = Step::Errors;
    let parameters = json!({ "executionId": execution });
    let body = client.ask(step, "GetExecutionErrors", &parameters).await?;
    wire::execution_errors(&body).map_err(|error| step.unreadable(error))
}

/// Keys of the records of an entity that were refused, on the way into staging or out of it.
async fn refused(
    client: &FinOpsClient,
    config: &FinOpsConfig,
    execution: &str,
    entity: &EntityConfig,
) -> Result<Vec<Key>, PortError> {
    let mut keys = Vec::new();
    let parameters = json!({ "executionId": execution, "entityName": entity.label });
    let step = Step::ErrorKeys;
    let action = "GenerateImportTargetErrorKeysFile";
    let body = client.ask(step, action, &parameters).await?;
    if wire::boolean(&body).map_err(|error| step.unreadable(error))? {
        let url = keys_url(client, config, &parameters).await?;
        keys.extend(file(client, config, entity, &url).await?);
    }
    let action = "GetImportStagingErrorFileUrl";
    let body = client.ask(step, action, &parameters).await?;
    let url = wire::text(&body).map_err(|error| step.unreadable(error))?;
    if !url.is_empty() {
        keys.extend(file(client, config, entity, &url).await?);
    }
    // A record may be in both files, and a file may name it twice.
    let mut seen = HashSet::new();
    keys.retain(|key| seen.insert(key.clone()));
    Ok(keys)
}

/// The URL of a file that is being made.
async fn keys_url(
    client: &FinOpsClient,
    config: &FinOpsConfig,
    parameters: &serde_json::Value,
) -> Result<String, PortError> {
    let step = Step::ErrorKeys;
    let pause = Duration::from_millis(config.error_file_poll_ms.into());
    for poll in 0..config.error_file_polls_max {
        if poll > 0 {
            let pause = TimeDelta::from_std(pause).unwrap_or_default();
            client.clock.sleep_until(client.clock.now() + pause).await;
        }
        let action = "GetImportTargetErrorKeysFileUrl";
        let body = client.ask(step, action, parameters).await?;
        let url = wire::text(&body).map_err(|error| step.unreadable(error))?;
        if !url.is_empty() {
            return Ok(url);
        }
    }
    let what = "the file of error keys is not ready yet";
    Err(step.error(ErrorKind::Unavailable, what).without_effect())
}

async fn file(
    client: &FinOpsClient,
    config: &FinOpsConfig,
    entity: &EntityConfig,
    url: &str,
) -> Result<Vec<Key>, PortError> {
    let bytes = client.download(url, config.file_limits()).await?;
    let keys = error_file::keys(&bytes, entity, config.error_records_max);
    keys.map_err(|problem| {
        let what = format!(
            "the error file of {} cannot be believed: its orders keep their place until it can",
            entity.label
        );
        Step::ErrorFile
            .error(ErrorKind::Corrupt, what)
            .with_source(problem)
    })
}

/// The messages of an import, by the record that they name.
struct Errors {
    by_record: HashMap<String, Vec<String>>,
    /// Records whose messages found their place.
    used: Vec<String>,
    whole: Vec<String>,
}

impl Errors {
    fn of(errors: Vec<ExecutionError>) -> Self {
        let mut all = Self {
            by_record: HashMap::new(),
            used: Vec::new(),
            whole: Vec::new(),
        };
        for error in errors {
            let record = error.record_id.unwrap_or_default();
            let message = error.error_message.unwrap_or_default();
            if record.trim().is_empty() {
                all.whole.push(message);
            } else {
                let messages = all.by_record.entry(record.trim().to_owned()).or_default();
                if messages.len() < MESSAGES_MAX {
                    messages.push(message);
                }
            }
        }
        all
    }

    /// The fate of a record that was refused, with what is said about it.
    fn result(&mut self, entity: &EntityConfig, key: Key) -> RecordResult {
        let found = names(&key)
            .into_iter()
            .find(|name| self.by_record.contains_key(name));
        let messages = found
            .as_ref()
            .and_then(|name| self.by_record.get(name))
            .map_or(&[][..], Vec::as_slice);
        let outcome = failure(messages);
        self.used.extend(found);
        RecordResult {
            key: RecordKey {
                entity: entity.label.clone(),
                columns: key,
            },
            outcome,
        }
    }

    /// What is said about the import as a whole, and about records that no file names.
    fn into_rest(mut self) -> (Vec<ImportProblem>, Vec<RecordResult>) {
        for record in &self.used {
            self.by_record.remove(record);
        }
        let problems = self.whole.iter().map(|text| problem(text)).collect();
        let mut unmatched: Vec<RecordResult> = self
            .by_record
            .into_iter()
            .map(|(record, messages)| RecordResult {
                key: RecordKey {
                    entity: String::new(),
                    columns: vec![("RecordId".to_owned(), record)],
                },
                outcome: failure(&messages),
            })
            .collect();
        unmatched.sort_unstable_by(|left, right| left.key.cmp(&right.key));
        (problems, unmatched)
    }
}

/// How messages may name a record: the environment does not say how it joins several columns.
fn names(key: &Key) -> Vec<String> {
    let values: Vec<&str> = key.iter().map(|(_, value)| value.trim()).collect();
    if let [only] = values.as_slice() {
        return vec![(*only).to_owned()];
    }
    ["|", ",", ", ", " ", "-", "/", ""]
        .iter()
        .map(|separator| values.join(separator))
        .collect()
}

/// What several messages about one record come to: the one that repeating cannot help counts.
fn failure(messages: &[String]) -> RecordOutcome {
    let worst = messages
        .iter()
        .map(|message| classify(message))
        .max_by_key(|error| error.class);
    let text = messages.join("; ");
    match worst {
        Some(error) => RecordOutcome::Failed {
            code: error.code,
            message: wire::message(&text),
            class: error.class,
        },
        None => RecordOutcome::Failed {
            code: None,
            message: "refused by the environment, which gives no reason".to_owned(),
            class: FailureClass::Unknown,
        },
    }
}

fn problem(text: &str) -> ImportProblem {
    let error = classify_whole(text);
    ImportProblem {
        code: error.code,
        message: wire::message(text),
        class: error.class,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(list: &[(&str, &str)]) -> Errors {
        let error = |(record, message): &(&str, &str)| ExecutionError {
            record_id: Some((*record).to_owned()),
            error_message: Some((*message).to_owned()),
        };
        Errors::of(list.iter().map(error).collect())
    }

    fn key(columns: &[(&str, &str)]) -> Key {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        columns.iter().map(own).collect()
    }

    #[test]
    fn a_record_gets_the_messages_that_name_it_and_the_class_that_weighs_most() {
        let entity = EntityConfig::new("Lines", ["LOT"]);
        let mut errors = errors(&[
            ("L1", "DMF1996: deadlock"),
            ("L1", "Item is stopped"),
            ("L2", "update conflict"),
            ("", "DMF2028: busy"),
            ("L9", "of nobody"),
        ]);
        let result = errors.result(&entity, key(&[("LOT", "L1")]));
        let RecordOutcome::Failed { message, class, .. } = result.outcome else {
            panic!("{result:?}")
        };
        assert_eq!(message, "DMF1996: deadlock; Item is stopped");
        assert_eq!(class, FailureClass::Data);
        let silent = errors.result(&entity, key(&[("LOT", "L3")]));
        assert!(matches!(
            silent.outcome,
            RecordOutcome::Failed {
                class: FailureClass::Unknown,
                ..
            }
        ));
        errors.result(&entity, key(&[("LOT", "L2")]));
        let (problems, unmatched) = errors.into_rest();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].class, FailureClass::Transient);
        assert_eq!(unmatched.len(), 1);
        assert_eq!(unmatched[0].key.columns[0].1, "L9");
    }

    #[test]
    fn a_key_of_several_columns_is_found_however_it_is_joined() {
        let entity = EntityConfig::new("E", ["A", "B"]);
        for name in ["1|2", "1,2", "1, 2", "1 2", "1-2", "1/2", "12"] {
            let mut errors = errors(&[(name, "no")]);
            errors.result(&entity, key(&[("A", "1"), ("B", "2")]));
            assert!(errors.into_rest().1.is_empty(), "{name}");
        }
    }
}
