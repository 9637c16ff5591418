use std::io;
use std::num::NonZero;

use chrono::DateTime;
use omnisync_core::batch::batch_id;
use omnisync_core::dixf::{CompiledMap, FieldMap, PackageWriter, WriteOptions};
use omnisync_core::id::ProjectName;
use omnisync_core::order::Order;
use omnisync_core::package::{PackageInfo, PackageTotals};

use super::parser::Parser;
use super::{Failure, Work};

/// Orders become a package: mapped, encoded, deflated and hashed, on one thread.
#[derive(Debug)]
pub struct Packager {
    map: CompiledMap,
    info: PackageInfo,
    orders: Vec<Order>,
}

impl Packager {
    /// The work for this many orders in a package for Finance & Operations.
    ///
    /// # Errors
    /// When the core refuses what it should take.
    pub fn dmf(orders: u32) -> Result<Self, Failure> {
        Self::new(FieldMap::dmf(), orders)
    }

    /// The work for this many orders in a package of the order-pipeline design.
    ///
    /// # Errors
    /// When the core refuses what it should take.
    pub fn seed(orders: u32) -> Result<Self, Failure> {
        Self::new(FieldMap::seed(), orders)
    }

    fn new(map: FieldMap, orders: u32) -> Result<Self, Failure> {
        Ok(Self {
            map: map.compile()?,
            info: PackageInfo {
                definition_group: ProjectName::new("Bench")?,
                description: "Bench".to_owned(),
                batch_id: batch_id(&[], 0),
                created_at: DateTime::UNIX_EPOCH,
                exported_by: "bench".to_owned(),
            },
            orders: Parser::new(orders).orders().collect::<Result<_, _>>()?,
        })
    }

    fn package(&self) -> Result<PackageTotals, Failure> {
        let options = WriteOptions {
            orders_max: u64::MAX,
            // Threads would share the work out differently in every run.
            threads: NonZero::<usize>::MIN,
            ..WriteOptions::default()
        };
        let info = self.info.clone();
        let mut writer = PackageWriter::with_options(io::sink(), &self.map, info, options)?;
        for order in &self.orders {
            writer.append(order)?;
        }
        let (_, totals) = writer.finish()?;
        Ok(totals)
    }
}

impl Work for Packager {
    fn run(&self) -> Result<u64, Failure> {
        Ok(self.package()?.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_is_in_the_package() {
        for work in [Packager::dmf(20).unwrap(), Packager::seed(20).unwrap()] {
            let totals = work.package().unwrap();
            assert_eq!(totals.orders, 20);
            assert_eq!(work.run().unwrap(), totals.bytes);
        }
    }
}
