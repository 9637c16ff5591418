//! Whatever a line holds, it ends with a reason, and the next line is processed.

use serde_json::{Value, json};

use crate::support::{Host, NO_CHANGE, check_counts, order, order_id};

const JSON: &str = "JsonDeserialiseFailure";
const RULE: &str = "ValidationFailure";
const ENVELOPE: &str = "InvalidCloudEvent";
const LARGE: &str = "TooLarge";

/// The number of every bad order.
const BAD: u32 = 5_000;

fn spoiled(spoil: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut event = order(BAD, 2);
    spoil(&mut event);
    event.to_string().into_bytes()
}

fn with(pointer: &str, value: Value) -> Vec<u8> {
    spoiled(|event| *event.pointer_mut(pointer).unwrap() = value)
}

fn without(parent: &str, member: &str) -> Vec<u8> {
    spoiled(|event| {
        let parent = event.pointer_mut(parent).unwrap();
        parent.as_object_mut().unwrap().remove(member).unwrap();
    })
}

/// Puts text where the value of the first `"quantity"` stands, JSON or not.
fn with_quantity(text: &str) -> Vec<u8> {
    let event = order(BAD, 2).to_string();
    let spoiled = event.replacen("\"quantity\":2", &format!("\"quantity\":{text}"), 1);
    assert_ne!(event, spoiled);
    spoiled.into_bytes()
}

