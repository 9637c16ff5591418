use serde_json::Value;

use crate::support::Host;

/// A run after which one phone waits for a person, and one record does.
fn undecided() -> (Host, Value) {
    let host = Host::new();
    let report = host.run(&["--edits", "0", "--manual", "phone"]);
    (host, report)
}

#[track_caller]
fn open(report: &Value, about: &str) -> Value {
    let conflicts = report["conflicts"].as_array().unwrap();
    let mut of = conflicts
        .iter()
        .filter(|one| one["open"] == true && one["about"] == about);
    of.next().unwrap().clone()
}

fn key(conflict: &Value) -> String {
    let record = conflict["record"].as_str().unwrap();
    record.strip_prefix("Account ").unwrap().to_owned()
}

#[test]
fn a_record_is_explained_by_its_key_by_its_ids_and_by_its_link() {
    let (host, report) = undecided();
    let conflict = open(&report, "phone");
    let story = host.says(&["explain", &key(&conflict)]);
    for part in [
        "in use",
        "a change, agreed from now on",
        "our own write, seen again",
        "our own write, as the system spells it",
        "a person has to decide conflict",
        "waits for a person",
        "conflicts:",
    ] {
        assert!(story.contains(part), "{part}: {story}");
    }
    let id = story
        .split_whitespace()
        .find(|word| word.starts_with("dynamics-"))
        .unwrap();
    assert_eq!(host.says(&["explain", id]), story);
    let link = conflict["id"].as_str().unwrap().split('.').next().unwrap();
    let by_link = host.says(&["explain", link, "--system", "dynamics"]);
    assert_eq!(by_link, story);
    let elsewhere = host.fails(&["explain", id, "--system", "salesforce"]);
    assert!(
        elsewhere.contains(&format!("no record {id}")),
        "{elsewhere}"
    );
}

#[test]
fn a_decision_is_written_to_the_system_that_lost() {
    let (host, report) = undecided();
    let conflict = open(&report, "phone");
    let id = conflict["id"].as_str().unwrap();
    let sides = conflict["sides"].as_array().unwrap();
    let taken = sides.iter().find(|side| side["system"] == "dynamics");
    let taken = taken.unwrap()["value"]["text"].as_str().unwrap();

    let written = host.says(&["resolve", id, "--take", "dynamics", "--by", "ann"]);

    let lines: Vec<&str> = written.lines().collect();
    assert_eq!(lines[0], "ann took what dynamics has");
    let told = lines
        .iter()
        .find(|line| line.starts_with("salesforce Account"));
    assert!(
        told.unwrap().contains(&format!("Phone = {taken:?}")),
        "{written}"
    );
    let story = host.says(&["explain", &key(&conflict)]);
    assert!(story.contains("(dynamics by ann)"), "{story}");
    let again = host.fails(&["resolve", id, "--take", "dynamics", "--by", "ann"]);
    assert!(again.contains("is resolved already"), "{again}");
}

#[test]
fn what_waits_for_a_person_is_listed_until_it_is_decided() {
    let (host, report) = undecided();
    let listed = host.says(&["conflicts"]);
    let conflicts = report["conflicts"].as_array().unwrap().iter();
    let ids = conflicts.filter(|one| one["open"] == true);
    let ids: Vec<&str> = ids.map(|one| one["id"].as_str().unwrap()).collect();
    for id in &ids {
        assert!(listed.contains(id), "{id}: {listed}");
    }
    assert_eq!(listed.lines().count(), ids.len(), "{listed}");
    let phone = open(&report, "phone");
    let id = phone["id"].as_str().unwrap();
    let line = listed.lines().find(|line| line.contains(id)).unwrap();
    for side in phone["sides"].as_array().unwrap() {
        let value = side["value"]["text"].as_str().unwrap();
        assert!(line.contains(value), "{value}: {listed}");
    }
    for id in ids {
        host.says(&["resolve", id, "--take", "dynamics", "--by", "ann"]);
    }
    assert_eq!(host.says(&["conflicts"]), "nothing waits for a person\n");
}

#[test]
fn a_value_that_a_person_enters_is_written_to_both() {
    let (host, report) = undecided();
    let conflict = open(&report, "phone");
    let id = conflict["id"].as_str().unwrap();

    let written = host.says(&["resolve", id, "--value", "+41 31 999", "--by", "ann"]);

    let lines: Vec<&str> = written.lines().collect();
    assert_eq!(lines[0], "ann entered \"+41 31 999\"");
    for system in ["salesforce Account", "dynamics account"] {
        let told = lines.iter().find(|line| line.starts_with(system));
        assert!(told.unwrap().contains("\"+41 31 999\""), "{written}");
    }
    let story = host.says(&["explain", &key(&conflict)]);
    assert!(story.contains("(\"+41 31 999\" by ann)"), "{story}");
    let removed = open(&report, "removed and changed");
    let id = removed["id"].as_str().unwrap();
    let refused = host.fails(&["resolve", id, "--value", "here", "--by", "ann"]);
    assert!(refused.contains("cannot be decided like that"), "{refused}");
}

#[test]
fn what_no_system_can_hold_waits_and_says_why() {
    let (host, report) = undecided();
    assert_eq!(host.says(&["waiting"]), "nothing waits\n");
    let conflict = open(&report, "phone");
    let id = conflict["id"].as_str().unwrap();
    let long = "0".repeat(300);

    host.says(&["resolve", id, "--value", &long, "--by", "ann"]);

    let waiting = host.says(&["waiting"]);
    let why = "phone is not written since";
    assert!(waiting.contains(&key(&conflict)), "{waiting}");
    assert!(waiting.contains(why), "{waiting}");
    assert!(waiting.contains("tried again at"), "{waiting}");
    let story = host.says(&["explain", &key(&conflict)]);
    assert!(story.contains(why), "{story}");
}

#[test]
fn a_removed_record_comes_back_if_somebody_says_so() {
    let (host, report) = undecided();
    let conflict = open(&report, "removed and changed");
    let id = conflict["id"].as_str().unwrap();

    let written = host.says(&["resolve", id, "--take", "salesforce", "--by", "ann"]);

    assert!(written.contains("dynamics account"), "{written}");
    assert!(written.contains("undelete"), "{written}");
    let story = host.says(&["explain", &key(&conflict)]);
    assert!(story.contains("agreed: in use"), "{story}");
    assert!(!story.contains("removed\n"), "{story}");
}

#[test]
fn other_rules_are_tried_without_changing_anything() {
    let (host, report) = undecided();
    let conflict = open(&report, "phone");
    let before = host.says(&["explain", &key(&conflict)]);
    let told = host.says(&["what-if", "--policy", "manual"]);
    assert!(told.contains("decisions would be others"), "{told}");
    assert!(told.contains("would be asked"), "{told}");
    assert_eq!(host.says(&["explain", &key(&conflict)]), before);
}
