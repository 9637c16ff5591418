//! What people do in the two CRMs, past the synchronisation.

use std::collections::BTreeSet;

use omnisync_core::ErrorKind;
use omnisync_core::crm::ledger::{LinkRecord, Presence};
use omnisync_core::crm::{
    EntityName, FieldName, Fields, ForeignId, Native, Reference, ReferenceTarget, SystemName, Value,
};
use omnisync_testkit::rng::SplitMix64;

use crate::error::HostError;
use crate::office::Office;
use crate::records::{Record, generated_account};
use crate::systems::Crm;
use crate::words;

/// Fields that people change, by entity. Both systems have all but the price.
const ACCOUNT_FIELDS: [&str; 10] = [
    "name",
    "email",
    "phone",
    "website",
    "description",
    "annualRevenue",
    "employees",
    "shippingStreet",
    "shippingCity",
    "shippingPostalCode",
];
const PRODUCT_FIELDS: [&str; 6] = [
    "name",
    "description",
    "color",
    "weight",
    "active",
    "unitPrice",
];

/// Of a thousand events that are meddled with, so many never come.
const LOST_EVENTS_PER_MILLE: u32 = 100;

/// Somebody in each system.
const fn person(crm: Crm) -> &'static str {
    match crm {
        Crm::Salesforce => "ann",
        Crm::Dynamics => "bob",
    }
}

/// People with a seed. Whatever they do counts as one edit.
#[derive(Debug)]
pub(crate) struct People {
    rng: SplitMix64,
    accounts_made: u32,
    /// What somebody removed and may bring back.
    removed: BTreeSet<ForeignId>,
}

/// A record in both systems.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) entity: EntityName,
    salesforce: Option<ForeignId>,
    dynamics: Option<ForeignId>,
    in_use: bool,
}

impl Pair {
    fn of(link: &LinkRecord) -> Result<Self, HostError> {
        let id = |crm: Crm| -> Result<Option<ForeignId>, HostError> {
            let member = link.members.get(&crm.name()?);
            Ok(member
                .filter(|member| member.presence == Presence::InUse)
                .and_then(|member| member.id.clone()))
        };
        Ok(Self {
            entity: link.entity.clone(),
            salesforce: id(Crm::Salesforce)?,
            dynamics: id(Crm::Dynamics)?,
            in_use: link.life.alive,
        })
    }

    fn id(&self, crm: Crm) -> Option<&ForeignId> {
        match crm {
            Crm::Salesforce => self.salesforce.as_ref(),
            Crm::Dynamics => self.dynamics.as_ref(),
        }
    }
}

/// The records that are shared, but for the currencies: those nobody touches.
pub(crate) fn pairs(links: &[LinkRecord]) -> Result<Vec<Pair>, HostError> {
    let links = links.iter();
    let pairs: Result<Vec<Pair>, HostError> = links
        .filter(|link| link.entity.as_str() != "Currency")
        .map(Pair::of)
        .collect();
    let mut pairs = pairs?;
    pairs.retain(|pair| pair.in_use && pair.salesforce.is_some() && pair.dynamics.is_some());
    Ok(pairs)
}

impl People {
    pub(crate) fn new(rng: SplitMix64) -> Self {
        Self {
            rng,
            accounts_made: 0,
            removed: BTreeSet::new(),
        }
    }

    pub(crate) fn rng(&mut self) -> &mut SplitMix64 {
        &mut self.rng
    }

    /// Some of the first records are in one system, some in the other, and some in both.
    pub(crate) fn begin(&mut self, office: &Office, records: &[Record]) -> Result<(), HostError> {
        for (at, record) in records.iter().enumerate() {
            let both = record.entity.as_str() == "Currency" || at % 5 == 0;
            let first = if at % 5 == 4 {
                Crm::Dynamics
            } else {
                Crm::Salesforce
            };
            create(office, first, record)?;
            if both {
                let mut known = record.clone();
                if at % 10 == 0 && known.values.contains("phone") {
                    let phone = words::phone(&mut self.rng);
                    let phone = Some(Value::Text(phone.into()));
                    known.values.insert(FieldName::new("phone")?, phone);
                }
                create(office, first.other(), &known)?;
            }
        }
        Ok(())
    }

