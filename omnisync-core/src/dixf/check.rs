//! The state of a check: keys that were seen, totals, and what was found.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Read;

use rust_decimal::Decimal;
use sha2::Digest as _;

use super::problem::{Problem, ProblemKind};
use super::reader::PackageEntity;
use super::rows::Rows;
use super::verify::KeyColumns;
use crate::order::Currency;

/// Positions of the columns that are looked at.
pub(super) struct Places {
    pub(super) order_number: Option<usize>,
    pub(super) line_key: Vec<usize>,
    pub(super) line_amount: Option<usize>,
    pub(super) currency: Option<usize>,
}

impl Places {
    pub(super) fn new(columns: &KeyColumns, names: &[String]) -> Self {
        let place = |column: &String| names.iter().position(|name| name == column);
        Self {
            order_number: place(&columns.order_number),
            line_key: columns.line_key.iter().filter_map(place).collect(),
            line_amount: place(&columns.line_amount),
            currency: place(&columns.currency),
        }
    }
}

pub(super) struct Header {
    pub(super) row: u64,
    pub(super) currency: Option<Currency>,
    pub(super) has_lines: bool,
}

pub(super) struct Check<'c> {
    pub(super) columns: &'c KeyColumns,
    pub(super) headers: HashMap<u128, Header>,
    line_keys: HashSet<u128>,
    pub(super) orders: u64,
    pub(super) lines: u64,
    pub(super) amounts: BTreeMap<Currency, Decimal>,
    pub(super) problems: Vec<Problem>,
    problems_max: usize,
    pub(super) problems_total: u64,
}

impl<'c> Check<'c> {
    pub(super) fn new(columns: &'c KeyColumns, problems_max: usize) -> Self {
        Self {
            columns,
            headers: HashMap::new(),
            line_keys: HashSet::new(),
            orders: 0,
            lines: 0,
            amounts: BTreeMap::new(),
            problems: Vec::new(),
            problems_max,
            problems_total: 0,
        }
    }

    pub(super) fn report(&mut self, problem: Problem) {
        self.problems_total += 1;
        if self.problems.len() < self.problems_max {
            self.problems.push(problem);
        }
    }

    pub(super) fn columns<R: Read>(&mut self, entity: &PackageEntity, rows: &Rows<'_, R>) {
        if let Some(kind) = rows.names_problem.clone() {
            self.report(Problem::of(&entity.name, kind).at_row(0));
        }
        let mut found = HashSet::new();
        for column in rows.columns() {
            if !found.insert(column) {
                let problem = Problem::of(&entity.name, ProblemKind::ColumnTwice);
                self.report(problem.in_column(column));
            }
        }
        if entity.columns.is_empty() {
            return;
        }
        for column in entity
            .columns
            .iter()
            .filter(|column| !found.contains(column))
        {
            let problem = Problem::of(&entity.name, ProblemKind::ColumnMissing);
            self.report(problem.in_column(column));
        }
        let mapped: HashSet<&String> = entity.columns.iter().collect();
        for column in found.into_iter().filter(|column| !mapped.contains(column)) {
            let problem = Problem::of(&entity.name, ProblemKind::ColumnNotMapped);
            self.report(problem.in_column(column));
        }
    }

    pub(super) fn header<R: Read>(
        &mut self,
        entity: &PackageEntity,
        places: &Places,
        rows: &Rows<'_, R>,
    ) {
        self.orders += 1;
        let field = |place: Option<usize>| place.and_then(|place| rows.record.get(place));
        let problem = |kind| Problem::of(&entity.name, kind).at_row(rows.number);
        let key = field(places.order_number).unwrap_or_default();
        if key.trim().is_empty() {
            let column = &self.columns.order_number;
            self.report(problem(ProblemKind::KeyBlank).in_column(column));
            return;
        }
        let currency = field(places.currency).and_then(Currency::parse);
        if currency.is_none() {
            let column = &self.columns.currency;
            self.report(problem(ProblemKind::Value).with_key(key).in_column(column));
        }
        let header = Header {
            row: rows.number,
            currency,
            has_lines: false,
        };
        match self.headers.entry(hash([key])) {
            Entry::Vacant(slot) => {
                slot.insert(header);
            }
            Entry::Occupied(_) => {
                self.report(problem(ProblemKind::KeyTwice).with_key(key));
            }
        }
    }

    pub(super) fn line<R: Read>(
        &mut self,
        entity: &PackageEntity,
        places: &Places,
        rows: &Rows<'_, R>,
    ) {
        self.lines += 1;
        let field = |place: Option<usize>| place.and_then(|place| rows.record.get(place));
        let problem = |kind| Problem::of(&entity.name, kind).at_row(rows.number);
        let order = field(places.order_number).unwrap_or_default();
        let key = || {
            places
                .line_key
                .iter()
                .map(|place| field(Some(*place)).unwrap_or_default())
        };
        let shown = key().collect::<Vec<_>>().join("/");
        if key().any(|part| part.trim().is_empty()) {
            self.report(problem(ProblemKind::KeyBlank).with_key(&shown));
        } else if !self.line_keys.insert(hash(key())) {
            self.report(problem(ProblemKind::KeyTwice).with_key(&shown));
        }
        let Some(header) = self.headers.get_mut(&hash([order])) else {
            self.report(problem(ProblemKind::LineWithoutHeader).with_key(order));
            return;
        };
        header.has_lines = true;
        let amount = field(places.line_amount).and_then(parse_amount);
        let (Some(amount), currency) = (amount, header.currency) else {
            let column = &self.columns.line_amount;
            self.report(
                problem(ProblemKind::Value)
                    .with_key(order)
                    .in_column(column),
            );
            return;
        };
        // A header without currency was reported with its row.
        let Some(currency) = currency else {
            return;
        };
        let sum = self.amounts.get(&currency).copied().unwrap_or_default();
        match sum.checked_add(amount) {
            Some(sum) => {
                self.amounts.insert(currency, sum);
            }
            None => self.report(problem(ProblemKind::AmountRange).with_key(order)),
        }
    }
}

/// Digits with an optional sign and point, nothing else.
fn parse_amount(text: &str) -> Option<Decimal> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_plain = digits
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.')
        && digits.starts_with(|c: char| c.is_ascii_digit())
        && !digits.ends_with('.');
    if is_plain {
        Decimal::from_str_exact(text).ok()
    } else {
        None
    }
}

/// A cryptographic hash, so that nobody can make up keys that collide.
pub(super) fn hash<'k>(parts: impl IntoIterator<Item = &'k str>) -> u128 {
    let mut hash = sha2::Sha256::new();
    for part in parts {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        hash.update(length.to_be_bytes());
        hash.update(part);
    }
    let digest: [u8; 32] = hash.finalize().into();
    digest
        .first_chunk()
        .map_or(0, |bytes| u128::from_be_bytes(*bytes))
}
