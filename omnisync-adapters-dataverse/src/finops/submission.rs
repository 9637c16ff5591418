//! The way of a package into an environment.

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt as _;
use omnisync_core::id::Sha256;
use omnisync_core::port::{Submission, SubmitReceipt};
use omnisync_core::{ErrorKind, PortError};
use serde_json::json;

use super::client::{FinOpsClient, Step};
use super::config::FinOpsConfig;
use super::recurring::Recurring;
use super::wire;

/// Which API takes packages.
#[derive(Debug)]
pub(super) enum Submitter {
    Package,
    Recurring(Recurring),
}

/// The whole package, when it is the one that was announced. Nothing has been sent before.
pub(super) async fn content(
    submission: &mut Submission,
    bytes_max: u64,
) -> Result<Bytes, PortError> {
    let step = Step::Upload;
    let too_large = || {
        let what = format!("the package is larger than package_bytes_max ({bytes_max})");
        step.error(ErrorKind::TooLarge, what)
    };
    if submission.bytes > bytes_max {
        return Err(too_large());
    }
    let mut content = BytesMut::new();
    let stage = PortError::without_effect;
    while let Some(chunk) = submission.content.try_next().await.map_err(stage)? {
        content.extend_from_slice(&chunk);
        if u64::try_from(content.len()).unwrap_or(u64::MAX) > bytes_max {
            return Err(too_large());
        }
    }
    if content.is_empty() {
        return Err(step.error(ErrorKind::Invalid, "the package is empty"));
    }
    let content = content.freeze();
    let is_announced = u64::try_from(content.len()) == Ok(submission.bytes)
        && Sha256::of(&content) == submission.sha256;
    if is_announced {
        return Ok(content);
    }
    let what = "the package is not the one that was announced: stage it again";
    Err(step.error(ErrorKind::Corrupt, what))
}

/// The company that a package is for.
pub(super) fn company<'c>(
    submission: &'c Submission,
    config: &'c FinOpsConfig,
) -> Result<&'c str, PortError> {
    let named = submission.legal_entity.as_deref();
    named.or(config.legal_entity.as_deref()).ok_or_else(|| {
        let what = "no company is named: set legal_entity";
        Step::Import.error(ErrorKind::Misconfigured, what)
    })
}

/// Writes the package to the storage of the environment and has it imported.
pub(super) async fn import(
    client: &FinOpsClient,
    config: &FinOpsConfig,
    mut submission: Submission,
) -> Result<SubmitReceipt, PortError> {
    let began = client.clock.now();
    let company = company(&submission, config)?.to_owned();
    let content = content(&mut submission, config.package_bytes_max).await?;
    let execution = submission.execution;
    let url = write_url(client, submission.package.as_str()).await?;
    client.upload(&url, content, config.submit_limits()).await?;
    let action = if config.asynchronous {
        "ImportFromPackageAsync"
    } else {
        "ImportFromPackage"
    };
    let id = execution.to_string();
    let parameters = json!({
        "packageUrl": url,
        "definitionGroupId": submission.project.as_str(),
        "executionId": id,
        "execute": true,
        "overwrite": config.overwrite,
        "legalEntityId": company,
    });
    let step = Step::Import;
    let latest = began + config.latest_import();
    if client.clock.now() > latest {
        // Whoever comes after this worker may take the package for lost soon.
        let what = "writing the package took so long that its import would begin too late";
        return Err(step.error(ErrorKind::Unavailable, what).without_effect());
    }
    let body = client
        .act(step, action, &parameters, config.submit_limits())
        .await?;
    let answered = wire::text(&body).map_err(|error| step.unreadable(error))?;
    if answered != id {
        let what = format!(
            "the environment took import {id} under another execution id: look for it in the job \
             history of the data project before it is submitted again"
        );
        return Err(step.error(ErrorKind::Unavailable, what));
    }
    Ok(SubmitReceipt {
        execution,
        evidence: format!("{action} answered {answered}"),
    })
}

async fn write_url(client: &FinOpsClient, name: &str) -> Result<String, PortError> {
    let step = Step::WriteUrl;
    let parameters = json!({ "uniqueFileName": name });
    let body = client.ask(step, "GetAzureWriteUrl", &parameters).await?;
    wire::write_url(&body).map_err(|error| step.unreadable(error).without_effect())
}
