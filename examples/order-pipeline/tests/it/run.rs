use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use omnisync_testkit::generate::{Expectation, OrderGenerator};
use serde_json::Value;

use crate::support::{
    Host, NO_CHANGE, binary, check_counts, fails, input_totals, order, order_id, orders,
    package_totals, recorded_orders, report, stdout_of_success, verified_totals, with_input,
};

#[test]
fn orders_become_packages_and_every_order_is_settled() {
    let host = Host::new();
    host.write_orders(orders(1..=25));

    let report = host.run(&[]);

    check_counts(
        &report,
        &[
            ("accepted", 25),
            ("duplicates", 0),
            ("dead_lettered", 0),
            ("packages", 1),
            ("imported", 25),
            ("rejected", 0),
            ("quarantined", 0),
            ("pending", 0),
        ],
    );
    assert_eq!(report["package_files"].as_array().unwrap().len(), 1);
    assert!(host.states().values().all(|state| state == "Imported"));
    assert_eq!(host.erp().orders(), 25);
    let story = host.explain(&order_id(7));
    assert!(
        story.contains("is Imported") && story.contains("the ERP holds it as"),
        "{story}"
    );
    let status = host.status();
    assert!(
        status.contains("Imported              25") && status.contains("Done"),
        "{status}"
    );
}

#[test]
fn the_table_names_the_counts_and_where_the_packages_lie() {
    let host = Host::new();
    host.write_orders(orders(1..=3) + "{}\n");

    let table = host.run_for_people(&[]);

    for row in [
        "accepted                             3",
        "dead-lettered                        1",
        "  InvalidCloudEvent                  1",
        "imported                             3",
        "pending                              0",
        "1 package files in",
    ] {
        assert!(table.contains(row), "{row} in\n{table}");
    }
    assert!(table.contains(&host.work().join("packages").display().to_string()));
    assert!(!table.contains("Nothing changed"), "{table}");
}

#[test]
fn running_again_changes_nothing_and_says_so() {
    let host = Host::new();
    let mut input = Vec::new();
    OrderGenerator::mixed(3)
        .write_ndjson(150, &mut input)
        .unwrap();
    host.write_orders(&input);
    host.run(&["--max-orders", "40"]);
    let before = (host.documents(), host.end_state());

    let second = host.run(&["--max-orders", "40"]);
    let table = host.run_for_people(&["--max-orders", "40"]);

    check_counts(&second, NO_CHANGE);
    assert!(table.contains("Nothing changed"), "{table}");
    // Times and trails included: nothing was written at all.
    assert!(before.0 == host.documents());
    before.1.assert_same(&host.end_state(), "second run");
}

#[test]
fn standard_input_is_a_file_like_any_other() {
    let host = Host::new();
    let run = || {
        let mut command = host.command("run");
        command.args(["--orders", "-", "--json"]);
        report(&with_input(command, orders(1..=5).as_bytes()))
    };

    check_counts(&run(), &[("accepted", 5), ("imported", 5), ("pending", 0)]);
    check_counts(&run(), NO_CHANGE);
}

#[test]
fn generated_orders_are_the_same_every_time() {
    let host = Host::new();
    let run = || {
        let mut command = host.command("run");
        command.args(["--generate", "30", "--json"]);
        report(&command.output().unwrap())
    };

    check_counts(
        &run(),
        &[("accepted", 30), ("imported", 30), ("pending", 0)],
    );
    check_counts(&run(), NO_CHANGE);
    check_counts(&run(), &[("duplicates", 30)]);
}

#[test]
fn a_package_holds_no_more_orders_than_allowed() {
    let host = Host::new();
    host.write_orders(orders(1..=25));

    let report = host.run(&["--max-orders", "10"]);

    check_counts(
        &report,
        &[("packages", 3), ("imported", 25), ("pending", 0)],
    );
    assert_eq!(host.packages().len(), 3);
    assert!(host.erp().imports().values().all(|imports| *imports == 1));
}

#[test]
fn orders_that_come_later_make_packages_of_their_own() {
    let host = Host::new();
    host.write_orders(orders(1..=4));
    host.run(&[]);
    let first = host.packages();
    host.write_orders(orders(1..=6));

    let report = host.run(&[]);

    check_counts(
        &report,
        &[
            ("accepted", 2),
            ("duplicates", 4),
            ("packages", 1),
            ("imported", 2),
        ],
    );
    let second = host.packages();
    assert_eq!(second.len(), 2);
    assert!(first.iter().all(|(name, bytes)| second[name] == *bytes));
}

