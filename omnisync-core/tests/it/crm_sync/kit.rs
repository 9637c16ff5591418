use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::executor::block_on;
use omnisync_core::crm::field_map::{FieldMap, Lens, ReferenceLens, Rule};
use omnisync_core::crm::ledger::{Choice, Conflict, FieldPolicy, LinkRecord, SyncPolicy};
use omnisync_core::crm::{
    ChangeKind, EntityDefinition, EntityName, FieldName, Fields, ForeignId, Hint, HintScope,
    Native, Origin, SystemName,
};
use omnisync_core::flow::{
    CrmDesk, CrmNotice, CrmSync, CrmSyncOutcome, CrmSystem, CrmWork, EchoRule, Hear, Landscape,
    Worker,
};
use omnisync_core::id::WorkerId;
use omnisync_core::port::{Clock, CrmCapability, CrmSink, Precondition, StateStore};
use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::fake::crm::{
    CrmField, CrmObject, CrmOptions, FakeCrm, Normaliser, Removing, Standing,
};
use omnisync_testkit::fake::{
    MemoryStateStore, MemoryStateStoreOptions, Message, QueueOptions, QueueSource,
};
use omnisync_testkit::ids::SeqIds;

use super::moody::Moody;

/// How long the default rules let something wait before people are told.
pub(super) const DEADLINE_SECONDS: u64 = 86_400;

pub(super) fn system(name: &str) -> SystemName {
    SystemName::new(name).unwrap()
}

pub(super) fn entity(name: &str) -> EntityName {
    EntityName::new(name).unwrap()
}

pub(super) fn field(name: &str) -> FieldName {
    FieldName::new(name).unwrap()
}

fn native(text: Option<&str>) -> Native {
    text.map_or(Native::Null, |text| Native::Text(text.to_owned()))
}

/// Two CRMs that share brands and shops, and a worker between them.
pub(super) struct Office {
    pub(super) clock: ManualClock,
    pub(super) store: Arc<MemoryStateStore>,
    pub(super) crms: BTreeMap<String, FakeCrm>,
    /// What stands between us and a CRM.
    pub(super) ways: BTreeMap<String, Moody>,
    pub(super) landscape: Arc<Landscape>,
}

/// What differs between the offices of tests.
#[derive(Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "tests switch them one by one"
)]
pub(super) struct Setting {
    pub(super) dv_cuts_names: bool,
    pub(super) policy: SyncPolicy,
    /// The rules of shops.
    pub(super) shops: SyncPolicy,
    pub(super) echo: EchoRule,
    pub(super) status: bool,
    pub(super) keys_may_be_doubled: bool,
    /// `sf` does not check the version that a write expects.
    pub(super) sf_writes_blindly: bool,
    pub(super) body_bytes_max: Option<usize>,
    pub(super) dv_refers_by_key: bool,
    /// A shop is known by its brand and its code.
    pub(super) shops_of_brands: bool,
    /// What is removed is deleted, and no list names it.
    pub(super) deletes: bool,
    /// `dv` has the name and the city in one field.
    pub(super) joined: bool,
}

fn brand() -> EntityDefinition {
    serde_json::from_str(
        r#"{ "name": "Brand", "naturalKey": ["code"], "fields": {
            "code": { "kind": "text", "required": true },
            "name": { "kind": "text" },
            "city": { "kind": "addressPart" } } }"#,
    )
    .unwrap()
}

fn shop(of_brand: bool) -> EntityDefinition {
    let mut shop: EntityDefinition = serde_json::from_str(
        r#"{ "name": "Shop", "naturalKey": ["code"], "fields": {
            "code": { "kind": "text", "required": true },
            "brand": { "kind": { "reference": { "entity": "Brand" } } } } }"#,
    )
    .unwrap();
    if of_brand {
        shop.natural_key.push(field("brand"));
        shop.fields.get_mut("brand").unwrap().required = true;
    }
    shop
}

/// The fields by which a system knows a shop.
fn shop_key([code, brand]: [&str; 2], of_brand: bool) -> Vec<FieldName> {
    let brand = of_brand.then(|| field(brand));
    std::iter::once(field(code)).chain(brand).collect()
}

/// Shops of `dv`, which name their brand by its id or by its key.
fn dv_shops(by_key: bool) -> FieldMap {
    let mut brand = Rule::new("brand", "cr_brand");
    if by_key {
        brand = brand.with_lens(Lens::Reference(ReferenceLens::by_key()));
    }
    FieldMap::builder("Shop", "cr_shop")
        .rename("code", "cr_code")
        .rule(brand)
        .build()
}

