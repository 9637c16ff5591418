//! Recurring integrations: a queue in front of imports.

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::actions::{begin, preprocess};
use super::answer::Answer;
use super::execution::{Execution, Phase};
use super::import::{EntityOutcome, Fate};
use super::state::State;
use super::url::{parameter, parameters};

/// A package in the queue of a recurring data job.
#[derive(Debug)]
pub(crate) struct Message {
    activity: String,
    external_id: String,
    company: String,
    /// A file without its entity is a package.
    entity: String,
    content: Bytes,
    step: Step,
    execution: Option<String>,
    /// The state word that is said in place of the true one.
    said: Option<String>,
    log: String,
    started: DateTime<Utc>,
    completed: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Enqueued,
    Dequeued,
    InProcess,
    PreProcessError,
}

/// Answers `POST /api/connector/enqueue/{activity}`.
pub(crate) fn enqueue(
    state: &mut State,
    activity: &str,
    query: &str,
    external_id: Option<&str>,
    content: Bytes,
) -> Answer {
    let Some(query) = parameters(query) else {
        return refuse(400, "The query cannot be decoded.");
    };
    let Some(activity) = activity_of(state, activity) else {
        return refuse(
            404,
            "The recurring data job of this activity id does not exist.",
        );
    };
    let Some(company) = state.company(parameter(&query, "company")) else {
        return refuse(400, "Target legal entity is not valid");
    };
    if content.is_empty() {
        return refuse(400, "The body of the request is empty.");
    }
    let id = format!("{{{}}}", state.next_guid().to_uppercase());
    let message = Message {
        activity,
        external_id: external_id.unwrap_or_default().to_owned(),
        company,
        entity: parameter(&query, "entity").to_owned(),
        content,
        step: Step::Enqueued,
        execution: None,
        said: None,
        log: String::new(),
        started: state.now(),
        completed: None,
    };
    state.messages.insert(id.clone(), message);
    Answer::json(200, &json!(id))
}

/// Answers `GET /api/connector/jobstatus/{activity}`; every question moves the message on.
pub(crate) fn job_status(state: &mut State, activity: &str, query: &str) -> Answer {
    let Some(query) = parameters(query) else {
        return refuse(400, "The query cannot be decoded.");
    };
    let Some(activity) = activity_of(state, activity) else {
        return refuse(
            404,
            "The recurring data job of this activity id does not exist.",
        );
    };
    let id = parameter(&query, "jobId");
    let known = state.messages.get(id);
    if known.is_none_or(|message| message.activity != activity) {
        return refuse(404, "The message of this job id does not exist.");
    }
    let detail = match state.messages.get(id) {
        Some(message) => detail(state, id, message),
        None => Value::Null,
    };
    advance(state, id);
    Answer::json(200, &detail)
}

/// The word of the package API for a message.
pub(crate) fn message_status(state: &mut State, id: &str) -> Option<&'static str> {
    let word = job_state(state, state.messages.get(id)?);
    advance(state, id);
    Some(match word {
        "Enqueued" => "Enqueued",
        "Dequeued" => "Dequeued",
        "InProcess" => "Processing",
        "Processed" => "Processed",
        "ProcessedWithErrors" => "ProcessedWithErrors",
        _ => "PreProcessingError",
    })
}

fn refuse(status: u16, message: &str) -> Answer {
    Answer::json(status, &json!({"Message": message}))
}

/// Activity ids are GUIDs, with or without braces.
fn activity_of(state: &State, text: &str) -> Option<String> {
    let text = text.trim_matches(['{', '}']);
    let mut known = state.options.activities.keys();
    known.find(|id| id.eq_ignore_ascii_case(text)).cloned()
}

/// Takes a message one step on.
fn advance(state: &mut State, id: &str) {
    let Some(message) = state.messages.get(id) else {
        return;
    };
    match (message.step, message.execution.clone()) {
        (Step::Enqueued, _) => step(state, id, Step::Dequeued),
        (Step::Dequeued, _) => start(state, id),
        (Step::InProcess, Some(execution)) => {
            let to_end = state.options.polls_to_end;
            let due = state.executions.get_mut(&execution).is_some_and(|running| {
                running.polls += 1;
                to_end.is_some_and(|end| running.polls >= end)
            });
            if due && state.end(&execution) {
                let now = state.now();
                if let Some(message) = state.messages.get_mut(id) {
                    message.completed = Some(now);
                }
            }
        }
        (Step::InProcess | Step::PreProcessError, _) => {}
    }
}

fn step(state: &mut State, id: &str, step: Step) {
    if let Some(message) = state.messages.get_mut(id) {
        message.step = step;
    }
}

