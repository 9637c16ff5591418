//! The speed of the simulator.

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
