//! Records as a system might hold them.

use omnisync_core::crm::field_map::{ChoiceEntry, FieldMap, Lens};
use omnisync_core::crm::{FieldName, Native};
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::check::{Natives, Values};
use super::mapping::Mapping;

/// What happened to some native fields behind the mapping's back. `None`: a read did not bring
/// the field.
pub(super) type Noise = Vec<(FieldName, Option<Native>)>;

/// A record that holds some values, and something else in other places.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) values: Values,
    pub(super) noise: Noise,
}

impl Record {
    pub(super) fn held(&self, mapping: &dyn Mapping) -> Natives {
        let mut held = Natives::new();
        for (field, value) in self.values.iter() {
            let one = [(field.clone(), value.clone())].into_iter().collect();
            if let Ok(writes) = mapping.put(&one, &held) {
                for (name, native) in writes {
                    held.insert(name, native);
                }
            }
        }
        for (name, native) in &self.noise {
            match native {
                Some(native) => held.insert(name.clone(), native.clone()),
                None => held.remove(name.as_str()),
            };
        }
        held
    }
}

pub(super) fn records(map: &FieldMap, values: BoxedStrategy<Values>) -> BoxedStrategy<Record> {
    let each: Vec<_> = natives(map)
        .into_iter()
        .map(|name| {
            let change = prop_oneof![4 => native(map).prop_map(Some), 1 => Just(None)]
                .prop_map(move |native| (name.clone(), native));
            proptest::option::weighted(0.3, change)
        })
        .collect();
    (values, each)
        .prop_map(|(values, noise)| Record {
            values,
            noise: noise.into_iter().flatten().collect(),
        })
        .boxed()
}

fn natives(map: &FieldMap) -> Vec<FieldName> {
    let rules = map.rules.iter().map(|rule| rule.native.clone());
    let joins = map.joins.iter().map(|join| join.native.clone());
    let mut all: Vec<FieldName> = rules.chain(joins).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Anything that an interface might answer.
fn native(map: &FieldMap) -> BoxedStrategy<Native> {
    let mut known: Vec<Native> = map
        .rules
        .iter()
        .flat_map(|rule| spellings(&rule.lens))
        .collect();
    known.extend(
        [
            "2026-03-14",
            "2026-02-30",
            "2026-03-14T08:00:00.123+0000",
            "2026-03-14T23:59:60Z",
            "a, b, c, d, e, f, g",
            "01.50",
            "1e5",
        ]
        .map(|text| Native::Text(text.to_owned())),
    );
    let separators: Vec<String> = map
        .joins
        .iter()
        .map(|join| join.separator.clone())
        .chain([";".to_owned()])
        .collect();
    let parts = (
        proptest::collection::vec("[ ]{0,1}[a-cA-C]{0,2}[ ]{0,1}", 0..5),
        proptest::sample::select(separators),
    );
    prop_oneof![
        2 => proptest::sample::select(known),
        2 => parts.prop_map(|(parts, separator)| Native::Text(parts.join(&separator))),
        2 => "[ ]{0,2}[A-Za-zß0-9.]{0,40}[ ]{0,2}".prop_map(Native::Text),
        2 => (any::<i64>(), 0_u32..12).prop_map(|(digits, scale)| Native::Number(Decimal::new(digits, scale))),
        2 => (-3_i64..2_000).prop_map(|number| Native::Number(number.into())),
        1 => any::<bool>().prop_map(Native::Boolean),
        1 => Just(Native::Null),
        1 => Just(Native::Text(String::new())),
        1 => Just(Native::Number(Decimal::MAX)),
        1 => Just(Native::List(vec![Native::Null, Native::Text("a".to_owned())])),
    ]
    .boxed()
}

fn spellings(lens: &Lens) -> Vec<Native> {
    let of = |table: &[ChoiceEntry]| table.iter().map(|entry| entry.native.clone()).collect();
    match lens {
        Lens::Boolean(lens) => lens.yes.iter().chain(&lens.no).cloned().collect(),
        Lens::Choice(lens) => of(&lens.table),
        Lens::Choices(lens) => of(&lens.table),
        _ => Vec::new(),
    }
}
