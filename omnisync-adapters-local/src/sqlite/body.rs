//! Bodies as the database keeps them: short ones as text, longer ones compressed.
//!
//! A compressed body is a BLOB: the number of its form, its length before compression in four
//! bytes, and a block of LZ4. Documents repeat the same words in the same order, and are too short
//! to repeat themselves; so the block begins where a dictionary of such words ends. The dictionary
//! belongs to the form: another one is another form, beside this one.

use lz4_flex::block;
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};
use serde_json::value::RawValue;

const FORM: u8 = 1;
const DICTIONARY: &[u8] = include_bytes!("dictionary-1.json");
/// LZ4 says no more than so many bytes with one.
const RATIO_MAX: usize = 255;
/// A compressed body has to be smaller by this part, or it is not worth unpacking.
const GAIN_MIN: usize = 8;

/// A compressed body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packed(Vec<u8>);

impl Packed {
    /// `None` for a body that is better kept as it is.
    pub(super) fn new(body: &str) -> Option<Self> {
        let length = u32::try_from(body.len()).ok()?;
        let block = block::compress_with_dict(body.as_bytes(), DICTIONARY);
        let mut packed = Vec::with_capacity(block.len() + 5);
        packed.push(FORM);
        packed.extend_from_slice(&length.to_le_bytes());
        packed.extend_from_slice(&block);
        (packed.len() < body.len() - body.len() / GAIN_MIN).then_some(Self(packed))
    }
}

impl ToSql for Packed {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(&self.0)))
    }
}

/// The body in a column, or what the column holds instead.
pub(super) fn unpack(column: ValueRef<'_>) -> Result<Box<RawValue>, &'static str> {
    let text = match column {
        ValueRef::Text(text) => text.to_vec(),
        ValueRef::Blob(blob) => unpacked(blob)?,
        _ => return Err("a body that is neither text nor compressed"),
    };
    let text = String::from_utf8(text).map_err(|_| "a body that is not UTF-8")?;
    RawValue::from_string(text).map_err(|_| "a body that is not JSON")
}

fn unpacked(blob: &[u8]) -> Result<Vec<u8>, &'static str> {
    const DAMAGED: &str = "a compressed body that is damaged";
    let (form, rest) = blob.split_first().ok_or(DAMAGED)?;
    if *form != FORM {
        return Err("a body in a form that this version does not know");
    }
    let (length, block) = rest.split_first_chunk().ok_or(DAMAGED)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| DAMAGED)?;
    if length > block.len().saturating_mul(RATIO_MAX) {
        return Err(DAMAGED);
    }
    let text = block::decompress_with_dict(block, length, DICTIONARY).map_err(|_| DAMAGED)?;
    if text.len() == length {
        Ok(text)
    } else {
        Err(DAMAGED)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed(body: &str) -> Packed {
        Packed::new(body).unwrap()
    }

    fn order(lines: usize) -> String {
        let line = r#"{"itemNumber":1,"productCode":"SKU-00017","quantity":2,"unitPrice":17.99}"#;
        let lines = vec![line; lines].join(",");
        format!(r#"{{"orderId":"ORD-1","currency":"USD","lineItems":[{lines}]}}"#)
    }

    #[test]
    fn an_order_takes_less_than_half_and_comes_back() {
        let body = order(3);
        let packed = packed(&body);
        assert!(packed.0.len() * 2 < body.len(), "{}", packed.0.len());
        assert_eq!(unpack(ValueRef::Blob(&packed.0)).unwrap().get(), body);
        assert_eq!(unpack(ValueRef::Text(body.as_bytes())).unwrap().get(), body);
    }

    #[test]
    fn what_does_not_shrink_stays_as_it_is() {
        let noise: Vec<u32> = (0..200_u32)
            .map(|number| number.wrapping_mul(2_654_435_761))
            .collect();
        for body in ["", "1", "{}", &format!("{noise:?}")] {
            assert_eq!(Packed::new(body), None, "{body}");
        }
    }

    #[test]
    fn what_is_damaged_is_told() {
        let good = packed(&order(9)).0;
        let told = |blob: &[u8]| unpack(ValueRef::Blob(blob)).map(|_| ());
        let with = |place: usize, byte: u8| {
            let mut bad = good.clone();
            bad[place] = byte;
            bad
        };
        assert!(told(&with(0, 2)).unwrap_err().contains("version"));
        for bad in [&[][..], &[FORM], &good[..4], &good[..good.len() - 1]] {
            assert!(told(bad).is_err(), "{bad:?}");
        }
        // A length that is too small, too large, and absurd.
        for (place, byte) in [(1, good[1] - 1), (1, good[1] + 1), (4, 0xff)] {
            assert!(told(&with(place, byte)).is_err(), "{place} {byte}");
        }
        assert!(unpack(ValueRef::Integer(1)).is_err());
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in ".{0,3000}", times in 1..4_usize) {
            let body = serde_json::to_string(&text.repeat(times)).unwrap();
            if let Some(packed) = Packed::new(&body) {
                let body_again = unpack(ValueRef::Blob(&packed.0)).unwrap();
                prop_assert_eq!(body_again.get(), body);
            }
        }

        #[test]
        fn damage_never_panics(place in 0..300_usize, byte: u8) {
            let mut bad = packed(&order(20)).0;
            if let Some(slot) = bad.get_mut(place) {
                *slot = byte;
            }
            drop(unpack(ValueRef::Blob(&bad)));
        }
    }
}
