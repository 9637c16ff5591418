//! Data packages of Finance & Operations.

use std::fs::File;
use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use omnisync_core::dixf::{
    EntityData, Layout, Manifest, Member, PackageHeader, PackageReport, ReadLimits, XmlLimits,
    read_package,
};
use serde_json::{Map, Value, json};
use zip::ZipArchive;

use crate::error::InspectError;

/// Largest file that describes a package, in bytes.
const XML_BYTES_MAX: u64 = 64 * 1024 * 1024;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A package, or a folder with the files that describe one.
    #[arg(value_name = "FILE|FOLDER")]
    package: PathBuf,
}

impl Arguments {
    pub(crate) fn new(package: &Path) -> Self {
        Self {
            package: package.to_owned(),
        }
    }
}

/// Writes what the package is, and gives what is wrong in it.
pub(crate) fn run(
    arguments: &Arguments,
    lines: &mut dyn Write,
) -> Result<Vec<String>, InspectError> {
    let path = &arguments.package;
    let (shown, problems) = if path.is_dir() {
        (
            described(path, &mut |name| read(&path.join(name)))?,
            Vec::new(),
        )
    } else {
        archive(path)?
    };
    writeln!(lines, "{}", Value::Object(shown)).map_err(InspectError::Output)?;
    Ok(problems)
}

fn archive(path: &Path) -> Result<(Map<String, Value>, Vec<String>), InspectError> {
    let open = || File::open(path).map_err(InspectError::read(path));
    let checked = read_package(open()?, ReadLimits::default());
    let found = checked.map_err(|source| InspectError::Package {
        path: path.to_owned(),
        source,
    })?;
    let problems = found.problems.iter();
    let mut problems: Vec<String> = problems
        .map(|problem| format!("{}: {problem}", path.display()))
        .collect();
    let listed = u64::try_from(problems.len()).unwrap_or(u64::MAX);
    if found.problems_total > listed {
        let more = found.problems_total - listed;
        problems.push(format!("{}: {more} more problems", path.display()));
    }
    // Where these files are missing or broken, a problem says so.
    let described = match found.layout {
        Layout::Dmf => described(path, &mut |name| entry(path, name)).unwrap_or_default(),
        _ => Map::new(),
    };
    let mut shown = described;
    shown.insert("report".to_owned(), report(&found));
    Ok((shown, problems))
}

fn read(path: &Path) -> Result<Vec<u8>, InspectError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(InspectError::read(path))?;
    file.take(XML_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(InspectError::read(path))?;
    Ok(bytes)
}

/// A file of an archive that was checked.
fn entry(path: &Path, name: &str) -> Result<Vec<u8>, InspectError> {
    let wrong = |source| InspectError::Entry {
        path: path.join(name),
        source,
    };
    let file = File::open(path).map_err(InspectError::read(path))?;
    let mut archive = ZipArchive::new(file).map_err(wrong)?;
    let entry = archive.by_name(name).map_err(wrong)?;
    let mut bytes = Vec::new();
    entry
        .take(XML_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(InspectError::read(path))?;
    Ok(bytes)
}

/// The two files that describe a package.
fn described(
    path: &Path,
    file: &mut dyn FnMut(&str) -> Result<Vec<u8>, InspectError>,
) -> Result<Map<String, Value>, InspectError> {
    let wrong = |name: &str| {
        let path = path.join(name);
        |source| InspectError::Xml { path, source }
    };
    let limits = XmlLimits::default();
    let bytes = file(Manifest::FILE_NAME)?;
    let manifest = Manifest::parse(&bytes, &limits).map_err(wrong(Manifest::FILE_NAME))?;
    let bytes = file(PackageHeader::FILE_NAME)?;
    let header = PackageHeader::parse(&bytes, &limits).map_err(wrong(PackageHeader::FILE_NAME))?;
    let mut shown = Map::new();
    shown.insert("header".to_owned(), of_header(&header));
    shown.insert("manifest".to_owned(), of_manifest(&manifest));
    Ok(shown)
}

/// The members that hold something.
fn members(members: impl IntoIterator<Item = (&'static str, Option<Value>)>) -> Value {
    let members = members.into_iter();
    let filled = members.filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(filled.collect())
}

fn member<T: Clone + Into<Value>>(member: &Member<T>) -> Option<Value> {
    member.value().cloned().map(Into::into)
}

fn of_header(header: &PackageHeader) -> Value {
    members([
        ("description", member(&header.description)),
        ("manifestType", member(&header.manifest_type)),
        ("packageType", member(&header.package_type)),
        ("packageVersion", member(&header.package_version)),
    ])
}

fn of_manifest(manifest: &Manifest) -> Value {
    let entities: Vec<Value> = manifest.entities().iter().map(of_entity).collect();
    members([
        (
            "definitionGroupName",
            member(&manifest.definition_group_name),
        ),
        ("description", member(&manifest.description)),
        ("projectCategory", member(&manifest.project_category)),
        ("entities", Some(entities.into())),
    ])
}

fn of_entity(entity: &EntityData) -> Value {
    let maps = entity.maps().iter().map(|map| {
        members([
            ("entityField", member(&map.entity_field)),
            ("xmlField", member(&map.xml_field)),
            ("isAutoDefault", member(&map.is_auto_default)),
            ("isAutoGenerated", member(&map.is_auto_generated)),
        ])
    });
    members([
        ("entityName", member(&entity.entity_name)),
        ("targetEntity", member(&entity.target_entity)),
        ("inputFilePath", member(&entity.input_file_path)),
        ("sourceFormat", member(&entity.source_format)),
        ("defaultRefreshType", member(&entity.default_refresh_type)),
        ("disable", member(&entity.disable)),
        ("executionUnit", member(&entity.execution_unit)),
        (
            "levelInExecutionUnit",
            member(&entity.level_in_execution_unit),
        ),
        ("sequenceInLevel", member(&entity.sequence_in_level)),
        ("runBusinessLogic", member(&entity.run_business_logic)),
        (
            "runBusinessValidation",
            member(&entity.run_business_validation),
        ),
        ("skipStaging", member(&entity.skip_staging)),
        ("validationStatus", member(&entity.validation_status)),
        ("maps", Some(maps.collect::<Vec<Value>>().into())),
    ])
}

fn report(found: &PackageReport) -> Value {
    let entities = found.entities.iter().map(|entity| {
        json!({
            "name": entity.name, "file": entity.file, "columns": entity.columns,
            "rows": entity.rows,
        })
    });
    let amounts = found.amounts.iter();
    let amounts: Map<String, Value> = amounts
        .map(|(currency, amount)| (currency.to_string(), amount.to_string().into()))
        .collect();
    json!({
        "layout": found.layout,
        "definitionGroup": found.definition_group,
        "entities": entities.collect::<Vec<_>>(),
        "orders": found.orders,
        "lines": found.lines,
        "amounts": amounts,
        "bytes": found.bytes,
        "unpackedBytes": found.unpacked_bytes,
        "problems": found.problems_total,
    })
}