#[test]
fn both_layouts_verify_clean_and_carry_the_amounts_of_the_input() {
    for layout in ["dmf", "seed"] {
        let host = Host::new();
        let events: Vec<Value> = (1..=40)
            .map(|number| order(number, number % 9 + 1))
            .collect();
        let lines: Vec<String> = events.iter().map(Value::to_string).collect();
        host.write_orders(lines.join("\n"));

        let report = host.run(&["--layout", layout, "--max-orders", "15"]);

        check_counts(
            &report,
            &[("imported", 40), ("packages", 3), ("pending", 0)],
        );
        assert_eq!(package_totals(&report), input_totals(&events), "{layout}");
    }
}

#[test]
fn a_total_that_is_not_the_sum_of_the_lines_is_told_or_refused() {
    for (totals, accepted, row) in [
        ("warn", 2, "accepted with warnings               1"),
        ("enforce", 1, "  ValidationFailure                  1"),
    ] {
        let host = Host::new();
        let mut other = order(2, 2);
        other["data"]["totalAmount"] = serde_json::json!(24);
        host.write_orders(format!("{}\n{other}\n", order(1, 1)));

        let table = host.run_for_people(&["--totals", totals]);

        assert!(table.contains(row), "{table}");
        assert_eq!(host.erp().orders(), accepted);
    }
}

#[test]
fn a_folder_keeps_the_layout_that_it_was_begun_with() {
    let host = Host::new();
    host.write_orders(orders(1..=2));
    host.run(&["--layout", "seed"]);

    let error = host.run_fails(&["--layout", "dmf"]);

    assert!(error.contains("--layout seed"), "{error}");
    check_counts(&host.run(&["--layout", "seed"]), NO_CHANGE);
}

#[test]
fn the_erp_refuses_the_same_orders_for_the_same_reasons_every_time() {
    let outcome = || {
        let host = Host::new();
        host.write_orders(orders(1..=60));
        let report = host.run(&["--fail-rate", "0.4"]);
        let reasons: BTreeMap<String, String> = host
            .documents()
            .into_iter()
            .map(|(order, body)| (order, body["state"]["reason"]["code"].to_string()))
            .collect();
        check_counts(&host.run(&["--fail-rate", "0.4"]), NO_CHANGE);
        (
            report["imported"].clone(),
            report["rejected"].clone(),
            reasons,
            host,
        )
    };

    let (imported, rejected, reasons, host) = outcome();
    let (_, rejected_again, reasons_again, _) = outcome();

    let rejected = rejected.as_u64().unwrap();
    assert!((1..60).contains(&rejected), "{rejected}");
    assert_eq!(imported.as_u64().unwrap() + rejected, 60);
    assert_eq!(rejected_again, rejected);
    assert_eq!(reasons_again, reasons);
    let refused = reasons
        .iter()
        .find(|(_, reason)| *reason != "null")
        .unwrap();
    let story = host.explain(refused.0);
    assert!(story.contains("the ERP refused it"), "{story}");
}

#[test]
fn reasons_of_the_erp_are_counted() {
    let host = Host::new();
    host.write_orders(orders(1..=30));

    let table = host.run_for_people(&["--fail-rate", "1"]);

    assert!(
        table.contains("rejected                            30"),
        "{table}"
    );
    let reasons = ["CustomerNotFound", "ItemStopped", "CustomerOnHold"];
    let counted: usize = table
        .lines()
        .filter_map(|line| {
            let (name, count) = line.trim().split_once(' ')?;
            reasons
                .contains(&name)
                .then(|| count.trim().parse::<usize>().unwrap())
        })
        .sum();
    assert_eq!(counted, 30, "{table}");
}

