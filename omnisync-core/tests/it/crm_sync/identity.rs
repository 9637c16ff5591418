use omnisync_core::crm::ledger::ConflictSubject;

use super::kit::{Office, Setting};

#[test]
fn records_created_at_once_with_one_key_become_one() {
    let office = Office::new();
    let sf = office.create("sf", &[("Code__c", "B-1"), ("Name", "Alpha")]);
    let dv = office.create("dv", &[("cr_code", "B-1"), ("cr_city", "Bern")]);
    office.settle();
    assert_eq!(office.only("sf"), sf);
    assert_eq!(office.only("dv"), dv);
    assert_eq!(
        office.link("Brand", "sf", &sf).link,
        office.link("Brand", "dv", &dv).link
    );
    // Each brings what the other lacks.
    assert_eq!(office.text("sf", &sf, "City").as_deref(), Some("Bern"));
    assert_eq!(office.text("dv", &dv, "cr_name").as_deref(), Some("Alpha"));
}

#[test]
fn a_record_that_no_event_spoke_of_is_found_before_another_is_created() {
    let office = Office::without_unique_keys();
    let sf = office.create("sf", &[("Code__c", "B-1"), ("Name", "Alpha")]);
    office.crm("sf").take_events(10);
    let dv = office.create("dv", &[("cr_code", "B-1"), ("cr_city", "Bern")]);
    office.settle();
    assert_eq!(office.only("sf"), sf);
    assert_eq!(office.text("sf", &sf, "City").as_deref(), Some("Bern"));
    assert_eq!(office.text("dv", &dv, "cr_name").as_deref(), Some("Alpha"));
    assert_eq!((office.writes("sf"), office.writes("dv")), (1, 1));
}

#[test]
fn a_record_without_its_key_waits_until_it_has_one() {
    let office = Office::new();
    let sf = office.create("sf", &[("Name", "Alpha")]);
    office.settle();
    assert!(office.crm("dv").records().is_empty());
    office.edit("sf", &sf, &[("Code__c", Some("B-1"))]);
    office.settle();
    let dv = office.only("dv");
    assert_eq!(office.text("dv", &dv, "cr_name").as_deref(), Some("Alpha"));
}

#[test]
fn a_reference_leads_to_the_same_record_everywhere_whichever_comes_first() {
    let office = Office::new();
    let brand = office.create("sf", &[("Code__c", "B-1")]);
    let shop = office.create_in(
        "sf",
        "Shop__c",
        &[("Code__c", "S-1"), ("Brand__c", brand.as_str())],
    );
    // The shop is heard of first.
    office.crm("sf").swap_events(0, 1);
    office.settle();
    office.pass(61);
    office.settle();
    let rows = office.crm("dv").records();
    let id_of = |object: &str| {
        let mut of = rows.iter().filter(|row| row.record.object == object);
        of.next().unwrap().record.id.clone()
    };
    let (other_brand, other_shop) = (id_of("cr_brand"), id_of("cr_shop"));
    assert_eq!(
        office.text("dv", &other_shop, "cr_brand").as_deref(),
        Some(other_brand.as_str())
    );
    assert_eq!(
        office.text("sf", &shop, "Brand__c").as_deref(),
        Some(brand.as_str())
    );
}

#[test]
fn a_second_record_with_the_key_of_another_is_a_conflict() {
    let office = Office::without_unique_keys();
    let first = office.create("sf", &[("Code__c", "B-1"), ("Name", "First")]);
    office.settle();
    let second = office.create("sf", &[("Code__c", "B-1"), ("Name", "Second")]);
    office.settle();
    let conflicts = office.conflicts("sf", &first);
    let subject = ConflictSubject::DuplicateKey {
        system: super::kit::system("sf"),
        id: second,
        other: None,
    };
    assert_eq!(conflicts.len(), 1);
    assert_eq!(conflicts[0].subject, subject);
    assert_eq!(office.crm("dv").records().len(), 1);
}