/// Puts every bad line between two good ones.
fn check(lines: &[(&str, Vec<u8>, &str)]) {
    let host = Host::new();
    let mut input = Vec::new();
    let mut good = 0;
    let mut add_good = |input: &mut Vec<u8>| {
        good += 1;
        input.extend_from_slice(order(good, 1).to_string().as_bytes());
        input.push(b'\n');
        good
    };
    add_good(&mut input);
    for (_, line, _) in lines {
        input.extend_from_slice(line);
        input.push(b'\n');
        add_good(&mut input);
    }
    let good = add_good(&mut input);
    host.write_orders(input);

    let report = host.run(&[]);

    let letters = host.dead_letters();
    for ((index, (what, _, reason)), letter) in lines.iter().enumerate().zip(&letters) {
        assert_eq!(
            letter["line"],
            json!(index * 2 + 2),
            "{what}: {letter:.300}"
        );
        assert_eq!(letter["reason"], *reason, "{what}: {letter:.300}");
        assert!(
            letter["description"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
    }
    assert_eq!(letters.len(), lines.len());
    let good = usize::try_from(good).unwrap();
    check_counts(
        &report,
        &[
            ("accepted", good),
            ("imported", good),
            ("dead_lettered", lines.len()),
            ("pending", 0),
        ],
    );
    check_counts(&host.run(&[]), NO_CHANGE);
    assert_eq!(host.dead_letters(), letters);
}

#[test]
fn what_is_no_json_is_set_aside() {
    let event = order(BAD, 2).to_string().into_bytes();
    let half = event.len() / 2;
    let mut invalid_utf8 = event.clone();
    invalid_utf8[half] = 0xff;
    let nul = [b"\0".as_slice(), &event].concat();
    let twice = [event.as_slice(), &event].concat();
    check(&[
        ("truncated", event[..half].to_vec(), JSON),
        (
            "a comma too many",
            [b"{,".as_slice(), &event[1..]].concat(),
            JSON,
        ),
        ("invalid UTF-8", invalid_utf8, JSON),
        ("NUL in front", nul, JSON),
        ("two on a line", twice, JSON),
        ("bare word", b"hello".to_vec(), JSON),
        ("NaN", with_quantity("NaN"), JSON),
        ("Infinity", with_quantity("-Infinity"), JSON),
        ("hexadecimal", with_quantity("0x10"), JSON),
        ("leading zero", with_quantity("007"), JSON),
        ("single quotes", with_quantity("'2'"), JSON),
        ("duplicate key", with_quantity("2,\"quantity\":3"), JSON),
        ("lone surrogate", with_quantity(r#""\ud800""#), JSON),
    ]);
}

#[test]
fn what_is_no_order_event_is_set_aside() {
    check(&[
        ("empty object", b"{}".to_vec(), ENVELOPE),
        ("no specversion", without("", "specversion"), ENVELOPE),
        ("no id", without("", "id"), ENVELOPE),
        (
            "other version",
            with("/specversion", json!("0.3")),
            ENVELOPE,
        ),
        (
            "time that does not exist",
            with("/time", json!("2026-02-30T00:00:00Z")),
            ENVELOPE,
        ),
        ("data is null", with("/data", Value::Null), "NullPayload"),
        ("no data", without("", "data"), "NullPayload"),
        (
            "other type",
            with("/type", json!("OMS.Order.Archived")),
            "UnknownEventType",
        ),
        ("data is a number", with("/data", json!(7)), RULE),
        ("data is a list", with("/data", json!([1])), RULE),
    ]);
}

#[test]
fn what_breaks_a_rule_of_orders_is_set_aside() {
    let quantity = "/data/lineItems/0/quantity";
    check(&[
        ("no customer", without("/data", "customerId"), RULE),
        ("no order number", without("/data", "orderId"), RULE),
        ("no lines", with("/data/lineItems", json!([])), RULE),
        (
            "lines are a text",
            with("/data/lineItems", json!("none")),
            RULE,
        ),
        ("quantity is a text", with(quantity, json!("three")), RULE),
        ("quantity is a NaN text", with(quantity, json!("NaN")), RULE),
        ("quantity is true", with(quantity, json!(true)), RULE),
        ("negative quantity", with(quantity, json!(-2)), RULE),
        ("no quantity at all", with(quantity, json!(0)), RULE),
        ("forty digits", with_quantity(&"9".repeat(40)), RULE),
        ("huge exponent", with_quantity("1e400"), RULE),
        ("tiny exponent", with_quantity("1e-400"), RULE),
        (
            "no such currency",
            with("/data/currency", json!("ZZZ")),
            RULE,
        ),
        (
            "currency in words",
            with("/data/currency", json!("Euro")),
            RULE,
        ),
        (
            "30 February",
            with("/data/orderDate", json!("2026-02-30")),
            RULE,
        ),
        (
            "month 13",
            with("/data/orderDate", json!("2026-13-01")),
            RULE,
        ),
        (
            "date in words",
            with("/data/orderDate", json!("tomorrow")),
            RULE,
        ),
        (
            "no such country",
            with("/data/shippingAddress/country", json!("Atlantis")),
            RULE,
        ),
        (
            "order number is a path",
            with("/data/orderId", json!("../../etc/passwd")),
            RULE,
        ),
    ]);
}

#[test]
fn what_is_too_large_is_set_aside() {
    let mib = 1 << 20;
    let nested = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let deep = String::from_utf8(with("/data/customerId", json!("DEEP"))).unwrap();
    check(&[
        (
            "2 MiB of an event",
            with("/data/customerId", json!("x".repeat(2 * mib))),
            LARGE,
        ),
        ("2 MiB of anything", vec![b'x'; 2 * mib], LARGE),
        (
            "5,000 levels",
            deep.replace("\"DEEP\"", &nested).into_bytes(),
            LARGE,
        ),
    ]);
}

#[test]
fn a_dead_letter_tells_the_place_but_not_the_value() {
    let host = Host::new();
    let line = with("/data/currency", json!("SECRET"));
    host.write_orders([b"\n\n".as_slice(), &line, b"\n"].concat());

    host.run(&[]);

    let letters = host.dead_letters();
    let description = letters[0]["description"].as_str().unwrap();
    assert!(description.contains("/currency"), "{description}");
    assert!(!description.contains("SECRET"), "{description}");
    assert_eq!(letters[0]["line"], 3);
}

#[test]
fn the_same_revision_with_other_content_is_quarantined() {
    let host = Host::new();
    let mut other = order(2, 3);
    other["id"] = json!("event-2-other");
    host.write_orders(format!(
        "{}\n{}\n{other}\n{}\n",
        order(1, 1),
        order(2, 2),
        order(3, 3)
    ));

    let report = host.run(&[]);

    check_counts(
        &report,
        &[
            ("accepted", 3),
            ("quarantined", 1),
            ("dead_lettered", 1),
            ("imported", 2),
            ("pending", 0),
        ],
    );
    assert_eq!(host.states()[&order_id(2)], "Quarantined");
    assert_eq!(host.dead_letters()[0]["reason"], "RevisionConflict");
    let story = host.explain(&order_id(2));
    assert!(story.contains("waits for a person"), "{story}");
    check_counts(&host.run(&[]), NO_CHANGE);
}

#[test]
fn line_ends_of_every_kind_are_understood() {
    let host = Host::new();
    let [one, two, three] = [1, 2, 3].map(|number| order(number, 1));
    host.write_orders(format!("\u{feff}{one}\r\n\r\n   \n{two}\n{three}"));

    check_counts(
        &host.run(&[]),
        &[("accepted", 3), ("dead_lettered", 0), ("imported", 3)],
    );
}

#[test]
fn a_line_that_was_cut_off_is_accepted_once_it_is_whole() {
    let host = Host::new();
    let whole = format!("{}\n{}\n", order(1, 1), order(2, 2));
    host.write_orders(&whole.as_bytes()[..whole.len() - 30]);
    check_counts(&host.run(&[]), &[("accepted", 1), ("dead_lettered", 1)]);
    host.write_orders(&whole);

    let report = host.run(&[]);

    check_counts(
        &report,
        &[
            ("accepted", 1),
            ("duplicates", 1),
            ("dead_lettered", 0),
            ("pending", 0),
        ],
    );
}

#[test]
fn an_empty_input_is_no_error() {
    let host = Host::new();
    host.write_orders("");
    check_counts(&host.run(&[]), NO_CHANGE);
}