    /// Somebody changes a field of a record in one system. False where it cannot be.
    pub(crate) fn edit(
        &mut self,
        office: &Office,
        crm: Crm,
        pair: &Pair,
        field: &str,
    ) -> Result<bool, HostError> {
        let value = self.value(field);
        let system = crm.name()?;
        let (Some(fake), Some(map)) = (office.crm(&system), office.map(&system, &pair.entity))
        else {
            return Ok(false);
        };
        let Some(id) = pair.id(crm).filter(|_| map.writable(field)) else {
            return Ok(false);
        };
        let is_text = matches!(value, Value::Text(_));
        let values = [(FieldName::new(field)?, Some(value))]
            .into_iter()
            .collect();
        let Ok(mut natives) = map.put(&values, &Fields::new()) else {
            return Ok(false);
        };
        if is_text && self.rng.chance(150) {
            natives = natives.into_iter().map(untidy).collect();
        }
        match fake.edit(id, natives, person(crm)) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Somebody takes a record out of use.
    pub(crate) fn remove(
        &mut self,
        office: &Office,
        crm: Crm,
        pair: &Pair,
    ) -> Result<bool, HostError> {
        let (Some(fake), Some(id)) = (office.crm(&crm.name()?), pair.id(crm)) else {
            return Ok(false);
        };
        if fake.delete_by(id, person(crm)).is_err() {
            return Ok(false);
        }
        self.removed.insert(id.clone());
        Ok(true)
    }

    /// Somebody brings a record back that somebody took out of use, in the same system.
    pub(crate) fn bring_back(
        &mut self,
        office: &Office,
        crm: Crm,
        pair: &Pair,
    ) -> Result<bool, HostError> {
        let (Some(fake), Some(id)) = (office.crm(&crm.name()?), pair.id(crm)) else {
            return Ok(false);
        };
        self.removed.remove(id);
        Ok(fake.undelete_by(id, person(crm)).is_ok())
    }

    /// Whatever comes to somebody's mind. How many edits it was.
    pub(crate) fn act(&mut self, office: &Office, pairs: &[Pair]) -> Result<u32, HostError> {
        let crm = if self.rng.chance(500) {
            Crm::Salesforce
        } else {
            Crm::Dynamics
        };
        let kind = self.rng.below(100);
        if kind < 4 {
            self.accounts_made += 1;
            let number = format!("N-{:04}", self.accounts_made);
            let account = generated_account(&number, &mut self.rng)?;
            create(office, crm, &account)?;
            return Ok(1);
        }
        let Some(pair) = self.rng.pick(pairs).cloned() else {
            return Ok(0);
        };
        let field = self.field(&pair);
        let done = match kind {
            4..8 => [self.remove(office, crm, &pair)?, false],
            8..12 => [self.undo(office)?, false],
            12..26 => [
                self.edit(office, crm, &pair, field)?,
                self.edit(office, crm.other(), &pair, field)?,
            ],
            26..36 => {
                let other = self.field(&pair);
                [
                    self.edit(office, crm, &pair, field)?,
                    self.edit(office, crm.other(), &pair, other)?,
                ]
            }
            _ => [self.edit(office, crm, &pair, field)?, false],
        };
        Ok(done.into_iter().map(u32::from).sum())
    }

    /// Nobody brings this record back by chance.
    pub(crate) fn keep_out(&mut self, pair: &Pair) {
        for crm in Crm::BOTH {
            if let Some(id) = pair.id(crm) {
                self.removed.remove(id);
            }
        }
    }

    /// Brings back what was removed first.
    fn undo(&mut self, office: &Office) -> Result<bool, HostError> {
        let Some(id) = self.removed.pop_first() else {
            return Ok(false);
        };
        for crm in Crm::BOTH {
            let Some(fake) = office.crm(&crm.name()?) else {
                continue;
            };
            if fake.snapshot(&id).is_some() {
                return Ok(fake.undelete_by(&id, person(crm)).is_ok());
            }
        }
        Ok(false)
    }

    fn field(&mut self, pair: &Pair) -> &'static str {
        let fields: &[&'static str] = if pair.entity.as_str() == "Account" {
            &ACCOUNT_FIELDS
        } else {
            &PRODUCT_FIELDS
        };
        self.rng.pick(fields).copied().unwrap_or("name")
    }

