//! Change events of Salesforce.

mod line;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use omnisync_adapters_salesforce::cdc::{
    DecodeError, DecodeLimits, EncodedEvent, EventSchema, InputError, Received, read_events,
};
use omnisync_core::json::Limits;
use thiserror::Error;

use crate::error::{InspectError, chain};
use line::{About, Line};

/// What a file of events may hold: a capture is many events.
const EVENTS: Limits = Limits {
    bytes_max: 64 * 1024 * 1024,
    depth_max: 64,
    values_max: 4_000_000,
};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Schema of events, in a file that is named by its id; or a folder of them. Without the schema
    /// that an event names, its header alone is shown.
    #[arg(long, value_name = "FILE")]
    schema: Vec<PathBuf>,
    /// Events as JSON: a capture of the Pub/Sub API, messages of the Streaming API, or what a client
    /// made of them.
    #[arg(long, value_name = "FILE", required = true)]
    event: Vec<PathBuf>,
}

impl Arguments {
    pub(crate) fn new(schema: &Path, event: &Path) -> Self {
        Self {
            schema: vec![schema.to_owned()],
            event: vec![event.to_owned()],
        }
    }
}

type Schemas = BTreeMap<String, EventSchema>;

/// Why an event is not shown.
#[derive(Debug, Error)]
enum Problem {
    #[error("it cannot be read")]
    Input(#[source] InputError),
    #[error("schema {schema}")]
    Decode { schema: String, source: DecodeError },
    #[error("header")]
    Header(#[source] DecodeError),
}

/// Writes a line for each record of each event, and gives what is wrong with the other events.
pub(crate) fn run(
    arguments: &Arguments,
    lines: &mut dyn Write,
) -> Result<Vec<String>, InspectError> {
    let schemas = schemas(&arguments.schema)?;
    let mut problems = Vec::new();
    for path in &arguments.event {
        let document = fs::read(path).map_err(InspectError::read(path))?;
        let events = read_events(&document, &EVENTS).map_err(|source| InspectError::Events {
            path: path.clone(),
            source,
        })?;
        for (position, event) in events.into_iter().enumerate() {
            let shown = event.map_err(Problem::Input);
            match shown.and_then(|event| about(event, &schemas)) {
                Ok(about) => write(&about, lines)?,
                Err(problem) => {
                    let place = format!("{}: event {}", path.display(), position + 1);
                    problems.push(format!("{place}: {}", chain(&problem)));
                }
            }
        }
    }
    Ok(problems)
}

/// A problem without the folder of its file, which is another on every machine.
pub(crate) fn without_folder(problem: &str) -> &str {
    let (path, _) = problem.split_once(": ").unwrap_or((problem, ""));
    let folder = path.rfind(['/', '\\']).map_or(0, |at| at + 1);
    problem.get(folder..).unwrap_or(problem)
}

fn schemas(paths: &[PathBuf]) -> Result<Schemas, InspectError> {
    let mut schemas = Schemas::new();
    for path in paths {
        if path.is_dir() {
            for entry in fs::read_dir(path).map_err(InspectError::read(path))? {
                let path = entry.map_err(InspectError::read(path))?.path();
                if path.extension() == Some(OsStr::new("avsc")) {
                    schemas.extend([schema(&path)?]);
                }
            }
        } else {
            schemas.extend([schema(path)?]);
        }
    }
    Ok(schemas)
}

fn schema(path: &Path) -> Result<(String, EventSchema), InspectError> {
    let text = fs::read(path).map_err(InspectError::read(path))?;
    let schema = EventSchema::parse(&text).map_err(|source| InspectError::Schema {
        path: path.to_owned(),
        source,
    })?;
    let id = path.file_stem().unwrap_or_default();
    Ok((id.to_string_lossy().into_owned(), schema))
}

fn about(event: Received, schemas: &Schemas) -> Result<About, Problem> {
    match event {
        Received::Encoded(event) => of_payload(event, schemas),
        Received::Plain(event) => Ok(About::plain(*event)),
        _ => Err(Problem::Input(InputError::Shape {
            pointer: omnisync_core::json::Pointer::root(),
            expected: "an event of a form that is shown",
        })),
    }
}

fn of_payload(event: EncodedEvent, schemas: &Schemas) -> Result<About, Problem> {
    let limits = DecodeLimits::default();
    match schemas.get(&event.schema_id) {
        Some(schema) => match event.decode(schema, &limits) {
            Ok(decoded) => Ok(About::decoded(event, decoded)),
            Err(source) => Err(Problem::Decode {
                schema: event.schema_id,
                source,
            }),
        },
        None => match event.decode_header(&limits) {
            Ok(header) => Ok(About::header(event, header)),
            Err(source) => Err(Problem::Header(source)),
        },
    }
}

fn write(about: &About, lines: &mut dyn Write) -> Result<(), InspectError> {
    for line in Line::each(about) {
        let text =
            serde_json::to_string(&line).map_err(|error| InspectError::Output(error.into()))?;
        writeln!(lines, "{text}").map_err(InspectError::Output)?;
    }
    Ok(())
}