fn dv_brands(joined: bool) -> FieldMap {
    let map = FieldMap::builder("Brand", "cr_brand").rename("code", "cr_code");
    if joined {
        let join = serde_json::from_str(
            r#"{ "fields": ["name", "city"], "native": "cr_name", "separator": "; " }"#,
        );
        return map.join(join.unwrap()).build();
    }
    map.rename("name", "cr_name")
        .rename("city", "cr_city")
        .build()
}

impl Office {
    pub(super) fn new() -> Self {
        Self::with(Setting::default())
    }

    pub(super) fn trimming() -> Self {
        Self::with(Setting {
            dv_cuts_names: true,
            ..Setting::default()
        })
    }

    pub(super) fn without_unique_keys() -> Self {
        Self::with(Setting {
            keys_may_be_doubled: true,
            ..Setting::default()
        })
    }

    /// The shops of one system name their brand by its key.
    pub(super) fn referring_by_key() -> Self {
        Self::with(Setting {
            dv_refers_by_key: true,
            ..Setting::default()
        })
    }

    pub(super) fn deciding(policy: FieldPolicy) -> Self {
        Self::with(Setting {
            policy: SyncPolicy::default().with_default(policy),
            ..Setting::default()
        })
    }

    pub(super) fn with(setting: Setting) -> Self {
        let clock = ManualClock::default();
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let text = CrmField::text;
        let mut capability = CrmCapability::strict();
        if setting.keys_may_be_doubled {
            capability = capability.without_unique_keys();
        }
        if setting.sf_writes_blindly {
            capability = capability.with_precondition(Precondition::None);
        }
        let sf = CrmOptions::new(system("sf"))
            .with_capability(capability)
            .with_object(
                CrmObject::new("Brand__c")
                    .with_field(field("Code__c"), text())
                    .with_field(field("Name"), text())
                    .with_field(field("City"), text())
                    .with_field(field("SyncStatus__c"), text())
                    .with_key([field("Code__c")]),
            )
            .with_object(
                CrmObject::new("Shop__c")
                    .with_field(field("Code__c"), text())
                    .with_field(field("Brand__c"), text())
                    .with_key(shop_key(["Code__c", "Brand__c"], setting.shops_of_brands)),
            );
        let mut name = text().refusing(native(Some("Unwanted")));
        if setting.dv_cuts_names {
            name = name.normalised_by(Normaliser::Truncate { characters_max: 8 });
        }
        let dv = CrmOptions::new(system("dv"))
            .with_capability(capability)
            .with_object(
                CrmObject::new("cr_brand")
                    .with_field(field("cr_code"), text())
                    .with_field(field("cr_name"), name)
                    .with_field(field("cr_city"), text())
                    .with_field(field("cr_note"), text())
                    .with_field(field("omnisync_syncstatus"), text())
                    .with_key([field("cr_code")]),
            )
            .with_object(
                CrmObject::new("cr_shop")
                    .with_field(field("cr_code"), text())
                    .with_field(field("cr_brand"), text())
                    .with_key(shop_key(["cr_code", "cr_brand"], setting.shops_of_brands)),
            );
        let removing = if setting.deletes {
            Removing::Deletes
        } else {
            Removing::Deactivates
        };
        let sf = FakeCrm::new(Arc::clone(&shared), sf.removing_by(removing));
        let dv = FakeCrm::new(Arc::clone(&shared), dv.removing_by(removing));
        let ways = [("sf", &sf), ("dv", &dv)];
        let ways: BTreeMap<String, Moody> = ways
            .map(|(name, crm)| (name.to_owned(), Moody::before(crm.clone())))
            .into();
        let sink = |name: &str| -> Arc<dyn CrmSink> { Arc::new(ways[name].clone()) };
        let mut of_sf = CrmSystem::new(system("sf"), sink("sf"))
            .with_echo_rule(setting.echo)
            .with_map(
                FieldMap::builder("Brand", "Brand__c")
                    .rename("code", "Code__c")
                    .rename("name", "Name")
                    .rename("city", "City")
                    .build(),
            )
            .with_map(
                FieldMap::builder("Shop", "Shop__c")
                    .rename("code", "Code__c")
                    .rename("brand", "Brand__c")
                    .build(),
            );
        let mut of_dv = CrmSystem::new(system("dv"), sink("dv"))
            .with_map(dv_brands(setting.joined))
            .with_map(dv_shops(setting.dv_refers_by_key));
        if setting.status {
            of_sf = of_sf.with_status_field(field("SyncStatus__c"));
            of_dv = of_dv.with_status_field(field("omnisync_syncstatus"));
        }
        let landscape = Landscape::new([brand(), shop(setting.shops_of_brands)], [of_sf, of_dv])
            .unwrap()
            .with_policy(entity("Brand"), setting.policy)
            .unwrap()
            .with_policy(entity("Shop"), setting.shops)
            .unwrap();
        let mut options = MemoryStateStoreOptions::default();
        if let Some(bytes) = setting.body_bytes_max {
            options.body_bytes_max = bytes;
        }
        let crms = [("sf", sf), ("dv", dv)];
        Self {
            clock,
            store: Arc::new(MemoryStateStore::new(options)),
            crms: crms.map(|(name, crm)| (name.to_owned(), crm)).into(),
            ways,
            landscape: Arc::new(landscape),
        }
    }