/// Opens the package, and begins its import unless the project is at work.
fn start(state: &mut State, id: &str) {
    let Some(message) = state.messages.get(id) else {
        return;
    };
    let project = state.options.activities.get(&message.activity).cloned();
    let project = project.unwrap_or_default();
    let busy = state
        .executions
        .values()
        .any(|execution| execution.group == project && execution.phase == Phase::Executing);
    if busy && !state.options.enhanced_parallel {
        return;
    }
    let (content, company) = (message.content.clone(), message.company.clone());
    let package = if message.entity.is_empty() {
        preprocess(&content)
    } else {
        Err("the data job takes packages, and no file of an entity".to_owned())
    };
    let now = state.now();
    match package {
        Ok(package) => {
            let execution = format!("{project}-{}", state.next_guid());
            begin(state, &execution, &project, company, Ok(package));
            state.submissions += 1;
            if let Some(message) = state.messages.get_mut(id) {
                message.step = Step::InProcess;
                message.execution = Some(execution);
            }
        }
        Err(error) => {
            if let Some(message) = state.messages.get_mut(id) {
                message.step = Step::PreProcessError;
                message.log = error;
                message.completed = Some(now);
            }
        }
    }
}

/// Says this state word of the messages with an external id; `false` when there is none.
pub(crate) fn say(state: &mut State, external_id: &str, word: &str) -> bool {
    let messages = state.messages.values_mut();
    let mut found = false;
    for message in messages.filter(|message| message.external_id == external_id) {
        message.said = Some(word.to_owned());
        found = true;
    }
    found
}

fn said_state(state: &State, message: &Message) -> String {
    let true_one = || job_state(state, message).to_owned();
    message.said.clone().unwrap_or_else(true_one)
}

fn job_state(state: &State, message: &Message) -> &'static str {
    let execution = message
        .execution
        .as_ref()
        .and_then(|id| state.executions.get(id));
    match (message.step, execution) {
        (Step::Enqueued, _) => "Enqueued",
        (Step::Dequeued, _) => "Dequeued",
        (Step::PreProcessError, _) => "PreProcessError",
        (Step::InProcess, Some(execution)) if execution.has_ended() => match execution.word() {
            "Succeeded" => "Processed",
            _ => "ProcessedWithErrors",
        },
        (Step::InProcess, _) => "InProcess",
    }
}

fn detail(state: &State, id: &str, message: &Message) -> Value {
    let execution = message
        .execution
        .as_ref()
        .and_then(|id| state.executions.get(id));
    let entities: Vec<_> = execution
        .into_iter()
        .flat_map(|execution| {
            let entities = execution.entities.iter();
            entities.map(|entity| entity_detail(execution, entity, message))
        })
        .collect();
    let log = execution.filter(|execution| execution.has_ended());
    let log = log.map_or_else(|| message.log.clone(), log_of);
    json!({
        "DataJobStatus": {
            "DataProject": state.options.activities.get(&message.activity),
            "DataJobIdentifier": id,
            "ExternalIdentifier": message.external_id,
            "ExecutionIdentifier": message.execution.as_deref().unwrap_or_default(),
            "DataJobStartedDateTime": instant(message.started),
            "DataJobCompletedDateTime": message.completed.map(instant),
            "DataJobState": said_state(state, message),
        },
        "ExecutionLog": log,
        "ExecutionDetail": entities,
    })
}

fn entity_detail(execution: &Execution, entity: &EntityOutcome, message: &Message) -> Value {
    let (staging, target) = execution.entity_words(Some(entity));
    json!({
        "EntityName": entity.label,
        "Company": message.company,
        "StagingRecords": entity.staged(),
        "StagingStatus": staging,
        "StagingErrorCount": entity.count(|fate| matches!(fate, Fate::NotStaged(_))),
        "TargetRecords": entity.rows.len() - entity.failures(),
        "TargetStatus": target,
        "TargetErrorCount": entity.count(|fate| matches!(fate, Fate::Refused(_))),
        "ExecutionStartedDateTime": instant(message.started),
        "ExecutionCompletedDateTime": message.completed.map(instant),
    })
}

fn log_of(execution: &Execution) -> String {
    let errors = execution.entities.iter().flat_map(|entity| {
        let rows = entity.rows.iter().filter_map(|row| row.fate.error());
        let file = entity.file_error.iter().cloned();
        file.chain(rows.map(super::rule::RowError::text))
    });
    errors.collect::<Vec<_>>().join("\n")
}

fn instant(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Secs, true)
}
