//! The actions of the package API.

use std::collections::BTreeMap;

use omnisync_core::port::RepeatedExecution;
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::blob;
use super::entity::Entity;
use super::execution::{Execution, Phase};
use super::package::{self, Package, archive};
use super::state::State;

/// What came of an action.
pub(crate) enum Reply {
    Now(Answer),
    /// The answer is given when the import has ended.
    WhenEnded(Answer, String),
}

/// Why an action refuses.
struct Refusal(u16, String);

impl Refusal {
    fn bad(message: impl Into<String>) -> Self {
        Self(400, message.into())
    }
}

/// Runs an action.
pub(crate) fn run(state: &mut State, action: &str, body: &[u8]) -> Reply {
    match perform(state, action, body) {
        Ok(reply) => reply,
        Err(Refusal(status, message)) => Reply::Now(Answer::action_error(status, action, &message)),
    }
}

fn perform(state: &mut State, action: &str, body: &[u8]) -> Result<Reply, Refusal> {
    let parameters = Parameters::parse(body)?;
    let base = state.base_url.clone();
    let text = |value: &str| Answer::value(&base, "Edm.String", &json!(value));
    let boolean = |value: bool| Answer::value(&base, "Edm.Boolean", &json!(value));
    let answer = match action {
        "GetAzureWriteUrl" => text(&write_url(state, parameters.text("uniqueFileName")?)?),
        "ImportFromPackage" => return import(state, &parameters, state.options.blocking),
        "ImportFromPackageAsync" => return import(state, &parameters, false),
        "GetExecutionSummaryStatus" => {
            let word = status(state, parameters.text("executionId")?)?;
            text(&word)
        }
        "GetExecutionErrors" => {
            let execution = known(state, parameters.text("executionId")?)?;
            let errors = if execution.silent {
                json!([])
            } else {
                execution.errors()
            };
            text(&errors.to_string())
        }
        "GenerateImportTargetErrorKeysFile" => boolean(generate_keys(state, &parameters)?),
        "GetImportTargetErrorKeysFileUrl" => text(&keys_url(state, &parameters)?),
        "GetImportStagingErrorFileUrl" => text(&staging_url(state, &parameters)?),
        "GetExecutionSummaryPageUrl" => {
            let id = parameters.text("executionId")?;
            let execution = known(state, id)?;
            text(&format!(
                "{base}/?cmp={}&mi=action:DMFExecutionHistorySummary&executionId={id}",
                execution.company
            ))
        }
        "GetMessageStatus" => {
            let id = parameters.text("messageId")?;
            let word = super::connector::message_status(state, id)
                .ok_or_else(|| Refusal::bad(format!("Message '{id}' was not found.")))?;
            text(word)
        }
        "DeleteExecutionHistoryJob" => {
            let id = parameters.text("executionId")?;
            known(state, id)?;
            state.executions.remove(id);
            Answer::empty(204)
        }
        _ => {
            let message = format!("No action '{action}' was found.");
            return Ok(Reply::Now(Answer::odata_error(404, &message)));
        }
    };
    Ok(Reply::Now(answer))
}

fn write_url(state: &mut State, name: &str) -> Result<String, Refusal> {
    if name.is_empty() || name.len() > 1_024 || name.chars().any(char::is_control) {
        return Err(Refusal::bad("The file name is not valid."));
    }
    let id = state.next_guid().to_uppercase();
    let url = blob::sign(state, name, "rw");
    Ok(json!({"BlobId": format!("{{{id}}}"), "BlobUrl": url}).to_string())
}

