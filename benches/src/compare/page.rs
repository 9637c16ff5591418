//! Results for people: a table and plots.

use omnisync_benches::plot::{Axis, Bar, Bars, Curve, Series};

use super::plan::{Bound, Figure};
use super::record::Record;
use super::report::{Goal, Report, Standing, Verdict};

/// A plot with the name of its file.
pub(super) struct Plot {
    pub(super) file: String,
    pub(super) svg: String,
    title: String,
}

/// A measure on the page, line by line, and the plots that it shows.
pub(super) fn section(measure: &str, record: &Record) -> (Vec<String>, Vec<Plot>) {
    let mut lines = vec![
        format!("#### {measure}"),
        String::new(),
        format!(
            "`{}`, {}, {} cores, {} GB.",
            record.command, record.date, record.cores, record.memory_gb
        ),
        String::new(),
    ];
    if !record.notes.is_empty() {
        lines.extend(record.notes.iter().map(|note| format!("- {note}")));
        lines.push(String::new());
    }
    if !record.reports.is_empty() {
        let head = "| case | | by the first | warm by warm | figure | memory | asked |";
        lines.push(head.to_owned());
        lines.push("|---|---|---|---|---|---|---|".to_owned());
        lines.extend(record.reports.iter().flat_map(rows));
        lines.push(String::new());
    }
    let mut plots = Vec::new();
    for report in &record.reports {
        plots.extend(bars(report).map(|bars| Plot {
            file: format!("{measure}-{}.svg", slug(&report.case)),
            svg: bars.svg(),
            title: bars.title,
        }));
    }
    for curve in curves(measure, record) {
        plots.push(Plot {
            file: format!("{measure}-{}.svg", slug(&curve.y.label)),
            svg: curve.svg(),
            title: curve.title,
        });
    }
    for Plot { file, title, .. } in &plots {
        lines.push(format!("![{title}](results/{file})"));
        lines.push(String::new());
    }
    (lines, plots)
}

fn rows(report: &Report) -> Vec<String> {
    let mut rows = Vec::new();
    for (index, standing) in report.standings.iter().enumerate() {
        let warm = standing.warm_ratio.map(|ratios| ratios.to_string());
        let ratio = if index == 0 {
            format!("1; again {}", report.drift)
        } else {
            standing.ratio.to_string()
        };
        let asked = report.goals.iter().filter(|goal| of(goal, standing));
        let asked: Vec<String> = asked.map(|goal| verdict(goal, report)).collect();
        rows.push(format!(
            "| {} | {} | {ratio} | {} | {} | {} | {} |",
            if index == 0 { report.case.as_str() } else { "" },
            standing.name,
            warm.unwrap_or_default(),
            report.figure.told(standing.figure),
            Figure::Memory.told(standing.memory_kb),
            asked.join("; ")
        ));
    }
    let absent = report.absent.iter();
    rows.extend(absent.map(|name| format!("| | {name} | absent | | | | |")));
    rows
}

fn of(goal: &Goal, standing: &Standing) -> bool {
    goal.of == standing.name || goal.of == format!("{}, warm", standing.name)
}

fn verdict(goal: &Goal, report: &Report) -> String {
    let warm = if goal.of.ends_with(", warm") {
        "warm "
    } else {
        ""
    };
    let verdict = match report.verdict(goal) {
        Verdict::Met => "met",
        Verdict::Missed => "**not met**",
        Verdict::None => "no verdict",
    };
    let bound = match goal.bound {
        Bound::AtLeast(least) => format!("≥ {least:.2}"),
        Bound::AtMost(most) => format!("≤ {most:.2}"),
    };
    format!("{warm}{bound}: {verdict}")
}

/// Ratios of several contestants. Curves show what is compared by the number of orders.
fn bars(report: &Report) -> Option<Bars> {
    let by_orders = report.figure == Figure::TimePerOrder || report.figure == Figure::Memory;
    if by_orders || report.standings.len() < 2 {
        return None;
    }
    let bar = |standing: &Standing| Bar {
        label: standing.name.clone(),
        value: standing.ratio.median,
        low: standing.ratio.min,
        high: standing.ratio.max,
        goal: report
            .goals
            .iter()
            .find(|goal| goal.of == standing.name)
            .map(|goal| match goal.bound {
                Bound::AtLeast(bound) | Bound::AtMost(bound) => bound,
            }),
    };
    let first = report.standings.first()?;
    let what = match report.figure {
        Figure::Latency => "latency",
        Figure::Bytes => "bytes",
        Figure::Time | Figure::TimePerOrder | Figure::Memory => "time",
    };
    Some(Bars {
        title: format!("{}: {}", report.measure, report.case),
        unit: format!("{what}, in that of {}", first.name),
        bars: report.standings.iter().map(bar).collect(),
    })
}

fn curves(measure: &str, record: &Record) -> Vec<Curve> {
    let mut curves = Vec::new();
    let points = |report: &Report, scale: f64| -> Vec<(f64, f64)> {
        let mut points: Vec<(f64, f64)> = report
            .standings
            .iter()
            .filter_map(|standing| {
                let orders = u32::try_from(standing.orders?).ok()?;
                Some((f64::from(orders), standing.figure * scale))
            })
            .collect();
        points.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        points
    };
    for (figure, label, scale) in [
        (Figure::TimePerOrder, "microseconds an order", 1e6),
        (Figure::Memory, "megabytes", 1e-3),
    ] {
        let reports = record
            .reports
            .iter()
            .filter(|report| report.figure == figure);
        let series: Vec<Series> = reports
            .map(|report| Series {
                label: report.case.clone(),
                points: points(report, scale),
            })
            .collect();
        if !series.is_empty() {
            curves.push(Curve {
                title: format!("{measure}: {label}"),
                x: Axis {
                    label: "orders".to_owned(),
                    log: true,
                },
                y: Axis {
                    label: label.to_owned(),
                    log: false,
                },
                series,
            });
        }
    }
    if !record.memory.is_empty() {
        let series = record.memory.iter().map(|samples| Series {
            label: samples.name.clone(),
            points: samples.points.clone(),
        });
        curves.push(Curve {
            title: format!("{measure}: memory while packing, jobs of some repeated"),
            x: Axis {
                label: "seconds".to_owned(),
                log: false,
            },
            y: Axis {
                label: "megabytes in memory".to_owned(),
                log: true,
            },
            series: series.collect(),
        });
    }
    curves
}

fn slug(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join("-").to_ascii_lowercase()
}
