//! What the data management API says and is told: pure, no connection.

use std::borrow::Cow;

use omnisync_core::port::ImportStatus;
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

/// Longest text of the service that is kept, in characters.
const MESSAGE_CHARS_MAX: usize = 500;

/// Why an answer cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum WireError {
    #[error(
        "the answer is no JSON of this API: look for a proxy or a login page between, and check \
         the base URL"
    )]
    NotJson,
    #[error("the answer holds no {0} where one belongs")]
    Misses(&'static str),
}

#[derive(Deserialize)]
struct Envelope {
    value: Value,
}

/// The text that an action answers with.
pub(super) fn text(body: &[u8]) -> Result<String, WireError> {
    match envelope(body)? {
        Value::String(text) => Ok(text),
        _ => Err(WireError::Misses("text")),
    }
}

/// The truth that an action answers with.
pub(super) fn boolean(body: &[u8]) -> Result<bool, WireError> {
    match envelope(body)? {
        Value::Bool(truth) => Ok(truth),
        _ => Err(WireError::Misses("boolean")),
    }
}

fn envelope(body: &[u8]) -> Result<Value, WireError> {
    let envelope: Envelope = serde_json::from_slice(body).map_err(|_| WireError::NotJson)?;
    Ok(envelope.value)
}

/// The URL to write a package to: JSON within a text within JSON.
pub(super) fn write_url(body: &[u8]) -> Result<String, WireError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct WriteUrl {
        blob_url: String,
    }
    let inner: WriteUrl =
        serde_json::from_str(&text(body)?).map_err(|_| WireError::Misses("blob URL"))?;
    Ok(inner.blob_url)
}

/// An error of an import, as `GetExecutionErrors` lists them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ExecutionError {
    /// Key of the record; nothing where the import as a whole failed.
    #[serde(default)]
    pub(super) record_id: Option<String>,
    #[serde(default)]
    pub(super) error_message: Option<String>,
}

/// The errors of an import: a list within a text within JSON. No text is no error.
pub(super) fn execution_errors(body: &[u8]) -> Result<Vec<ExecutionError>, WireError> {
    let list = text(body)?;
    if list.trim().is_empty() {
        return Ok(Vec::new());
    }
    // The messages explain; what became of a record is told by files and counts.
    Ok(serde_json::from_str(&list).unwrap_or_else(|_| {
        tracing::warn!("the list of execution errors has another form than the known one");
        Vec::new()
    }))
}

/// What an import did with an entity, by `DataManagementExecutionJobDetails`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct JobDetail {
    pub(super) entity_name: String,
    #[serde(rename = "TargetRecordsCreatedCount")]
    pub(super) created: u64,
    #[serde(rename = "TargetRecordsUpdatedCount")]
    pub(super) updated: u64,
}

/// What an import did with each entity.
pub(super) fn job_details(body: &[u8]) -> Result<Vec<JobDetail>, WireError> {
    serde_json::from_value(envelope(body)?).map_err(|_| WireError::Misses("list of job details"))
}

/// The status of an import, by its word.
pub(super) fn import_status(word: &str) -> ImportStatus {
    match word {
        "NotRun" | "Queued" => ImportStatus::Queued,
        "Executing" => ImportStatus::Executing,
        "Succeeded" => ImportStatus::Succeeded,
        "PartiallySucceeded" => ImportStatus::PartiallySucceeded,
        "Failed" => ImportStatus::Failed,
        "Canceled" => ImportStatus::Canceled,
        other => ImportStatus::Unknown(other.to_owned()),
    }
}

/// A message in the queue of a recurring data job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    /// Its state, by its word.
    pub(super) state: String,
    /// The import that it became; empty before.
    pub(super) execution: String,
    /// What went wrong before there was an import.
    pub(super) log: String,
    /// Records that reached their tables.
    pub(super) imported: u64,
}

impl Job {
    /// The message could not be opened: it never became an import.
    pub(super) fn is_unopened(&self) -> bool {
        self.state == "PreProcessError"
    }

    /// How far the import is that the message became.
    pub(super) fn status(&self) -> ImportStatus {
        match job_status(&self.state) {
            ImportStatus::PartiallySucceeded if self.imported == 0 => ImportStatus::Failed,
            status => status,
        }
    }
}

