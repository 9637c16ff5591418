use serde_json::Value;

use crate::support::{Host, said};

#[track_caller]
fn check(report: &Value) {
    assert_eq!(report["converged"], true, "{report}");
    assert_eq!(report["silentlyOverwritten"], Value::Array(Vec::new()));
    assert_eq!(report["differences"], Value::Array(Vec::new()));
    assert_eq!(report["parked"], 0);
    // The other system gets each edit once; those of automations and the marks of conflicts come
    // on top.
    let edits = report["edits"].as_u64().unwrap();
    let caused = edits + report["automationChanges"].as_u64().unwrap();
    let marks = 2 * report["conflicts"].as_array().unwrap().len();
    let writes = report["writes"].as_u64().unwrap();
    assert!(writes <= caused + u64::try_from(marks).unwrap(), "{report}");
}

#[test]
fn both_systems_end_with_the_same_whatever_people_do() {
    for seed in ["1", "2", "3"] {
        let host = Host::new();
        let report = host.run(&["--edits", "60", "--seed", seed]);
        check(&report);
        assert!(report["edits"].as_u64().unwrap() >= 60);
        assert!(report["records"]["Account"].as_u64().unwrap() >= 12);
        assert_eq!(report["records"]["Product"], 8);
        let trouble = ["lostEvents", "interruptedWrites", "lostAnswers"];
        let trouble = trouble.map(|kind| report[kind].as_u64().unwrap());
        assert!(trouble.iter().sum::<u64>() > 0, "{report}");
        for counted in [
            "echoes",
            "normalised",
            "noOps",
            "applied",
            "looks",
            "events",
        ] {
            assert!(report[counted].as_u64().unwrap() > 0, "{counted}: {report}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let arguments = ["--edits", "20", "--seed", "9"];
    assert_eq!(Host::new().run(&arguments), Host::new().run(&arguments));
}

#[test]
fn what_is_in_every_run_ends_in_conflicts_with_both_values() {
    let report = Host::new().run(&["--edits", "0"]);

    check(&report);
    let conflicts = report["conflicts"].as_array().unwrap();
    let about = |what: &str| {
        let all = conflicts.iter();
        all.filter(|one| one["about"] == what).collect::<Vec<_>>()
    };
    let phones = about("phone");
    let raced = phones.iter().find(|one| {
        let sides = one["sides"].as_array().unwrap();
        sides
            .iter()
            .all(|side| side["value"]["text"].as_str().unwrap().contains("+41"))
    });
    let raced = raced.unwrap();
    assert_eq!(raced["decidedBy"], "policy");
    assert_ne!(raced["sides"][0]["value"], raced["sides"][1]["value"]);
    let removed = about("removed and changed");
    assert_eq!(removed.len(), 1);
    assert_eq!(removed[0]["open"], true);
    assert_eq!(report["openConflicts"], 1);
    assert!(report["automationChanges"].as_u64().unwrap() > 0);
}

#[test]
fn every_rule_ends_with_the_same_in_both_systems() {
    for rule in ["latest-at", "min", "manual", "dynamics"] {
        let report = Host::new().run(&["--edits", "30", "--conflicts", rule]);
        check(&report);
    }
}

#[test]
fn the_table_names_the_counts() {
    let table = said(&Host::new().run_output(&["--edits", "5"]));
    for row in [
        "records of Product                       8",
        "writes per edit",
        "silently overwritten                     0",
        "converged                              yes",
        "conflicts:\n  Account ",
    ] {
        assert!(table.contains(row), "{row}: {table}");
    }
}
