use apache_avro::types::Value;
use omnisync_adapters_salesforce::cdc::{
    ChangeEvent, ChangeType, DecodeError, DecodeLimits, FieldState, FieldValue, HeaderOnly,
    RecordRef,
};
use omnisync_core::crm::{ChangeKind, FieldName, ForeignId, HintScope, Native, Origin};

use super::fixture::{
    ACCOUNT, COMMIT_NUMBER, Draft, Form, USER, account, address_of, branch, custom, draft, named,
    names, parse, read, some, text, try_read,
};

/// Every schema's own form of an account that has a name, a phone and half an address.
fn full(kind: &'static str) -> Draft {
    draft(kind)
        .field("Name", branch(1, text("Acme")))
        .field("Phone", some(text("1")))
        .field("ShippingAddress", address_of(&[("Street", text("Ring 1"))]))
        .field("AnnualRevenue", some(Value::Double(0.1)))
        .field("Active", some(Value::Boolean(false)))
}

fn of_text(text: &str) -> FieldState {
    FieldState::Changed(FieldValue::Text(text.to_owned()))
}

fn said(event: &ChangeEvent) -> Vec<&str> {
    names(event.fields().map(|(path, _)| path))
}

#[test]
fn the_header_is_kept_exactly() {
    let event = read(&draft("UPDATE").changed(&["0x10"]), &account(Form::Older));

    let header = event.header();
    assert_eq!(header.entity_name, "Account");
    assert_eq!(header.record_ids.len(), 1);
    assert_eq!(header.change_type, ChangeType::Update);
    assert_eq!(header.change_origin.client(), Some("OmniSync"));
    assert_eq!(header.transaction_key.as_deref(), Some("0003-0001"));
    assert_eq!(header.sequence_number, Some(1));
    assert_eq!(
        header.committed_at.unwrap().timestamp_millis(),
        1_770_000_000_000
    );
    assert_eq!(header.commit_number, Some(COMMIT_NUMBER));
    assert_eq!(header.commit_user.as_deref(), Some(USER));
    assert_eq!(header.changed_fields, ["0x10"]);
}

#[test]
fn a_new_record_has_what_is_not_null() {
    for kind in ["CREATE", "UNDELETE", "SNAPSHOT"] {
        let event = read(&full(kind), &account(Form::Newer));

        let expected = [
            "Name",
            "ShippingAddress.Street",
            "Phone",
            "AnnualRevenue",
            "Active",
        ];
        assert_eq!(said(&event), expected, "{kind}");
        assert_eq!(*event.state("Name"), of_text("Acme"));
        assert_eq!(*event.state("ShippingAddress.City"), FieldState::Absent);
        assert_eq!(*event.state("Notes"), FieldState::Absent);
        assert!(event.changed().is_empty());
    }
}

#[test]
fn an_update_says_what_its_lists_say() {
    let update = full("UPDATE")
        .changed(&["0x100", "3-0x3"])
        .nulled(&["0x240"]);

    let event = read(&update, &account(Form::Newer));

    assert_eq!(*event.state("ShippingAddress.Street"), of_text("Ring 1"));
    assert_eq!(
        *event.state("ShippingAddress.City"),
        FieldState::Nulled,
        "changed to null"
    );
    assert_eq!(
        *event.state("ShippingAddress.PostalCode"),
        FieldState::Absent
    );
    assert_eq!(*event.state("NumberOfEmployees"), FieldState::Nulled);
    assert_eq!(*event.state("Notes"), FieldState::Nulled);
    assert_eq!(
        *event.state("Active"),
        FieldState::Changed(FieldValue::Boolean(false))
    );
    assert_eq!(*event.state("Phone"), FieldState::Absent);
    assert_eq!(names(event.nulled()), ["NumberOfEmployees", "Notes"]);
    let unlisted = names(event.unlisted().map(|(path, _)| path));
    assert_eq!(unlisted, ["Name", "Phone", "AnnualRevenue"]);
}

