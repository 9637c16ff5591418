//! A second look at a run.

use super::super::choices::Mode;
use super::super::run::{Ran, run};
use super::super::scenario::Scenario;
use super::super::violation::Violation;

/// The promise that the same choices make the same run.
pub(super) const SAME_RUN: &str = "I-X4";

/// Makes a run again from its tape. When it is not the same, that is what it broke.
pub(super) fn repeat(scenario: &dyn Scenario, ran: &mut Ran) {
    let again = run(scenario, Mode::Replay(ran.tape.clone().into()), false);
    let slipped = |violation: &Violation| violation.invariant == SAME_RUN;
    if ran.violation.as_ref().is_some_and(slipped) {
        return;
    }
    let detail = match (&ran.violation, &again.violation) {
        (one, other) if one != other => {
            let ended = |violation: &Option<Violation>| {
                let broken = violation.as_ref().map(ToString::to_string);
                broken.unwrap_or_else(|| "nothing broken".to_owned())
            };
            let (one, other) = (ended(one), ended(other));
            format!("the same choices led to two ends ({one}, then {other})")
        }
        _ if ran.hash != again.hash || ran.tape != again.tape => {
            "the same choices led to another run".to_owned()
        }
        _ => return,
    };
    ran.violation = Some(Violation::new(SAME_RUN, detail));
}