fn import(state: &mut State, parameters: &Parameters, blocking: bool) -> Result<Reply, Refusal> {
    let url = parameters.text("packageUrl")?;
    let group = parameters.text("definitionGroupId")?;
    let id = parameters.text("executionId")?;
    let execute = parameters.boolean("execute")?;
    let overwrite = parameters.boolean("overwrite")?;
    let company = state
        .company(parameters.text("legalEntityId")?)
        .ok_or_else(|| Refusal::bad("Target legal entity is not valid"))?;
    let id = if id.is_empty() {
        state.next_guid()
    } else {
        id.to_owned()
    };
    let answer = Answer::value(&state.base_url, "Edm.String", &json!(id));
    let runs = state
        .executions
        .get(&id)
        .map_or(0, |execution| execution.runs);
    if state.executions.contains_key(&id) {
        match state.options.repeated_execution {
            RepeatedExecution::Rejected => {
                let message = format!("The execution ID '{id}' already exists.");
                return Err(Refusal::bad(message));
            }
            RepeatedExecution::ReturnsExisting => return Ok(Reply::Now(answer)),
            RepeatedExecution::RunsAgain => {}
        }
    }
    refuse_second(state, group)?;
    let bytes = blob::fetch(state, url).map_err(Refusal::bad)?;
    let package = open(&bytes)?;
    define(state, group, &package, overwrite)?;
    state.submissions += 1;
    let execution = begin(state, &id, group, company, package);
    execution.runs = runs + 1;
    if !execute {
        execution.phase = Phase::NotRun;
    }
    if state.options.polls_to_end == Some(0) {
        state.end(&id);
    }
    if blocking && execute {
        Ok(Reply::WhenEnded(answer, id))
    } else {
        Ok(Reply::Now(answer))
    }
}

/// Imports of one project stand in each other's way.
fn refuse_second(state: &State, group: &str) -> Result<(), Refusal> {
    let running = state
        .executions
        .values()
        .any(|execution| execution.group == group && execution.phase == Phase::Executing);
    if running && !state.options.enhanced_parallel {
        let message = "DMF1996: a deadlock occurred: Concurrent imports for the same project are \
                       not supported";
        return Err(Refusal(500, message.to_owned()));
    }
    Ok(())
}

/// Opens a package. What is no archive of files, or names an entity that does not exist, is
/// refused; what is wrong inside fails as an execution.
fn open(bytes: &[u8]) -> Result<Result<Package, String>, Refusal> {
    let files = archive::open(bytes).map_err(Refusal::bad)?;
    let package = package::read(files);
    if let Ok(package) = &package {
        for entity in &package.manifest.entities {
            let label = &entity.label;
            let known = Entity::of_label(label);
            if known.is_none_or(|known| !fits(known, &entity.target)) {
                return Err(Refusal::bad(format!(
                    "Entity {label} does not exist in the target environment"
                )));
            }
        }
    }
    Ok(package)
}

fn fits(entity: &Entity, target: &str) -> bool {
    target.is_empty() || target == entity.target
}

/// Makes the data project, or checks that it is the one of the package.
fn define(
    state: &mut State,
    group: &str,
    package: &Result<Package, String>,
    overwrite: bool,
) -> Result<(), Refusal> {
    let Ok(package) = package else {
        return Ok(());
    };
    let existing = state.projects.get(group);
    if !overwrite && existing.is_some_and(|existing| *existing != package.manifest) {
        return Err(Refusal::bad(format!(
            "The data project '{group}' exists and overwrite has not been specified."
        )));
    }
    let definition = package.manifest.clone();
    state.projects.insert(group.to_owned(), definition);
    Ok(())
}

/// Keeps a new execution.
pub(crate) fn begin<'s>(
    state: &'s mut State,
    id: &str,
    group: &str,
    company: String,
    package: Result<Package, String>,
) -> &'s mut Execution {
    let execution = Execution {
        id: id.to_owned(),
        group: group.to_owned(),
        company,
        package,
        phase: Phase::Executing,
        entities: Vec::new(),
        unseen_left: state.options.unseen_polls,
        polls: 0,
        said: None,
        silent: false,
        runs: 1,
        keys_files: BTreeMap::new(),
    };
    state.executions.remove(id);
    state.executions.entry(id.to_owned()).or_insert(execution)
}

/// Reads and checks the package of a recurring integration.
pub(crate) fn preprocess(bytes: &[u8]) -> Result<Package, String> {
    match open(bytes) {
        Ok(package) => package,
        Err(Refusal(_, message)) => Err(message),
    }
}

