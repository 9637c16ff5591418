//! A law that no mistake breaks is no law: each mistake here has to be caught.

use omnisync_core::crm::field_map::{CompiledFieldMap, FieldRefusal, RefusalReason};
use omnisync_core::crm::standard::{dataverse, salesforce, store};
use omnisync_core::crm::{FieldName, Fields, Native, SystemName, Value};

use super::{Broken, Laws, Mapping};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mistake {
    None,
    /// Writes what is there already, in another spelling.
    WritesAlways,
    /// Writes a field that nobody asked for.
    WritesMore,
    /// Writes only where nothing stands.
    KeepsTheFirst,
    /// Reads text as it is, though it writes it trimmed.
    ReadsBlanks,
    /// Forgets what was written.
    ForgetsPhone,
    /// Loses one more of something each time.
    CountsUp,
    /// Says that nothing can be held.
    RefusesAll,
}

#[derive(Debug)]
struct Mistaken {
    map: CompiledFieldMap,
    mistake: Mistake,
}

fn count_up(value: &mut Option<Value>) {
    if let Some(Value::Integer(count)) = value {
        *count = count.saturating_add(1);
    }
}

impl Mapping for Mistaken {
    fn reads_back(&self, field: &str) -> bool {
        self.map.reads_back(field)
    }

    fn writable(&self, field: &str) -> bool {
        self.map.writable(field)
    }

    fn natives_of(&self, field: &str) -> Vec<FieldName> {
        self.map.natives_of(field).cloned().collect()
    }

    fn get(&self, native: &Fields<Native>) -> Fields<Result<Option<Value>, FieldRefusal>> {
        let mut read = self.map.get(native);
        match self.mistake {
            Mistake::ReadsBlanks => {
                if let (Some(slot), Some(Native::Text(text))) =
                    (read.get_mut("name"), native.get("Name"))
                {
                    *slot = Ok(Some(Value::Text(text.clone().into())));
                }
            }
            Mistake::ForgetsPhone => {
                read.remove("phone");
            }
            _ => {}
        }
        read
    }

    fn put(
        &self,
        values: &Fields<Option<Value>>,
        current: &Fields<Native>,
    ) -> Result<Fields<Native>, Vec<FieldRefusal>> {
        let nothing = Fields::new();
        let mut values = values.clone();
        if self.mistake == Mistake::CountsUp
            && let Some(count) = values.get_mut("employeeCount")
        {
            count_up(count);
        }
        let current = match self.mistake {
            Mistake::WritesAlways => &nothing,
            _ => current,
        };
        let mut writes = self.map.put(&values, current)?;
        match self.mistake {
            Mistake::WritesMore if values.contains("city") => {
                writes.insert("Phone__c".parse().unwrap(), Native::Null);
            }
            Mistake::KeepsTheFirst => writes.retain(|name, _| {
                !matches!(current.get(name.as_str()), Some(Native::Text(text)) if !text.is_empty())
            }),
            _ => {}
        }
        Ok(writes)
    }

    fn normal(&self, field: &str, value: &Option<Value>) -> Result<Option<Value>, FieldRefusal> {
        let mut normal = self.map.normal(field, value)?;
        match self.mistake {
            Mistake::CountsUp => count_up(&mut normal),
            Mistake::RefusesAll if field == "fax" => {
                return Err(FieldRefusal {
                    field: field.parse().unwrap(),
                    system: self.map.system().clone(),
                    reason: RefusalReason::OutOfRange,
                });
            }
            _ => {}
        }
        Ok(normal)
    }
}

fn laws(mistake: Mistake) -> Laws {
    let system = SystemName::new("here").unwrap();
    let map = salesforce::store().compile(&store(), &system).unwrap();
    Laws::of(Mistaken { map, mistake }, &salesforce::store(), &store()).unwrap()
}

#[track_caller]
fn check(mistake: Mistake, law: impl Fn(&Laws) -> Result<(), Broken>, story: &str) {
    law(&laws(Mistake::None)).unwrap();
    let broken = law(&laws(mistake)).unwrap_err();
    assert!(broken.to_string().contains(story), "{broken}");
}

#[test]
fn a_write_that_changes_what_was_read_is_caught() {
    check(Mistake::WritesAlways, Laws::get_put, "changes");
}

#[test]
fn a_write_to_another_field_is_caught() {
    check(Mistake::WritesMore, Laws::isolation, "Phone__c is written");
}

#[test]
fn a_put_that_gives_way_to_an_earlier_one_is_caught() {
    check(Mistake::KeepsTheFirst, Laws::put_put, "first of two puts");
}

#[test]
fn reading_otherwise_than_writing_is_caught() {
    check(
        Mistake::ReadsBlanks,
        Laws::reading_is_normal,
        "name is read",
    );
}

#[test]
fn a_value_that_is_lost_is_caught() {
    check(Mistake::ForgetsPhone, Laws::put_get, "phone was put");
}

#[test]
fn a_normal_form_that_drifts_is_caught() {
    check(Mistake::CountsUp, Laws::normal_is_stable, "employeeCount");
}

#[test]
fn a_round_trip_that_drifts_is_caught() {
    let round_trip = |laws: &Laws| laws.round_trip(&dataverse::store());
    check(Mistake::CountsUp, round_trip, "employeeCount");
}

#[test]
fn a_law_that_was_never_put_to_the_test_is_not_kept() {
    check(
        Mistake::RefusesAll,
        Laws::put_get,
        "no generated value of fax",
    );
}

#[test]
fn a_map_that_does_not_compile_keeps_no_law() {
    let map = salesforce::store().edit().without("storeCode").build();
    let broken = Laws::new(&map, &store()).unwrap_err();
    assert_eq!(broken.law, "compiles");
}
