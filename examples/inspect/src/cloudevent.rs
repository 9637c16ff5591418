//! Cloud events in structured form, one or a batch.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use omnisync_core::event::{CloudEvent, parse_batch_each};

use crate::error::{InspectError, chain};

/// Writes a line for each event, and gives what is wrong with the others.
pub(crate) fn run(files: &[PathBuf], lines: &mut dyn Write) -> Result<Vec<String>, InspectError> {
    let mut problems = Vec::new();
    for path in files {
        let document = fs::read(path).map_err(InspectError::read(path))?;
        let wrong = |source| InspectError::CloudEvents {
            path: path.clone(),
            source,
        };
        if !is_list(&document) {
            let event = CloudEvent::from_json(&document).map_err(wrong)?;
            write(&event, lines)?;
            continue;
        }
        let events = parse_batch_each(&document).map_err(wrong)?;
        for (position, event) in events.into_iter().enumerate() {
            match event {
                Ok(event) => write(&event, lines)?,
                Err(error) => {
                    let place = format!("{}: event {}", path.display(), position + 1);
                    problems.push(format!("{place}: {}", chain(&error)));
                }
            }
        }
    }
    Ok(problems)
}

/// True for a document that begins as a list, behind a byte-order mark and white space.
fn is_list(document: &[u8]) -> bool {
    let text = document.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(document);
    text.trim_ascii_start().starts_with(b"[")
}

fn write(event: &CloudEvent, lines: &mut dyn Write) -> Result<(), InspectError> {
    // Data is written as it came, and may have been laid out. Line ends in JSON are white space.
    let text = event.to_json().replace(['\r', '\n'], " ");
    writeln!(lines, "{text}").map_err(InspectError::Output)
}
