//! Runs a plan, round by round.

use super::contestant::Contestant;
use super::plan::{Figure, Plan, Rival};
use super::ratios::Ratios;
use super::report::{Goal, Report, Standing};
use crate::error::Error;
use crate::line::Line;

/// The second of the base: what it differs from the first by is drift.
const AGAIN: &str = "again";

/// The lines of one contestant, a round each.
type Lines = Vec<Line>;

/// Runs everybody in turn; another one begins each round.
pub(super) fn run(plan: &Plan, rounds: usize) -> Result<Report, Error> {
    let again = plan.base.clone().named(AGAIN);
    let mut contestants = vec![&plan.base, &again];
    contestants.extend(plan.rivals.iter().map(|rival| &rival.contestant));
    let mut lines: Vec<Lines> = vec![Vec::new(); contestants.len()];
    for round in 0..rounds {
        for place in 0..contestants.len() {
            let turn = (round + place) % contestants.len();
            if let (Some(contestant), Some(lines)) = (contestants.get(turn), lines.get_mut(turn)) {
                lines.push(contestant.run()?);
            }
        }
    }
    let mut lines = lines.into_iter();
    let base = lines.next().unwrap_or_default();
    let again = lines.next().unwrap_or_default();
    let figure = plan.figure;
    let drift = ratios(figure, &again, &base).ok_or(Error::NoRounds)?;
    let mut goals = Vec::new();
    let mut standings = vec![standing(figure, &plan.base, &base, &base)?];
    for (rival, lines) in plan.rivals.iter().zip(lines) {
        let standing = standing(figure, &rival.contestant, &lines, &base)?;
        goals.extend(judged(rival, &standing));
        standings.push(standing);
    }
    Ok(Report {
        measure: plan.measure.to_owned(),
        case: plan.case.clone(),
        figure,
        rounds,
        drift,
        standings,
        goals,
        absent: plan.absent.clone(),
    })
}

fn standing(
    figure: Figure,
    contestant: &Contestant,
    lines: &[Line],
    base: &[Line],
) -> Result<Standing, Error> {
    let warm = |lines: &[Line]| -> Option<Lines> {
        let warm = |line: &Line| {
            Some(Line {
                wall_s: line.best_s?,
                ..line.clone()
            })
        };
        lines.iter().map(warm).collect()
    };
    let warm_ratios = if figure == Figure::Time {
        warm(lines).zip(warm(base))
    } else {
        None
    };
    let middle = |number: &dyn Fn(&Line) -> f64| {
        Ratios::of(lines.iter().map(number).collect()).map_or(f64::NAN, |ratios| ratios.median)
    };
    Ok(Standing {
        name: contestant.name.clone(),
        orders: lines.iter().filter_map(|line| line.n).max(),
        figure: middle(&|line| figure.of(line)),
        ratio: ratios(figure, lines, base).ok_or(Error::NoRounds)?,
        warm_ratio: warm_ratios.and_then(|(lines, base)| ratios(figure, &lines, &base)),
        seconds: middle(&|line| line.wall_s),
        memory_kb: middle(&|line| Figure::Memory.of(line)),
        bytes: lines.iter().map(|line| line.bytes_out).max().unwrap_or(0),
    })
}

/// Pairs of the same round.
fn ratios(figure: Figure, lines: &[Line], base: &[Line]) -> Option<Ratios> {
    let pairs = lines.iter().zip(base);
    Ratios::of(
        pairs
            .map(|(line, base)| figure.of(line) / figure.of(base))
            .collect(),
    )
}

fn judged(rival: &Rival, standing: &Standing) -> Vec<Goal> {
    let goal = |what: &str, bound: Option<_>, ratio: Option<Ratios>| {
        let (bound, ratio) = (bound?, ratio?.median);
        Some(Goal {
            of: format!("{}{what}", standing.name),
            bound,
            ratio,
        })
    };
    let first = goal("", rival.goal, Some(standing.ratio));
    let warm = goal(", warm", rival.warm_goal, standing.warm_ratio);
    first.into_iter().chain(warm).collect()
}
