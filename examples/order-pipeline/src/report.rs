use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use omnisync_core::flow::{
    BatchOutcome, BatchStep, DeliverOutcome, Delivered, Dropped, IngestOutcome,
};
use omnisync_core::order::StateName;
use serde::Serialize;

use crate::error::HostError;

/// What a run did, and what the folder holds.
#[derive(Debug, Default, Serialize)]
pub(crate) struct RunReport {
    accepted: usize,
    updated: usize,
    cancelled: usize,
    duplicates: usize,
    outdated: usize,
    dead_lettered: usize,
    packages: usize,
    imported: usize,
    rejected: usize,
    quarantined: usize,
    pub(crate) pending: usize,
    pub(crate) package_files: Vec<PathBuf>,
    #[serde(skip)]
    warned: usize,
    #[serde(skip)]
    retried: usize,
    #[serde(skip)]
    unmatched: usize,
    #[serde(skip)]
    dead_letter_reasons: BTreeMap<String, usize>,
    #[serde(skip)]
    reject_reasons: BTreeMap<String, usize>,
    #[serde(skip)]
    quarantine_reasons: BTreeMap<String, usize>,
}

impl RunReport {
    pub(crate) fn add_ingest(&mut self, outcome: &IngestOutcome) {
        self.accepted += outcome.accepted;
        self.updated += outcome.updated;
        self.cancelled += outcome.cancelled;
        self.duplicates += outcome.duplicates;
        self.outdated += outcome.outdated;
        self.warned += outcome.warned;
        self.dead_lettered += outcome.dead_letters();
        for (reason, count) in &outcome.dead_lettered {
            add(&mut self.dead_letter_reasons, reason.as_str(), *count);
        }
        self.quarantined += outcome.quarantined;
        if outcome.quarantined > 0 {
            add(
                &mut self.quarantine_reasons,
                "RevisionConflict",
                outcome.quarantined,
            );
        }
    }

    pub(crate) fn add_batch(&mut self, outcome: &BatchOutcome) {
        self.packages += usize::from(outcome.step == BatchStep::Staged);
        for (_, dropped) in &outcome.dropped {
            if let Dropped::MappingFailed { .. } = dropped {
                self.quarantined += 1;
                add(&mut self.quarantine_reasons, "MappingFailed", 1);
            }
        }
    }

    pub(crate) fn add_delivery(&mut self, outcome: &DeliverOutcome) {
        self.unmatched += outcome.unmatched.len();
        for order in &outcome.orders {
            let reason = order.reason.as_deref().unwrap_or("unknown");
            match order.state {
                StateName::Imported => self.imported += 1,
                StateName::Rejected => {
                    self.rejected += 1;
                    add(&mut self.reject_reasons, reason, 1);
                }
                StateName::Quarantined => {
                    self.quarantined += 1;
                    add(&mut self.quarantine_reasons, reason, 1);
                }
                _ => self.retried += 1,
            }
        }
        if matches!(outcome.step, Delivered::Restaged) {
            self.packages = self.packages.saturating_sub(1);
        }
    }

    /// True when the run found nothing to do.
    fn changed_nothing(&self) -> bool {
        self.accepted
            + self.updated
            + self.cancelled
            + self.outdated
            + self.dead_lettered
            + self.packages
            + self.imported
            + self.rejected
            + self.quarantined
            + self.retried
            == 0
    }

    /// Prints it for people, or for a program.
    pub(crate) fn print(&self, json: bool, packages_place: &str) -> Result<(), HostError> {
        let mut out = io::stdout().lock();
        let printed = if json {
            serde_json::to_writer(&mut out, self)
                .map_err(io::Error::from)
                .and_then(|()| writeln!(out))
        } else {
            out.write_all(self.table(packages_place).as_bytes())
        };
        printed.map_err(HostError::failed("print the result"))
    }

    /// 0 when nothing is pending.
    pub(crate) fn exit_code(&self) -> ExitCode {
        if self.pending == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(3)
        }
    }

    /// The table for people.
    fn table(&self, packages_place: &str) -> String {
        let mut lines = Vec::new();
        let mut row = |name: &str, count: usize| lines.push(format!("  {name:<28}{count:>10}"));
        row("accepted", self.accepted);
        for (name, count) in [
            ("updated", self.updated),
            ("cancelled", self.cancelled),
            ("older revisions ignored", self.outdated),
            ("accepted with warnings", self.warned),
        ] {
            if count > 0 {
                row(name, count);
            }
        }
        row("duplicates", self.duplicates);
        row("dead-lettered", self.dead_lettered);
        for (reason, count) in &self.dead_letter_reasons {
            row(&format!("  {reason}"), *count);
        }
        row("packages", self.packages);
        row("imported", self.imported);
        row("rejected", self.rejected);
        for (reason, count) in &self.reject_reasons {
            row(&format!("  {reason}"), *count);
        }
        if self.retried > 0 {
            row("sent again", self.retried);
        }
        row("quarantined", self.quarantined);
        for (reason, count) in &self.quarantine_reasons {
            row(&format!("  {reason}"), *count);
        }
        if self.unmatched > 0 {
            row("results of nobody", self.unmatched);
        }
        row("pending", self.pending);
        let files = self.package_files.len();
        lines.push(format!("  {files} package files in {packages_place}"));
        if self.changed_nothing() {
            lines.push("  Nothing changed: everything was here already.".to_owned());
        }
        lines.push(String::new());
        lines.join("\n")
    }
}

fn add(counts: &mut BTreeMap<String, usize>, reason: &str, count: usize) {
    *counts.entry(reason.to_owned()).or_default() += count;
}
