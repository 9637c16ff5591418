//! Data files of a package while they grow.

use std::io::{self, Write};
use std::mem;
use std::sync::Arc;

use super::compile::CompiledEntity;
use super::deflate::{Deflate, Deflaters};
use super::field_map::Layout;
use super::scratch::ScratchFile;
use super::zip_file::ZipFile;
use super::{csv, json_net, unicode};

/// A data file: rows are encoded where they are deflated.
pub(super) struct DataFile {
    layout: Layout,
    name: String,
    deflate: Deflate,
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
        let mut deflate = Deflate::new(Arc::clone(deflaters), level)?;
        deflate.append(|out| match layout {
            Layout::Dmf => {
                out.extend_from_slice(&unicode::BOM_UTF16LE);
                csv::push_row(entity.names(), entity.columns.len(), out);
            }
            Layout::Seed => {
                out.extend_from_slice(&unicode::BOM_UTF8);
                out.push(b'[');
            }
        })?;
        let prefixes: usize = entity
            .columns
            .iter()
            .map(|column| column.json_prefix.len())
            .sum();
        Ok(Self {
            layout,
            name: entity.map.file_name.clone(),
            deflate,
            has_rows: false,
            row_overhead: prefixes + entity.columns.len() * 8 + 16,
        })
    }

    pub(super) fn push<'f>(
        &mut self,
        entity: &CompiledEntity,
        fields: impl Iterator<Item = Option<&'f str>>,
    ) -> io::Result<()> {
        let is_first = !mem::replace(&mut self.has_rows, true);
        let layout = self.layout;
        self.deflate.append(|out| match layout {
            Layout::Dmf => {
                let fields = fields.map(Option::unwrap_or_default);
                csv::push_row(fields, entity.columns.len(), out);
            }
            Layout::Seed => push_json(entity, fields, is_first, out),
        })
    }

    /// From now on what is compressed goes to a file instead of memory.
    pub(super) fn use_scratch(&mut self, file: ScratchFile) {
        self.deflate.use_scratch(file);
    }

    /// Bytes of the file before compression.
    pub(super) fn bytes_in(&self) -> u64 {
        self.deflate.bytes_in()
    }

    /// Bytes of the file after compression, at most: cheap to know while blocks are on their way.
    pub(super) fn bytes_out_max(&self) -> u64 {
        self.deflate.bytes_out_max()
    }

    /// The same, but waits for blocks that are on their way.
    pub(super) fn bytes_out(&mut self) -> io::Result<u64> {
        self.deflate.bytes_out()
    }

    /// Ends the file. What is left of it is deflated beside that of other files.
    pub(super) fn end(&mut self) -> io::Result<()> {
        if self.layout == Layout::Seed {
            self.deflate.append(|out| out.extend_from_slice(b"\n]"))?;
        }
        self.deflate.end()
    }

    /// Adds the file, which has ended, to a container.
    pub(super) fn copy_to<W: Write>(self, zip: &mut ZipFile<W>) -> io::Result<()> {
        self.deflate.copy_to(&self.name, zip)
    }
}

fn push_json<'f>(
    entity: &CompiledEntity,
    fields: impl Iterator<Item = Option<&'f str>>,
    is_first: bool,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(if is_first { b"\n  {\n" } else { b",\n  {\n" });
    for (column, field) in entity.columns.iter().zip(fields) {
        out.extend_from_slice(&column.json_prefix);
        match field {
            None => out.extend_from_slice(b"null"),
            Some(number) if column.is_number => out.extend_from_slice(number.as_bytes()),
            Some(text) => json_net::push_string(text, out),
        }
    }
    out.extend_from_slice(b"\n  }");
}
