//! Kills a process that takes orders in and delivers them, again and again, at moments that a seed
//! chooses. What it had acknowledged has to be there afterwards, and once everything is finished
//! the ERP holds every order exactly once.

mod audit;
mod child;

use std::collections::BTreeSet;
use std::io::BufReader;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use clap::Args;
use omnisync_testkit::rng::SplitMix64;

use super::folder::emptied;
use super::runtime;
use crate::canonical;
use crate::error::Error;
use crate::line::Line;
use crate::stopwatch::{start, timed};

pub(crate) use child::{LifeArguments, run as live};

const WHO: &str = "the process to be killed";
const SIGKILL: i32 = 9;

#[derive(Debug, Args)]
pub(crate) struct KillsArguments {
    /// Kills that hit a running process
    #[arg(long, default_value_t = 200)]
    count: u64,
    /// Makes the same orders and draws the same moments every time
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the processes work
    #[arg(long)]
    work: PathBuf,
    /// Orders that one store takes before the next one is begun
    #[arg(long, default_value_t = 2_000)]
    orders: u32,
}

/// What was found.
#[derive(Debug, Default)]
struct Tally {
    hits: u64,
    misses: u64,
    stores: u64,
    acknowledged: u64,
    lost: u64,
    doubled: u64,
}

pub(crate) fn run(arguments: &KillsArguments) -> Result<Line, Error> {
    let input = arguments.work.join("kills.jsonl");
    let folder = emptied(&arguments.work, "kills")?;
    canonical::write(arguments.seed, arguments.orders, &input)?;
    // How long a life takes that nobody ends.
    let (whole, duration) = timed(|| Life::begin(&input, &folder)?.end_after(None));
    whole?;
    let runtime = runtime()?;
    let mut rng = SplitMix64::new(arguments.seed);
    let mut tally = Tally::default();
    let began = start();
    while tally.hits < arguments.count {
        let folder = emptied(&arguments.work, "kills")?;
        let mut acknowledged = BTreeSet::new();
        tally.stores += 1;
        loop {
            let moment = (tally.hits < arguments.count).then(|| moment(&mut rng, duration));
            let ended = Life::begin(&input, &folder)?.end_after(moment)?;
            acknowledged.extend(ended.acknowledged);
            if ended.status.success() {
                tally.misses += u64::from(moment.is_some());
                break;
            }
            tally.hits += 1;
            tally.lost += runtime.block_on(audit::lost(&folder, &acknowledged))?;
        }
        let (lost, doubled) = runtime.block_on(audit::settled(&folder, &acknowledged))?;
        tally.lost += lost;
        tally.doubled += doubled;
        tally.acknowledged += u64::try_from(acknowledged.len()).unwrap_or_default();
    }
    if tally.lost > 0 || tally.doubled > 0 {
        return Err(Error::Mismatch(format!("{tally:?}")));
    }
    Ok(tally.line(began.elapsed()))
}

impl Tally {
    fn line(&self, took: Duration) -> Line {
        let counts = [
            ("hits", self.hits),
            ("misses", self.misses),
            ("stores", self.stores),
            ("lost", self.lost),
            ("doubled", self.doubled),
        ];
        Line {
            measure: "m6-kills".to_owned(),
            peer: "omnisync".to_owned(),
            n: Some(self.acknowledged),
            wall_s: took.as_secs_f64(),
            counts: counts.map(|(name, count)| (name.to_owned(), count)).into(),
            ..Line::default()
        }
    }
}

fn moment(rng: &mut SplitMix64, duration: Duration) -> Duration {
    let micros = u32::try_from(duration.as_micros()).unwrap_or(u32::MAX);
    Duration::from_micros(rng.below(micros.max(1)).into())
}

/// A process that lives orders, and what it says meanwhile.
struct Life {
    process: Child,
    said: thread::JoinHandle<Vec<String>>,
    silent: mpsc::Receiver<()>,
}

/// A life that is over.
struct Ended {
    status: ExitStatus,
    /// Orders that were acknowledged.
    acknowledged: Vec<String>,
}

impl Life {
    fn begin(input: &Path, folder: &Path) -> Result<Self, Error> {
        let failed = Error::store(WHO);
        let mut process = Command::new(std::env::current_exe().map_err(failed)?)
            .arg("life")
            .args([input, folder])
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let output = process.stdout.take();
        let (ends, silent) = mpsc::channel();
        let said = thread::spawn(move || {
            let lines = output.map(BufReader::new).into_iter();
            let said = lines.flat_map(whole_lines).collect();
            // Whoever waits no longer has killed the process.
            ends.send(()).ok();
            said
        });
        Ok(Self {
            process,
            said,
            silent,
        })
    }

    /// Waits for the end, and brings it about once `moment` has passed.
    fn end_after(mut self, moment: Option<Duration>) -> Result<Ended, Error> {
        let failed = Error::store(WHO);
        if let Some(moment) = moment
            && self.silent.recv_timeout(moment) == Err(RecvTimeoutError::Timeout)
        {
            self.process.kill().map_err(failed)?;
        }
        let status = self.process.wait().map_err(failed)?;
        let acknowledged = self.said.join().unwrap_or_default();
        if status.success() || status.signal() == Some(SIGKILL) {
            Ok(Ended {
                status,
                acknowledged,
            })
        } else {
            Err(Error::Mismatch(format!("{WHO} ended by itself: {status}")))
        }
    }
}

/// The lines that were written to their end.
fn whole_lines(mut output: impl std::io::BufRead) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    while matches!(output.read_line(&mut line), Ok(1..)) {
        if let Some(text) = line.strip_suffix('\n') {
            lines.push(text.to_owned());
        }
        line.clear();
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_cut_is_no_acknowledgement() {
        assert_eq!(whole_lines("a\nb\nc".as_bytes()), ["a", "b"]);
    }
}