#[test]
fn a_mixed_input_ends_as_its_generator_says() {
    const EVENTS: usize = 400;
    const MIXED_SEED: u64 = 12;
    let host = Host::new();
    let mut input = Vec::new();
    let tally = OrderGenerator::mixed(MIXED_SEED)
        .write_ndjson(EVENTS, &mut input)
        .unwrap();
    host.write_orders(&input);
    let mut states: BTreeMap<String, &str> = BTreeMap::new();
    let mut events: BTreeMap<String, Value> = BTreeMap::new();
    let mut letters: BTreeMap<&str, usize> = BTreeMap::new();
    for event in OrderGenerator::mixed(MIXED_SEED).take(EVENTS) {
        let parsed = || serde_json::from_slice(&event.bytes).unwrap();
        match &event.expectation {
            Expectation::Accepted { order_id, .. } => {
                states.insert(order_id.clone(), "Imported");
                events.insert(order_id.clone(), parsed());
            }
            Expectation::Cancelled { order_id, .. } => {
                states.insert(order_id.clone(), "Cancelled");
                events.remove(order_id);
            }
            Expectation::DeadLetter { reason, .. } => {
                *letters.entry(reason.as_str()).or_default() += 1;
            }
            Expectation::Duplicate { .. } | Expectation::Superseded { .. } => {}
        }
    }

    let report = host.run(&["--max-orders", "90", "--totals", "enforce"]);

    let found = host.states();
    assert_eq!(found.len(), states.len());
    for (order, state) in &found {
        assert_eq!(state, states[order], "{order}");
    }
    assert_eq!(report["accepted"], states.len());
    assert_eq!(
        report["accepted"].as_u64().unwrap() + report["updated"].as_u64().unwrap(),
        u64::try_from(tally.accepted).unwrap()
    );
    check_counts(
        &report,
        &[
            ("cancelled", tally.cancelled),
            ("duplicates", tally.duplicates),
            ("outdated", tally.superseded),
            ("dead_lettered", tally.dead_letters),
            ("imported", events.len()),
            ("pending", 0),
        ],
    );
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for letter in host.dead_letters() {
        let reason = letter["reason"].as_str().unwrap().to_owned();
        *found.entry(reason).or_default() += 1;
    }
    let letters: BTreeMap<String, usize> = letters
        .into_iter()
        .map(|(reason, count)| (reason.to_owned(), count))
        .collect();
    assert_eq!(found, letters);
    assert_eq!(package_totals(&report), input_totals(events.values()));
    assert!(host.erp().imports().values().all(|imports| *imports == 1));
}

#[test]
fn an_altered_package_does_not_verify() {
    let host = Host::new();
    host.write_orders(orders(1..=5));
    host.run(&[]);
    let (name, mut bytes) = host.packages().pop_first().unwrap();
    verified_totals(&host.package_path(&name));
    let middle = bytes.len() / 2;
    bytes.truncate(middle);
    let broken = host.path("broken.zip");
    fs::write(&broken, bytes).unwrap();

    let error = fails(&binary(["verify"]).arg(&broken).output().unwrap());

    assert!(error.contains("broken.zip"), "{error}");
}

#[test]
fn what_was_never_accepted_cannot_be_explained() {
    let host = Host::new();
    let status = fails(&host.command("status").output().unwrap());
    assert!(status.contains("order-pipeline run"), "{status}");
    assert!(!host.work().exists());
    host.write_orders(orders(1..=1));
    host.run(&[]);

    let error = fails(&host.command("explain").arg("T-99999").output().unwrap());

    assert!(
        error.contains("T-99999") && error.contains("dead letters"),
        "{error}"
    );
}

#[test]
fn wrong_arguments_end_with_code_2() {
    for arguments in [
        ["--fail-rate", "2"],
        ["--fail-rate", "NaN"],
        ["--max-orders", "0"],
        ["--layout", "xml"],
    ] {
        let output = binary(["run"]).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
    assert!(stdout_of_success(&binary(["--help"]).output().unwrap()).contains("verify"));
}

#[test]
#[ignore = "needs OMNISYNC_SAMPLES"]
fn recorded_samples_of_northwind_are_imported_to_the_cent() {
    let input = recorded_orders();
    let events: Vec<Value> = input
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for layout in ["dmf", "seed"] {
        let host = Host::new();
        host.write_orders(&input);

        let report = host.run(&["--layout", layout]);

        check_counts(
            &report,
            &[
                ("accepted", 498),
                ("imported", 498),
                ("dead_lettered", 0),
                ("pending", 0),
            ],
        );
        let totals = package_totals(&report);
        assert_eq!(totals, BTreeMap::from([("USD".to_owned(), 7_336_133_900)]));
        assert_eq!(totals, input_totals(&events));
        check_counts(&host.run(&["--layout", layout]), NO_CHANGE);
        assert!(Path::new(report["package_files"][0].as_str().unwrap()).is_file());
    }
}