#[test]
fn what_points_at_a_record_that_nobody_knows_yet_is_not_written_over() {
    let office = Office::new();
    // A brand without a code belongs to nothing yet.
    let brand = office.create("sf", &[("Name", "Alpha")]);
    let fields = [("Code__c", "S-1"), ("Brand__c", brand.as_str())];
    let shop = office.create_in("sf", "Shop__c", &fields);
    office.settle();
    office.pass(61);
    office.settle();
    let other = office.only("dv");
    assert_eq!(office.text("dv", &other, "cr_brand"), None);
    assert_eq!(
        office.text("sf", &shop, "Brand__c").as_deref(),
        Some(brand.as_str())
    );

    office.edit("sf", &brand, &[("Code__c", Some("B-1"))]);
    office.settle();
    office.pass(61);
    office.settle();
    let rows = office.crm("dv").records();
    let mut brands = rows.iter().filter(|row| row.record.object == "cr_brand");
    let other_brand = &brands.next().unwrap().record.id;
    assert_eq!(
        office.text("dv", &other, "cr_brand").as_deref(),
        Some(other_brand.as_str())
    );
}

fn shops_of_brands() -> Office {
    Office::with(Setting {
        shops_of_brands: true,
        ..Setting::default()
    })
}

#[test]
fn records_created_at_once_whose_key_holds_a_reference_become_one() {
    for swap in [false, true] {
        let office = shops_of_brands();
        let mut ids = Vec::new();
        for (crm, code, object, brand_field) in [
            ("sf", "Code__c", "Shop__c", "Brand__c"),
            ("dv", "cr_code", "cr_shop", "cr_brand"),
        ] {
            // All four at once: nobody knows the brands when the shops are heard of.
            let brand = office.create(crm, &[(code, "B-1")]);
            let fields = [(code, "S-1"), (brand_field, brand.as_str())];
            ids.push(office.create_in(crm, object, &fields));
            if swap {
                office.crm(crm).swap_events(0, 1);
            }
        }
        office.settle();
        office.pass(61);
        office.settle();
        for crm in ["sf", "dv"] {
            assert_eq!(office.crm(crm).records().len(), 2, "nothing was created");
        }
        let [one, other] = ["sf", "dv"].map(|crm| {
            let at = usize::from(crm == "dv");
            office.link("Shop", crm, &ids[at])
        });
        assert_eq!(one.link, other.link);
        assert!(one.conflicts.is_empty(), "{:?}", one.conflicts);
    }
}

#[test]
fn the_same_code_at_another_brand_is_another_record() {
    let office = shops_of_brands();
    for code in ["B-1", "B-2"] {
        let brand = office.create("sf", &[("Code__c", code)]);
        let fields = [("Code__c", "S-1"), ("Brand__c", brand.as_str())];
        office.create_in("sf", "Shop__c", &fields);
    }
    office.settle();
    office.pass(61);
    office.settle();
    assert_eq!(office.texts("dv", "cr_brand").len(), 2);
    // The brand's own key is no part of it: the shops go on when it changes.
    let brand = office.by("sf", "Code__c", "B-1");
    office.edit("sf", &brand, &[("Code__c", Some("B-9"))]);
    office.settle();
    assert_eq!(office.texts("dv", "cr_code"), ["B-2", "B-9", "S-1", "S-1"]);
}

#[test]
fn what_a_map_cannot_read_is_left_as_it_is_and_holds_up_nothing_else() {
    let office = Office::with(Setting {
        joined: true,
        ..Setting::default()
    });
    let id = office.create(
        "sf",
        &[("Code__c", "B-1"), ("Name", "Alpha"), ("City", "Bern")],
    );
    office.settle();
    let other = office.only("dv");
    // Three parts where there are two fields.
    office.edit("dv", &other, &[("cr_name", Some("Alpha; Bern; Basel"))]);
    office.settle();
    office.edit(
        "sf",
        &id,
        &[("Name", Some("Beta")), ("Code__c", Some("B-2"))],
    );
    office.settle();
    office.pass(3_601);
    office.settle();
    let text = |name| office.text("dv", &other, name);
    assert_eq!(text("cr_name").as_deref(), Some("Alpha; Bern; Basel"));
    assert_eq!(text("cr_code").as_deref(), Some("B-2"));
    assert_eq!(office.text("sf", &id, "Name").as_deref(), Some("Beta"));

    office.edit("dv", &other, &[("cr_name", Some("Gamma; Bern"))]);
    office.settle();
    assert_eq!(office.text("sf", &id, "Name").as_deref(), Some("Gamma"));
    // Both were set without knowing of each other, which is told.
    assert!(!office.conflicts("sf", &id).is_empty());
}
