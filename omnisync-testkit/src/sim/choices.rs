//! Where the choices of a run come from.

use std::collections::BTreeMap;

use crate::rng::SplitMix64;

/// What a choice is about. Only a [`Plan`] looks at it; on the tape all choices are numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// What happens, and to whom: the scenario's.
    World,
    /// How much goes wrong and of which kinds. It makes some runs likelier and adds none.
    Profile,
    /// Whether a worker goes on until it is preempted, instead of taking turns.
    Custom,
    /// Whether something goes wrong at the call with this number.
    Fault(u64),
    /// What goes wrong there.
    Kind(u64),
    /// In which way.
    Dice(u64),
    /// Who goes on at this step.
    Turn(u64),
}

/// A source of choices, and what it chose so far.
#[derive(Debug)]
pub(super) struct Choices {
    mode: Mode,
    taken: Vec<u32>,
}

#[derive(Debug)]
pub(super) enum Mode {
    /// Always the benign choice, except where the plan says otherwise.
    Planned(Plan),
    /// Drawn from a seed.
    Random(SplitMix64),
    /// As on a tape: 0 past its end, and the largest possible choice where it says more.
    Replay(Vec<u32>),
    /// One step of a walk through all tapes there are.
    Odometer(Odometer),
}

/// Which calls go wrong and where workers change, everything else being benign.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Plan {
    /// Workers go on until they are preempted.
    pub(super) unfair: bool,
    /// Position of the fault in the menu of its call, by call number.
    pub(super) faults: BTreeMap<u64, u32>,
    /// Steps at which the next worker goes on instead.
    pub(super) preemptions: Vec<u64>,
}

/// A walk through all runs with up to so many faults, depth first: each position counts up.
/// Choices that lead to no other run stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Odometer {
    /// Digit of each position, and how many there are.
    digits: Vec<(u32, u32)>,
    faults_max: u32,
    /// Faults of this run so far.
    faults: u32,
    /// A bound was not the one seen before: the run is not deterministic.
    pub(super) slipped: bool,
}

impl Odometer {
    pub(super) fn new(faults_max: u32) -> Self {
        Self {
            faults_max,
            ..Self::default()
        }
    }

    /// Turns to the next tape; `None` when all have been seen.
    pub(super) fn advance(mut self, used: usize) -> Option<Self> {
        self.digits.truncate(used);
        self.faults = 0;
        while let Some((choice, bound)) = self.digits.pop() {
            if choice + 1 < bound {
                self.digits.push((choice + 1, bound));
                return Some(self);
            }
        }
        None
    }

    fn choose(&mut self, position: usize, bound: u32, about: About) -> u32 {
        let ways = match about {
            About::Custom | About::Profile => 1,
            About::Fault(_) if self.faults == self.faults_max => 1,
            // All but the highest choice mean that nothing goes wrong.
            About::Fault(_) => 2,
            About::World | About::Kind(_) | About::Dice(_) | About::Turn(_) => bound,
        };
        let Some((digit, seen)) = self.digits.get(position) else {
            self.digits.push((0, ways));
            return 0;
        };
        self.slipped |= *seen != ways;
        let digit = (*digit).min(ways.saturating_sub(1));
        if digit == 1 && matches!(about, About::Fault(_)) {
            self.faults += 1;
            return bound - 1;
        }
        digit
    }
}

impl Choices {
    pub(super) fn new(mode: Mode) -> Self {
        Self {
            mode,
            taken: Vec::with_capacity(256),
        }
    }

    /// A number below `bound`; 0 is benign. A choice without alternative is none, and leaves no
    /// trace.
    pub(super) fn choose(&mut self, bound: u32, about: About) -> u32 {
        if bound <= 1 {
            return 0;
        }
        let position = self.taken.len();
        let choice = match &mut self.mode {
            Mode::Planned(plan) => plan.choose(bound, about),
            Mode::Random(rng) => rng.below(bound),
            Mode::Replay(tape) => tape.get(position).copied().unwrap_or(0).min(bound - 1),
            Mode::Odometer(odometer) => odometer.choose(position, bound, about),
        };
        self.taken.push(choice);
        choice
    }

    pub(super) fn into_parts(self) -> (Mode, Vec<u32>) {
        (self.mode, self.taken)
    }

