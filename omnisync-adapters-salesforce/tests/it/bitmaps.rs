use omnisync_adapters_salesforce::cdc::{BitmapProblem, DecodeError};
use proptest::prelude::*;

use super::fixture::{Form, account, custom, draft, names, parse, read, try_read};

fn check(elements: &[&str], expected: &[&str]) {
    let event = read(&draft("UPDATE").changed(elements), &account(Form::Newer));
    assert_eq!(names(event.changed()), expected, "{elements:?}");
}

#[test]
fn bits_are_fields_in_the_order_of_the_schema() {
    check(&[], &[]);
    check(&["0x0"], &[]);
    check(&["0x82"], &["Name", "LastModifiedDate"]);
    check(&["0x10"], &["Phone"]);
}

#[test]
fn children_have_bitmaps_of_their_own_wherever_they_stand() {
    check(
        &["0x80", "3-0x01"],
        &["ShippingAddress.Street", "LastModifiedDate"],
    );
    check(
        &["3-0x18"],
        &["ShippingAddress.Latitude", "ShippingAddress.Longitude"],
    );
    check(
        &["3-0x01", "2-0x02", "0x80"],
        &[
            "BillingAddress.City",
            "ShippingAddress.Street",
            "LastModifiedDate",
        ],
    );
    check(&["1-0x6"], &["Name.FirstName", "Name.LastName"]);
    check(
        &["0x8", "3-0x1"],
        &["ShippingAddress", "ShippingAddress.Street"],
    );
}

#[test]
fn the_child_schema_is_found_in_every_union() {
    let of_custom = |elements: &[&str]| {
        let mut draft = draft("UPDATE").changed(elements);
        draft.entity = "Some__c";
        let event = read(&draft, &custom());
        names(event.changed()).join(" ")
    };
    assert_eq!(
        of_custom(&["2-0x3"]),
        "Place__c.Latitude Place__c.Longitude"
    );
    assert_eq!(of_custom(&["3-0x2"]), "Either__c.B");
}

#[test]
fn digits_may_be_of_either_case_and_any_number() {
    check(
        &["0x9A"],
        &["Name", "ShippingAddress", "Phone", "LastModifiedDate"],
    );
    check(
        &["0x9a"],
        &["Name", "ShippingAddress", "Phone", "LastModifiedDate"],
    );
    check(
        &["0X0000000000000000000000000009A"],
        &["Name", "ShippingAddress", "Phone", "LastModifiedDate"],
    );
}

fn refused(elements: &[&str], expected: &BitmapProblem) {
    for list in ["changedFields", "nulledFields"] {
        let event = draft("UPDATE");
        let event = match list {
            "nulledFields" => event.nulled(elements),
            _ => event.changed(elements),
        };
        let problem = expected.clone();
        let expected = Err(DecodeError::Bitmap { list, problem });
        assert_eq!(
            try_read(&event, &account(Form::Newer)),
            expected,
            "{elements:?}"
        );
    }
}

#[test]
fn a_bit_without_a_field_shows_another_schema() {
    refused(
        &["0x400"],
        &BitmapProblem::BeyondFields {
            bit: 10,
            fields: 10,
        },
    );
    refused(
        &["2-0x40"],
        &BitmapProblem::BeyondFields { bit: 6, fields: 6 },
    );
    refused(
        &["10-0x1"],
        &BitmapProblem::NoField {
            field: 10,
            fields: 10,
        },
    );
    refused(&["4-0x1"], &BitmapProblem::NoChildren { field: 4 });
}

#[test]
fn what_is_no_bitmap_is_refused() {
    let long = format!("0x{}", "0".repeat(5_000));
    for element in [
        "", "0x", "Phone", "82", "0xg", "-0x1", "+1-0x1", "1-2-0x1", "3-", "٣-0x1", &long,
    ] {
        refused(&["0x2", element], &BitmapProblem::Malformed { element: 1 });
    }
}

/// Bitmaps of a choice of fields, a field before its children, as Salesforce writes them.
fn bitmaps(chosen: &[(usize, Option<usize>)], upper: bool) -> Vec<String> {
    let hex = |bits: u64| {
        if upper {
            format!("0x{bits:X}")
        } else {
            format!("0x{bits:04x}")
        }
    };
    let mut elements = Vec::new();
    let of = |parent: Option<usize>| {
        chosen
            .iter()
            .fold(0, |bits, (field, child)| match (parent, child) {
                (None, None) => bits | 1_u64 << field,
                (Some(parent), Some(child)) if parent == *field => bits | 1 << child,
                _ => bits,
            })
    };
    if of(None) != 0 {
        elements.push(hex(of(None)));
    }
    for parent in [1, 2, 3] {
        if of(Some(parent)) != 0 {
            elements.push(format!("{parent}-{}", hex(of(Some(parent)))));
        }
    }
    elements
}

proptest! {
    #[test]
    fn what_is_written_is_what_is_expanded(
        fields in prop::collection::btree_set(1..10_usize, 0..10),
        children in prop::collection::btree_set((1..4_usize, 0..6_usize), 0..10),
        upper in any::<bool>(),
    ) {
        let schema = parse(&account(Form::Newer));
        let mut chosen: Vec<(usize, Option<usize>)> = fields.into_iter().map(|field| (field, None)).collect();
        let children = children.into_iter().filter(|(field, child)| *field > 1 || *child < 3);
        chosen.extend(children.map(|(field, child)| (field, Some(child))));
        chosen.sort_unstable();

        let elements = bitmaps(&chosen, upper);
        let elements: Vec<&str> = elements.iter().map(String::as_str).collect();
        let event = read(&draft("UPDATE").changed(&elements), &account(Form::Newer));

        let parts = ["Street", "City", "PostalCode", "Latitude", "Longitude", "GeocodeAccuracy"];
        let persons = ["Salutation", "FirstName", "LastName"];
        let top: Vec<&str> = names(schema.fields());
        let expected: Vec<String> = chosen.iter().map(|(field, child)| match child {
            None => top[*field].to_owned(),
            Some(child) if *field == 1 => format!("Name.{}", persons[*child]),
            Some(child) => format!("{}.{}", top[*field], parts[*child]),
        }).collect();
        prop_assert_eq!(names(event.changed()), expected);
    }

    #[test]
    fn no_element_brings_a_panic(element in "([0-9]{0,3}-)?(0[xX])?[0-9a-fA-Fg]{0,24}") {
        drop(try_read(&draft("UPDATE").changed(&[&element]), &account(Form::Older)));
    }
}
