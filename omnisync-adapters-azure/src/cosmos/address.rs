//! Ids and partition keys of documents.

use omnisync_core::port::DocumentKey;

/// Longest id of an item, in bytes.
const ID_BYTES_MAX: usize = 1_023;
/// Longest partition key, in bytes.
const PARTITION_BYTES_MAX: usize = 2_048;
/// Between collection and id where collections share a container. No collection holds it.
const BETWEEN: char = ':';
/// Begins an escaped byte.
const ESCAPE: char = '~';

/// Where the documents of a collection are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Name of the container.
    pub(super) container: String,
    /// Property that is the partition key; `id` for the id itself.
    pub(super) partition_key: String,
    /// Whether other collections are there too.
    pub(super) is_shared: bool,
}

/// Where one document is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) id: String,
    pub(super) partition: String,
}

/// An id that the service cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong;

impl Place {
    /// Where the document is.
    pub(super) fn address(&self, key: &DocumentKey) -> Result<Address, TooLong> {
        let mut id = String::with_capacity(key.id.len());
        if self.is_shared {
            id.push_str(key.collection.as_str());
            id.push(BETWEEN);
        }
        escape_into(&mut id, &key.id);
        let partition = if self.is_keyed_by_id() {
            id.clone()
        } else {
            key.id.clone()
        };
        if id.len() > ID_BYTES_MAX || partition.len() > PARTITION_BYTES_MAX {
            return Err(TooLong);
        }
        Ok(Address { id, partition })
    }

    /// The id of the document at `id`; `None` for one that no document of ours has.
    pub(super) fn document_id(&self, id: &str) -> Option<String> {
        let escaped = if self.is_shared {
            id.split_once(BETWEEN)?.1
        } else {
            id
        };
        let document = unescape(escaped)?;
        let mut again = String::with_capacity(escaped.len());
        escape_into(&mut again, &document);
        (again == escaped).then_some(document)
    }

    pub(super) fn is_keyed_by_id(&self) -> bool {
        self.partition_key == "id"
    }
}

/// Bytes that every client of the service writes into a URL alike are kept. A point in front is
/// not: whole segments of points are taken out of URLs.
fn escape_into(id: &mut String, text: &str) {
    use std::fmt::Write;

    for (number, byte) in text.bytes().enumerate() {
        let is_plain = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'_' | b':' | b'@' | b',' | b'=')
            || (byte == b'.' && number > 0);
        if is_plain {
            id.push(char::from(byte));
        } else {
            // Writing into a text does not fail.
            write!(id, "{ESCAPE}{byte:02X}").ok();
        }
    }
}

fn unescape(id: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(id.len());
    let mut rest = id.chars();
    while let Some(next) = rest.next() {
        if next == ESCAPE {
            let high = rest.next()?.to_digit(16)?;
            let low = rest.next()?.to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(u8::try_from(next).ok()?);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use omnisync_core::port::Collection;
    use proptest::prelude::*;

    const ORDERS: Collection = Collection::new("orders");

    fn place(partition_key: &str, is_shared: bool) -> Place {
        Place {
            container: "c".to_owned(),
            partition_key: partition_key.to_owned(),
            is_shared,
        }
    }

    fn address(place: &Place, id: &str) -> Address {
        place.address(&DocumentKey::new(ORDERS, id)).unwrap()
    }

    #[test]
    fn an_order_is_found_by_its_own_id() {
        let found = address(&place("orderId", false), "ORD-20260314-001");
        assert_eq!(
            (found.id.as_str(), found.partition.as_str()),
            ("ORD-20260314-001", "ORD-20260314-001")
        );
        let shared = address(&place("id", true), "ORD-1");
        assert_eq!(
            (shared.id.as_str(), shared.partition.as_str()),
            ("orders:ORD-1", "orders:ORD-1")
        );
    }

    #[test]
    fn what_urls_change_is_escaped() {
        let orders = place("orderId", false);
        for (id, want) in [
            ("..", "~2E."),
            (" a ", "~20a~20"),
            ("%41", "~2541"),
            ("~", "~7E"),
            ("é", "~C3~A9"),
        ] {
            let found = address(&orders, id);
            assert_eq!((found.id.as_str(), found.partition.as_str()), (want, id));
        }
    }

    #[test]
    fn an_id_that_does_not_fit_is_refused() {
        let key = |id: String| DocumentKey::new(ORDERS, id);
        let orders = place("orderId", false);
        assert!(orders.address(&key("a".repeat(1_023))).is_ok());
        assert_eq!(orders.address(&key("a".repeat(1_024))), Err(TooLong));
        assert_eq!(orders.address(&key("é".repeat(300))), Err(TooLong));
    }

    #[test]
    fn foreign_ids_are_no_documents() {
        for id in ["~", "~4", "~zz", "~41", ".a", "é", "~FF"] {
            assert_eq!(place("id", false).document_id(id), None, "{id}");
        }
        assert_eq!(place("id", true).document_id("a"), None);
    }

    proptest! {
        #[test]
        fn every_id_comes_back_and_no_two_meet(a in "\\PC{0,60}", b in "\\PC{0,60}") {
            for place in [place("orderId", false), place("id", true)] {
                let (first, second) = (address(&place, &a), address(&place, &b));
                prop_assert_eq!(place.document_id(&first.id), Some(a.clone()));
                prop_assert_eq!(first == second, a == b);
                prop_assert!(first.id.bytes().all(|byte| byte.is_ascii_graphic() && !b"/\\?#%".contains(&byte)));
            }
        }
    }
}
