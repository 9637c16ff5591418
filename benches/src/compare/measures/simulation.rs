//! Measures in virtual time: the speed of the simulator, and what a throttle gets through.

use crate::compare::contestant::Contestant;
use crate::error::Error;

/// Simulates for some seconds, and says how much that was.
pub(in crate::compare) fn simulation() -> Result<String, Error> {
    let line = Contestant::own("simulator", &["simulate", "--seeds", "2000"])?.run()?;
    let a_second = |name: &str| {
        let count = line.counts.get(name).copied().unwrap_or_default();
        f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / line.wall_s
    };
    Ok(format!(
        "every scenario of the order pipeline under random faults, {:.1} s: {:.0} runs a second, \
         {:.0} port calls a second, {:.0} faults a second, {:.0} times as fast as the time that \
         passed in them",
        line.wall_s,
        a_second("runs"),
        a_second("port calls"),
        a_second("faults"),
        a_second("simulated seconds")
    ))
}

/// Asks a peer with a hidden limit in several ways, and says what came of each.
pub(in crate::compare) fn goodput() -> Result<Vec<String>, Error> {
    let line = Contestant::own("throttle", &["throttle"])?.run()?;
    let mut notes: Vec<(String, Vec<String>)> = Vec::new();
    for (name, count) in &line.counts {
        let (client, what) = name.split_once(", ").unwrap_or((name, ""));
        let finding = format!("{count} {what}");
        match notes.last_mut() {
            Some((last, findings)) if last == client => findings.push(finding),
            _ => notes.push((client.to_owned(), vec![finding])),
        }
    }
    let told =
        |(client, findings): (String, Vec<String>)| format!("{client}: {}", findings.join(", "));
    Ok(notes.into_iter().map(told).collect())
}
