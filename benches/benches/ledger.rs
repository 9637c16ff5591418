//! How long the ledger of CRM sync takes to decide what a look at a record means: accounts of twenty
//! fields, ten thousand of them, each with its ledger.
//!
//! Counted is what a worker does once it has read a record: it finds the ledger by the record's id
//! among all of them, in an order that no cache foresees, compares the version and every field,
//! decides, takes the decision down, and lets go of what it read. Making what is read is not
//! counted: it was decoded just before, so it is still near, as it would be after a read.
//!
//! The ledger itself is either near too, as it is when a store's document was decoded for this look
//! (`decoded`), or anywhere in memory, as for a host that keeps all of them decoded (`resident`).

use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate};
use criterion::{Criterion, Throughput};
use omnisync_benches::workload::Failure;
use omnisync_core::crm::ledger::{
    Lenses, LinkRecord, MemberRecord, Observation, Observed, Outlook, Step, SyncPolicy,
};
use omnisync_core::crm::{
    EntityName, FieldName, Fields, ForeignId, LinkId, Reference, ReferenceTarget, SystemName,
    Value, VersionToken,
};
use omnisync_core::id::WorkerId;
use rust_decimal::Decimal;

const RECORDS: u32 = 10_000;

/// Records that are read before they are decided one after the other: enough that the clock takes no
/// part, and few enough that all of them are near.
const READ_AHEAD: u32 = 8;

/// The fields of an account, by name.
const FIELDS: [&str; 20] = [
    "accountNumber",
    "annualRevenue",
    "billingCity",
    "billingCountry",
    "billingPostalCode",
    "billingState",
    "billingStreet",
    "creditLimit",
    "currency",
    "customerSince",
    "description",
    "email",
    "employees",
    "industry",
    "lastOrderAt",
    "name",
    "newsletter",
    "parent",
    "phone",
    "website",
];

/// Where the ledgers are when records are decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Residence {
    Decoded,
    Resident,
}

impl Residence {
    const ALL: [Self; 2] = [Self::Decoded, Self::Resident];

    const fn name(self) -> &'static str {
        match self {
            Self::Decoded => "decoded",
            Self::Resident => "resident",
        }
    }
}

/// Two systems that hold every value as it is.
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

struct Records {
    lenses: Plain,
    policy: SyncPolicy,
    worker: WorkerId,
    names: Vec<FieldName>,
    /// By id in the first system.
    links: HashMap<ForeignId, LinkRecord>,
    ids: Vec<ForeignId>,
}

/// As a field map gives them: the names are always the same.
fn names() -> Result<Vec<FieldName>, Failure> {
    Ok(FIELDS
        .iter()
        .map(FieldName::new)
        .collect::<Result<_, _>>()?)
}

