use std::sync::Arc;

use omnisync_core::port::{Clock, IdSource};
use omnisync_core::{ErrorKind, PortError};
use omnisync_http::{Client, Scope, Secret};
use serde::Deserialize;

use super::client::{BlobClient, Signature};
use super::connection_string::ConnectionString;
use super::location::{Location, split};
use super::put::BLOCKS_MAX;
use super::read_url::LIFE_MAX;
use super::sign::Key;
use super::stage::AzureBlobStage;
use crate::shared::variables::{Variables, of_process};

const BUILD: &str = "blob.build";
const PREFIX: &str = "OMNISYNC_AZURE_BLOB_";

/// What tokens for storage are asked for, in every cloud.
const SCOPE: &str = "https://storage.azure.com/.default";

/// Largest block that is taken: it is held in memory, a few times.
const BLOCK_BYTES_MAX: usize = 100 << 20;

/// Most names that the service gives at once.
const PAGE_NAMES_MAX: usize = 5_000;

/// Where blobs are, and how they are reached.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AzureBlobConfig {
    /// URL of the account, such as `https://acme.blob.core.windows.net`; names of Data Lake
    /// Storage (`acme.dfs.…`) and `OneLake` (`onelake.dfs.fabric.microsoft.com`) do as well. Of
    /// emulators with the account behind the host.
    pub account_url: String,
    /// Name of the container; in `OneLake` the id of the workspace.
    pub container: String,
    /// Folder of the container that the stage keeps to. In `OneLake` it begins with the id of the
    /// item and `Files`. Default: the container itself.
    #[serde(default)]
    pub folder: Option<String>,
    /// Name of the account, where the URL does not begin with it: a domain of one's own.
    #[serde(default)]
    pub account: Option<String>,
    /// What proves who asks. Default: tokens.
    #[serde(default)]
    pub credential: BlobCredential,
    /// Largest piece that is sent or read at once, in bytes, at most 104,857,600. Default
    /// 8,388,608 (8 MiB). A blob of no more is written by one request.
    #[serde(default = "block_bytes")]
    pub block_bytes: usize,
    /// Pieces of one blob on their way at a time. A `put` holds up to two more of them in memory, a
    /// `get` no more than these. Default 4.
    #[serde(default = "parallel_blocks_max")]
    pub parallel_blocks_max: usize,
    /// Largest blob, in bytes: at most 50,000 times `block_bytes`. Default 1,073,741,824 (1 GiB).
    #[serde(default = "blob_bytes_max")]
    pub blob_bytes_max: u64,
    /// Most names that are asked for at once, at most 5,000. Default 1,000.
    #[serde(default = "page_names_max")]
    pub page_names_max: usize,
    /// Time for one attempt of a request, in milliseconds. Default 60,000.
    #[serde(default = "timeout_ms")]
    pub timeout_ms: u32,
    /// How much clocks may differ, in seconds: signed URLs are valid from so long ago. Default 300.
    #[serde(default = "clock_skew_seconds")]
    pub clock_skew_seconds: u32,
}

/// What proves to the account who asks.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum BlobCredential {
    /// Tokens of Entra ID, by the HTTP client: of a managed identity, a workload identity, an
    /// application, or any credential of the Azure SDK.
    #[default]
    Bearer,
    /// A key of the account, in base64. `OneLake` takes none.
    AccountKey(Secret),
    /// A shared access signature for the container or the account, as the query of a URL. It
    /// needs the permissions to read, create, write, delete and list.
    Sas(Secret),
}

/// The checked limits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) block_bytes: usize,
    pub(super) parallel_blocks_max: usize,
    pub(super) blob_bytes_max: u64,
    pub(super) page_names_max: usize,
    pub(super) timeout_ms: u32,
    pub(super) clock_skew_seconds: u32,
}

impl AzureBlobConfig {
    /// The defaults for a container of the account at `account_url`, with tokens.
    pub fn new(account_url: impl Into<String>, container: impl Into<String>) -> Self {
        Self {
            account_url: account_url.into(),
            container: container.into(),
            folder: None,
            account: None,
            credential: BlobCredential::Bearer,
            block_bytes: block_bytes(),
            parallel_blocks_max: parallel_blocks_max(),
            blob_bytes_max: blob_bytes_max(),
            page_names_max: page_names_max(),
            timeout_ms: timeout_ms(),
            clock_skew_seconds: clock_skew_seconds(),
        }
    }

