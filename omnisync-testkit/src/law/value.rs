//! Values of a field, with all that could go wrong.

use chrono::{DateTime, NaiveDate, Utc};
use omnisync_core::crm::field_map::{FieldMap, Lens};
use omnisync_core::crm::{
    EntityDefinition, EntityName, FieldKind, FieldName, Fields, ForeignId, LinkId, Reference,
    ReferenceTarget, SystemName, Value,
};
use proptest::collection::btree_set;
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::check::Values;

/// Values for some of the fields that the map speaks of.
pub(super) fn values(
    map: &FieldMap,
    entity: &EntityDefinition,
    system: &SystemName,
) -> BoxedStrategy<Values> {
    let mut fields: Fields<BoxedStrategy<Option<Value>>> = Fields::new();
    for (field, definition) in entity.fields.iter() {
        let hints = Hints::of(map, field);
        if hints.is_mapped {
            let of_kind = value(&definition.kind, &hints, system);
            let any = prop_oneof![12 => of_kind.prop_map(Some), 2 => Just(None), 1 => stray()];
            fields.insert(field.clone(), any.boxed());
        }
    }
    let each: Vec<_> = fields
        .into_iter()
        .map(|(field, value)| {
            let named = value.prop_map(move |value| (field.clone(), value));
            proptest::option::weighted(0.7, named)
        })
        .collect();
    each.prop_map(|fields| fields.into_iter().flatten().collect())
        .boxed()
}

/// What the map says about the limits of a field.
struct Hints {
    is_mapped: bool,
    lengths: Vec<usize>,
    separators: Vec<String>,
    /// Digits behind the point, of any side.
    scales: Vec<u32>,
    limits: Vec<Decimal>,
}

impl Hints {
    fn of(map: &FieldMap, field: &FieldName) -> Self {
        let mut hints = Self {
            is_mapped: false,
            lengths: vec![0, 1],
            separators: vec![" ".to_owned()],
            scales: vec![0],
            limits: vec![Decimal::ZERO],
        };
        for rule in map.rules.iter().filter(|rule| rule.field == *field) {
            hints.is_mapped = true;
            match &rule.lens {
                Lens::Text(lens) => hints.lengths.extend(lens.chars_max.and_then(length)),
                Lens::Decimal(lens) => {
                    hints.scales.extend(lens.scale);
                    hints.limits.extend([lens.min, lens.max].iter().flatten());
                }
                Lens::Integer(lens) => {
                    let limits = [lens.min, lens.max];
                    hints
                        .limits
                        .extend(limits.iter().flatten().map(|limit| Decimal::from(*limit)));
                }
                _ => {}
            }
        }
        for join in map.joins.iter().filter(|join| join.fields.contains(field)) {
            hints.is_mapped = true;
            hints.separators.push(join.separator.clone());
            hints.lengths.extend(join.chars_max.and_then(length));
        }
        hints
    }
}

fn length(chars_max: u32) -> Option<usize> {
    usize::try_from(chars_max).ok()
}

/// A value of another kind than the field's.
fn stray() -> BoxedStrategy<Option<Value>> {
    prop_oneof![
        Just(Some(Value::Boolean(true))),
        Just(Some(Value::Text("stray".into()))),
        Just(Some(Value::Integer(7))),
    ]
    .boxed()
}

fn value(kind: &FieldKind, hints: &Hints, system: &SystemName) -> BoxedStrategy<Value> {
    match kind {
        FieldKind::Decimal { scale } => decimal(*scale, hints).prop_map(Value::Decimal).boxed(),
        FieldKind::Integer => integer(hints).prop_map(Value::Integer).boxed(),
        FieldKind::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        FieldKind::Date => date().prop_map(Value::Date).boxed(),
        FieldKind::Instant => instant().prop_map(Value::Instant).boxed(),
        FieldKind::Choice { options } => option(options)
            .prop_map(|option| Value::Choice(option.into()))
            .boxed(),
        FieldKind::Choices { options } => btree_set(option(options), 0..4)
            .prop_map(Value::Choices)
            .boxed(),
        FieldKind::Reference { entity } => reference(entity, system),
        _ => text(hints)
            .prop_map(|text| Value::Text(text.into()))
            .boxed(),
    }
}

fn text(hints: &Hints) -> BoxedStrategy<String> {
    let around: Vec<usize> = hints
        .lengths
        .iter()
        .flat_map(|length| [length.saturating_sub(1), *length, length + 1])
        .collect();
    let letters = proptest::sample::select(vec!["a", "é", "ß", "İ", "Σ", "😀", "a ", " b"]);
    let boundary = (letters, proptest::sample::select(around))
        .prop_map(|(letter, length)| letter.repeat(length));
    let separated = (
        "[a-c]{0,2}",
        proptest::sample::select(hints.separators.clone()),
        "[a-c]{0,2}",
    )
        .prop_map(|(left, separator, right)| format!("{left}{separator}{right}"));
    prop_oneof![
        6 => "[ \\t]{0,2}[A-Za-zäß,;|~\"'<&0-9]{0,9}[ \\t]{0,2}",
        2 => "\\PC{0,6}",
        1 => any::<[char; 3]>().prop_map(|chars| chars.iter().collect::<String>()),
        2 => separated,
        1 => boundary,
    ]
    .boxed()
}