/// The status of a message in the queue of a recurring data job.
pub(super) fn job(body: &[u8]) -> Result<Job, WireError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Detail {
        data_job_status: Status,
        #[serde(default)]
        execution_log: Option<String>,
        #[serde(default, rename = "ExecutionDetail")]
        entities: Option<Vec<Entity>>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Entity {
        #[serde(default)]
        target_records: u64,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Status {
        data_job_state: String,
        #[serde(default)]
        execution_identifier: Option<String>,
    }
    let detail: Detail = serde_json::from_slice(body).map_err(|_| WireError::NotJson)?;
    let entities = detail.entities.unwrap_or_default();
    Ok(Job {
        imported: entities.iter().map(|entity| entity.target_records).sum(),
        state: detail.data_job_status.data_job_state,
        execution: detail
            .data_job_status
            .execution_identifier
            .unwrap_or_default(),
        log: detail.execution_log.unwrap_or_default(),
    })
}

/// The status of an import that a message in a queue became, by the word of the message.
fn job_status(word: &str) -> ImportStatus {
    match word {
        "Enqueued" | "Dequeued" | "Downloaded" | "Acked" => ImportStatus::Queued,
        "InProcess" => ImportStatus::Executing,
        "Processed" => ImportStatus::Succeeded,
        "ProcessedWithErrors" => ImportStatus::PartiallySucceeded,
        "PostProcessError" | "PreProcessError" => ImportStatus::Failed,
        other => ImportStatus::Unknown(other.to_owned()),
    }
}

/// The id of a message that was put into a queue: a text in quotes.
pub(super) fn message_id(body: &[u8]) -> Result<String, WireError> {
    let id: String = serde_json::from_slice(body).map_err(|_| WireError::NotJson)?;
    if id.trim().is_empty() {
        return Err(WireError::Misses("message id"));
    }
    Ok(id)
}

/// What an answer says went wrong: for classification only, since it may show data. Empty where
/// it says nothing in the service's own form.
pub(super) fn error_text(body: &[u8]) -> String {
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return String::new();
    };
    let texts = [
        body.pointer("/error/innererror/message"),
        body.pointer("/error/message"),
        body.pointer("/Message"),
        body.pointer("/ExceptionMessage"),
    ];
    let texts: Vec<&str> = texts
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    texts.join("; ")
}

/// A message of the service for the trail of an order: one line of bounded length.
pub(super) fn message(text: &str) -> String {
    let line: Cow<'_, str> = text.split_whitespace().collect::<Vec<_>>().join(" ").into();
    let mut kept: String = line.chars().take(MESSAGE_CHARS_MAX).collect();
    if kept.len() < line.len() {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_write_url_is_json_within_a_text_within_json() {
        let body = br#"{"@odata.context":"https://x/data/$metadata#Edm.String","value":
            "{\"BlobId\":\"{0AAB}\",\"BlobUrl\":\"https://a.blob.core.windows.net/dmf/p.zip?sig=1\"}"}"#;
        assert_eq!(
            write_url(body),
            Ok("https://a.blob.core.windows.net/dmf/p.zip?sig=1".to_owned())
        );
        let flat = br#"{"value":{"BlobUrl":"https://a"}}"#;
        assert_eq!(write_url(flat), Err(WireError::Misses("text")));
        assert_eq!(write_url(b"<html>"), Err(WireError::NotJson));
        assert_eq!(
            write_url(br#"{"value":"not json"}"#),
            Err(WireError::Misses("blob URL"))
        );
    }

    #[test]
    fn errors_are_a_list_within_a_text() {
        let body = br#"{"value":"[{\"RecordId\":\"Cash\",\"Field\":\"\",\"ErrorMessage\":\"invalid: 0\"}]"}"#;
        let errors = execution_errors(body).unwrap();
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].record_id.as_deref(), Some("Cash"));
        let null = br#"{"value":"[{\"RecordId\":null,\"ErrorMessage\":\"x\"}]"}"#;
        assert_eq!(execution_errors(null).unwrap()[0].record_id, None);
        assert_eq!(execution_errors(br#"{"value":""}"#), Ok(Vec::new()));
        assert_eq!(
            execution_errors(br#"{"value":"[{\"RecordId\":"}"#),
            Ok(Vec::new())
        );
        assert!(execution_errors(br#"{"value":"[{\"RecordId\":"#).is_err());
    }

    #[test]
    fn only_known_words_are_known() {
        assert_eq!(import_status("Succeeded"), ImportStatus::Succeeded);
        assert_eq!(import_status("NotRun"), ImportStatus::Queued);
        for word in ["Unknown", "succeeded", "Succeeded ", "InProgress", ""] {
            assert_eq!(import_status(word), ImportStatus::Unknown(word.to_owned()));
        }
        assert_eq!(
            job_status("ProcessedWithErrors"),
            ImportStatus::PartiallySucceeded
        );
        assert_eq!(
            job_status("Weird"),
            ImportStatus::Unknown("Weird".to_owned())
        );
    }

    #[test]
    fn messages_are_one_line_of_bounded_length() {
        assert_eq!(message(" a\r\n\tb  c "), "a b c");
        assert_eq!(message(&"ä".repeat(600)).chars().count(), 501);
    }

    #[test]
    fn the_texts_of_an_error_are_found_in_every_form() {
        let odata = br#"{"error":{"code":"","message":"An error has occurred.","innererror":{"message":"DMF1996"}}}"#;
        assert_eq!(error_text(odata), "DMF1996; An error has occurred.");
        assert_eq!(error_text(br#"{"Message":"no"}"#), "no");
        assert_eq!(error_text(b"<html></html>"), "");
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(body in any::<Vec<u8>>()) {
            drop((text(&body), boolean(&body), write_url(&body), execution_errors(&body)));
            drop((job_details(&body), job(&body), message_id(&body), error_text(&body)));
        }
    }
}
