//! Data packages as a format that the flows pack orders in.

use std::sync::Arc;

use bytes::Bytes;

use super::compile::CompiledMap;
use super::error::WriteError;
use super::package::{PackageWriter, WriteOptions};
use crate::order::Order;
use crate::package::{FormatError, PackageBuilder, PackageFormat, PackageInfo, PackageTotals};
use crate::port::RecordKey;

/// The data package of a field map.
#[derive(Debug, Clone)]
pub struct DixfFormat {
    map: Arc<CompiledMap>,
    options: WriteOptions,
}

impl DixfFormat {
    /// Packages by `map`. How large a package may become and how hard it is compressed decides
    /// its bytes, so all workers of a project have to agree on `options`.
    pub fn new(map: CompiledMap, options: WriteOptions) -> Self {
        Self {
            map: Arc::new(map),
            options,
        }
    }
}

impl PackageFormat for DixfFormat {
    fn orders_max(&self) -> usize {
        usize::try_from(self.options.orders_max).unwrap_or(usize::MAX)
    }

    fn check(&self, order: &Order) -> Result<(), FormatError> {
        self.map.map(order)?;
        Ok(())
    }

    fn record_keys(&self, order: &Order) -> Result<(RecordKey, Vec<RecordKey>), FormatError> {
        let mapped = self.map.map(order)?;
        Ok(self.map.record_keys(&mapped))
    }

    fn begin(&self, info: PackageInfo) -> Result<Box<dyn PackageBuilder + '_>, FormatError> {
        let writer = PackageWriter::with_options(Vec::new(), &self.map, info, self.options)?;
        Ok(Box::new(writer))
    }
}

impl PackageBuilder for PackageWriter<'_, Vec<u8>> {
    fn append(&mut self, order: &Order) -> Result<(), FormatError> {
        Ok(PackageWriter::append(self, order)?)
    }

    fn finish(self: Box<Self>) -> Result<(Bytes, PackageTotals), FormatError> {
        let (content, totals): (Vec<u8>, PackageTotals) =
            PackageWriter::finish(*self).map_err(|error: WriteError| Box::new(error))?;
        Ok((content.into(), totals))
    }
}
