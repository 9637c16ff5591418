use super::kit::{Shared, name, text};
use crate::crm::ledger::{FieldPolicy, SyncPolicy, Verdict, what_if};

fn truth_in_a() -> FieldPolicy {
    FieldPolicy::SourceOfTruth { system: name("a") }
}

#[test]
fn an_edit_against_the_source_of_truth_is_put_back_and_told_without_a_conflict() {
    let mut shared = Shared::holding(&[("name", "A")]).ruled_by(truth_in_a());
    for edit in ["B", "C", "D"] {
        shared.shows("b", &[("name", edit)]);
        assert_eq!(
            shared.verdict("name"),
            Verdict::Overruled { conflict: None }
        );
        let last = shared.link.decisions.last().unwrap();
        assert_eq!(last.fields[0].observed, text(edit));
        assert_eq!(shared.step().unwrap(), "write b: name");
        shared.done("b", &[("name", "A")]);
    }
    assert_eq!(shared.step(), None);
    assert!(shared.link.conflicts.is_empty());
    assert_eq!(shared.link.conflicts_made, 0);
}

#[test]
fn two_edits_at_once_are_a_conflict_though_one_is_the_truth() {
    let mut shared = Shared::holding(&[("name", "A")]).ruled_by(truth_in_a());
    shared.shows("a", &[("name", "B")]);
    shared.shows("b", &[("name", "C")]);
    let Verdict::Overruled { conflict: Some(id) } = shared.verdict("name") else {
        panic!("{:?}", shared.verdict("name"));
    };
    assert_eq!(shared.link.conflicts[0].id, id);
}

#[test]
fn another_rule_is_asked_about_the_same_moment() {
    // An edit in `b` that knew the value of `a`, which is right by the other rule.
    let mut shared = Shared::holding(&[("name", "A")]);
    shared.shows("b", &[("name", "B")]);
    assert_eq!(shared.verdict("name"), Verdict::Applied);
    let rule = SyncPolicy::default().with_default(truth_in_a());
    let differences = what_if(&shared.link, &rule);
    assert_eq!(differences.len(), 1, "{differences:?}");
    assert_eq!(differences[0].would, "kept");
    assert!(!differences[0].contested);
    assert!(what_if(&shared.link, &shared.policy).is_empty());
}

#[test]
fn decisions_are_read_as_they_were_stored_before() {
    let old = r#"{"overruled":{"conflict":"00000000-0000-8000-8000-000000000000.1"}}"#;
    let verdict: Verdict = serde_json::from_str(old).unwrap();
    assert!(matches!(verdict, Verdict::Overruled { conflict: Some(_) }));
    assert_eq!(serde_json::to_string(&verdict).unwrap(), old);
}
