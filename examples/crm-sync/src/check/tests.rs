use omnisync_core::crm::ledger::SyncPolicy;
use omnisync_core::crm::{FieldName, Fields, ForeignId, Native, SystemName};
use omnisync_core::port::{CrmRecord, CrmSink as _, RecordUpdate};
use omnisync_testkit::fake::crm::FakeCrm;
use omnisync_testkit::rng::SplitMix64;
use tokio::runtime::Runtime;

use super::*;
use crate::data::DataFolder;
use crate::people::People;
use crate::records::generated_account;

/// Two CRMs with one account, which both know.
struct Setting {
    _folder: DataFolder,
    office: Office,
    runtime: Runtime,
    id: ForeignId,
}

impl Setting {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let folder = DataFolder::fresh(None).unwrap();
        let office = Office::new(&folder, SyncPolicy::default(), None).unwrap();
        let mut rng = SplitMix64::new(1);
        let account = generated_account("A-1", &mut rng).unwrap();
        People::new(rng).begin(&office, &[account]).unwrap();
        runtime.block_on(office.settle(|_| {})).unwrap();
        let salesforce = Crm::Salesforce.name().unwrap();
        let records = office.crm(&salesforce).unwrap().records();
        Self {
            _folder: folder,
            office,
            runtime,
            id: records[0].record.id.clone(),
        }
    }

    fn salesforce(&self) -> (SystemName, &FakeCrm) {
        let name = Crm::Salesforce.name().unwrap();
        let crm = self.office.crm(&name).unwrap();
        (name, crm)
    }

    fn edit(&self, phone: &str) {
        let (_, crm) = self.salesforce();
        crm.edit(&self.id, phone_of(phone), "ann").unwrap();
    }

    fn settle(&self) {
        self.runtime.block_on(self.office.settle(|_| {})).unwrap();
    }

    fn findings(&self) -> (Vec<String>, Vec<String>) {
        let links = self.runtime.block_on(self.office.links()).unwrap();
        let texts = |findings: Vec<Finding>| {
            let texts = findings.into_iter().map(|finding| finding.what);
            texts.collect::<Vec<_>>()
        };
        (
            texts(differences(&self.office, &links).unwrap()),
            texts(overwritten(&self.office, &links)),
        )
    }
}

fn phone_of(phone: &str) -> Fields<Native> {
    let field = FieldName::new("Phone").unwrap();
    [(field, Native::Text(phone.to_owned()))]
        .into_iter()
        .collect()
}

#[test]
fn what_is_the_same_gives_no_finding() {
    let setting = Setting::new();
    setting.edit("1");
    setting.settle();
    assert_eq!(setting.findings(), (Vec::new(), Vec::new()));
}

#[test]
fn a_change_that_nobody_heard_of_is_a_difference() {
    let setting = Setting::new();
    setting.edit("1");
    let (_, crm) = setting.salesforce();
    while crm.drop_event(0) {}
    setting.settle();

    let (differences, overwritten) = setting.findings();

    let wanted = [
        "phone holds what nobody has seen",
        "phone is another value than agreed",
    ];
    assert_eq!(differences, wanted);
    assert_eq!(overwritten, Vec::<String>::new());
}

#[test]
fn a_record_that_nobody_heard_of_is_a_difference() {
    let setting = Setting::new();
    let (_, crm) = setting.salesforce();
    crm.create_by("ann", "Account", phone_of("1")).unwrap();
    let (differences, _) = setting.findings();
    assert_eq!(differences, ["it belongs to no link"]);
}

#[test]
fn a_removed_record_is_a_difference_until_the_other_is_removed_too() {
    let setting = Setting::new();
    let (_, crm) = setting.salesforce();
    crm.delete_by(&setting.id, "ann").unwrap();
    assert_eq!(setting.findings().0, ["it is not as alive as agreed"]);
    setting.settle();
    assert_eq!(setting.findings().0, Vec::<String>::new());
}

#[test]
fn a_write_over_what_nobody_had_seen_is_found() {
    let setting = Setting::new();
    setting.edit("somebody's work");
    let (_, crm) = setting.salesforce();
    let blind = RecordUpdate {
        record: CrmRecord {
            object: "Account".to_owned(),
            id: setting.id.clone(),
        },
        fields: phone_of("ours"),
        expect: None,
    };
    setting.runtime.block_on(crm.update(blind)).unwrap();
    setting.settle();

    let (_, overwritten) = setting.findings();

    assert_eq!(
        overwritten,
        ["phone was overwritten before anybody had seen it"]
    );
}

#[test]
fn a_value_that_lost_without_a_conflict_is_found() {
    let setting = Setting::new();
    setting.edit("hers");
    let dynamics = Crm::Dynamics.name().unwrap();
    let crm = setting.office.crm(&dynamics).unwrap();
    let field = FieldName::new("telephone1").unwrap();
    let his = Native::Text("his".to_owned());
    let id = crm.records()[0].record.id.clone();
    crm.edit(&id, [(field, his)].into_iter().collect(), "bob")
        .unwrap();
    setting.settle();
    assert_eq!(setting.findings().1, Vec::<String>::new());

    let mut links = setting.runtime.block_on(setting.office.links()).unwrap();
    for link in &mut links {
        for conflict in &mut link.conflicts {
            conflict.sides.pop();
        }
    }
    let found = overwritten(&setting.office, &links);
    assert!(!found.is_empty());
    assert!(
        found
            .iter()
            .all(|one| one.what.ends_with("lost and is in no conflict"))
    );
}