fn decimal(scale: u32, hints: &Hints) -> BoxedStrategy<Decimal> {
    let scales: Vec<u32> = hints
        .scales
        .iter()
        .chain(&[scale])
        .flat_map(|scale| [*scale, scale + 1, scale + 2])
        .filter(|scale| *scale <= Decimal::MAX_SCALE)
        .collect();
    let scale = proptest::sample::select(scales);
    let smallest = hints.scales.iter().copied().max().unwrap_or_default();
    let limits = hints.limits.clone();
    prop_oneof![
        6 => (-2_000_000_i64..2_000_000, scale.clone()).prop_map(|(digits, scale)| Decimal::new(digits, scale)),
        // Exactly between two neighbours.
        3 => (-2_000_i64..2_000, scale.clone()).prop_map(|(digits, scale)| Decimal::new(digits * 10 + 5, scale)),
        2 => (any::<i64>(), scale).prop_map(|(digits, scale)| Decimal::new(digits, scale)),
        1 => proptest::sample::select(vec![Decimal::MAX, Decimal::MIN, Decimal::ZERO, Decimal::new(1, 28), Decimal::new(-1, 28)]),
        1 => (proptest::sample::select(limits), -1_i64..2).prop_map(move |(limit, off)| {
            limit.checked_add(Decimal::new(off, smallest)).unwrap_or(limit)
        }),
    ]
    .boxed()
}

fn integer(hints: &Hints) -> BoxedStrategy<i64> {
    let limits: Vec<i64> = hints
        .limits
        .iter()
        .filter_map(|limit| i64::try_from(*limit).ok())
        .collect();
    prop_oneof![
        4 => -1_000_i64..1_000,
        2 => (proptest::sample::select(limits), -1_i64..2).prop_map(|(limit, off)| limit.saturating_add(off)),
        1 => any::<i64>(),
        1 => proptest::sample::select(vec![i64::MIN, i64::MAX, 0, (1 << 53) + 1]),
    ]
    .boxed()
}

fn date() -> BoxedStrategy<NaiveDate> {
    let ends = vec![
        (-1, 12, 31),
        (0, 1, 1),
        (1, 1, 1),
        (1, 1, 2),
        (9_999, 12, 31),
        (10_000, 1, 1),
        (2_024, 2, 29),
    ];
    let ends: Vec<NaiveDate> = ends
        .into_iter()
        .filter_map(|(year, month, day)| NaiveDate::from_ymd_opt(year, month, day))
        .chain([NaiveDate::MIN, NaiveDate::MAX])
        .collect();
    // Days since the first of January 1.
    let usual = (700_000_i32..770_000)
        .prop_map(|day| NaiveDate::from_num_days_from_ce_opt(day).unwrap_or_default());
    prop_oneof![6 => usual, 1 => proptest::sample::select(ends)].boxed()
}

fn instant() -> BoxedStrategy<DateTime<Utc>> {
    let at = |(seconds, nanos)| DateTime::from_timestamp(seconds, nanos).unwrap_or_default();
    let ends = vec![
        DateTime::<Utc>::MIN_UTC,
        DateTime::<Utc>::MAX_UTC,
        DateTime::UNIX_EPOCH,
    ];
    prop_oneof![
        // Nanoseconds above a second are those of a leap second.
        6 => (-70_000_000_000_i64..300_000_000_000, 0_u32..2_000_000_000).prop_map(at),
        2 => (-5_i64..5, proptest::sample::select(vec![0, 1, 999_999, 1_000_000, 999_999_999])).prop_map(at),
        1 => proptest::sample::select(ends),
    ]
    .boxed()
}

fn option(options: &[String]) -> BoxedStrategy<String> {
    let unknown = Just("no such option".to_owned());
    if options.is_empty() {
        return unknown.boxed();
    }
    prop_oneof![9 => proptest::sample::select(options.to_vec()), 1 => unknown].boxed()
}

fn reference(entity: &EntityName, system: &SystemName) -> BoxedStrategy<Value> {
    let own = system.clone();
    let foreign = move |id: String| {
        ForeignId::new(id).ok().map(|id| ReferenceTarget::Foreign {
            system: own.clone(),
            id,
        })
    };
    let elsewhere = |id: String| {
        Some(ReferenceTarget::Foreign {
            system: SystemName::new("elsewhere").ok()?,
            id: ForeignId::new(id).ok()?,
        })
    };
    let nobody = || ReferenceTarget::Key("nobody".into());
    let target = prop_oneof![
        5 => "[ -.0-9A-Za-z]{1,20}".prop_map(foreign).prop_map(move |target| target.unwrap_or_else(nobody)),
        4 => "[ ]{0,1}[A-Za-zß]{0,4}[ ]{0,1}".prop_map(|key| ReferenceTarget::Key(key.into())),
        1 => "[0-9a-f]{8}".prop_map(elsewhere).prop_map(move |target| target.unwrap_or_else(nobody)),
        1 => any::<[u8; 16]>().prop_map(|bytes| ReferenceTarget::Link(LinkId::from_bytes(bytes))),
    ];
    let entity = entity.clone();
    let stranger = EntityName::new("Stranger").unwrap_or_else(|_| entity.clone());
    (target, proptest::bool::weighted(0.95))
        .prop_map(move |(target, fits)| {
            let entity = if fits { &entity } else { &stranger };
            Value::from(Reference {
                entity: entity.clone(),
                target,
            })
        })
        .boxed()
}