/// What an account holds, the phone number after so many edits.
fn value(field: &str, record: u32, edit: u32) -> Option<Value> {
    let text = |text: &str| Some(Value::Text(text.into()));
    let at = usize::try_from(record).unwrap_or_default();
    let of = |all: &[&'static str]| all.get(at % all.len()).copied().unwrap_or_default();
    match field {
        "accountNumber" => text(&format!("C-{record:06}")),
        "annualRevenue" => Some(Value::Decimal(Decimal::new(i64::from(record) * 1_337, 2))),
        "billingCity" => text(of(&["Bern", "Zürich", "San Francisco", "Oslo"])),
        "billingCountry" => Some(Value::Choice(of(&["CH", "US", "NO", "DE"]).into())),
        "billingPostalCode" => text(&format!("{}", 10_000 + record % 80_000)),
        "billingState" => None,
        "billingStreet" => text(&format!(
            "{} Rue de la Gare, Building {}",
            record % 300,
            record % 9
        )),
        "creditLimit" => Some(Value::Decimal(Decimal::new(
            i64::from(record % 50) * 500,
            0,
        ))),
        "currency" => reference("Currency", ReferenceTarget::Key(of(&["EUR", "USD"]).into())),
        "customerSince" => NaiveDate::from_num_days_from_ce_opt(737_000).map(Value::Date),
        "description" => text(&format!(
            "Account {record} came with the acquisition of a regional distributor. Deliveries go to \
             the back entrance before noon; invoices are sent by the end of the month."
        )),
        "email" => text(&format!("accounts.payable.{record}@example.com")),
        "employees" => Some(Value::Integer(i64::from(record % 5_000))),
        "industry" => Some(Value::Choice(
            of(&["Retail", "Manufacturing", "Healthcare"]).into(),
        )),
        "lastOrderAt" => {
            DateTime::from_timestamp(1_700_000_000 + i64::from(record), 0).map(Value::Instant)
        }
        "name" => text(&format!("Customer {record} Trading Company Ltd")),
        "newsletter" => Some(Value::Boolean(record.is_multiple_of(2))),
        "parent" => {
            let link = LinkId::from_bytes(u128::from(record / 7).to_be_bytes());
            reference("Account", ReferenceTarget::Link(link))
        }
        "phone" => text(&format!("+41 31 {record:06} {edit}")),
        _ => text(&format!("https://www.customer-{record}.example.com")),
    }
}

fn reference(entity: &str, target: ReferenceTarget) -> Option<Value> {
    let entity = EntityName::new(entity).ok()?;
    Some(Value::from(Reference { entity, target }))
}

fn values(names: &[FieldName], record: u32, edit: u32) -> Fields<Observed> {
    let fields = names.iter().map(|name| {
        let value = value(name.as_str(), record, edit);
        (name.clone(), Observed::Value(value))
    });
    fields.collect()
}

fn version(number: u32) -> Result<VersionToken, Failure> {
    Ok(VersionToken::new(format!("W/\"{number}\""))?)
}

impl Records {
    /// Records that both systems hold, and whose last edit was written to the second one, which is
    /// to be looked at.
    fn new() -> Result<Self, Failure> {
        let mut records = Self {
            lenses: Plain([SystemName::new("dynamics")?, SystemName::new("salesforce")?]),
            policy: SyncPolicy::default(),
            worker: WorkerId::new("bench")?,
            names: names()?,
            links: HashMap::new(),
            ids: Vec::new(),
        };
        for number in 0..RECORDS {
            let id = ForeignId::new(format!("0015j00000{number:08}"))?;
            let link = records.link(number)?;
            records.ids.push(id.clone());
            records.links.insert(id, link);
        }
        Ok(records)
    }

    fn link(&self, number: u32) -> Result<LinkRecord, Failure> {
        let now = DateTime::UNIX_EPOCH;
        let [first, second] = &self.lenses.0;
        let entity = EntityName::new("Account")?;
        let id = LinkId::from_bytes(u128::from(number).to_be_bytes());
        let mut link = LinkRecord::new(id, entity, None, first.clone(), now);
        let member = MemberRecord::of(ForeignId::new(format!("{number}"))?);
        link.members.insert(first.clone(), member);
        link.not_there(second);
        for round in 0..2 {
            self.edit(&mut link, number, round)?;
            self.tell(&mut link, number, round)?;
            self.read_back(&mut link, number, round)?;
        }
        Ok(link)
    }

    /// What a system shows of a record.
    fn shown(&self, number: u32, edit: u32, version: VersionToken) -> Observation {
        Observation::Present {
            version,
            fields: values(&self.names, number, edit),
            modified_at: None,
        }
    }

    /// How long so many decisions take, each about the next record. Before any record comes again,
    /// all of them are made ready.
    fn decide(
        &self,
        links: &mut HashMap<ForeignId, LinkRecord>,
        case: &Case<'_>,
        residence: Residence,
        turn: &mut u32,
        count: u64,
    ) -> Result<Duration, Failure> {
        let mut took = Duration::ZERO;
        let mut left = count;
        while left > 0 {
            let (round, first) = (*turn / RECORDS + 2, *turn % RECORDS);
            if first == 0 {
                for (number, id) in (0..RECORDS).zip(&self.ids) {
                    let link = links.get_mut(id).ok_or("no such record")?;
                    (case.prepare)(link, number, round)?;
                    while link.decisions.len() > DECISIONS_MAX && link.shed_decisions() {}
                }
            }
            let batch = left.min(u64::from(READ_AHEAD.min(RECORDS - first)));
            let mut read = Vec::new();
            for _ in 0..batch {
                // An order that no cache foresees.
                let number = (*turn % RECORDS).wrapping_mul(7_919) % RECORDS;
                let id = self.ids.get(usize::try_from(number)?);
                read.push((id.ok_or("no such record")?, (case.seen)(number, round)?));
                *turn += 1;
            }
            if residence == Residence::Decoded {
                for (id, _) in &read {
                    // Every byte of it is read, which leaves it as near as writing it would.
                    serde_json::to_writer(io::sink(), links.get(id).ok_or("no such record")?)?;
                }
            }
            let began = now();
            for (id, seen) in read {
                let link = links.get_mut(id).ok_or("no such record")?;
                let outlook = link.observe(case.system, seen, &self.lenses, &self.policy, EPOCH);
                assert_eq!(outlook, case.outlook);
            }
            took += began.elapsed();
            left -= batch;
        }
        Ok(took)
    }

    /// Somebody changes the record in the first system.
    fn edit(&self, link: &mut LinkRecord, number: u32, round: u32) -> Result<(), Failure> {
        let [first, _] = &self.lenses.0;
        link.hint(first);
        let seen = self.shown(number, round, version(round)?);
        link.observe(first, seen, &self.lenses, &self.policy, EPOCH);
        Ok(())
    }

    /// The second system is told of it.
    fn tell(&self, link: &mut LinkRecord, number: u32, round: u32) -> Result<(), Failure> {
        let [_, second] = &self.lenses.0;
        let step = link.plan(&self.lenses, &self.policy, &self.worker, EPOCH);
        assert!(matches!(step, Step::Write(_)), "{step:?}");
        let id = ForeignId::new(format!("{number}"))?;
        link.acknowledged(second, id, Some(version(round)?));
        Ok(())
    }

    /// It shows what it was told.
    fn read_back(&self, link: &mut LinkRecord, number: u32, round: u32) -> Result<(), Failure> {
        let [_, second] = &self.lenses.0;
        let seen = self.shown(number, round, version(round)?);
        link.observe(second, seen, &self.lenses, &self.policy, EPOCH);
        Ok(())
    }
}

/// Decisions that a ledger has when it is looked at, at most: as in a store with small documents.
const DECISIONS_MAX: usize = 16;

/// What is decided again and again.
struct Case<'a> {
    name: &'static str,
    system: &'a SystemName,
    /// Makes a ledger ready for a round.
    prepare: &'a dyn Fn(&mut LinkRecord, u32, u32) -> Result<(), Failure>,
    /// What a record shows in a round.
    seen: &'a dyn Fn(u32, u32) -> Result<Observation, Failure>,
    outlook: Outlook,
}