    pub(super) fn slipped(&self) -> bool {
        matches!(&self.mode, Mode::Odometer(odometer) if odometer.slipped)
    }
}

impl Plan {
    fn choose(&self, bound: u32, about: About) -> u32 {
        match about {
            About::World | About::Profile => 0,
            About::Custom => u32::from(self.unfair),
            About::Fault(call) => {
                if self.faults.contains_key(&call) {
                    bound - 1
                } else {
                    0
                }
            }
            About::Kind(call) => self.faults.get(&call).copied().unwrap_or(0).min(bound - 1),
            // Different calls go wrong in different ways, the same call always in the same.
            About::Dice(call) => u32::try_from(call % u64::from(bound)).unwrap_or(0),
            About::Turn(step) => u32::from(self.preemptions.contains(&step)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(choices: &mut Choices, bounds: &[u32]) -> Vec<u32> {
        bounds
            .iter()
            .map(|bound| choices.choose(*bound, About::World))
            .collect()
    }

    #[test]
    fn what_was_drawn_can_be_replayed() {
        let bounds = [2, 1, 9, 300, 2];
        let mut random = Choices::new(Mode::Random(SplitMix64::new(5)));
        let drawn = draw(&mut random, &bounds);
        let (_, tape) = random.into_parts();
        assert_eq!(
            tape.len(),
            4,
            "a choice without alternative leaves no trace"
        );
        let mut replay = Choices::new(Mode::Replay(tape));
        assert_eq!(draw(&mut replay, &bounds), drawn);
    }

    #[test]
    fn a_tape_that_does_not_fit_still_runs() {
        let mut replay = Choices::new(Mode::Replay(vec![9]));
        assert_eq!(draw(&mut replay, &[4, 4]), [3, 0]);
    }

    #[test]
    fn the_odometer_sees_every_tape_once() {
        let mut seen = Vec::new();
        let mut next = Some(Odometer::default());
        while let Some(odometer) = next {
            let mut choices = Choices::new(Mode::Odometer(odometer));
            let first = choices.choose(2, About::World);
            // The second choice exists only after the benign first one.
            let second = if first == 0 {
                choices.choose(3, About::World)
            } else {
                0
            };
            seen.push((first, second));
            let (Mode::Odometer(odometer), tape) = choices.into_parts() else {
                panic!("another mode");
            };
            next = odometer.advance(tape.len());
        }
        assert_eq!(seen, [(0, 0), (0, 1), (0, 2), (1, 0)]);
    }

    #[test]
    fn the_odometer_makes_faults_up_to_its_allowance_and_no_choice_in_vain() {
        let mut seen = Vec::new();
        let mut next = Some(Odometer::new(1));
        while let Some(odometer) = next {
            let mut choices = Choices::new(Mode::Odometer(odometer));
            choices.choose(2, About::Custom);
            choices.choose(12, About::Profile);
            for call in 1..=2 {
                choices.choose(8, About::Fault(call));
            }
            let (Mode::Odometer(odometer), tape) = choices.into_parts() else {
                panic!("another mode");
            };
            next = odometer.advance(tape.len());
            seen.push(tape);
        }
        assert_eq!(seen, [[0, 0, 0, 0], [0, 0, 0, 7], [0, 0, 7, 0]]);
    }

    #[test]
    fn the_odometer_notices_a_bound_that_changes() {
        let mut choices = Choices::new(Mode::Odometer(Odometer::default()));
        choices.choose(3, About::World);
        let (Mode::Odometer(odometer), _) = choices.into_parts() else {
            panic!("another mode");
        };
        let mut again = Choices::new(Mode::Odometer(odometer.advance(1).unwrap()));
        again.choose(4, About::World);
        assert!(again.slipped());
    }

    #[test]
    fn a_plan_disturbs_only_what_it_names() {
        let plan = Plan {
            unfair: false,
            faults: [(3, 1)].into(),
            preemptions: vec![2],
        };
        let mut choices = Choices::new(Mode::Planned(plan));
        assert_eq!(choices.choose(8, About::Fault(2)), 0);
        assert_eq!(choices.choose(8, About::Fault(3)), 7);
        assert_eq!(choices.choose(6, About::Kind(3)), 1);
        assert_eq!(choices.choose(2, About::Turn(1)), 0);
        assert_eq!(choices.choose(2, About::Turn(2)), 1);
    }
}
