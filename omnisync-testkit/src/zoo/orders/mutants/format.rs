//! Mutants that pack differently.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use omnisync_core::id::Sha256;
use omnisync_core::order::{Currency, Order};
use omnisync_core::package::{
    FormatError, PackageBuilder, PackageFormat, PackageInfo, PackageTotals,
};
use omnisync_core::port::{Clock, RecordKey};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

use super::scenes;
use crate::fake::PlainFormat;
use crate::sim::Worker;
use crate::sim::orders::{Host, Pipeline, PipelinePolicies, Ports};
use crate::zoo::Specimen;

pub(super) fn specimens() -> Vec<Specimen> {
    vec![
        Specimen::new(
            "package-says-when-it-was-made",
            "two packages of one batch differ, since each carries its time",
            &["I-O1", "I-O6", "I-O7"],
            [scenes::pair()],
            packing(Stamped::by),
        ),
        Specimen::new(
            "amounts-in-binary",
            "amounts go through binary fractions and are cut to cents",
            &["I-O11"],
            [scenes::pair()],
            packing(|_| Altered::by(binary)),
        ),
        Specimen::new(
            "currency-taken-for-granted",
            "every amount is taken for one in the usual currency",
            &["I-O11"],
            [scenes::pair()],
            packing(|_| Altered::by(in_dollars)),
        ),
    ]
}

fn packing<F: PackageFormat>(format: fn(Arc<dyn Clock>) -> F) -> impl Host {
    move |ports: Ports| -> Box<dyn Worker> {
        let format = format(Arc::clone(&ports.clock));
        let policies = PipelinePolicies::quick(Arc::new(format));
        Box::new(Pipeline::new(ports, &policies))
    }
}

fn binary(order: &mut Order) {
    for line in &mut order.line_items {
        let price = line.unit_price.to_f64().unwrap_or_default();
        let price = Decimal::from_f64_retain(price).unwrap_or_default();
        line.unit_price = price.trunc_with_scale(2);
    }
}

fn in_dollars(order: &mut Order) {
    if let Some(dollars) = Currency::parse("USD") {
        order.currency = dollars;
    }
}

/// The plain form, with the time of packing in it.
#[derive(Debug)]
pub(super) struct Stamped {
    plain: PlainFormat,
    clock: Arc<dyn Clock>,
}

impl Stamped {
    pub(super) fn by(clock: Arc<dyn Clock>) -> Self {
        Self {
            plain: PlainFormat::default(),
            clock,
        }
    }
}

impl PackageFormat for Stamped {
    fn orders_max(&self) -> usize {
        self.plain.orders_max()
    }

    fn check(&self, order: &Order) -> Result<(), FormatError> {
        self.plain.check(order)
    }

    fn record_keys(&self, order: &Order) -> Result<(RecordKey, Vec<RecordKey>), FormatError> {
        self.plain.record_keys(order)
    }

    fn begin(&self, info: PackageInfo) -> Result<Box<dyn PackageBuilder + '_>, FormatError> {
        Ok(Box::new(StampedBuilder {
            stamp: self.clock.now().to_rfc3339(),
            plain: self.plain.begin(info)?,
        }))
    }
}

struct StampedBuilder<'f> {
    stamp: String,
    plain: Box<dyn PackageBuilder + 'f>,
}

impl PackageBuilder for StampedBuilder<'_> {
    fn append(&mut self, order: &Order) -> Result<(), FormatError> {
        self.plain.append(order)
    }

    fn finish(self: Box<Self>) -> Result<(Bytes, PackageTotals), FormatError> {
        let (content, totals) = self.plain.finish()?;
        // The line that names the batch may say more than that.
        let text = std::str::from_utf8(&content)?;
        let text = text.replacen("\nH\t", &format!(" {}\nH\t", self.stamp), 1);
        let totals = PackageTotals {
            bytes: u64::try_from(text.len())?,
            sha256: Sha256::of(text.as_bytes()),
            ..totals
        };
        Ok((text.into(), totals))
    }
}

/// The plain form of orders that are altered before.
struct Altered {
    alter: fn(&mut Order),
}

impl Altered {
    fn by(alter: fn(&mut Order)) -> Self {
        Self { alter }
    }
}

impl fmt::Debug for Altered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Altered")
    }
}

impl PackageFormat for Altered {
    fn orders_max(&self) -> usize {
        PlainFormat::default().orders_max()
    }

    fn check(&self, order: &Order) -> Result<(), FormatError> {
        PlainFormat::default().check(order)
    }

    fn record_keys(&self, order: &Order) -> Result<(RecordKey, Vec<RecordKey>), FormatError> {
        PlainFormat::default().record_keys(order)
    }

    fn begin(&self, info: PackageInfo) -> Result<Box<dyn PackageBuilder + '_>, FormatError> {
        static PLAIN: std::sync::OnceLock<PlainFormat> = std::sync::OnceLock::new();
        let plain = PLAIN.get_or_init(PlainFormat::default).begin(info)?;
        Ok(Box::new(AlteredBuilder {
            alter: self.alter,
            plain,
        }))
    }
}

struct AlteredBuilder<'f> {
    alter: fn(&mut Order),
    plain: Box<dyn PackageBuilder + 'f>,
}

impl PackageBuilder for AlteredBuilder<'_> {
    fn append(&mut self, order: &Order) -> Result<(), FormatError> {
        let mut order = order.clone();
        (self.alter)(&mut order);
        self.plain.append(&order)
    }

    fn finish(self: Box<Self>) -> Result<(Bytes, PackageTotals), FormatError> {
        self.plain.finish()
    }
}
