//! Packages, whatever their format.
//!
//! The flows pack orders through [`PackageFormat`]. [`dixf`](crate::dixf) is the format of
//! Dynamics 365 Finance & Operations; another ERP, or a simulation that wants cheap bytes, brings
//! its own.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::id::{BatchId, ProjectName, Sha256};
use crate::order::{Currency, Order};
use crate::port::RecordKey;

/// Why a format refuses something.
pub type FormatError = Box<dyn Error + Send + Sync>;

/// A form of package.
///
/// # Contract
/// 1. Everything is a pure function of its arguments: same facts and same orders in the same
///    order give the same bytes, on every attempt and every machine.
/// 2. An order that [`check`](Self::check) accepts can be appended, and has record keys.
/// 3. The keys of different orders are different.
pub trait PackageFormat: fmt::Debug + Send + Sync + 'static {
    /// Largest number of orders in a package.
    fn orders_max(&self) -> usize;

    /// Checks that an order can be packed.
    ///
    /// # Errors
    /// What is missing in the order or its data. The text reaches the order's trail.
    fn check(&self, order: &Order) -> Result<(), FormatError>;

    /// The keys by which the ERP reports the header record and each line record of an order.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    fn record_keys(&self, order: &Order) -> Result<(RecordKey, Vec<RecordKey>), FormatError>;

    /// Starts a package.
    ///
    /// # Errors
    /// When the facts cannot be written.
    fn begin(&self, info: PackageInfo) -> Result<Box<dyn PackageBuilder + '_>, FormatError>;
}

/// A package that grows.
pub trait PackageBuilder: Send {
    /// Adds an order.
    ///
    /// # Errors
    /// When the order cannot be packed, is there already, or does not fit.
    fn append(&mut self, order: &Order) -> Result<(), FormatError>;

    /// Ends the package.
    ///
    /// # Errors
    /// When it has no orders, or writing failed.
    fn finish(self: Box<Self>) -> Result<(Bytes, PackageTotals), FormatError>;
}

/// Facts about a package other than its orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageInfo {
    /// The data project that imports the package.
    pub definition_group: ProjectName,
    /// Free text.
    pub description: String,
    /// The batch.
    pub batch_id: BatchId,
    /// Time of the newest content. It must be the same on every attempt at the batch.
    pub created_at: DateTime<Utc>,
    /// Who made the package, where the format shows it.
    pub exported_by: String,
}

/// What a package holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageTotals {
    /// Number of orders.
    pub orders: u64,
    /// Number of lines.
    pub lines: u64,
    /// Sum of the line amounts by currency.
    pub amounts: BTreeMap<Currency, Decimal>,
    /// Size of the package in bytes.
    pub bytes: u64,
    /// Hash of the package.
    pub sha256: Sha256,
}
