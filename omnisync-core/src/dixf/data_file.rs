//! Data files of a package while they grow.

use std::io::{self, Write};
use std::sync::Arc;

use super::compile::CompiledEntity;
use super::deflate::{Deflate, Deflaters};
use super::field_map::Layout;
use super::zip_file::ZipFile;
use super::{csv, json_net, unicode};

/// Rows are handed to the compressor in pieces of about this many bytes.
const CHUNK_BYTES: usize = 128 << 10;

/// A data file: rows are encoded into one reused buffer and deflated in pieces.
pub(super) struct DataFile {
    layout: Layout,
    name: String,
    deflate: Deflate,
    buffer: Vec<u8>,
    has_rows: bool,
    /// Bytes that a row takes besides its values, at most.
    pub(super) row_overhead: usize,
}

impl DataFile {
    pub(super) fn new(
        layout: Layout,
        entity: &CompiledEntity,
        deflaters: &Arc<Deflaters>,
        level: u8,
    ) -> io::Result<Self> {
        let mut buffer = Vec::with_capacity(CHUNK_BYTES * 2);
        match layout {
            Layout::Dmf => {
                buffer.extend_from_slice(&unicode::BOM_UTF16LE);
                csv::push_row(entity.names(), entity.columns.len(), &mut buffer);
            }
            Layout::Seed => {
                buffer.extend_from_slice(&unicode::BOM_UTF8);
                buffer.push(b'[');
            }
        }
        let prefixes: usize = entity
            .columns
            .iter()
            .map(|column| column.json_prefix.len())
            .sum();
        Ok(Self {
            layout,
            name: entity.map.file_name.clone(),
            deflate: Deflate::new(Arc::clone(deflaters), level)?,
            buffer,
            has_rows: false,
            row_overhead: prefixes + entity.columns.len() * 8 + 16,
        })
    }

    pub(super) fn push<'f>(
        &mut self,
        entity: &CompiledEntity,
        fields: impl Iterator<Item = Option<&'f str>>,
    ) -> io::Result<()> {
        match self.layout {
            Layout::Dmf => {
                let fields = fields.map(Option::unwrap_or_default);
                csv::push_row(fields, entity.columns.len(), &mut self.buffer);
            }
            Layout::Seed => self.push_json(entity, fields),
        }
        self.has_rows = true;
        if self.buffer.len() >= CHUNK_BYTES {
            self.deflate.write(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    fn push_json<'f>(
        &mut self,
        entity: &CompiledEntity,
        fields: impl Iterator<Item = Option<&'f str>>,
    ) {
        let out = &mut self.buffer;
        out.extend_from_slice(if self.has_rows {
            b",\n  {\n"
        } else {
            b"\n  {\n"
        });
        for (index, (column, field)) in entity.columns.iter().zip(fields).enumerate() {
            if index > 0 {
                out.extend_from_slice(b",\n");
            }
            out.extend_from_slice(&column.json_prefix);
            match field {
                None => out.extend_from_slice(b"null"),
                Some(number) if column.is_number => out.extend_from_slice(number.as_bytes()),
                Some(text) => json_net::push_string(text, out),
            }
        }
        out.extend_from_slice(b"\n  }");
    }

    /// Bytes of the file before compression.
    pub(super) fn bytes(&self) -> u64 {
        self.deflate
            .bytes_in()
            .saturating_add(u64::try_from(self.buffer.len()).unwrap_or(u64::MAX))
    }

    /// Bytes held in memory at most: cheap to know while blocks are on their way.
    pub(super) fn held_max(&self) -> usize {
        self.deflate.held_max().saturating_add(self.buffer.len())
    }

    /// Bytes held in memory; waits for blocks that are on their way.
    pub(super) fn held(&mut self) -> io::Result<usize> {
        Ok(self.deflate.held()?.saturating_add(self.buffer.len()))
    }

    /// Ends the file. What is left of it is deflated beside that of other files.
    pub(super) fn end(&mut self) -> io::Result<()> {
        if self.layout == Layout::Seed {
            self.buffer.extend_from_slice(b"\n]");
        }
        self.deflate.write(&self.buffer)?;
        self.buffer.clear();
        self.deflate.end()
    }

    /// Adds the file, which has ended, to a container.
    pub(super) fn copy_to<W: Write>(self, zip: &mut ZipFile<W>) -> io::Result<()> {
        self.deflate.copy_to(&self.name, zip)
    }
}
