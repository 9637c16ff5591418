//! Builds the package of a sealed batch: a pure function of its members.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::repository::Repository;
use crate::batch::{BatchRecord, Member, PackageRecord};
use crate::dixf::{CompiledMap, DixfFormat, WriteOptions};
use crate::error::{ErrorKind, PortError};
use crate::id::{BlobName, OrderId, ProjectName};
use crate::json::{self, Limits};
use crate::order::{Order, OrderRecord, OrderRules, TotalMode, validate};
use crate::package::{PackageFormat, PackageInfo, PackageTotals};

/// Orders that are read at once while a package is built.
const BUILD_ORDERS: usize = 500;

/// How orders become packages: the format and who sends them.
#[derive(Debug, Clone)]
pub struct PackageSpec {
    /// Form of the packages. All workers of a project have to agree on it, since it decides the
    /// bytes.
    pub format: Arc<dyn PackageFormat>,
    /// Data project that imports the packages.
    pub project: ProjectName,
    /// Free text in the package.
    pub description: String,
    /// Who made the package; layout `Seed` shows it.
    pub exported_by: String,
    /// Company; `None` for the project's default.
    pub legal_entity: Option<String>,
}

impl PackageSpec {
    /// Data packages for `project`, mapped by `map`, with the default limits.
    pub fn new(map: CompiledMap, project: ProjectName) -> Self {
        let format = DixfFormat::new(map, WriteOptions::default());
        Self::with_format(Arc::new(format), project)
    }

    /// Packages of another form for `project`.
    pub fn with_format(format: Arc<dyn PackageFormat>, project: ProjectName) -> Self {
        Self {
            format,
            description: project.to_string(),
            project,
            exported_by: "OMNISYNC".to_owned(),
            legal_entity: None,
        }
    }

    /// Sets the company.
    #[must_use]
    pub fn with_legal_entity(mut self, company: impl Into<String>) -> Self {
        self.legal_entity = Some(company.into());
        self
    }

    /// Sets who made the packages.
    #[must_use]
    pub fn with_exported_by(mut self, name: impl Into<String>) -> Self {
        self.exported_by = name.into();
        self
    }
}

/// The order that a record carries.
///
/// # Errors
/// `Corrupt` when the stored event no longer holds a valid order.
pub(super) fn order_of(record: &OrderRecord) -> Result<Order, PortError> {
    let corrupt = || {
        PortError::new(ErrorKind::Corrupt, "orders.read").with_detail(format!(
            "the stored event of order {} is not a valid order any more; restore its document",
            record.order_id
        ))
    };
    let event = json::parse_checked(&record.oms_event, &Limits::default())
        .map_err(|error| corrupt().with_source(error))?;
    let data = event.get("data").ok_or_else(corrupt)?;
    let mut rules = stored_rules();
    rules.total.mode = TotalMode::Off;
    validate(data, &rules)
        .map(|valid| valid.order)
        .map_err(|_| corrupt())
}

/// Rules for what was accepted before, perhaps under wider limits than today's: only what typed
/// values need.
fn stored_rules() -> OrderRules {
    OrderRules {
        lines_max: usize::MAX,
        quantity_max: rust_decimal::Decimal::MAX,
        amount_max: rust_decimal::Decimal::MAX,
        scale_max: 28,
        code_chars_max: usize::MAX,
        text_bytes_max: usize::MAX,
        year_min: i32::MIN,
        year_max: i32::MAX,
        ..OrderRules::default()
    }
}

/// Builds the package of `batch` from its `members`, which are sorted by order id.
///
/// # Errors
/// `Corrupt` when an order is no longer what the batch took; the errors of the store.
pub(super) async fn build_package(
    repository: &Repository,
    spec: &PackageSpec,
    batch: &BatchRecord,
    members: &[Member],
) -> Result<(Bytes, PackageRecord), PortError> {
    let info = PackageInfo {
        definition_group: spec.project.clone(),
        description: spec.description.clone(),
        batch_id: batch.id,
        created_at: batch.content_time,
        exported_by: spec.exported_by.clone(),
    };
    let begun = spec.format.begin(info);
    let mut package = begun.map_err(|error| refused(batch, error))?;
    for chunk in members.chunks(BUILD_ORDERS) {
        let ids: Vec<OrderId> = chunk.iter().map(|member| member.order.clone()).collect();
        let records = repository.orders(&ids).await?;
        for (member, record) in chunk.iter().zip(records) {
            let record = record.ok_or_else(|| changed(batch, member))?;
            if record.content_hash != member.content || record.state.batch() != Some(batch.id) {
                return Err(changed(batch, member));
            }
            package
                .append(&order_of(&record)?)
                .map_err(|error| refused(batch, error))?;
        }
    }
    let (content, totals) = package.finish().map_err(|error| refused(batch, error))?;
    let package = package_record(batch, totals)?;
    Ok((content, package))
}

fn package_record(batch: &BatchRecord, totals: PackageTotals) -> Result<PackageRecord, PortError> {
    let name: BlobName = batch
        .package_name()
        .map_err(|error| refused(batch, error))?;
    let amounts: BTreeMap<_, _> = totals
        .amounts
        .into_iter()
        .map(|(currency, amount)| (currency.as_str().to_owned(), amount))
        .collect();
    Ok(PackageRecord {
        name,
        bytes: totals.bytes,
        sha256: totals.sha256,
        orders: u32::try_from(totals.orders).unwrap_or(u32::MAX),
        lines: u32::try_from(totals.lines).unwrap_or(u32::MAX),
        amounts,
    })
}

fn refused(
    batch: &BatchRecord,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> PortError {
    PortError::new(ErrorKind::Invalid, "package.build")
        .with_detail(format!("the package of batch {} cannot be built", batch.id))
        .with_source(error)
}

fn changed(batch: &BatchRecord, member: &Member) -> PortError {
    PortError::new(ErrorKind::Corrupt, "package.build").with_detail(format!(
        "order {} is no longer what batch {} took: its document was changed or deleted by \
         something else than OMNISYNC; restore it",
        member.order, batch.id
    ))
}