    pub(super) fn store(&self) -> Arc<dyn StateStore> {
        Arc::<MemoryStateStore>::clone(&self.store)
    }

    fn worker(&self, name: &str) -> Worker {
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        Worker::new(
            WorkerId::new(name).unwrap(),
            clock,
            Arc::new(SeqIds::new(1)),
        )
    }

    pub(super) fn hear(&self) -> Hear {
        self.hear_over(self.store())
    }

    pub(super) fn hear_over(&self, store: Arc<dyn StateStore>) -> Hear {
        Hear::new(store, Arc::clone(&self.landscape), self.worker("ear"))
    }

    /// Asks for what is missing until nothing is; how often that was.
    #[track_caller]
    pub(super) fn catch_up(&self) -> usize {
        for asked in 0..100 {
            let due = block_on(self.hear().catch_up_due()).unwrap();
            let Some((system, entity)) = due.into_iter().next() else {
                return asked;
            };
            block_on(self.hear().catch_up(&system, &entity)).unwrap();
        }
        panic!("something is always missing");
    }

    /// The stream of a CRM says that it lost something.
    pub(super) fn lose(&self, crm: &str) {
        let object = if crm == "sf" { "Brand__c" } else { "cr_brand" };
        let hint = Hint {
            object: object.to_owned(),
            scope: HintScope::Everything,
            kind: ChangeKind::Gap,
            origin: Origin::default(),
            at: None,
            fields: Vec::new(),
        };
        block_on(self.hear().hear(&system(crm), &[hint])).unwrap();
    }

    /// A queue with these bodies.
    pub(super) fn queue(&self, bodies: &[&str]) -> QueueSource {
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let queue = QueueSource::new(clock, QueueOptions::default());
        for body in bodies {
            queue.publish(Message::new((*body).to_owned()));
        }
        queue
    }

    pub(super) fn desk(&self) -> CrmDesk {
        CrmDesk::new(
            self.store(),
            Arc::clone(&self.landscape),
            self.worker("ann"),
        )
    }

    pub(super) fn sync(&self, worker: &str) -> CrmSync {
        self.sync_over(self.store(), worker)
    }

    pub(super) fn sync_over(&self, store: Arc<dyn StateStore>, worker: &str) -> CrmSync {
        CrmSync::new(store, Arc::clone(&self.landscape), self.worker(worker))
    }

    pub(super) fn crm(&self, name: &str) -> &FakeCrm {
        &self.crms[name]
    }

    pub(super) fn create(&self, crm: &str, fields: &[(&str, &str)]) -> ForeignId {
        let object = if crm == "sf" { "Brand__c" } else { "cr_brand" };
        self.create_in(crm, object, fields)
    }

    pub(super) fn create_in(&self, crm: &str, object: &str, fields: &[(&str, &str)]) -> ForeignId {
        let fields = fields
            .iter()
            .map(|(name, text)| (field(name), native(Some(text))))
            .collect();
        self.crm(crm).create_by("ann", object, fields).unwrap()
    }

    pub(super) fn edit(&self, crm: &str, id: &ForeignId, fields: &[(&str, Option<&str>)]) {
        let fields: Fields<Native> = fields
            .iter()
            .map(|(name, text)| (field(name), native(*text)))
            .collect();
        self.crm(crm).edit(id, fields, "ann").unwrap();
    }

    pub(super) fn text(&self, crm: &str, id: &ForeignId, name: &str) -> Option<String> {
        let row = self.crm(crm).snapshot(id).unwrap();
        let value = row.state.fields.get(name).and_then(Native::as_text);
        value.map(str::to_owned)
    }

    /// The one record of a CRM.
    #[track_caller]
    pub(super) fn only(&self, crm: &str) -> ForeignId {
        let records = self.crm(crm).records();
        assert_eq!(records.len(), 1, "{records:?}");
        records[0].record.id.clone()
    }

