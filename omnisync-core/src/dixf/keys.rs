//! The keys by which the ERP reports the records of an order.

use super::compile::{CompiledEntity, CompiledMap};
use super::mapping::MappedOrder;
use crate::port::RecordKey;

impl CompiledMap {
    /// Keys of the header record and of each line record of `mapped`.
    pub fn record_keys(&self, mapped: &MappedOrder) -> (RecordKey, Vec<RecordKey>) {
        let header = key(&self.headers, mapped.header());
        let lines = (0..mapped.lines())
            .map(|line| key(&self.lines, mapped.line(line)))
            .collect();
        (header, lines)
    }
}

fn key<'m>(entity: &CompiledEntity, values: impl Iterator<Item = Option<&'m str>>) -> RecordKey {
    let columns = entity
        .names()
        .zip(values)
        .filter(|(name, _)| entity.map.key.iter().any(|key| key == name))
        .map(|(name, value)| (name.to_owned(), value.unwrap_or_default().to_owned()))
        .collect();
    RecordKey {
        entity: entity.map.entity_name.clone(),
        columns,
    }
}
