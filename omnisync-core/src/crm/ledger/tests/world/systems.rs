//! Systems that misbehave.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};

use crate::crm::ledger::Lenses;
use crate::crm::{FieldName, SystemName, Value};

const TOKENS_OLD_MAX: usize = 3;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) value: Option<String>,
    /// A person set it, and nobody has taken note.
    pub(super) unnoticed: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) version: u64,
    /// When it was changed last.
    pub(super) at: DateTime<Utc>,
    pub(super) alive: bool,
    pub(super) cells: Vec<Cell>,
}

#[derive(Debug)]
pub(super) struct System {
    pub(super) name: SystemName,
    pub(super) record: Option<Record>,
    /// States before, for reads that are behind.
    pub(super) before: VecDeque<Record>,
    pub(super) hints: usize,
    pub(super) rewrites: usize,
}

pub(super) struct Rng(pub(super) u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    pub(super) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

pub(super) struct Maps {
    pub(super) systems: Vec<SystemName>,
    pub(super) rewrites: Vec<usize>,
}

impl Lenses for Maps {
    fn systems(&self) -> &[SystemName] {
        &self.systems
    }

    /// The first way of rewriting is known to the maps, the second is not.
    fn normal(
        &self,
        system: &SystemName,
        _: &FieldName,
        value: Option<&Value>,
    ) -> Option<Option<Value>> {
        let at = self.systems.iter().position(|one| one == system).unwrap();
        let Some(Value::Text(text)) = value else {
            return Some(None);
        };
        let text = if self.rewrites[at] == 1 {
            rewrite(1, text)
        } else {
            text.to_string()
        };
        Some(Some(Value::Text(text.into())))
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

pub(super) fn rewrite(way: usize, text: &str) -> String {
    match way {
        1 => text.to_uppercase(),
        2 => format!("{}~", text.to_lowercase().trim_end_matches('~')),
        _ => text.to_owned(),
    }
}

pub(super) fn remember(before: &mut VecDeque<Record>, record: Record) {
    if before.len() == TOKENS_OLD_MAX {
        before.pop_front();
    }
    before.push_back(record);
}