    /// The record in use that holds a text.
    #[track_caller]
    pub(super) fn by(&self, crm: &str, name: &str, text: &str) -> ForeignId {
        let rows = self.crm(crm).records().into_iter();
        let mut rows = rows.filter(|row| row.state.standing == Standing::Active);
        let found = rows.find(|row| {
            let value = row.state.fields.get(name).and_then(Native::as_text);
            value == Some(text)
        });
        found.unwrap().record.id
    }

    pub(super) fn is_in_use(&self, crm: &str, id: &ForeignId) -> bool {
        let row = self.crm(crm).snapshot(id).unwrap();
        matches!(row.state.standing, Standing::Active)
    }

    /// Writes of ours to a CRM.
    pub(super) fn writes(&self, crm: &str) -> usize {
        let log = self.crm(crm).changes_log(0);
        log.iter().filter(|change| change.cause.is_ours()).count()
    }

    /// The fields of our last write to a record that it changed.
    pub(super) fn last_write(&self, crm: &str, id: &ForeignId) -> Vec<String> {
        let log = self.crm(crm).changes_log(0);
        let mut ours = log
            .iter()
            .rev()
            .filter(|change| change.cause.is_ours() && change.record.id == *id);
        let last = ours.next().unwrap();
        last.changed()
            .map(|field| field.field.to_string())
            .collect()
    }

    pub(super) fn hear_events(&self) {
        for name in self.crms.keys() {
            self.hear_from(name);
        }
    }

    pub(super) fn hear_from(&self, crm: &str) {
        let events = self.crm(crm).take_events(1_000);
        let hints: Vec<Hint> = events.into_iter().map(|event| event.hint).collect();
        block_on(self.hear().hear(&system(crm), &hints)).unwrap();
    }

    pub(super) fn hint_everything(&self) {
        for (name, crm) in &self.crms {
            for row in crm.records() {
                let hint = Hint {
                    object: row.record.object.clone(),
                    scope: HintScope::Records(vec![row.record.id.clone()]),
                    kind: ChangeKind::Update,
                    origin: Origin::default(),
                    at: None,
                    fields: Vec::new(),
                };
                block_on(self.hear().hear(&system(name), &[hint])).unwrap();
            }
        }
    }

    pub(super) fn run(&self) -> CrmSyncOutcome {
        block_on(self.sync("w").run_once()).unwrap()
    }

    /// Hears and works until nothing is left to do.
    #[track_caller]
    pub(super) fn settle(&self) {
        for _ in 0..50 {
            self.hear_events();
            let outcome = self.run();
            for item in &outcome.items {
                if let CrmWork::Failed(error) = &item.work {
                    panic!("{}", error.report());
                }
            }
            let waiting: usize = self.crms.values().map(FakeCrm::events_waiting).sum();
            if outcome.items.is_empty() && waiting == 0 {
                return;
            }
        }
        panic!("it is never quiet");
    }

    /// What people are told until nothing is left to do.
    pub(super) fn told(&self) -> Vec<CrmNotice> {
        let mut notices = Vec::new();
        loop {
            self.hear_events();
            let outcome = self.run();
            if outcome.items.is_empty() {
                return notices;
            }
            notices.extend(outcome.items.into_iter().flat_map(|item| item.notices));
        }
    }

    pub(super) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    #[track_caller]
    pub(super) fn link(&self, of: &str, crm: &str, id: &ForeignId) -> LinkRecord {
        let found = block_on(self.desk().explain(&entity(of), &system(crm), id)).unwrap();
        found.unwrap().link.unwrap()
    }

    pub(super) fn conflicts(&self, crm: &str, id: &ForeignId) -> Vec<Conflict> {
        self.link("Brand", crm, id).conflicts
    }

    pub(super) fn take(&self, conflict: &Conflict, crm: &str) {
        let choice = Choice::Take {
            system: system(crm),
        };
        self.choose(conflict, choice);
    }

    pub(super) fn choose(&self, conflict: &Conflict, choice: Choice) {
        block_on(self.desk().resolve(conflict.id, choice, "ann")).unwrap();
    }

    /// The conflicts of a link that nobody has decided.
    pub(super) fn open(&self, crm: &str, id: &ForeignId) -> Vec<Conflict> {
        let mut conflicts = self.conflicts(crm, id);
        conflicts.retain(Conflict::is_open);
        conflicts
    }

    /// What a system holds of every record in use, by one of its fields.
    pub(super) fn texts(&self, crm: &str, name: &str) -> Vec<String> {
        let rows = self.crm(crm).records().into_iter();
        let in_use = rows.filter(|row| row.state.standing == Standing::Active);
        let mut texts: Vec<String> = in_use
            .filter_map(|row| row.state.fields.get(name)?.as_text().map(str::to_owned))
            .collect();
        texts.sort();
        texts
    }
}
