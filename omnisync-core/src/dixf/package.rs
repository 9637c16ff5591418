//! Writes packages.
//!
//! The caller hands over one order after the other; each goes to two files. Both are deflated as
//! they grow and wait compressed, then are copied out one behind the other. So memory is bounded
//! by [`WriteOptions::package_bytes_max`] instead of by the rows, and with a scratch file not even
//! the package is in memory; sizes and checksums are known before a local header is written, hence
//! no data descriptors and no seeking; and the package can go straight to a network and is hashed
//! on its way. With more than one of [`WriteOptions::threads`], files are deflated while the next
//! orders are mapped.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::io::{Read, Seek, Write};
use std::num::NonZero;
use std::sync::Arc;

use chrono::{DateTime, Timelike as _, Utc};
use rust_decimal::Decimal;
use sha2::Digest as _;

use super::compile::CompiledMap;
use super::data_file::DataFile;
use super::deflate::{Deflate, Deflaters};
use super::error::WriteError;
use super::field_map::Layout;
use super::header::PackageHeader;
use super::manifest::Manifest;
use super::mapping::MappedOrder;
use super::scratch::ScratchFile;
use super::zip_file::ZipFile;
use super::{json_net, unicode};
use crate::id::{BatchId, OrderId};
use crate::order::{Currency, Order};
use crate::package::{PackageInfo, PackageTotals};

/// How large a package may become and how hard it is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteOptions {
    /// Largest number of orders. Default 500,000.
    pub orders_max: u64,
    /// Largest data file before compression, in bytes. Default 1 GiB; 4 GiB is the end of what
    /// the plain zip format can hold.
    pub entry_bytes_max: u64,
    /// Largest package in bytes, which also bounds the memory of a writer without a scratch file.
    /// Default 256 MiB, the documented limit of exports; that of imports is unknown.
    pub package_bytes_max: u64,
    /// Effort of the compressor, 1 to 9. Default 5. It changes the bytes, so it belongs to the
    /// configuration and not to the occasion. Lower levels are faster and make larger packages.
    pub compression_level: u8,
    /// Threads that deflate, beside the one that packs; with 1, the one that packs deflates.
    /// Default 1. It never changes the bytes.
    pub threads: NonZero<usize>,
    /// Whether orders come in ascending order of their ids. One that does not is then refused, and
    /// none before it needs to be remembered; otherwise a hash of each is. Default no.
    pub is_sorted: bool,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            orders_max: 500_000,
            entry_bytes_max: 1 << 30,
            package_bytes_max: 256 << 20,
            compression_level: 5,
            threads: NonZero::<usize>::MIN,
            is_sorted: false,
        }
    }
}

/// Writes a package. Same map, same facts, same orders in the same order: same bytes.
pub struct PackageWriter<'m, W: Write> {
    out: W,
    map: &'m CompiledMap,
    info: PackageInfo,
    options: WriteOptions,
    deflaters: Arc<Deflaters>,
    headers: DataFile,
    lines: DataFile,
    mapped: MappedOrder,
    seen: Seen,
    orders: u64,
    line_count: u64,
    amounts: BTreeMap<Currency, Decimal>,
    is_broken: bool,
}

impl<W: Write> fmt::Debug for PackageWriter<'_, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackageWriter")
            .field("info", &self.info)
            .field("options", &self.options)
            .field("orders", &self.orders)
            .field("lines", &self.line_count)
            .finish_non_exhaustive()
    }
}

impl<'m, W: Write> PackageWriter<'m, W> {
    /// Starts a package with the default limits. Nothing is written to `out` before
    /// [`finish`](Self::finish).
    ///
    /// # Errors
    /// [`WriteError::Manifest`] when the description holds characters that XML cannot carry.
    pub fn new(out: W, map: &'m CompiledMap, info: PackageInfo) -> Result<Self, WriteError> {
        Self::with_options(out, map, info, WriteOptions::default())
    }

    /// Starts a package.
    ///
    /// # Errors
    /// [`WriteError::Manifest`] when the description holds characters that XML cannot carry,
    /// [`WriteError::Io`] when the compression level is not one.
    pub fn with_options(
        out: W,
        map: &'m CompiledMap,
        info: PackageInfo,
        options: WriteOptions,
    ) -> Result<Self, WriteError> {
        if map.layout == Layout::Dmf {
            manifest(map, &info)
                .to_bytes()
                .map_err(WriteError::Manifest)?;
        }
        let deflaters = Arc::new(Deflaters::new(options.threads)?);
        let file =
            |entity| DataFile::new(map.layout, entity, &deflaters, options.compression_level);
        Ok(Self {
            out,
            map,
            info,
            options,
            headers: file(&map.headers)?,
            lines: file(&map.lines)?,
            deflaters,
            mapped: MappedOrder::default(),
            seen: Seen::new(options.is_sorted),
            orders: 0,
            line_count: 0,
            amounts: BTreeMap::new(),
            is_broken: false,
        })
    }

