use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use omnisync_core::id::BlobName;
use omnisync_core::port::{BlobRead, BlobReceipt, BlobStage, BlobStageCapability, ByteStream};
use omnisync_core::{ErrorKind, PortError};

use super::client::{BlobClient, Signature, Step};
use super::location::is_kept;
use super::put;
use super::read;
use super::read_url::{SignedUrl, UrlSigner};
use super::refusal::{code, is_absent, refused};
use super::wire;

/// Pages that a listing may have: many more than any account answers with.
const PAGES_MAX: usize = 100_000;

/// A page of a listing is not smaller, so that names before `after` cost few requests where the
/// service does not skip them.
const PAGE_NAMES_MIN: usize = 100;

/// Write-once blobs in a folder of Azure Blob Storage, Data Lake Storage Gen2 or `OneLake`.
#[derive(Debug)]
pub struct AzureBlobStage {
    client: Arc<BlobClient>,
    signer: UrlSigner,
}

impl AzureBlobStage {
    pub(super) fn new(client: BlobClient) -> Self {
        Self {
            client: Arc::new(client),
            signer: UrlSigner::default(),
        }
    }

    /// True when [`read_url`](Self::read_url) can sign: with an account key, or with tokens.
    pub fn can_sign(&self) -> bool {
        !matches!(self.client.signature, Signature::Shared(_))
    }

    /// A URL that opens the blob for reading, by https, from a few minutes ago (clocks differ)
    /// until `valid_for` from now. Whether there is such a blob is not asked.
    ///
    /// # Errors
    /// `Unsupported` unless the stage [can sign](Self::can_sign), `Invalid` for a duration that
    /// no URL lives; with tokens also `Denied`, `Throttled`, `Unavailable` and `TimedOut`.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn read_url(
        &self,
        name: &BlobName,
        valid_for: Duration,
    ) -> Result<SignedUrl, PortError> {
        check_name(Step::ReadUrl, name)?;
        self.signer.read_url(&self.client, name, valid_for).await
    }

    /// Creates the container; `false` when there is one. For a workspace of `OneLake` there is
    /// nothing to create.
    ///
    /// # Errors
    /// `Denied`, `Misconfigured`, `Throttled`, `Unavailable`, `TimedOut`.
    ///
    /// # Cancel safety
    /// A dropped call may or may not have created it. Call again.
    pub async fn create_container(&self) -> Result<bool, PortError> {
        if self.client.location.is_onelake() {
            return Ok(false);
        }
        match self.client.create_container().await {
            Ok(()) => Ok(true),
            Err(error) if code(&error).as_deref() == Some("ContainerAlreadyExists") => {
                // An earlier attempt of this call may have been the one.
                Ok(error.is_effect_open())
            }
            Err(error) => Err(refused(Step::CreateContainer, error)),
        }
    }
}

/// Names that would lead elsewhere, or be changed on their way.
fn check_name(step: Step, name: &BlobName) -> Result<(), PortError> {
    if is_kept(name.as_str()) {
        return Ok(());
    }
    let what = format!("{name} ends with a dot, which Azure takes for something else");
    Err(step.error(ErrorKind::Invalid, what))
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl BlobStage for AzureBlobStage {
    fn capability(&self) -> BlobStageCapability {
        BlobStageCapability::new(true, self.client.settings.blob_bytes_max)
    }

    async fn put(&self, name: &BlobName, content: ByteStream) -> Result<BlobReceipt, PortError> {
        check_name(Step::Put, name)?;
        put::put(&self.client, name, content).await
    }

    async fn get(&self, name: &BlobName) -> Result<BlobRead, PortError> {
        check_name(Step::Get, name)?;
        read::get(&self.client, name).await
    }

    async fn head(&self, name: &BlobName) -> Result<Option<BlobReceipt>, PortError> {
        check_name(Step::Head, name)?;
        let stored = read::head(&self.client, name).await?;
        Ok(stored.map(|stored| stored.receipt))
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&BlobName>,
        max: usize,
    ) -> Result<Vec<BlobName>, PortError> {
        let step = Step::List;
        let mut names = Vec::new();
        // Nothing below the folder is called so.
        if max == 0 || prefix.contains('/') {
            return Ok(names);
        }
        let settings = &self.client.settings;
        let page = max.saturating_add(1).max(PAGE_NAMES_MIN);
        let page = page.min(settings.page_names_max);
        let from = after.map(BlobName::as_str).filter(|after| *after > prefix);
        let mut marker: Option<String> = None;
        let mut last = after.cloned();
        for _ in 0..PAGES_MAX {
            let answer = self
                .client
                .list(prefix, from, marker.as_deref(), page)
                .await
                .map_err(|error| refused(step, error))?;
            let listing = wire::listing(answer.body()).map_err(|error| step.unreadable(error))?;
            for name in own_names(self.client.location.folder(), &listing.names) {
                // Not every service skips what comes before, and some begin with it.
                if !name.as_str().starts_with(prefix) || after.is_some_and(|after| name <= *after) {
                    continue;
                }
                if last.as_ref().is_some_and(|last| name <= *last) {
                    let what = "the service does not list in the order of bytes";
                    return Err(step.error(ErrorKind::Unsupported, what));
                }
                last = Some(name.clone());
                names.push(name);
                if names.len() >= max {
                    return Ok(names);
                }
            }
            match listing.next {
                None => return Ok(names),
                next if next == marker => break,
                next => marker = next,
            }
        }
        let what = "the listing has no end; a proxy may stand in between";
        Err(step.error(ErrorKind::Unavailable, what))
    }

    async fn delete(&self, name: &BlobName) -> Result<bool, PortError> {
        check_name(Step::Delete, name)?;
        match self.client.delete(name).await {
            Ok(()) => Ok(true),
            // An earlier attempt of this call may have been the one.
            Err(error) if is_absent(&error) => Ok(error.is_effect_open()),
            Err(error) => Err(refused(Step::Delete, error)),
        }
    }
}

/// The names of a page as those of blobs in `folder`. What is called otherwise is not ours.
fn own_names<'n>(
    folder: &'n str,
    names: &'n [String],
) -> impl Iterator<Item = BlobName> + Send + 'n {
    names
        .iter()
        .filter_map(move |name| BlobName::new(name.strip_prefix(folder)?).ok())
}
