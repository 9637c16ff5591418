use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use omnisync_core::dixf::FieldMap;
use omnisync_core::port::{Clock, RepeatedExecution, StateStore};
use omnisync_core::{ErrorKind, PortError};
use omnisync_http::{Client, Endpoint, HostAllowList, Limits, Scope};
use serde::{Deserialize, Serialize};

use super::client::FinOpsClient;
use super::importer::FinOpsImporter;
use super::recurring::Recurring;
use super::submission::Submitter;

const BUILD: &str = "finops.build";

/// How packages get into an environment of Finance & Operations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FinOpsConfig {
    /// URL of the environment, such as `https://acme.operations.dynamics.com`; on premises with
    /// `/namespaces/AXSF`.
    pub base_url: String,
    /// Which of the two integration APIs takes packages. Default: the package API.
    #[serde(default)]
    pub mode: FinOpsMode,
    /// Company to import into, where the submission names none.
    #[serde(default)]
    pub legal_entity: Option<String>,
    /// Hosts that a package may be written to and error files read from: names, or `*.` and a
    /// suffix. Default `*.blob.core.windows.net`.
    #[serde(default = "blob_hosts")]
    pub blob_hosts: Vec<String>,
    /// Uses `ImportFromPackageAsync`, which answers before the package is unpacked. Default true.
    #[serde(default = "yes")]
    pub asynchronous: bool,
    /// Replaces the definition of a data project that exists: its entities and field maps, not
    /// its data. Must be false for composite entities. Default true.
    #[serde(default = "yes")]
    pub overwrite: bool,
    /// Time for the call that submits a package, in seconds. Default 600: without
    /// `asynchronous` it may block for minutes.
    #[serde(default = "submit_seconds")]
    pub submit_seconds_max: u32,
    /// How long after a submission began its import may still be unknown to the environment, in
    /// seconds. More than `submit_seconds_max`: what is left is for writing the package and for
    /// unpacking it. Default 1,800.
    #[serde(default = "visible_after_seconds")]
    pub visible_after_seconds: u32,
    /// What the environment does with an execution id that it knows. Nobody documents it, so the
    /// default is the worst: it imports again. A recurring data job remembers its messages and
    /// sends one twice only when its name was lost with the answer.
    #[serde(default = "runs_again", with = "RepeatedExecutionForm")]
    pub repeated_execution: RepeatedExecution,
    /// Imports of one data project that may run at once; more than 1 only with the parameter
    /// *Enhanced parallel package import*. Default 1.
    #[serde(default = "one")]
    pub parallel_per_project: u32,
    /// Largest package, in bytes. Default 268,435,456.
    #[serde(default = "package_bytes_max")]
    pub package_bytes_max: u64,
    /// Largest error file, in bytes. Default 67,108,864.
    #[serde(default = "error_file_bytes_max")]
    pub error_file_bytes_max: usize,
    /// Records that an error file may name. Default 1,000,000.
    #[serde(default = "error_records_max")]
    pub error_records_max: usize,
    /// How often an error file is asked for while it is being made. Default 10.
    #[serde(default = "error_file_polls_max")]
    pub error_file_polls_max: u32,
    /// Time between two of those questions, in milliseconds. Default 2,000.
    #[serde(default = "error_file_poll_ms")]
    pub error_file_poll_ms: u32,
    /// Entities whose records are settled, by the labels and key columns of the field map.
    /// Default: sales order headers and lines.
    #[serde(default = "sales_orders")]
    pub entities: Vec<EntityConfig>,
}

/// Which API takes packages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum FinOpsMode {
    /// The data management package API: `ImportFromPackage` under an execution id of ours.
    #[default]
    Package,
    /// A recurring data job: a queue in front of the import. The service names the import, so
    /// what became of a message whose id was lost is known only by its rows.
    Recurring {
        /// Id of the data job's activity.
        activity_id: String,
    },
}

/// How a [`RepeatedExecution`] is written.
#[derive(Serialize, Deserialize)]
#[serde(remote = "RepeatedExecution", rename_all = "kebab-case")]
enum RepeatedExecutionForm {
    Rejected,
    ReturnsExisting,
    RunsAgain,
}

/// An entity, as the environment names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntityConfig {
    /// Label in the language of the environment.
    pub label: String,
    /// Columns that identify a record.
    pub key: Vec<String>,
}

impl EntityConfig {
    /// An entity with this label and these key columns.
    pub fn new<K: Into<String>>(
        label: impl Into<String>,
        key: impl IntoIterator<Item = K>,
    ) -> Self {
        Self {
            label: label.into(),
            key: key.into_iter().map(Into::into).collect(),
        }
    }
}

