//! Opens packages of unknown origin.

use std::collections::HashSet;
use std::fmt;
use std::io::{Read, Seek};

use serde::Deserialize;
use zip::ZipArchive;

use super::compile::COLUMNS_MAX;
use super::entity::{CSV_UNICODE, EntityData};
use super::error::{ReadError, Refusal};
use super::field_map::Layout;
use super::header::PackageHeader;
use super::limits::ReadLimits;
use super::manifest::Manifest;
use super::package::{SEED_HEADER, SEED_LIST};
use super::problem::{Problem, ProblemKind};
use super::record_text::RowLimits;
use super::rows::Rows;
use super::unicode;
use super::zip_guard::{Budget, Counted, check_end_record, check_entries, classify};

/// An opened package: structure checked, rows not read yet.
pub struct Package<R> {
    archive: ZipArchive<R>,
    budget: Budget,
    pub(super) limits: ReadLimits,
    layout: Layout,
    definition_group: Option<String>,
    entities: Vec<PackageEntity>,
    pub(super) batch_size: Option<u64>,
    /// What is wrong with the structure.
    pub(super) problems: Vec<Problem>,
    bytes: u64,
}

impl<R> fmt::Debug for Package<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Package")
            .field("layout", &self.layout)
            .field("entities", &self.entities)
            .finish_non_exhaustive()
    }
}

/// An entity that a package names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageEntity {
    /// Name or label.
    pub name: String,
    /// Name of the data file.
    pub file: String,
    /// Columns that the field maps name. Empty in layout `Seed`, which has none.
    pub columns: Vec<String>,
    pub(super) entry: Option<usize>,
}

impl<R: Read + Seek> Package<R> {
    /// Opens a package of either layout: checks the archive and reads the manifest.
    ///
    /// # Errors
    /// Refuses whatever is no consistent zip archive within `limits`, folders, symbolic links,
    /// encryption, nested archives, unknown compression, and archives that are no packages.
    /// Findings in the manifest are problems of the report instead.
    pub fn open(mut reader: R, limits: ReadLimits) -> Result<Self, ReadError> {
        let bytes = check_end_record(&mut reader, limits.entries_max)?;
        if bytes > limits.package_bytes_max {
            let max = limits.package_bytes_max;
            return Err(ReadError::Limit {
                limit: "package_bytes_max",
                max,
            });
        }
        let not_zip = |error| ReadError::NotZip(Some(error));
        let mut archive = ZipArchive::new(reader).map_err(not_zip)?;
        let names = check_entries(&archive)?;
        archive.validate_header_consistency().map_err(not_zip)?;
        let compressed_bytes = (0..archive.len())
            .filter_map(|entry| archive.by_index_data(entry).ok())
            .fold(0_u64, |sum, entry| {
                sum.saturating_add(entry.compressed_size())
            });
        let budget = Budget {
            entry_bytes_max: limits.entry_bytes_max,
            total_bytes_max: limits.total_bytes_max,
            ratio_max: limits.ratio_max,
            ratio_floor_bytes: limits.ratio_floor_bytes,
            compressed_bytes,
            unpacked: vec![0; archive.len()],
        };
        let layout = if names.iter().any(|name| name == Manifest::FILE_NAME) {
            Layout::Dmf
        } else if names
            .iter()
            .any(|name| name == SEED_LIST || name == SEED_HEADER)
        {
            Layout::Seed
        } else {
            return Err(ReadError::NotPackage);
        };
        let mut package = Self {
            archive,
            budget,
            limits,
            layout,
            definition_group: None,
            entities: Vec::new(),
            batch_size: None,
            problems: Vec::new(),
            bytes,
        };
        package.refuse_nested()?;
        match layout {
            Layout::Dmf => package.read_dmf(&names)?,
            Layout::Seed => package.read_seed(&names)?,
        }
        package.check_files(&names);
        Ok(package)
    }

    /// Form of the package.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Name of the data project. Layout `Seed` has none.
    pub fn definition_group(&self) -> Option<&str> {
        self.definition_group.as_deref()
    }