#[test]
fn a_compound_that_changed_as_a_whole_speaks_for_its_children() {
    let update = full("UPDATE").changed(&["0x8"]).nulled(&["0x6"]);
    let update = update.field("Name", branch(0, Value::Null));
    let mut update = update;
    update
        .fields
        .retain(|(name, value)| *name != "Name" || *value == branch(0, Value::Null));

    let event = read(&update, &account(Form::Newer));

    assert_eq!(*event.state("ShippingAddress.Street"), of_text("Ring 1"));
    assert_eq!(*event.state("ShippingAddress.City"), FieldState::Nulled);
    assert_eq!(*event.state("BillingAddress.City"), FieldState::Nulled);
    assert_eq!(*event.state("Name"), FieldState::Nulled);
    assert_eq!(*event.state("Name.FirstName"), FieldState::Nulled);
    assert_eq!(names(event.changed()), ["ShippingAddress"]);
}

#[test]
fn a_person_has_a_name_in_parts() {
    let parts = [
        ("Salutation", branch(0, Value::Null)),
        ("FirstName", some(text("Ada"))),
        ("LastName", some(text("Lovelace"))),
    ];
    let create = draft("CREATE").field("Name", branch(2, named(parts)));

    let event = read(&create, &account(Form::Older));

    assert_eq!(said(&event), ["Name.FirstName", "Name.LastName"]);
}

#[test]
fn a_difference_is_not_a_value() {
    let mut update = draft("UPDATE").changed(&["0x10"]);
    update.diff = vec!["0x200".to_owned()];
    let update = update
        .field("Notes", some(text("@@ -1 +1 @@")))
        .field("Phone", some(text("1")));

    let event = read(&update, &account(Form::Newer));

    assert!(matches!(event.state("Notes"), FieldState::Diff(_)));
    assert_eq!(names(event.diff()), ["Notes"]);
    assert_eq!(event.hints()[0].fields.len(), 2);
}

#[test]
fn deletions_and_gaps_say_nothing_about_fields() {
    for kind in [
        "DELETE",
        "GAP_CREATE",
        "GAP_UPDATE",
        "GAP_DELETE",
        "GAP_UNDELETE",
        "GAP_OVERFLOW",
    ] {
        let event = read(&full(kind), &account(Form::Newer));
        assert_eq!(event.fields().len(), 0, "{kind}");
        assert_eq!(event.unlisted().len(), 5, "{kind}");
    }
}

#[test]
fn a_hint_names_every_record_and_who_changed_it() {
    let ids = ["001Dx00000AbCdE", "001Dx00000AbCdFIAV"];
    let event = read(
        &draft("UPDATE").ids(&ids).changed(&["0x90"]),
        &account(Form::Newer),
    );

    let hints = event.hints();

    assert_eq!(hints.len(), 1);
    let hint = &hints[0];
    let HintScope::Records(records) = &hint.scope else {
        panic!("{hint:?}");
    };
    let records: Vec<&str> = records.iter().map(ForeignId::as_str).collect();
    assert_eq!(records, [ACCOUNT, "001Dx00000AbCdFIAV"]);
    assert_eq!(
        (hint.object.as_str(), hint.kind),
        ("Account", ChangeKind::Update)
    );
    let origin = Origin {
        user: Some(USER.to_owned()),
        client: Some("OmniSync".to_owned()),
    };
    assert_eq!(hint.origin, origin);
    assert_eq!(hint.at, event.header().committed_at);
    let fields: Vec<&str> = hint.fields.iter().map(FieldName::as_str).collect();
    assert_eq!(fields, ["Phone", "LastModifiedDate"]);
}

fn hint_of(draft: &Draft) -> (bool, ChangeKind) {
    let hint = read(draft, &account(Form::Newer)).hints().remove(0);
    (hint.scope == HintScope::Everything, hint.kind)
}

#[test]
fn what_is_lost_is_asked_for() {
    let kinds = [
        ("CREATE", ChangeKind::Create),
        ("UPDATE", ChangeKind::Update),
        ("DELETE", ChangeKind::Delete),
        ("UNDELETE", ChangeKind::Undelete),
        ("SNAPSHOT", ChangeKind::Snapshot),
        ("GAP_CREATE", ChangeKind::Gap),
        ("GAP_UPDATE", ChangeKind::Gap),
        ("GAP_DELETE", ChangeKind::Gap),
        ("GAP_UNDELETE", ChangeKind::Gap),
    ];
    for (word, kind) in kinds {
        assert_eq!(hint_of(&draft(word)), (false, kind), "{word}");
    }
    let everything = (true, ChangeKind::Gap);
    assert_eq!(hint_of(&draft("GAP_OVERFLOW").ids(&[])), everything);
    assert_eq!(hint_of(&draft("GAP_OVERFLOW")), everything);
    assert_eq!(hint_of(&draft("GAP_UPDATE").ids(&["001*"])), everything);
    assert_eq!(
        hint_of(&draft("UPDATE").ids(&[ACCOUNT, "001*"])),
        everything
    );
}