const EPOCH: DateTime<chrono::Utc> = DateTime::UNIX_EPOCH;

#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock; nothing it measures does"
)]
fn now() -> Instant {
    Instant::now()
}

fn main() -> Result<(), Failure> {
    let mut criterion = Criterion::default().configure_from_args();
    let records = Records::new()?;
    let [first, second] = &records.lenses.0;
    let nothing = |_: &mut LinkRecord, _, _| Ok(());
    let cases = [
        // Our own write comes back with the version that the answer gave: the fields are as they
        // were last seen, one was written by us, and the decision says so.
        Case {
            name: "echo",
            system: second,
            prepare: &|link, number, round| {
                records.edit(link, number, round)?;
                records.tell(link, number, round)
            },
            seen: &|number, round| Ok(records.shown(number, round, version(round)?)),
            outlook: Outlook::News,
        },
        // A version that is not known, with twenty values that are: what automation leaves behind.
        Case {
            name: "nothing changed",
            system: first,
            prepare: &nothing,
            seen: &|number, round| Ok(records.shown(number, 1, version(round)?)),
            outlook: Outlook::NoNews,
        },
        // The version that is known: nothing is compared.
        Case {
            name: "known version",
            system: first,
            prepare: &nothing,
            seen: &|number, _| Ok(records.shown(number, 1, version(1)?)),
            outlook: Outlook::NoNews,
        },
        // A person changed one field: it is agreed, and the other system is behind.
        Case {
            name: "edit",
            system: first,
            prepare: &|link, number, round| {
                if round > 2 {
                    records.tell(link, number, round - 1)?;
                    records.read_back(link, number, round - 1)?;
                }
                Ok(())
            },
            seen: &|number, round| Ok(records.shown(number, round, version(round)?)),
            outlook: Outlook::News,
        },
    ];
    for residence in Residence::ALL {
        measure(&mut criterion, &records, &cases, residence)?;
    }
    criterion.final_summary();
    Ok(())
}

fn measure(
    criterion: &mut Criterion,
    records: &Records,
    cases: &[Case<'_>],
    residence: Residence,
) -> Result<(), Failure> {
    let mut group = criterion.benchmark_group(format!("ledger {}", residence.name()));
    group.throughput(Throughput::Elements(1));
    // Making the ledgers ready takes longer than what is measured.
    group
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(1));
    for case in cases {
        let mut links = records.links.clone();
        let mut turn = 0;
        let mut failed = None;
        group.bench_function(case.name, |bencher| {
            bencher.iter_custom(|count| {
                let took = records.decide(&mut links, case, residence, &mut turn, count);
                took.unwrap_or_else(|error| {
                    failed = Some(error);
                    Duration::ZERO
                })
            });
        });
        if let Some(error) = failed {
            return Err(error);
        }
    }
    group.finish();
    Ok(())
}
