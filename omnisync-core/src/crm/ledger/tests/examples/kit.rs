use chrono::{DateTime, TimeDelta, Utc};

use crate::crm::ledger::{
    Choice, ConflictId, FieldPolicy, IntentKind, Lenses, LinkRecord, MemberRecord, Observation,
    Observed, Outlook, Step, SyncPolicy, Told, Verdict,
};
use crate::crm::{EntityName, FieldName, ForeignId, LinkId, SystemName, Value, VersionToken};
use crate::id::WorkerId;

pub(super) fn name(text: &str) -> SystemName {
    SystemName::new(text).unwrap()
}

fn field(text: &str) -> FieldName {
    FieldName::new(text).unwrap()
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "what a field holds may be nothing"
)]
pub(super) fn text(value: &str) -> Option<Value> {
    Some(Value::Text(value.into()))
}

/// Systems that keep what they are told.
#[derive(Debug, Clone)]
struct Plain {
    systems: Vec<SystemName>,
    /// What no map reads.
    hidden: Vec<FieldName>,
    /// Nobody checks versions.
    is_open: bool,
}

impl Lenses for Plain {
    fn systems(&self) -> &[SystemName] {
        &self.systems
    }

    fn normal(
        &self,
        _: &SystemName,
        _: &FieldName,
        value: Option<&Value>,
    ) -> Option<Option<Value>> {
        // What is called so, no system can hold.
        (value != text("unspeakable").as_ref()).then(|| value.cloned())
    }

    fn takes(&self, _: &SystemName, _: &FieldName) -> bool {
        true
    }

    fn shows(&self, _: &SystemName, field: &FieldName) -> bool {
        !self.hidden.contains(field)
    }

    fn guards(&self, _: &SystemName) -> bool {
        !self.is_open
    }

    fn marks(&self, _: &SystemName) -> bool {
        false
    }

    fn requires(&self, field: &FieldName) -> bool {
        field.as_str() == "code"
    }
}

/// A record that `a` and `b` share, and nothing else.
pub(super) struct Shared {
    pub(super) link: LinkRecord,
    pub(super) policy: SyncPolicy,
    pub(super) now: DateTime<Utc>,
    lenses: Plain,
    versions: u32,
}

impl Shared {
    /// `a` and `b` hold these values.
    pub(super) fn holding(values: &[(&str, &str)]) -> Self {
        let mut shared = Self::in_a(values);
        shared.join("b", values);
        assert!(shared.step().is_none(), "{:?}", shared.step());
        shared
    }

    /// Only `a` has the record yet.
    pub(super) fn in_a(values: &[(&str, &str)]) -> Self {
        let now = DateTime::UNIX_EPOCH;
        let entity = EntityName::new("Thing").unwrap();
        let link = LinkId::from_bytes([7; 16]);
        let mut shared = Self {
            link: LinkRecord::new(link, entity, None, name("a"), now),
            policy: SyncPolicy::default(),
            now,
            lenses: Plain {
                systems: vec![name("a"), name("b")],
                hidden: Vec::new(),
                is_open: false,
            },
            versions: 0,
        };
        shared.join("a", values);
        shared
    }

    pub(super) fn ruled_by(mut self, policy: FieldPolicy) -> Self {
        self.policy = SyncPolicy::default().with_default(policy);
        self
    }

    pub(super) fn hiding(mut self, hidden: &str) -> Self {
        self.lenses.hidden.push(field(hidden));
        self
    }

    /// No system checks the version that a write expects.
    pub(super) fn without_conditions(mut self) -> Self {
        self.lenses.is_open = true;
        self
    }

    /// An event tells that a field was changed at that second.
    pub(super) fn told(&mut self, system: &str, of: &str, at: i64) {
        let told = Told {
            at: DateTime::from_timestamp(at, 0).unwrap(),
            fields: vec![field(of)],
        };
        self.link.told(&name(system), told, self.now);
    }

    /// A look shows this version, made at that second.
    pub(super) fn at(
        &mut self,
        system: &str,
        version: &str,
        at: i64,
        values: &[(&str, &str)],
    ) -> Outlook {
        self.link.hint(&name(system));
        let fields = values
            .iter()
            .map(|(of, value)| (field(of), Observed::Value(text(value))));
        let seen = Observation::Present {
            version: VersionToken::new(version).unwrap(),
            fields: fields.collect(),
            modified_at: DateTime::from_timestamp(at, 0),
        };
        let (lenses, policy) = (&self.lenses, &self.policy);
        self.link
            .observe(&name(system), seen, lenses, policy, self.now)
    }

