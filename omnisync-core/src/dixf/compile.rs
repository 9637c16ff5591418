//! Checks a field map once, so that mapping and writing need not.

use std::collections::HashSet;

use super::entity::EntityData;
use super::error::FieldMapError;
use super::field_map::{Column, EntityFieldMap, FieldMap, Format, Layout, Source};
use super::header::PackageHeader;
use super::manifest::Manifest;
use super::{json_net, unicode};

/// Largest number of columns of an entity.
pub const COLUMNS_MAX: usize = 512;
/// Deepest nesting of sources.
const SOURCE_DEPTH_MAX: usize = 8;
/// Longest name of a file or entity, in characters.
const NAME_CHARS_MAX: usize = 120;

/// A field map that passed its checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompiledMap {
    pub(super) layout: Layout,
    pub(super) headers: CompiledEntity,
    pub(super) lines: CompiledEntity,
}

/// An entity whose columns passed their checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CompiledEntity {
    pub(super) map: EntityFieldMap,
    pub(super) columns: Vec<CompiledColumn>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CompiledColumn {
    pub(super) column: Column,
    /// What stands before the value in a JSON row: the end of the line before, indentation, quoted
    /// name and colon.
    pub(super) json_prefix: Vec<u8>,
    pub(super) is_number: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Date,
}

impl CompiledMap {
    /// Form of the packages.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Columns of the header file, in order.
    pub fn header_columns(&self) -> impl ExactSizeIterator<Item = &str> {
        self.headers.names()
    }

    /// Columns of the line file, in order.
    pub fn line_columns(&self) -> impl ExactSizeIterator<Item = &str> {
        self.lines.names()
    }
}

impl CompiledEntity {
    pub(super) fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.columns
            .iter()
            .map(|compiled| compiled.column.name.as_str())
    }

    pub(super) fn manifest_entry(&self) -> EntityData {
        EntityData::new(
            &self.map.entity_name,
            &self.map.target_entity,
            &self.map.file_name,
            self.map.level,
            self.names(),
        )
    }
}

pub(super) fn compile(map: FieldMap) -> Result<CompiledMap, FieldMapError> {
    let FieldMap {
        layout,
        headers,
        lines,
    } = map;
    let same_file = headers.file_name.eq_ignore_ascii_case(&lines.file_name);
    if same_file || headers.entity_name == lines.entity_name {
        return Err(FieldMapError::SameEntity {
            entity: headers.entity_name,
        });
    }
    Ok(CompiledMap {
        layout,
        headers: compile_entity(layout, headers, false)?,
        lines: compile_entity(layout, lines, true)?,
    })
}

fn compile_entity(
    layout: Layout,
    mut map: EntityFieldMap,
    has_lines: bool,
) -> Result<CompiledEntity, FieldMapError> {
    let entity = map.entity_name.clone();
    let error = |column: &str, kind: fn(String, String) -> FieldMapError| {
        Err(kind(entity.clone(), column.to_owned()))
    };
    check_names(layout, &map)?;
    if let Some(column) = map.unknown_columns.first() {
        return error(column, |entity, column| FieldMapError::UnknownColumn {
            entity,
            column,
        });
    }
    if map.columns.is_empty() {
        return Err(FieldMapError::EmptyEntity { entity });
    }
    if map.columns.len() > COLUMNS_MAX {
        return Err(FieldMapError::TooManyColumns {
            entity,
            columns_max: COLUMNS_MAX,
        });
    }
    check_columns(layout, &map, has_lines)?;
    for key in &map.key {
        match map.columns.iter_mut().find(|column| column.name == *key) {
            Some(column) => column.required = true,
            None => {
                return error(key, |entity, column| FieldMapError::KeyMissing {
                    entity,
                    column,
                });
            }
        }
    }
    if map.key.is_empty() {
        return Err(FieldMapError::NoKey { entity });
    }
    let columns = std::mem::take(&mut map.columns)
        .into_iter()
        .enumerate()
        .map(|(index, column)| compile_column(&entity, column, index == 0))
        .collect::<Result<_, _>>()?;
    Ok(CompiledEntity { map, columns })
}

fn check_columns(
    layout: Layout,
    map: &EntityFieldMap,
    has_lines: bool,
) -> Result<(), FieldMapError> {
    let mut seen = HashSet::new();
    for column in &map.columns {
        let (entity, name) = (map.entity_name.clone(), column.name.clone());
        if !is_column_name(layout, &name) {
            return Err(FieldMapError::ColumnName {
                entity,
                column: name,
            });
        }
        if !seen.insert(name.to_ascii_uppercase()) {
            return Err(FieldMapError::DuplicateColumn {
                entity,
                column: name,
            });
        }
        if !has_lines && needs_line(&column.source) {
            return Err(FieldMapError::LineSource {
                entity,
                column: name,
            });
        }
    }
    Ok(())
}