impl FinOpsConfig {
    /// The defaults for the environment at `base_url`.
    pub fn new(base_url: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            mode: FinOpsMode::default(),
            legal_entity: None,
            blob_hosts: blob_hosts(),
            asynchronous: true,
            overwrite: true,
            submit_seconds_max: submit_seconds(),
            visible_after_seconds: visible_after_seconds(),
            repeated_execution: runs_again(),
            parallel_per_project: one(),
            package_bytes_max: package_bytes_max(),
            error_file_bytes_max: error_file_bytes_max(),
            error_records_max: error_records_max(),
            error_file_polls_max: error_file_polls_max(),
            error_file_poll_ms: error_file_poll_ms(),
            entities: sales_orders(),
        }
    }

    /// Imports into this company where the submission names none.
    #[must_use]
    pub fn with_legal_entity(mut self, company: impl Into<String>) -> Self {
        self.legal_entity = Some(company.into());
        self
    }

    /// Uses another API.
    #[must_use]
    pub fn with_mode(mut self, mode: FinOpsMode) -> Self {
        self.mode = mode;
        self
    }

    /// Settles the records of the entities of `map`.
    #[must_use]
    pub fn with_entities_of(mut self, map: &FieldMap) -> Self {
        self.entities = entities_of(map);
        self
    }

    /// The scope that tokens have to be asked for.
    ///
    /// # Errors
    /// `Misconfigured` for a base URL that is none.
    pub fn scope(&self) -> Result<Scope, PortError> {
        Scope::of_resource(&self.endpoint()?.origin())
    }

    /// The importer, over a client that authorizes by tokens for [`scope`](Self::scope). `store`
    /// keeps the message ids of a recurring data job.
    ///
    /// # Errors
    /// `Misconfigured` for a setting that cannot be; names it.
    pub fn build(
        self,
        client: Client,
        clock: Arc<dyn Clock>,
        store: Arc<dyn StateStore>,
    ) -> Result<FinOpsImporter, PortError> {
        self.check()?;
        let endpoint = self.endpoint()?;
        let hosts = HostAllowList::new(&self.blob_hosts).map_err(|error| {
            wrong("blob_hosts holds a pattern that is no host").with_source(error)
        })?;
        // An environment on this machine hands out blob URLs of this machine.
        let hosts = if endpoint.is_plain() {
            hosts.with_loopback()
        } else {
            hosts
        };
        let submitter = match &self.mode {
            FinOpsMode::Package => Submitter::Package,
            FinOpsMode::Recurring { activity_id } => {
                Submitter::Recurring(Recurring::new(activity_id.clone(), store))
            }
        };
        let client = FinOpsClient::new(client, endpoint, hosts, clock);
        Ok(FinOpsImporter::new(client, self, submitter))
    }

    /// How long after a submission began its import may still be asked for: it has to be known
    /// within [`visible_after_seconds`](Self::visible_after_seconds) of that.
    pub(super) fn latest_import(&self) -> TimeDelta {
        let left = self
            .visible_after_seconds
            .saturating_sub(self.submit_seconds_max);
        TimeDelta::seconds(left.into())
    }

    pub(super) fn submit_limits(&self) -> Limits {
        Limits {
            timeout: Duration::from_secs(self.submit_seconds_max.into()),
            ..Limits::default()
        }
    }

    pub(super) fn file_limits(&self) -> Limits {
        Limits {
            body_bytes_max: self.error_file_bytes_max,
            ..Limits::default()
        }
    }

    fn endpoint(&self) -> Result<Endpoint, PortError> {
        let endpoint = self.base_url.parse::<Endpoint>();
        endpoint.map_err(|error| wrong("base_url is no URL of an environment").with_source(error))
    }

    fn check(&self) -> Result<(), PortError> {
        let settings = [
            (self.submit_seconds_max == 0, "submit_seconds_max is 0"),
            (
                self.visible_after_seconds <= self.submit_seconds_max,
                "visible_after_seconds is no longer than submit_seconds_max: a call on its way \
                 would count as lost",
            ),
            (self.error_file_polls_max == 0, "error_file_polls_max is 0"),
            (self.parallel_per_project == 0, "parallel_per_project is 0"),
            (self.entities.is_empty(), "entities is empty"),
            (
                self.entities.iter().any(|entity| entity.key.is_empty()),
                "an entity has no key columns",
            ),
            (
                matches!(&self.mode, FinOpsMode::Recurring { activity_id } if !is_guid(activity_id)),
                "activity_id is no GUID",
            ),
        ];
        let bad = settings.into_iter().find(|(is_bad, _)| *is_bad);
        bad.map_or(Ok(()), |(_, what)| Err(wrong(what)))
    }
}

fn wrong(what: &'static str) -> PortError {
    PortError::new(ErrorKind::Misconfigured, BUILD).with_detail(what)
}

fn is_guid(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_hexdigit).count();
    digits == 32
        && text
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

fn entities_of(map: &FieldMap) -> Vec<EntityConfig> {
    [&map.headers, &map.lines]
        .into_iter()
        .map(|entity| EntityConfig::new(entity.entity_name.clone(), entity.key.clone()))
        .collect()
}

fn sales_orders() -> Vec<EntityConfig> {
    entities_of(&FieldMap::dmf())
}

fn blob_hosts() -> Vec<String> {
    vec!["*.blob.core.windows.net".to_owned()]
}

const fn runs_again() -> RepeatedExecution {
    RepeatedExecution::RunsAgain
}

const fn yes() -> bool {
    true
}

const fn one() -> u32 {
    1
}

const fn submit_seconds() -> u32 {
    600
}

const fn visible_after_seconds() -> u32 {
    1_800
}

const fn package_bytes_max() -> u64 {
    256 << 20
}

const fn error_file_bytes_max() -> usize {
    64 << 20
}

const fn error_records_max() -> usize {
    1_000_000
}

const fn error_file_polls_max() -> u32 {
    10
}

const fn error_file_poll_ms() -> u32 {
    2_000
}