    /// Lets compressed files wait in `file` instead of memory, which then does not grow with the
    /// package. What `file` holds is overwritten; give one without a name, since it is of no use
    /// afterwards.
    #[must_use]
    pub fn with_scratch(mut self, file: impl Read + Write + Seek + Send + 'static) -> Self {
        let file = ScratchFile::new(Box::new(file));
        self.headers.use_scratch(file.clone());
        self.lines.use_scratch(file);
        self
    }

    /// Maps an order and adds it.
    ///
    /// # Errors
    /// After [`WriteError::Map`], [`WriteError::DuplicateOrder`], [`WriteError::NotSorted`] and
    /// [`WriteError::Full`] nothing of the order was written and the writer stays usable. After any
    /// other error the package is lost.
    pub fn append(&mut self, order: &Order) -> Result<(), WriteError> {
        let mut mapped = std::mem::take(&mut self.mapped);
        let result = self
            .map
            .map_into(order, &mut mapped)
            .map_err(WriteError::from)
            .and_then(|()| self.append_mapped(&mapped));
        self.mapped = mapped;
        result
    }

    /// Adds an order that the same map has mapped.
    ///
    /// # Errors
    /// As [`append`](Self::append); [`WriteError::OtherMap`] when `mapped` has other columns.
    pub fn append_mapped(&mut self, mapped: &MappedOrder) -> Result<(), WriteError> {
        if self.is_broken {
            return Err(WriteError::Broken);
        }
        let (Some(order), Some(currency)) = (mapped.order_id(), mapped.currency()) else {
            return Err(WriteError::Empty);
        };
        if mapped.columns() != (self.map.headers.columns.len(), self.map.lines.columns.len()) {
            return Err(WriteError::OtherMap {
                order: order.clone(),
            });
        }
        let amount = self.amounts.get(&currency).copied().unwrap_or_default();
        let Some(amount) = amount.checked_add(mapped.amount()) else {
            return Err(WriteError::Full {
                order: order.clone(),
                limit: "amount",
            });
        };
        self.check_limits(order, mapped)?;
        self.seen.insert(order)?;
        self.is_broken = true;
        self.headers.push(&self.map.headers, mapped.header())?;
        for position in 0..mapped.lines() {
            self.lines.push(&self.map.lines, mapped.line(position))?;
        }
        self.is_broken = false;
        self.orders = self.orders.saturating_add(1);
        self.line_count = self
            .line_count
            .saturating_add(u64::try_from(mapped.lines()).unwrap_or(u64::MAX));
        self.amounts.insert(currency, amount);
        Ok(())
    }

    /// Checks against the worst case, so that a package that accepts an order can hold it.
    fn check_limits(&mut self, order: &OrderId, mapped: &MappedOrder) -> Result<(), WriteError> {
        let full = |limit| {
            Err(WriteError::Full {
                order: order.clone(),
                limit,
            })
        };
        let worst = mapped.encoded_bytes_max
            + mapped.lines() * self.lines.row_overhead
            + self.headers.row_overhead;
        let worst_bytes = u64::try_from(worst).unwrap_or(u64::MAX);
        let entry = self.headers.bytes_in().max(self.lines.bytes_in());
        if self.orders >= self.options.orders_max {
            full("orders_max")
        } else if entry.saturating_add(worst_bytes) > self.options.entry_bytes_max {
            full("entry_bytes_max")
        } else if self.is_too_large(worst_bytes)? {
            full("package_bytes_max")
        } else {
            Ok(())
        }
    }

    /// Whether `more` bytes may not fit. Blocks on their way are waited for only where they decide.
    fn is_too_large(&mut self, more: u64) -> Result<bool, WriteError> {
        let Some(room) = self.options.package_bytes_max.checked_sub(more) else {
            return Ok(true);
        };
        let at_most = self
            .headers
            .bytes_out_max()
            .saturating_add(self.lines.bytes_out_max());
        if at_most <= room {
            return Ok(false);
        }
        let bytes = self
            .headers
            .bytes_out()?
            .saturating_add(self.lines.bytes_out()?);
        Ok(bytes > room)
    }