    /// The entities in the order in which the package names them.
    pub fn entities(&self) -> &[PackageEntity] {
        &self.entities
    }

    /// Size of the package in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes that came out of the entries so far.
    pub fn unpacked_bytes(&self) -> u64 {
        self.budget.unpacked_bytes()
    }

    /// The rows of the entity with this name, from the start.
    ///
    /// # Errors
    /// [`ReadError::NoEntity`] when there is none or its file is missing,
    /// [`ReadError::Content`] when the file has no columns or is not in the form of the layout.
    pub fn rows(&mut self, entity: &str) -> Result<Rows<'_, R>, ReadError> {
        let entry = self
            .entities
            .iter()
            .find(|candidate| candidate.name == entity)
            .and_then(|entity| entity.entry)
            .ok_or(ReadError::NoEntity)?;
        let limits = RowLimits {
            row_bytes_max: self.limits.row_bytes_max,
            columns_max: COLUMNS_MAX,
        };
        let (layout, rows_max) = (self.layout, self.limits.rows_max);
        Rows::new(layout, self.open_entry(entry)?, entry, limits, rows_max)
    }

    fn open_entry(
        &mut self,
        entry: usize,
    ) -> Result<Counted<'_, zip::read::ZipFile<'_, R>>, ReadError> {
        let file = self
            .archive
            .by_index(entry)
            .map_err(|e| classify(entry, e.into()))?;
        Ok(Counted::new(file, entry, &mut self.budget))
    }

    fn refuse_nested(&mut self) -> Result<(), ReadError> {
        for entry in 0..self.archive.len() {
            let mut head = Vec::new();
            let file = self.open_entry(entry)?;
            file.take(4)
                .read_to_end(&mut head)
                .map_err(|error| classify(entry, error))?;
            if matches!(head.as_slice(), b"PK\x03\x04" | b"PK\x05\x06") {
                return Err(ReadError::Refused {
                    entry,
                    reason: Refusal::Nested,
                });
            }
        }
        Ok(())
    }

    /// Reads a whole entry. `None` when there is none of this name.
    fn read_small(
        &mut self,
        names: &[String],
        name: &str,
        bytes_max: usize,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        let Some(entry) = names.iter().position(|candidate| candidate == name) else {
            return Ok(None);
        };
        let max = u64::try_from(bytes_max).unwrap_or(u64::MAX);
        let mut bytes = Vec::new();
        let file = self.open_entry(entry)?;
        file.take(max.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| classify(entry, error))?;
        if bytes.len() > bytes_max {
            return Err(ReadError::Limit {
                limit: "xml.bytes_max",
                max,
            });
        }
        Ok(Some(bytes))
    }

    fn read_dmf(&mut self, names: &[String]) -> Result<(), ReadError> {
        let xml = self.limits.xml;
        let header = self.read_small(names, PackageHeader::FILE_NAME, xml.bytes_max)?;
        match header.map(|bytes| PackageHeader::parse(&bytes, &xml)) {
            None => self
                .problems
                .push(Problem::new(ProblemKind::PackageHeaderMissing)),
            Some(Err(error)) => {
                self.problems
                    .push(Problem::new(ProblemKind::PackageHeader(error)));
            }
            Some(Ok(header)) => {
                let is_type =
                    |member: Option<&String>, expected| member.is_some_and(|text| text == expected);
                if !is_type(header.manifest_type.value(), PackageHeader::MANIFEST_TYPE)
                    || !is_type(header.package_type.value(), PackageHeader::PACKAGE_TYPE)
                {
                    self.problems.push(Problem::new(ProblemKind::PackageType));
                }
            }
        }
        let manifest = self.read_small(names, Manifest::FILE_NAME, xml.bytes_max)?;
        match Manifest::parse(&manifest.unwrap_or_default(), &xml) {
            Ok(manifest) => {
                self.definition_group = manifest.definition_group_name.value().cloned();
                for entity in manifest.entities() {
                    self.add_manifest_entity(entity, names);
                }
            }
            Err(error) => self
                .problems
                .push(Problem::new(ProblemKind::Manifest(error))),
        }
        Ok(())
    }

    fn add_manifest_entity(&mut self, data: &EntityData, names: &[String]) {
        let name = data.entity_name.value().cloned().unwrap_or_default();
        if data
            .source_format
            .value()
            .is_none_or(|format| format != CSV_UNICODE)
        {
            self.problems
                .push(Problem::of(&name, ProblemKind::SourceFormat));
        }
        let columns: Vec<String> = data
            .maps()
            .iter()
            .filter_map(|map| map.xml_field.value().cloned())
            .collect();
        if columns.is_empty() {
            self.problems
                .push(Problem::of(&name, ProblemKind::NoFieldMap));
        }
        let mut seen = HashSet::new();
        for column in columns
            .iter()
            .filter(|column| !seen.insert(column.as_str()))
        {
            self.problems
                .push(Problem::of(&name, ProblemKind::ColumnTwice).in_column(column));
        }
        let file = data.input_file_path.value().cloned().unwrap_or_default();
        self.add_entity(name, file, columns, names);
    }

    fn add_entity(&mut self, name: String, file: String, columns: Vec<String>, names: &[String]) {
        if name.trim().is_empty() {
            self.problems.push(Problem::new(ProblemKind::EntityName));
            return;
        }
        if self
            .entities
            .iter()
            .any(|other| other.name == name || other.file == file)
        {
            self.problems
                .push(Problem::of(&name, ProblemKind::EntityTwice));
            return;
        }
        let entry = names.iter().position(|candidate| *candidate == file);
        if entry.is_none() {
            self.problems
                .push(Problem::of(&name, ProblemKind::FileMissing));
        }
        self.entities.push(PackageEntity {
            name,
            file,
            columns,
            entry,
        });
    }

    fn read_seed(&mut self, names: &[String]) -> Result<(), ReadError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct BatchHeader {
            batch_size: u64,
        }
        let bytes_max = self.limits.xml.bytes_max;
        let header = self
            .read_small(names, SEED_HEADER, bytes_max)?
            .unwrap_or_default();
        let header = unicode::decode(&header)
            .and_then(|text| serde_json::from_str::<BatchHeader>(&text).ok());
        match header {
            Some(header) => self.batch_size = Some(header.batch_size),
            None => self.problems.push(Problem::new(ProblemKind::BatchHeader)),
        }
        let list = self
            .read_small(names, SEED_LIST, bytes_max)?
            .unwrap_or_default();
        match unicode::decode(&list).and_then(|text| seed_entities(&text)) {
            Some(list) => {
                for (name, file) in list {
                    self.add_entity(name, file, Vec::new(), names);
                }
            }
            None => self.problems.push(Problem::new(ProblemKind::EntityList)),
        }
        Ok(())
    }

    fn check_files(&mut self, names: &[String]) {
        if self.entities.is_empty() {
            self.problems.push(Problem::new(ProblemKind::NoEntities));
        }
        let known: [&str; 2] = match self.layout {
            Layout::Dmf => [Manifest::FILE_NAME, PackageHeader::FILE_NAME],
            Layout::Seed => [SEED_HEADER, SEED_LIST],
        };
        for (entry, name) in names.iter().enumerate() {
            if !known.contains(&name.as_str()) && !self.entities.iter().any(|e| e.file == *name) {
                self.problems
                    .push(Problem::new(ProblemKind::FileNotListed { entry }));
            }
        }
    }
}

/// Names and files of `package.yaml`. Takes any indentation, since the form that was printed in
/// the order-pipeline design lost it.
fn seed_entities(text: &str) -> Option<Vec<(String, String)>> {
    let mut entities: Vec<(String, String)> = Vec::new();
    for line in text.lines().map(str::trim) {
        let (item, is_new) = match line.strip_prefix("- ") {
            Some(rest) => (rest, true),
            None => (line, false),
        };
        if let Some(name) = item.strip_prefix("name:") {
            if !is_new {
                return None;
            }
            entities.push((name.trim().to_owned(), String::new()));
        } else if let Some(file) = item.strip_prefix("file:") {
            file.trim().clone_into(&mut entities.last_mut()?.1);
        }
    }
    (!entities.is_empty()).then_some(entities)
}