#[test]
fn a_wildcard_is_kept_as_it_was_written() {
    let event = read(&draft("GAP_UPDATE").ids(&["001*"]), &account(Form::Newer));
    assert_eq!(
        event.header().record_ids,
        [RecordRef::All("001*".to_owned())]
    );
}

#[test]
fn what_the_platform_adds_to_an_address_is_known() {
    let is_derived = |draft: &Draft, schema: &str| read(draft, schema).is_derived_only();
    let newer = account(Form::Newer);
    assert!(is_derived(&draft("UPDATE").changed(&["3-0x38"]), &newer));
    assert!(is_derived(
        &draft("UPDATE").changed(&["2-0x8"]).nulled(&["3-0x10"]),
        &newer
    ));
    assert!(!is_derived(&draft("UPDATE").changed(&["3-0x39"]), &newer));
    assert!(!is_derived(
        &draft("UPDATE").changed(&["0x80", "3-0x38"]),
        &newer
    ));
    assert!(!is_derived(&draft("UPDATE"), &newer));
    // A location of its own is what somebody entered.
    let mut place = draft("UPDATE").changed(&["2-0x3"]);
    place.entity = "Some__c";
    assert!(!is_derived(&place, &custom()));
}

#[test]
fn numbers_reach_the_core_as_they_were_entered() {
    let event = read(&full("CREATE"), &account(Form::Newer));
    let FieldState::Changed(value) = event.state("AnnualRevenue") else {
        panic!("no value");
    };
    assert_eq!(
        value.to_native(),
        Ok(Native::Number("0.1".parse().unwrap()))
    );
}

#[test]
fn what_people_wrote_is_not_shown() {
    let shown = format!("{:?}", read(&full("CREATE"), &account(Form::Newer)));
    assert!(shown.contains("ShippingAddress.Street"), "{shown}");
    assert!(
        !shown.contains("Ring 1") && !shown.contains("Acme"),
        "{shown}"
    );
}

#[test]
fn the_header_is_read_without_a_schema() {
    for form in [Form::Older, Form::Newer] {
        let update = full("UPDATE").changed(&["0x10", "3-0x1"]);
        let update = if form == Form::Older {
            draft("UPDATE").changed(&["0x10", "3-0x1"])
        } else {
            update
        };
        let payload = update.write(&account(form));

        let header = HeaderOnly::decode(&payload, &DecodeLimits::default()).unwrap();

        let whole = parse(&account(form))
            .decode(&payload, &DecodeLimits::default())
            .unwrap();
        assert_eq!(header.header, *whole.header());
        assert!(header.body_bytes >= 9);
        assert_eq!(header.hints()[0].scope, whole.hints()[0].scope);
        assert!(header.hints()[0].fields.is_empty());
    }
}

#[test]
fn a_change_type_of_the_future_has_a_number() {
    let payload = draft("UPDATE").write(&account(Form::Newer));
    // Entity, one id, the end of the ids; then the change type.
    let place = 1 + 7 + 1 + 1 + 18 + 1;
    let mut later = payload;
    assert_eq!(later[place], 2);
    later[place] = 24;

    let header = HeaderOnly::decode(&later, &DecodeLimits::default()).unwrap();

    assert_eq!(
        header.header.change_type,
        ChangeType::Unknown("12".to_owned())
    );
    assert_eq!(header.hints()[0].kind, ChangeKind::Unknown);
}

#[test]
fn a_header_that_makes_no_sense_is_refused() {
    let check = |draft: &Draft, member| {
        let payload = draft.write(&account(Form::Newer));
        let error = HeaderOnly::decode(&payload, &DecodeLimits::default()).unwrap_err();
        assert_eq!(error, DecodeError::Header(member));
        assert_eq!(try_read(draft, &account(Form::Newer)), Err(error));
    };
    check(&draft("UPDATE").ids(&["001\n"]), "recordIds");
    check(&draft("UPDATE").ids(&[""]), "recordIds");
    let mut nameless = draft("UPDATE");
    nameless.entity = "Acc ount";
    check(&nameless, "entityName");
}