    /// The defaults for the folder at `url`: `https://ACCOUNT.blob.core.windows.net/CONTAINER/FOLDER`
    /// or `abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER`, with tokens.
    ///
    /// # Errors
    /// `Misconfigured` for a URL that names no container.
    pub fn of_url(url: &str) -> Result<Self, PortError> {
        let (account_url, container, folder) = split(url)
            .map_err(|error| wrong("the URL is not that of a folder").with_source(error))?;
        let mut config = Self::new(account_url, container);
        config.folder = folder;
        Ok(config)
    }

    /// The defaults for a container of the account that a connection string names, with the key or
    /// the signature in it.
    ///
    /// # Errors
    /// `Misconfigured` for a text that names no account or no credential.
    pub fn from_connection_string(
        text: &str,
        container: impl Into<String>,
    ) -> Result<Self, PortError> {
        let read = ConnectionString::parse(text)
            .map_err(|error| wrong("the connection string is incomplete").with_source(error))?;
        let mut config = Self::new(read.account_url, container).with_credential(read.credential);
        config.account = read.account;
        Ok(config)
    }

    /// Reads the environment of this process; see [`from_vars`](Self::from_vars).
    ///
    /// # Errors
    /// As [`from_vars`](Self::from_vars).
    pub fn from_env() -> Result<Self, PortError> {
        Self::from_vars(of_process())
    }