    fn value(&mut self, field: &str) -> Value {
        let rng = &mut self.rng;
        match field {
            "name" => Value::Text(words::name(rng).into()),
            "email" => Value::Text(words::email(rng).into()),
            "phone" => Value::Text(words::phone(rng).into()),
            "website" => Value::Text(words::website(rng).into()),
            "annualRevenue" | "unitPrice" => words::amount(rng, 2),
            "weight" => words::amount(rng, 4),
            "employees" => words::count(rng),
            "shippingStreet" => Value::Text(words::street(rng).into()),
            "shippingCity" => Value::Text(words::city(rng).into()),
            "shippingPostalCode" => Value::Text(words::postal_code(rng).into()),
            "color" => words::color(rng),
            "active" => Value::Boolean(rng.chance(500)),
            _ => Value::Text(words::sentence(rng).into()),
        }
    }

    /// Events come twice, in another order, and some never. How many are lost.
    pub(crate) fn meddle(&mut self, office: &Office) -> usize {
        let mut lost = 0;
        for (_, crm) in office.crms() {
            let waiting = u32::try_from(crm.events_waiting()).unwrap_or(u32::MAX);
            for _ in 0..waiting.div_ceil(4) {
                let at =
                    |rng: &mut SplitMix64| usize::try_from(rng.below(waiting)).unwrap_or_default();
                let (one, other) = (at(&mut self.rng), at(&mut self.rng));
                if self.rng.chance(500) {
                    crm.duplicate_event(one);
                }
                crm.swap_events(one, other);
                if self.rng.chance(LOST_EVENTS_PER_MILLE) {
                    lost += usize::from(crm.drop_event(one));
                }
            }
        }
        lost
    }
}

fn create(office: &Office, crm: Crm, record: &Record) -> Result<(), HostError> {
    let system = crm.name()?;
    let (Some(fake), Some(map)) = (office.crm(&system), office.map(&system, &record.entity)) else {
        return Ok(());
    };
    let natives = natives(office, &system, record)?;
    fake.create_by(person(crm), map.object(), natives)?;
    Ok(())
}

/// A record as `system` spells it. What the system has no field for is left out.
fn natives(
    office: &Office,
    system: &SystemName,
    record: &Record,
) -> Result<Fields<Native>, HostError> {
    let Some(map) = office.map(system, &record.entity) else {
        return Ok(Fields::new());
    };
    let mut values = record.values.clone();
    values.retain(|field, _| map.writable(field.as_str()));
    let mut tried = map.put(&values, &Fields::new());
    if tried.is_err()
        && let Some(Some(Value::Reference(reference))) = record.values.get("currency")
    {
        // By its id in this system, where the field does not hold the code.
        let found = currency_id(office, system, reference)?;
        values.insert(FieldName::new("currency")?, found);
        tried = map.put(&values, &Fields::new());
    }
    let mut natives = tried.map_err(|refusals| {
        let reasons: Vec<String> = refusals.iter().map(ToString::to_string).collect();
        HostError::Unfit {
            key: record.key.clone(),
            system: system.to_string(),
            reason: reasons.join("; "),
        }
    })?;
    for (field, value) in map.constants() {
        if !natives.contains(field.as_str()) {
            natives.insert(field, value);
        }
    }
    Ok(natives)
}

fn currency_id(
    office: &Office,
    system: &SystemName,
    reference: &Reference,
) -> Result<Option<Value>, HostError> {
    let (Some(crm), Some(map)) = (office.crm(system), office.map(system, &reference.entity)) else {
        return Ok(None);
    };
    let ReferenceTarget::Key(code) = &reference.target else {
        return Ok(None);
    };
    let code_field = FieldName::new("code")?;
    let wanted = [(code_field, Some(Value::Text(code.clone())))];
    let wanted = map.put(&wanted.into_iter().collect(), &Fields::new());
    let wanted = wanted.unwrap_or_default();
    let records = crm.records().into_iter();
    let mut same = records.filter(|row| {
        let holds = |(name, value): (&FieldName, &Native)| {
            row.state.fields.get(name.as_str()) == Some(value)
        };
        row.record.object == map.object() && wanted.iter().all(holds)
    });
    Ok(same.next().map(|row| {
        Value::from(Reference {
            entity: reference.entity.clone(),
            target: ReferenceTarget::Foreign {
                system: system.clone(),
                id: row.record.id,
            },
        })
    }))
}

/// People leave white space behind.
fn untidy((field, value): (FieldName, Native)) -> (FieldName, Native) {
    match value {
        Native::Text(text) => (field, Native::Text(format!("  {text} "))),
        value => (field, value),
    }
}
