use chrono::TimeDelta;

use super::kit::Shared;
use crate::crm::ledger::{ConflictSubject, Verdict};

/// What is written to `system` is answered there in a later version by this value. True while
/// nobody is asked.
fn answered(shared: &mut Shared, system: &str, given: &str, answer: &str) -> bool {
    answered_after(shared, TimeDelta::seconds(20), system, given, answer)
}

fn answered_after(
    shared: &mut Shared,
    pause: TimeDelta,
    system: &str,
    given: &str,
    answer: &str,
) -> bool {
    let write = format!("write {system}: name");
    assert_eq!(shared.step(), Some(write));
    shared.done(system, &[("name", given)]);
    shared.now += pause;
    shared.shows(system, &[("name", answer)]);
    !matches!(shared.verdict("name"), Verdict::Held { .. })
}

#[test]
fn automations_that_answer_each_other_later_are_stopped_and_seen() {
    let mut shared = Shared::holding(&[("name", "Bern")]);
    shared.shows("a", &[("name", "BERN")]);
    let mut answers = 0;
    loop {
        answers += 1;
        let (system, given, answer) = if answers % 2 == 1 {
            ("b", "BERN", "bern")
        } else {
            ("a", "bern", "BERN")
        };
        if !answered(&mut shared, system, given, answer) {
            break;
        }
        assert!(answers < 20, "nobody is asked");
    }
    // More than twice the number of systems.
    assert_eq!(answers, 5);
    let open: Vec<_> = shared.link.open_conflicts().collect();
    assert!(matches!(
        open[0].subject,
        ConflictSubject::Oscillation { .. }
    ));
    assert_eq!(shared.step(), None);
}

/// Answers, so many seconds apart, until somebody is asked; the next of `values` each time.
fn answers_until_asked(seconds: i64, value: impl Fn(usize) -> String) -> usize {
    let mut shared = Shared::holding(&[("name", "first")]);
    shared.shows("a", &[("name", &value(0))]);
    for answers in 1..100 {
        let system = if answers % 2 == 1 { "b" } else { "a" };
        let (given, answer) = (value(answers - 1), value(answers));
        let pause = TimeDelta::seconds(seconds);
        if !answered_after(&mut shared, pause, system, &given, &answer) {
            return answers;
        }
    }
    panic!("nobody is asked");
}

#[test]
fn automations_that_answer_each_other_slowly_are_stopped_too() {
    let circle = |at: usize| ["BERN", "bern"][at % 2].to_owned();
    let count = |at: usize| at.to_string();
    for minutes in [5, 30] {
        assert_eq!(answers_until_asked(minutes * 60, circle), 17);
        assert_eq!(answers_until_asked(minutes * 60, count), 33);
    }
}

#[test]
fn people_who_change_their_minds_now_and_then_are_left_alone() {
    let mut shared = Shared::holding(&[("name", "first")]);
    let words = ["open", "waiting"];
    shared.shows("a", &[("name", words[0])]);
    for turn in 1..=100 {
        let system = if turn % 2 == 1 { "b" } else { "a" };
        let (given, answer) = (words[(turn + 1) % 2], words[turn % 2]);
        let pause = TimeDelta::hours(2);
        assert!(answered_after(&mut shared, pause, system, given, answer));
    }
}

#[test]
fn automations_that_never_say_the_same_twice_are_stopped_too() {
    let mut shared = Shared::holding(&[("name", "0")]);
    shared.shows("a", &[("name", "1")]);
    let mut last = "1".to_owned();
    let mut answers: usize = 0;
    loop {
        answers += 1;
        let system = if answers % 2 == 1 { "b" } else { "a" };
        let next = format!("{}", answers + 1);
        shared.now -= TimeDelta::seconds(20);
        if !answered(&mut shared, system, &last, &next) {
            break;
        }
        last = next;
        assert!(answers < 100, "nobody is asked");
    }
    assert_eq!(answers, 33);
}

#[test]
fn people_who_take_turns_are_left_alone() {
    let mut shared = Shared::holding(&[("name", "0")]);
    shared.shows("a", &[("name", "1")]);
    let mut last = "1".to_owned();
    for turn in 1..=20 {
        let system = if turn % 2 == 1 { "b" } else { "a" };
        let next = format!("{}", turn + 1);
        assert!(answered(&mut shared, system, &last, &next), "turn {turn}");
        last = next;
    }
}

#[test]
fn one_person_may_change_a_field_as_often_as_they_like() {
    let mut shared = Shared::holding(&[("name", "0")]);
    for turn in 0..100 {
        let value = if turn % 2 == 0 { "x" } else { "y" };
        shared.shows("a", &[("name", value)]);
        assert_eq!(shared.verdict("name"), Verdict::Applied);
        assert_eq!(shared.step().unwrap(), "write b: name");
        shared.done("b", &[("name", value)]);
    }
}
