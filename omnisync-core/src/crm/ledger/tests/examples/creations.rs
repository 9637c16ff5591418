//! Creations without an answer, and records that join.

use chrono::{DateTime, TimeDelta, Utc};

use super::kit::text;
use crate::crm::ledger::{
    ConflictState, Lenses, LinkRecord, MemberRecord, Observation, Observed, Step, SyncPolicy,
    Target, Verdict,
};
use crate::crm::{EntityName, FieldName, ForeignId, LinkId, SystemName, Value, VersionToken};
use crate::id::WorkerId;

/// Two systems that keep what they are told.
struct Plain([SystemName; 2]);

impl Lenses for Plain {
    fn systems(&self) -> &[SystemName] {
        &self.0
    }

    fn normal(
        &self,
        _: &SystemName,
        _: &FieldName,
        value: Option<&Value>,
    ) -> Option<Option<Value>> {
        Some(value.cloned())
    }

    fn takes(&self, _: &SystemName, _: &FieldName) -> bool {
        true
    }

    fn shows(&self, _: &SystemName, _: &FieldName) -> bool {
        true
    }

    fn guards(&self, _: &SystemName) -> bool {
        true
    }

    fn marks(&self, _: &SystemName) -> bool {
        false
    }

    fn requires(&self, _: &FieldName) -> bool {
        false
    }
}

/// A link of which the first system has a record.
struct Case {
    link: LinkRecord,
    plain: Plain,
    policy: SyncPolicy,
    now: DateTime<Utc>,
    versions: u32,
}

impl Case {
    fn new() -> Self {
        let names = ["one", "two"].map(|name| SystemName::new(name).unwrap());
        let now = DateTime::UNIX_EPOCH;
        let entity = EntityName::new("Brand").unwrap();
        let first = names[0].clone();
        let id = LinkId::from_bytes([1; 16]);
        let mut link = LinkRecord::new(id, entity, None, first.clone(), now);
        let member = MemberRecord::of(ForeignId::new("r1").unwrap());
        link.members.insert(first, member);
        Self {
            link,
            plain: Plain(names),
            policy: SyncPolicy::default(),
            now,
            versions: 0,
        }
    }

    fn system(&self, at: usize) -> SystemName {
        self.plain.0[at].clone()
    }

    /// A look at a system shows a new version with this city.
    fn shows(&mut self, at: usize, city: Option<&str>) -> Verdict {
        self.versions += 1;
        let city = city.map(|city| Value::Text(city.into()));
        let fields = [(FieldName::new("city").unwrap(), Observed::Value(city))];
        let observation = Observation::Present {
            version: VersionToken::new(format!("v{}", self.versions)).unwrap(),
            fields: fields.into_iter().collect(),
            modified_at: None,
        };
        let system = self.system(at);
        self.link
            .observe(&system, observation, &self.plain, &self.policy, self.now);
        let decision = self.link.decisions.last().unwrap();
        decision.fields[0].verdict.clone()
    }

    fn plan(&mut self) -> Step {
        self.now += TimeDelta::seconds(61);
        let worker = WorkerId::new("w").unwrap();
        loop {
            let step = self.link.plan(&self.plain, &self.policy, &worker, self.now);
            let Step::Seek(system) = step else {
                return step;
            };
            self.link.not_there(&system);
        }
    }

    /// The city that the next step writes to the second system.
    #[track_caller]
    fn writes(&mut self) -> Option<Value> {
        let step = self.plan();
        assert!(matches!(step, Step::Write(_)), "{step:?}");
        let intent = self.link.members[&self.system(1)].intent.clone().unwrap();
        intent.fields.get("city").unwrap().value.clone()
    }

    fn city(&self) -> Option<&Value> {
        self.link.value("city").flatten()
    }
}

#[test]
fn what_somebody_emptied_is_not_filled_silently_by_a_record_that_joins() {
    let mut case = Case::new();
    case.shows(0, Some("Bern"));
    case.shows(0, None);
    let other = case.system(1);
    case.link.joined(&other, ForeignId::new("r2").unwrap());

    let verdict = case.shows(1, Some("Basel"));

    assert!(matches!(verdict, Verdict::Superseded { .. }), "{verdict:?}");
    let [conflict] = &case.link.conflicts[..] else {
        panic!("{:?}", case.link.conflicts);
    };
    assert!(matches!(conflict.state, ConflictState::Resolved { .. }));
    let sides = conflict.sides.iter().map(|side| side.value.clone());
    assert!(sides.eq([None, text("Basel")]));
}

#[test]
fn what_was_never_there_is_brought_by_a_record_that_joins() {
    let mut case = Case::new();
    case.shows(0, None);
    let other = case.system(1);
    case.link.joined(&other, ForeignId::new("r2").unwrap());
    assert_eq!(case.shows(1, Some("Basel")), Verdict::Applied);
    assert!(case.link.conflicts.is_empty());
}

#[test]
fn a_creation_that_nobody_finds_is_made_again_to_the_letter() {
    let mut case = Case::new();
    case.shows(0, Some("Bern"));
    let other = case.system(1);
    assert_eq!(case.writes(), text("Bern"));
    assert_eq!(case.plan(), Step::Find(other.clone()));
    case.link.not_found(&other);
    case.shows(0, Some("Basel"));

    assert_eq!(case.writes(), text("Bern"));
    // Either of the two landed.
    let id = ForeignId::new("r2").unwrap();
    case.link.found_created(&other, id.clone());
    let target = Target {
        system: other,
        id: Some(id),
    };
    assert_eq!(case.plan(), Step::Look(target));
    assert_eq!(case.shows(1, Some("Bern")), Verdict::Echo);
    assert_eq!(case.city(), text("Basel").as_ref());
    assert_eq!(case.writes(), text("Basel"));
    assert!(case.link.conflicts.is_empty());
}

#[test]
fn a_record_that_a_repeated_creation_meets_may_be_of_the_first() {
    let mut case = Case::new();
    case.shows(0, Some("Bern"));
    let other = case.system(1);
    case.writes();
    case.link.not_found(&other);
    case.shows(0, Some("Basel"));
    case.writes();

    case.link.met(&other, ForeignId::new("r2").unwrap());

    assert_eq!(case.shows(1, Some("Bern")), Verdict::Echo);
    assert_eq!(case.city(), text("Basel").as_ref());
}

#[test]
fn a_record_that_a_first_creation_meets_is_somebody_elses() {
    let mut case = Case::new();
    case.shows(0, Some("Bern"));
    let other = case.system(1);
    case.writes();
    case.link.met(&other, ForeignId::new("r2").unwrap());
    let verdict = case.shows(1, Some("Basel"));
    assert!(matches!(verdict, Verdict::Superseded { .. }), "{verdict:?}");
}