fn compile_column(
    entity: &str,
    column: Column,
    is_first: bool,
) -> Result<CompiledColumn, FieldMapError> {
    let place = || (entity.to_owned(), column.name.clone());
    let Some(kind) = kind_of(&column.source, 0) else {
        let (entity, column) = place();
        return Err(FieldMapError::Source { entity, column });
    };
    if !fits(&column.format, kind) || column.chars_max == Some(0) {
        let (entity, column) = place();
        return Err(FieldMapError::Format { entity, column });
    }
    Ok(CompiledColumn {
        json_prefix: json_net::member_prefix(&column.name, is_first),
        is_number: kind == Kind::Number && column.default.is_none(),
        column,
    })
}

fn check_names(layout: Layout, map: &EntityFieldMap) -> Result<(), FieldMapError> {
    let entity = &map.entity_name;
    let is_name = |name: &str| {
        !name.trim().is_empty()
            && name.chars().count() <= NAME_CHARS_MAX
            && !name.chars().any(char::is_control)
    };
    let target_is_fine = match layout {
        Layout::Dmf => is_name(&map.target_entity),
        Layout::Seed => map.target_entity.is_empty(),
    };
    if !is_name(entity) || !target_is_fine {
        return Err(FieldMapError::EntityName {
            entity: entity.clone(),
        });
    }
    let file = &map.file_name;
    let extension = match layout {
        Layout::Dmf => ".csv",
        Layout::Seed => ".json",
    };
    // Characters that exported packages drop from file names.
    let is_free = |c: char| !r#"/\:*?"<>|"#.contains(c);
    let reserved = [
        Manifest::FILE_NAME,
        PackageHeader::FILE_NAME,
        "header.json",
        "package.yaml",
    ];
    if !is_name(file)
        || file.trim() != file
        || !file.is_ascii()
        || !file.chars().all(is_free)
        || file.strip_suffix(extension).is_none_or(str::is_empty)
        || reserved
            .iter()
            .any(|reserved| file.eq_ignore_ascii_case(reserved))
    {
        return Err(FieldMapError::FileName {
            entity: entity.clone(),
        });
    }
    Ok(())
}

fn is_column_name(layout: Layout, name: &str) -> bool {
    let is_char = |c: char| match layout {
        Layout::Dmf => c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_',
        Layout::Seed => c.is_ascii_alphanumeric() || c == '_',
    };
    !name.is_empty() && name.len() <= NAME_CHARS_MAX && name.chars().all(is_char)
}

fn needs_line(source: &Source) -> bool {
    match source {
        Source::LineKey
        | Source::ItemNumber
        | Source::ProductCode
        | Source::Quantity
        | Source::UnitPrice
        | Source::Discount
        | Source::LineAmount
        | Source::LineMember(_) => true,
        Source::FirstOf(parts) | Source::Concat { parts, .. } => parts.iter().any(needs_line),
        _ => false,
    }
}

/// `None` for an empty or too deep list, or one of mixed kinds.
fn kind_of(source: &Source, depth: usize) -> Option<Kind> {
    if depth > SOURCE_DEPTH_MAX {
        return None;
    }
    Some(match source {
        Source::OrderDate | Source::RequestedShippingDate => Kind::Date,
        Source::TotalAmount
        | Source::Freight
        | Source::ItemNumber
        | Source::Quantity
        | Source::UnitPrice
        | Source::Discount
        | Source::LineAmount => Kind::Number,
        Source::FirstOf(parts) => {
            let mut kinds = parts.iter().map(|part| kind_of(part, depth + 1));
            let first = kinds.next()??;
            return kinds.all(|kind| kind == Some(first)).then_some(first);
        }
        Source::Concat { parts, .. } => {
            let fine = !parts.is_empty() && parts.iter().all(|p| kind_of(p, depth + 1).is_some());
            return fine.then_some(Kind::Text);
        }
        Source::Constant(text) if unicode::has_forbidden(text) => return None,
        _ => Kind::Text,
    })
}

fn fits(format: &Format, kind: Kind) -> bool {
    match format {
        Format::Plain => true,
        Format::Date(_) => kind == Kind::Date,
        Format::Decimals(digits) => kind == Kind::Number && *digits <= 28,
        Format::Money => kind == Kind::Number,
        Format::CountryAlpha3 | Format::Values { .. } => kind == Kind::Text,
    }
}