fn status(state: &mut State, id: &str) -> Result<String, Refusal> {
    let polls_to_end = state.options.polls_to_end;
    let Some(execution) = state.executions.get_mut(id) else {
        return Err(not_found(id));
    };
    if let Some(left) = execution.unseen_left.checked_sub(1) {
        execution.unseen_left = left;
        return Err(not_found(id));
    }
    execution.polls += 1;
    let polls = execution.polls;
    if execution.said.is_none() && polls_to_end.is_some_and(|end| polls >= end) {
        state.end(id);
    }
    let word = state.executions.get(id).map(Execution::word);
    Ok(match word {
        Some("Executing") if polls == 1 => "NotRun".to_owned(),
        Some(word) => word.to_owned(),
        None => return Err(not_found(id)),
    })
}

fn known<'s>(state: &'s State, id: &str) -> Result<&'s Execution, Refusal> {
    state.executions.get(id).ok_or_else(|| not_found(id))
}

fn not_found(id: &str) -> Refusal {
    Refusal::bad(format!("Execution ids '{id}' were not found."))
}

/// An ended execution and one of its entities.
fn entity_of<'s>(
    state: &'s State,
    parameters: &'s Parameters,
) -> Result<(&'s Execution, &'s str), Refusal> {
    let execution = known(state, parameters.text("executionId")?)?;
    let label = parameters.text("entityName")?;
    if execution.silent {
        let message = "The error details of the execution are not available.";
        return Err(Refusal(500, message.to_owned()));
    }
    let has = execution.package.as_ref().is_ok_and(|package| {
        let mut entities = package.manifest.entities.iter();
        entities.any(|entity| entity.label == label)
    });
    if has {
        Ok((execution, label))
    } else {
        let message = format!(
            "Entity {label} is not part of execution '{}'.",
            execution.id
        );
        Err(Refusal::bad(message))
    }
}

fn generate_keys(state: &mut State, parameters: &Parameters) -> Result<bool, Refusal> {
    let (execution, label) = entity_of(state, parameters)?;
    if execution.keys_file(label, false).is_none() {
        return Ok(false);
    }
    let (id, label) = (execution.id.clone(), label.to_owned());
    if let Some(execution) = state.executions.get_mut(&id) {
        execution.keys_files.entry(label).or_insert(0);
    }
    Ok(true)
}

/// Empty for the first time, while the file is being made, and when nobody had it made.
fn keys_url(state: &mut State, parameters: &Parameters) -> Result<String, Refusal> {
    let header = state.options.keys_file_header;
    let (execution, label) = entity_of(state, parameters)?;
    let (id, label) = (execution.id.clone(), label.to_owned());
    let content = execution.keys_file(&label, header);
    let asked = state
        .executions
        .get_mut(&id)
        .and_then(|execution| execution.keys_files.get_mut(&label));
    let (Some(asked), Some(content)) = (asked, content) else {
        return Ok(String::new());
    };
    *asked += 1;
    if *asked == 1 {
        return Ok(String::new());
    }
    let content = state.options.error_file_encoding.encode(&content);
    let name = format!("{id} {label} error keys.txt");
    Ok(blob::publish(state, &name, content))
}

fn staging_url(state: &mut State, parameters: &Parameters) -> Result<String, Refusal> {
    let (execution, label) = entity_of(state, parameters)?;
    let name = format!("{} {label} staging errors.csv", execution.id);
    let Some(content) = execution.staging_error_file(label) else {
        return Ok(String::new());
    };
    let content = state.options.error_file_encoding.encode(&content);
    Ok(blob::publish(state, &name, content))
}

/// The parameters of an action.
struct Parameters(Map<String, Value>);

impl Parameters {
    fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let map = serde_json::from_slice(body);
        map.map(Self)
            .map_err(|_| Refusal::bad("The body of the request is not a JSON object."))
    }

    fn text(&self, name: &str) -> Result<&str, Refusal> {
        let value = self.0.get(name).and_then(Value::as_str);
        value.ok_or_else(|| Self::wrong(name, "Edm.String"))
    }

    fn boolean(&self, name: &str) -> Result<bool, Refusal> {
        let value = self.0.get(name).and_then(Value::as_bool);
        value.ok_or_else(|| Self::wrong(name, "Edm.Boolean"))
    }

    fn wrong(name: &str, kind: &str) -> Refusal {
        Refusal::bad(format!(
            "The parameter '{name}' of type {kind} is missing or of another type."
        ))
    }
}
