use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use omnisync_core::crm::FieldName;
use omnisync_core::crm::ledger::{FieldPolicy, SyncPolicy};
use omnisync_testkit::rng::SplitMix64;

use crate::RunArgs;
use crate::data::DataFolder;
use crate::error::HostError;
use crate::office::{Office, Worked};
use crate::people::{Pair, People, pairs};
use crate::records;
use crate::report::{Counts, RunReport};
use crate::systems::{Crm, entities};
use crate::wire::Trouble;

/// How often somebody tries to do something before the run goes on without it.
const ATTEMPTS_PER_EDIT: u32 = 20;

pub(crate) async fn run(args: RunArgs) -> Result<ExitCode, HostError> {
    let policy = policy(args.conflicts, &args.manual)?;
    let mut people = People::new(SplitMix64::new(args.seed));
    let first = match &args.records {
        Some(folder) => records::read(folder)?,
        None => records::generated(people.rng())?,
    };
    let folder = DataFolder::fresh(args.data.as_deref())?;
    let trouble = Arc::new(Trouble::new(SplitMix64::new(people.rng().next_u64())));
    let office = Office::new(&folder, policy, Some(&trouble))?;
    let live = Live::new();

    live.phase("first records");
    people.begin(&office, &records::currencies()?)?;
    let mut worked = office.settle(|worked| live.show(0, worked)).await?;
    people.begin(&office, &first)?;
    worked.add(office.settle(|worked| live.show(0, worked)).await?);
    // From here on it is known what changes, so that events may be lost.
    office.catch_up().await?;
    worked.add(office.settle(|worked| live.show(0, worked)).await?);
    let counts = Counts::of(&office);

    live.phase("edits");
    worked.add(script(&office, &mut people).await?);
    worked.add(edits(&office, &mut people, args.edits, &live).await?);
    live.phase("settling");
    office.settle(|_| {}).await?;
    office.catch_up().await?;
    worked.add(
        office
            .settle(|worked| live.show(args.edits, worked))
            .await?,
    );
    live.end();

    let report = RunReport::of(&office, args.seed, counts, worked, &trouble).await?;
    folder.keep(&office.kept())?;
    report.print(args.json)?;
    Ok(report.exit_code())
}

fn policy(default: FieldPolicy, manual: &[String]) -> Result<SyncPolicy, HostError> {
    let mut policy = SyncPolicy::default().with_default(default);
    for name in manual {
        let is_known = entities().iter().any(|entity| entity.fields.contains(name));
        if !is_known {
            return Err(HostError::UnknownField(name.clone()));
        }
        policy
            .fields
            .insert(FieldName::new(name)?, FieldPolicy::Manual);
    }
    Ok(policy)
}

/// What has to be in every run: a move that the geocoder answers, the same field and different
/// fields of a record changed in both systems at once, a record that is removed and comes back,
/// and one that is removed here while it is changed there.
async fn script(office: &Office, people: &mut People) -> Result<Worked, HostError> {
    let mut worked = Worked::default();
    let accounts = accounts(office).await?;
    let mut accounts = accounts.iter();
    if let Some(moving) = accounts.next() {
        people.edit(office, Crm::Salesforce, moving, "shippingStreet")?;
        people.edit(office, Crm::Salesforce, moving, "shippingCity")?;
        worked.add(office.settle(|_| {}).await?);
    }
    if let Some(contested) = accounts.next() {
        people.edit(office, Crm::Salesforce, contested, "phone")?;
        people.edit(office, Crm::Dynamics, contested, "phone")?;
        worked.add(office.settle(|_| {}).await?);
    }
    if let Some(shared) = accounts.next() {
        people.edit(office, Crm::Salesforce, shared, "name")?;
        people.edit(office, Crm::Dynamics, shared, "description")?;
        worked.add(office.settle(|_| {}).await?);
    }
    if let Some(returning) = accounts.next() {
        people.remove(office, Crm::Dynamics, returning)?;
        worked.add(office.settle(|_| {}).await?);
        people.bring_back(office, Crm::Dynamics, returning)?;
        worked.add(office.settle(|_| {}).await?);
    }
    if let Some(doubtful) = accounts.next() {
        people.edit(office, Crm::Salesforce, doubtful, "phone")?;
        people.remove(office, Crm::Dynamics, doubtful)?;
        people.keep_out(doubtful);
        worked.add(office.settle(|_| {}).await?);
    }
    Ok(worked)
}

async fn accounts(office: &Office) -> Result<Vec<Pair>, HostError> {
    let mut pairs = pairs(&office.links().await?)?;
    pairs.retain(|pair| pair.entity.as_str() == "Account");
    Ok(pairs)
}

/// People do whatever comes to their minds, the flows work now and then, and events come as they
/// come.
async fn edits(
    office: &Office,
    people: &mut People,
    edits_wanted: u32,
    live: &Live,
) -> Result<Worked, HostError> {
    let mut worked = Worked::default();
    let mut done = 0;
    let mut attempts_left = edits_wanted.saturating_mul(ATTEMPTS_PER_EDIT);
    while done < edits_wanted && attempts_left > 0 {
        let pairs = pairs(&office.links().await?)?;
        let at_once = people.rng().below(4) + 1;
        for _ in 0..at_once {
            attempts_left = attempts_left.saturating_sub(1);
            if done < edits_wanted {
                done += people.act(office, &pairs)?;
            }
        }
        worked.lost_hints += people.meddle(office);
        if people.rng().chance(700) {
            worked.add(office.step().await?);
        }
        let seconds = people.rng().below(15) + 1;
        office.pass(Duration::from_secs(u64::from(seconds)));
        live.show(done, &worked);
    }
    Ok(worked)
}

/// A line that says how far it is, where a person watches.
struct Live {
    bar: ProgressBar,
}

impl Live {
    fn new() -> Self {
        let target = if io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template("{spinner} {prefix:<14} {msg} {elapsed}");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar }
    }

    fn phase(&self, phase: &'static str) {
        self.bar.set_prefix(phase);
    }

    fn show(&self, edits: u32, worked: &Worked) {
        let Worked {
            hints,
            looks,
            writes,
            ..
        } = worked;
        self.bar.set_message(format!(
            "{edits:>6} edits {hints:>6} events {looks:>6} looks {writes:>6} writes"
        ));
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}
