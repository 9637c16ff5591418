//! Orders of the generator, packed by the core and imported over HTTP.

use std::error::Error;

use chrono::DateTime;
use omnisync_core::dixf::{FieldMap, PackageWriter};
use omnisync_core::event::CloudEvent;
use omnisync_core::id::{BatchId, ProjectName};
use omnisync_core::json::{self, Limits};
use omnisync_core::order::{OrderRules, validate};
use omnisync_core::package::PackageInfo;
use omnisync_testkit::generate::OrderGenerator;
use omnisync_testkit::server::fno::{Access, FnoServer};
use serde_json::{Value, json};

use crate::client::{action, send};

type Failure = Box<dyn Error + Send + Sync>;

const ORDERS: usize = 100;
const POLLS_MAX: u32 = 10_000;
const EXECUTION: &str = "self-test";

/// Imports orders and checks what the environment made of them.
pub(crate) async fn run(server: &FnoServer, fail_share: f64) -> Result<String, Failure> {
    let token = token(server).await?;
    let base = server.base_url();
    let name = json!({"uniqueFileName": "self-test.zip"});
    let place = action(base, &token, "GetAzureWriteUrl", &name).await?;
    let place: Value = serde_json::from_str(text(&place)?)?;
    let url = text(place.get("BlobUrl").ok_or("there is no URL to write to")?)?;
    let headers = [("x-ms-blob-type", "BlockBlob")];
    send("PUT", url, &headers, &package()?).await?;
    let submission = json!({
        "packageUrl": url,
        "definitionGroupId": "Self-test",
        "executionId": EXECUTION,
        "execute": true,
        "overwrite": true,
        "legalEntityId": "",
    });
    // The answer may take as long as the import does, and somebody has to ask meanwhile.
    let (submitted, word) = tokio::join!(
        action(base, &token, "ImportFromPackage", &submission),
        last_word(base, &token),
    );
    submitted?;
    let word = word?;
    judge(server, &word, fail_share)
}

async fn token(server: &FnoServer) -> Result<String, Failure> {
    let access = Access::default();
    let scope = format!("{}/.default", server.base_url());
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}&scope={}",
        access.client_id,
        access.client_secret,
        scope.replace(':', "%3A").replace('/', "%2F"),
    );
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let answer = send("POST", &server.token_url(), &headers, form.as_bytes()).await?;
    let answer: Value = serde_json::from_slice(&answer)?;
    let token = answer.get("access_token").ok_or("there is no token")?;
    Ok(text(token)?.to_owned())
}

fn package() -> Result<Vec<u8>, Failure> {
    let map = FieldMap::dmf().compile()?;
    let info = PackageInfo {
        definition_group: ProjectName::new("Self-test")?,
        description: "self-test".to_owned(),
        batch_id: BatchId::from_hash([1; 16]),
        created_at: DateTime::UNIX_EPOCH,
        exported_by: "fno-server".to_owned(),
    };
    let mut writer = PackageWriter::new(Vec::new(), &map, info)?;
    for event in OrderGenerator::new(7).take(ORDERS) {
        let data = CloudEvent::from_json(&event.bytes)?.into_data();
        let data = data.as_json().ok_or("the event carries no JSON")?;
        let data = json::parse(data.as_bytes(), &Limits::default())?;
        let valid = validate(&data, &OrderRules::default())
            .map_err(|violations| format!("the order is not valid: {violations:?}"))?;
        writer.append(&valid.order)?;
    }
    Ok(writer.finish()?.0)
}

async fn last_word(base: &str, token: &str) -> Result<String, Failure> {
    let body = json!({"executionId": EXECUTION});
    for _ in 0..POLLS_MAX {
        match action(base, token, "GetExecutionSummaryStatus", &body).await {
            Ok(word) if matches!(text(&word)?, "NotRun" | "Executing") => {}
            Ok(word) => return Ok(text(&word)?.to_owned()),
            Err(error) if error.to_string().contains("were not found") => {}
            Err(error) => return Err(error),
        }
    }
    Err("the import does not end".into())
}

/// Every order has arrived, or was refused by the rule.
fn judge(server: &FnoServer, word: &str, fail_share: f64) -> Result<String, Failure> {
    let fno = server.fno();
    let (headers, lines) = (fno.headers(), fno.lines());
    let records = fno.records(EXECUTION);
    let refused = records
        .iter()
        .filter(|record| record.error.is_some())
        .count();
    let whole = headers.len() + lines.len() + refused == records.len();
    let expected = if refused == 0 {
        // So many orders hold some of any share worth the name.
        fail_share < 0.1 && headers.len() == ORDERS && word == "Succeeded"
    } else {
        fail_share > 0.0 && matches!(word, "PartiallySucceeded" | "Failed")
    };
    let report = format!(
        "{word}: {} headers and {} lines imported, {refused} records refused",
        headers.len(),
        lines.len(),
    );
    if whole && expected && fno.violations().is_empty() {
        Ok(report)
    } else {
        Err(report.into())
    }
}

fn text(value: &Value) -> Result<&str, Failure> {
    value.as_str().ok_or_else(|| "the answer is no text".into())
}