    /// Reads `OMNISYNC_AZURE_BLOB_URL` (the folder), and for the credential
    /// `OMNISYNC_AZURE_BLOB_ACCOUNT_KEY` or `OMNISYNC_AZURE_BLOB_SAS`, without which it is tokens.
    /// Or `OMNISYNC_AZURE_BLOB_CONNECTION_STRING` with `OMNISYNC_AZURE_BLOB_CONTAINER` and, where
    /// there is one, `OMNISYNC_AZURE_BLOB_FOLDER`.
    ///
    /// # Errors
    /// `Misconfigured` for a variable that is missing or cannot be read; names it.
    pub fn from_vars(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, PortError> {
        let variables = Variables::read(PREFIX, variables);
        let get = |name: &str| variables.get(name);
        let need = |name: &str| variables.need(name, BUILD);
        if let Some(text) = get("CONNECTION_STRING") {
            let mut config = Self::from_connection_string(text, need("CONTAINER")?)?;
            config.folder = get("FOLDER").map(str::to_owned);
            return Ok(config);
        }
        let config = Self::of_url(need("URL")?)?;
        Ok(match (get("ACCOUNT_KEY"), get("SAS")) {
            (Some(_), Some(_)) => {
                let what = "an account key and a signature are set: keep one of them";
                return Err(wrong(what));
            }
            (Some(key), None) => {
                config.with_credential(BlobCredential::AccountKey(Secret::new(key)))
            }
            (None, Some(sas)) => config.with_credential(BlobCredential::Sas(Secret::new(sas))),
            (None, None) => config,
        })
    }

    /// Keeps to this folder of the container.
    #[must_use]
    pub fn with_folder(mut self, folder: impl Into<String>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Names the account, where its URL does not.
    #[must_use]
    pub fn with_account(mut self, account: impl Into<String>) -> Self {
        self.account = Some(account.into());
        self
    }

    /// Proves by this who asks.
    #[must_use]
    pub fn with_credential(mut self, credential: BlobCredential) -> Self {
        self.credential = credential;
        self
    }

    /// Sets [`Self::block_bytes`].
    #[must_use]
    pub fn with_block_bytes(mut self, bytes: usize) -> Self {
        self.block_bytes = bytes;
        self
    }

    /// Sets [`Self::parallel_blocks_max`].
    #[must_use]
    pub fn with_parallel_blocks_max(mut self, blocks: usize) -> Self {
        self.parallel_blocks_max = blocks;
        self
    }

    /// Sets [`Self::blob_bytes_max`].
    #[must_use]
    pub fn with_blob_bytes_max(mut self, bytes: u64) -> Self {
        self.blob_bytes_max = bytes;
        self
    }

    /// Sets [`Self::page_names_max`].
    #[must_use]
    pub fn with_page_names_max(mut self, names: usize) -> Self {
        self.page_names_max = names;
        self
    }

    /// Sets [`Self::timeout_ms`].
    #[must_use]
    pub fn with_timeout_ms(mut self, milliseconds: u32) -> Self {
        self.timeout_ms = milliseconds;
        self
    }

    /// Sets [`Self::clock_skew_seconds`].
    #[must_use]
    pub fn with_clock_skew_seconds(mut self, seconds: u32) -> Self {
        self.clock_skew_seconds = seconds;
        self
    }

    /// The scope that tokens have to be asked for.
    ///
    /// # Errors
    /// None; it is a result as that of other adapters.
    pub fn scope(&self) -> Result<Scope, PortError> {
        Scope::new(SCOPE)
    }

    /// The stage, over a client that authorizes by tokens for [`scope`](Self::scope) when the
    /// credential is [`Bearer`](BlobCredential::Bearer), and needs none otherwise. The client
    /// repeats what fails in passing; nothing else does.
    ///
    /// # Errors
    /// `Misconfigured` for a setting that cannot be; names it.
    pub fn build(
        self,
        client: Client,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Result<AzureBlobStage, PortError> {
        self.check()?;
        let location = Location::new(
            &self.account_url,
            self.account.as_deref(),
            &self.container,
            self.folder.as_deref(),
        )
        .map_err(|error| wrong("the place of the blobs is none").with_source(error))?;
        let signature = match &self.credential {
            BlobCredential::Bearer => Signature::Bearer,
            BlobCredential::AccountKey(_) if location.is_onelake() => {
                return Err(wrong("OneLake takes no account keys: use tokens"));
            }
            BlobCredential::AccountKey(key) => {
                let key = Key::of(key.expose());
                Signature::Account(key.ok_or_else(|| wrong("the account key is not base64"))?)
            }
            BlobCredential::Sas(sas) => Signature::Shared(query_of(sas)?),
        };
        let settings = Settings {
            block_bytes: self.block_bytes,
            parallel_blocks_max: self.parallel_blocks_max,
            blob_bytes_max: self.blob_bytes_max,
            page_names_max: self.page_names_max,
            timeout_ms: self.timeout_ms,
            clock_skew_seconds: self.clock_skew_seconds,
        };
        let client = BlobClient::new(client, location, signature, settings, clock, ids);
        Ok(AzureBlobStage::new(client))
    }

    fn check(&self) -> Result<(), PortError> {
        let block_bytes = u64::try_from(self.block_bytes).unwrap_or(u64::MAX);
        let largest = block_bytes.saturating_mul(BLOCKS_MAX.into());
        let settings = [
            (
                !(1..=BLOCK_BYTES_MAX).contains(&self.block_bytes),
                "block_bytes is 0 or more than 104857600",
            ),
            (self.parallel_blocks_max == 0, "parallel_blocks_max is 0"),
            (
                !(1..=largest).contains(&self.blob_bytes_max),
                "blob_bytes_max is 0 or more than 50000 times block_bytes",
            ),
            (
                !(1..=PAGE_NAMES_MAX).contains(&self.page_names_max),
                "page_names_max is 0 or more than 5000",
            ),
            (self.timeout_ms == 0, "timeout_ms is 0"),
            (
                i64::from(self.clock_skew_seconds) >= LIFE_MAX.num_seconds(),
                "clock_skew_seconds is more than a week",
            ),
        ];
        let bad = settings.into_iter().find(|(is_bad, _)| *is_bad);
        bad.map_or(Ok(()), |(_, what)| Err(wrong(what)))
    }
}

/// A shared access signature as the query of a URL, without the question mark.
fn query_of(sas: &Secret) -> Result<Secret, PortError> {
    let query = sas.expose().trim().trim_start_matches('?');
    let legal = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    let is_signed = query.split('&').any(|pair| pair.starts_with("sig="));
    if !is_signed || !query.bytes().all(legal) {
        return Err(wrong("the shared access signature is no query with `sig`"));
    }
    Ok(Secret::new(query))
}

fn wrong(what: impl Into<String>) -> PortError {
    PortError::new(ErrorKind::Misconfigured, BUILD).with_detail(what)
}

const fn block_bytes() -> usize {
    8 << 20
}

const fn parallel_blocks_max() -> usize {
    4
}

const fn blob_bytes_max() -> u64 {
    1 << 30
}

const fn page_names_max() -> usize {
    1_000
}

const fn timeout_ms() -> u32 {
    60_000
}

const fn clock_skew_seconds() -> u32 {
    300
}