    /// Writes the package and returns the output, flushed, with what the package holds.
    ///
    /// # Errors
    /// [`WriteError::Empty`] without orders, [`WriteError::Broken`] after an earlier error,
    /// [`WriteError::Io`] when the output fails.
    pub fn finish(mut self) -> Result<(W, PackageTotals), WriteError> {
        if self.is_broken {
            return Err(WriteError::Broken);
        }
        let orders = self.orders;
        if orders == 0 {
            return Err(WriteError::Empty);
        }
        self.headers.end()?;
        self.lines.end()?;
        let (headers, lines) = (self.headers, self.lines);
        let mut zip = ZipFile::new(self.out);
        let level = self.options.compression_level;
        let deflaters = self.deflaters;
        let add = |zip: &mut ZipFile<W>, name, bytes: &[u8]| {
            let mut file = Deflate::new(Arc::clone(&deflaters), level)?;
            file.append(|out| out.extend_from_slice(bytes))?;
            file.end()?;
            file.copy_to(name, zip)
        };
        match self.map.layout {
            Layout::Dmf => {
                headers.copy_to(&mut zip)?;
                lines.copy_to(&mut zip)?;
                let manifest = manifest(self.map, &self.info);
                let header = PackageHeader::new(&self.info.description);
                let manifest = manifest.to_bytes().map_err(WriteError::Manifest)?;
                let header = header.to_bytes().map_err(WriteError::Manifest)?;
                add(&mut zip, Manifest::FILE_NAME, &manifest)?;
                add(&mut zip, PackageHeader::FILE_NAME, &header)?;
            }
            Layout::Seed => {
                add(&mut zip, SEED_HEADER, &seed_header(&self.info, orders))?;
                add(&mut zip, SEED_LIST, &seed_list(self.map))?;
                headers.copy_to(&mut zip)?;
                lines.copy_to(&mut zip)?;
            }
        }
        let (out, bytes, sha256) = zip.finish()?;
        let totals = PackageTotals {
            orders,
            lines: self.line_count,
            amounts: self.amounts,
            bytes,
            sha256,
        };
        Ok((out, totals))
    }
}

/// Entry of layout `Seed` with facts about the batch.
pub(super) const SEED_HEADER: &str = "header.json";
/// Entry of layout `Seed` with the list of files.
pub(super) const SEED_LIST: &str = "package.yaml";

/// The leading eight digits of the batch, the form of the order-pipeline design.
fn short_batch_id(batch: BatchId) -> String {
    batch.simple().chars().take(8).collect()
}

/// What is known of the orders before.
enum Seen {
    /// The last one: what comes is greater.
    Sorted(Option<OrderId>),
    Hashes(HashSet<u128>),
}

impl Seen {
    fn new(is_sorted: bool) -> Self {
        if is_sorted {
            Self::Sorted(None)
        } else {
            Self::Hashes(HashSet::new())
        }
    }

    fn insert(&mut self, order: &OrderId) -> Result<(), WriteError> {
        let is_new = match self {
            Self::Hashes(hashes) => hashes.insert(order_hash(order)),
            Self::Sorted(Some(last)) if *order < *last => {
                return Err(WriteError::NotSorted {
                    order: order.clone(),
                });
            }
            Self::Sorted(last) => {
                let is_new = last.as_ref() != Some(order);
                *last = Some(order.clone());
                is_new
            }
        };
        if is_new {
            return Ok(());
        }
        Err(WriteError::DuplicateOrder {
            order: order.clone(),
        })
    }
}

fn order_hash(order: &OrderId) -> u128 {
    let digest: [u8; 32] = sha2::Sha256::digest(order.as_str()).into();
    digest
        .first_chunk()
        .map_or(0, |bytes| u128::from_be_bytes(*bytes))
}

fn manifest(map: &CompiledMap, info: &PackageInfo) -> Manifest {
    let entities = vec![map.headers.manifest_entry(), map.lines.manifest_entry()];
    Manifest::new(info.definition_group.as_str(), &info.description, entities)
}

fn seed_header(info: &PackageInfo, orders: u64) -> Vec<u8> {
    let mut out = unicode::BOM_UTF8.to_vec();
    out.extend_from_slice(b"{\n  \"batchId\": ");
    json_net::push_string(&short_batch_id(info.batch_id), &mut out);
    out.extend_from_slice(format!(",\n  \"batchSize\": {orders},\n  \"createdAt\": \"").as_bytes());
    out.extend_from_slice(dot_net_time(info.created_at).as_bytes());
    out.extend_from_slice(b"\",\n  \"exportedBy\": ");
    json_net::push_string(&info.exported_by, &mut out);
    out.extend_from_slice(b"\n}");
    out
}

/// A point in time as the default serializer of .NET writes it: offset in digits, seven decimals
/// without trailing zeros.
fn dot_net_time(time: DateTime<Utc>) -> String {
    let ticks = time.nanosecond() % 1_000_000_000 / 100;
    let fraction = format!(".{ticks:07}");
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    format!("{}{fraction}+00:00", time.format("%Y-%m-%dT%H:%M:%S"))
}

fn seed_list(map: &CompiledMap) -> Vec<u8> {
    let mut out = unicode::BOM_UTF8.to_vec();
    out.extend_from_slice(b"Name: OMS-D365-Integration\nEntities:\n");
    for entity in [&map.headers.map, &map.lines.map] {
        let item = format!(
            "  - name: {}\n    file: {}\n",
            entity.entity_name, entity.file_name
        );
        out.extend_from_slice(item.as_bytes());
    }
    out
}
