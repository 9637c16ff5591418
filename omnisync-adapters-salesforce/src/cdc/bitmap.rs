use thiserror::Error;

use super::event::FieldPath;
use super::schema::EventSchema;

/// Digits of the longest bitmap; Salesforce's objects have at most 800 fields.
const DIGITS_MAX: usize = 4_096;

const BITS_PER_DIGIT: usize = 4;

/// Why a list is not one of bitmaps of its schema.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BitmapProblem {
    /// The element is neither `0x…` nor `number-0x…`.
    #[error("element {element} is no bitmap")]
    Malformed {
        /// Zero-based place in the list.
        element: usize,
    },
    /// The bitmap has a bit for which the schema has no field.
    #[error("bit {bit} is set, but there are {fields} fields")]
    BeyondFields {
        /// The bit, from 0.
        bit: usize,
        /// How many fields there are.
        fields: usize,
    },
    /// A bitmap of children for a field that the schema does not have.
    #[error("children of field {field} are named, but there are {fields} fields")]
    NoField {
        /// The field, from 0.
        field: usize,
        /// How many fields there are.
        fields: usize,
    },
    /// A bitmap of children for a field that has none.
    #[error("children of field {field} are named, which has none")]
    NoChildren {
        /// The field, from 0.
        field: usize,
    },
}

/// The fields that the bitmaps of a list stand for, in the order of the schema, a field before its
/// children.
///
/// An element is told by its form and not by its place: the bitmap of the fields themselves, `0x…`,
/// can be missing, so that the first element is one of children, `6-0x01`.
pub(super) fn expand(
    elements: &[String],
    schema: &EventSchema,
) -> Result<Vec<FieldPath>, BitmapProblem> {
    let fields = schema.shapes();
    // (field, 0) is the field, (field, n + 1) its child n.
    let mut places: Vec<(usize, usize)> = Vec::new();
    for (position, element) in elements.iter().enumerate() {
        let malformed = || BitmapProblem::Malformed { element: position };
        let bitmap = Bitmap::parse(element).ok_or_else(malformed)?;
        match bitmap.parent {
            None => {
                let set = within(&bitmap.bits, fields.len())?;
                places.extend(set.map(|field| (field, 0)));
            }
            Some(field) => {
                let shape = fields.get(field).ok_or(BitmapProblem::NoField {
                    field,
                    fields: fields.len(),
                })?;
                if shape.children.is_empty() {
                    return Err(BitmapProblem::NoChildren { field });
                }
                let set = within(&bitmap.bits, shape.children.len())?;
                places.extend(set.map(|child| (field, child + 1)));
            }
        }
    }
    places.sort_unstable();
    places.dedup();
    let path = |(field, child): (usize, usize)| {
        let shape = fields.get(field)?;
        match child.checked_sub(1) {
            None => Some(shape.path.clone()),
            Some(child) => shape.children.get(child).cloned(),
        }
    };
    Ok(places.into_iter().filter_map(path).collect())
}

/// True for an element of a list that is a bitmap and not the name of a field.
pub(super) fn is_bitmap(element: &str) -> bool {
    Bitmap::parse(element).is_some()
}

struct Bitmap {
    /// The field whose children it is about; the record itself without one.
    parent: Option<usize>,
    /// Numbers of the bits that are set, ascending.
    bits: Vec<usize>,
}

impl Bitmap {
    fn parse(element: &str) -> Option<Self> {
        let (parent, hex) = match element.split_once('-') {
            None => (None, element),
            Some((parent, hex)) => {
                let is_number = parent.bytes().all(|byte| byte.is_ascii_digit());
                (Some(parent.parse().ok().filter(|_| is_number)?), hex)
            }
        };
        let digits = hex.strip_prefix("0x").or_else(|| hex.strip_prefix("0X"))?;
        if digits.is_empty() || digits.len() > DIGITS_MAX {
            return None;
        }
        let mut bits = Vec::new();
        for (position, digit) in digits.chars().rev().enumerate() {
            let digit = digit.to_digit(16)?;
            let low = position * BITS_PER_DIGIT;
            bits.extend(
                (0..BITS_PER_DIGIT)
                    .filter(|bit| digit >> bit & 1 == 1)
                    .map(|bit| low + bit),
            );
        }
        Some(Self { parent, bits })
    }
}

/// The bits, if there is a field for each.
fn within(bits: &[usize], fields: usize) -> Result<impl Iterator<Item = usize>, BitmapProblem> {
    match bits.last() {
        Some(bit) if *bit >= fields => Err(BitmapProblem::BeyondFields { bit: *bit, fields }),
        _ => Ok(bits.iter().copied()),
    }
}