    /// A record that was there joins.
    pub(super) fn join(&mut self, system: &str, values: &[(&str, &str)]) {
        let id = ForeignId::new(format!("{system}-1")).unwrap();
        self.link.members.insert(name(system), MemberRecord::of(id));
        self.shows(system, values);
    }

    fn version(&mut self) -> VersionToken {
        self.versions += 1;
        VersionToken::new(format!("v{}", self.versions)).unwrap()
    }

    /// Somebody changed the record, and it is looked at.
    pub(super) fn shows(&mut self, system: &str, values: &[(&str, &str)]) -> Outlook {
        let version = self.version();
        self.look(system, version, values)
    }

    /// The record is looked at in the version that was seen last.
    pub(super) fn still_shows(&mut self, system: &str, values: &[(&str, &str)]) -> Outlook {
        let member = &self.link.members[&name(system)];
        let version = member.seen.clone().unwrap();
        self.look(system, version, values)
    }

    fn look(&mut self, system: &str, version: VersionToken, values: &[(&str, &str)]) -> Outlook {
        self.now += TimeDelta::seconds(1);
        self.link.hint(&name(system));
        let fields = values.iter().map(|(of, value)| {
            let value = text(value).filter(|_| !value.is_empty());
            (field(of), Observed::Value(value))
        });
        let seen = Observation::Present {
            version,
            fields: fields.collect(),
            modified_at: None,
        };
        let (lenses, policy) = (&self.lenses, &self.policy);
        self.link
            .observe(&name(system), seen, lenses, policy, self.now)
    }

    pub(super) fn see(&mut self, system: &str, seen: Observation, now: DateTime<Utc>) {
        let (lenses, policy) = (&self.lenses, &self.policy);
        self.link.observe(&name(system), seen, lenses, policy, now);
    }

    /// One more system takes part.
    pub(super) fn also(&mut self, system: &str) {
        self.lenses.systems.push(name(system));
    }

    /// A person decides.
    pub(super) fn take(&mut self, conflict: ConflictId, system: &str) {
        let choice = Choice::Take {
            system: name(system),
        };
        self.link
            .resolve(conflict, choice, "ann", self.now)
            .unwrap();
    }

    /// What is to be done next: `look b`, `write b: name`; `None` for nothing now. No record is found
    /// before a creation.
    pub(super) fn step(&mut self) -> Option<String> {
        let worker = WorkerId::new("w").unwrap();
        let step = self
            .link
            .plan(&self.lenses, &self.policy, &worker, self.now);
        match step {
            Step::Look(target) => Some(format!("look {}", target.system)),
            Step::Find(system) => Some(format!("find {system}")),
            Step::Seek(system) => {
                self.link.not_there(&system);
                self.step()
            }
            Step::Write(target) => {
                let member = &self.link.members[&target.system];
                let intent = member.intent.as_ref().unwrap();
                let kind = match intent.kind {
                    IntentKind::Create => "create",
                    IntentKind::Update => "write",
                    IntentKind::Remove => "remove",
                    IntentKind::Restore => "restore",
                };
                let fields: Vec<_> = intent.fields.names().map(FieldName::as_str).collect();
                let line = format!("{kind} {}: {}", target.system, fields.join(", "));
                Some(line.trim_end_matches([':', ' ']).to_owned())
            }
            Step::Busy(_) | Step::Wait(_) | Step::Rest => None,
        }
    }

    /// The announced write was done, and the record shows this afterwards.
    pub(super) fn done(&mut self, system: &str, values: &[(&str, &str)]) {
        let id = ForeignId::new(format!("{system}-1")).unwrap();
        let version = self.version();
        self.link
            .acknowledged(&name(system), id, Some(version.clone()));
        self.look(system, version, values);
    }

    /// The announced write was refused for one of its values.
    pub(super) fn invalid(&mut self, system: &str) {
        let until = self.now + TimeDelta::hours(1);
        self.link
            .invalid(&name(system), "no".to_owned(), until, self.now);
    }

    /// The verdict of the last decision about a field.
    pub(super) fn verdict(&self, of: &str) -> Verdict {
        let decisions = self.link.decisions.iter().rev();
        let mut fields = decisions.flat_map(|decision| &decision.fields);
        let found = fields.find(|one| one.field.as_str() == of);
        found.unwrap().verdict.clone()
    }
}
