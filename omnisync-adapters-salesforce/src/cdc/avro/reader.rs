use thiserror::Error;

use super::schema::{Schema, Type, TypeId};
use crate::cdc::error::DecodeError;

/// Bytes of the longest number.
const NUMBER_BYTES_MAX: u32 = 10;

/// What decoding a payload may take at most. Salesforce's own limit for an event is 1 MB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Bytes of the payload. Default 4 MiB, which is what a message of the Pub/Sub API holds.
    pub bytes_max: usize,
    /// Items of a list. Default 65,536.
    pub items_max: usize,
    /// Records, lists and unions around a value. Default 32.
    pub depth_max: usize,
    /// Values of a payload: a schema can ask for many that take no byte. Default 500,000.
    pub values_max: usize,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self {
            bytes_max: 4 * 1024 * 1024,
            items_max: 65_536,
            depth_max: 32,
            values_max: 500_000,
        }
    }
}

/// What is wrong with a payload, seen from the schema it was read with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AvroProblem {
    /// More bytes than [`DecodeLimits::bytes_max`].
    #[error("the payload is larger than allowed")]
    TooLarge,
    /// A list of more items than [`DecodeLimits::items_max`].
    #[error("a list has more items than allowed")]
    TooManyItems,
    /// Deeper than [`DecodeLimits::depth_max`].
    #[error("values are nested deeper than allowed")]
    TooDeep,
    /// More values than [`DecodeLimits::values_max`].
    #[error("the payload has more values than allowed")]
    TooManyValues,
    /// The payload ends within a value.
    #[error("the payload ends too early")]
    EndOfPayload,
    /// A number is longer than one can be, or than it need be, which no writer does.
    #[error("a number is malformed")]
    Number,
    /// A number does not fit its type.
    #[error("a number does not fit its type")]
    Range,
    /// A boolean that is neither 0 nor 1.
    #[error("a boolean is neither true nor false")]
    Boolean,
    /// A negative length.
    #[error("a length is negative")]
    Length,
    /// A text is not UTF-8.
    #[error("a text is not utf-8")]
    Utf8,
    /// A union has no branch of that index.
    #[error("a union has no such branch")]
    UnionIndex,
    /// An enum has no symbol of that index.
    #[error("an enum has no such symbol")]
    EnumIndex,
    /// The items of a list take other bytes than it says.
    #[error("a list is not as long as it says")]
    BlockSize,
}

/// A decoded value. Texts are those of people: no `Debug`.
#[derive(Clone, PartialEq)]
pub(crate) enum Datum {
    Null,
    Boolean(bool),
    Integer(i64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
    /// The values of the fields, in the order of the schema.
    Record(Vec<Self>),
}

/// Reads values off a payload.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
    limits: &'a DecodeLimits,
    values: usize,
}

type Read<T> = Result<T, DecodeError>;

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8], limits: &'a DecodeLimits) -> Read<Self> {
        let reader = Self {
            bytes,
            offset: 0,
            limits,
            values: 0,
        };
        if bytes.len() > limits.bytes_max {
            return Err(reader.wrong(AvroProblem::TooLarge));
        }
        Ok(reader)
    }

    /// Bytes that were not read.
    pub(crate) const fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.offset)
    }

    /// The value of the whole schema.
    pub(crate) fn datum(&mut self, schema: &Schema) -> Read<Datum> {
        self.value(schema, schema.root(), 0)
    }

    fn value(&mut self, schema: &Schema, of: TypeId, depth: usize) -> Read<Datum> {
        self.values += 1;
        if self.values > self.limits.values_max {
            return Err(self.wrong(AvroProblem::TooManyValues));
        }
        if depth > self.limits.depth_max {
            return Err(self.wrong(AvroProblem::TooDeep));
        }
        Ok(match schema.get(of) {
            Type::Null => Datum::Null,
            Type::Boolean => Datum::Boolean(self.boolean()?),
            Type::Int => Datum::Integer(i64::from(self.int()?)),
            Type::Long => Datum::Integer(self.long()?),
            Type::Float => Datum::Double(f64::from(f32::from_le_bytes(self.array()?))),
            Type::Double => Datum::Double(f64::from_le_bytes(self.array()?)),
            Type::Bytes => {
                let length = self.length()?;
                Datum::Bytes(self.take(length)?.to_vec())
            }
            Type::Text => Datum::Text(self.text()?),
            Type::Fixed(size) => Datum::Bytes(self.take(*size)?.to_vec()),
            Type::Enum(symbols) => {
                let offset = self.offset;
                let index = usize::try_from(self.int()?).ok();
                let symbol = index.and_then(|index| symbols.get(index));
                let symbol = symbol.ok_or_else(|| at(offset, AvroProblem::EnumIndex))?;
                Datum::Text(symbol.clone())
            }
            Type::Union(branches) => {
                let offset = self.offset;
                let index = usize::try_from(self.long()?).ok();
                let branch = index.and_then(|index| branches.get(index));
                let branch = branch.ok_or_else(|| at(offset, AvroProblem::UnionIndex))?;
                self.value(schema, *branch, depth + 1)?
            }
            Type::List(items) => {
                let items = *items;
                Datum::List(self.list(|reader| reader.value(schema, items, depth + 1))?)
            }
            Type::Map(values) => {
                let values = *values;
                Datum::Map(self.list(|reader| {
                    let name = reader.text()?;
                    Ok((name, reader.value(schema, values, depth + 1)?))
                })?)
            }
            Type::Record { fields, .. } => {
                let mut record = Vec::with_capacity(fields.len());
                for field in fields {
                    let value = self.value(schema, field.of, depth + 1);
                    record.push(value.map_err(|error| error.within(&field.name))?);
                }
                Datum::Record(record)
            }
        })
    }

    pub(crate) fn boolean(&mut self) -> Read<bool> {
        let offset = self.offset;
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(at(offset, AvroProblem::Boolean)),
        }
    }

    pub(crate) fn int(&mut self) -> Read<i32> {
        let offset = self.offset;
        i32::try_from(self.long()?).map_err(|_| at(offset, AvroProblem::Range))
    }

    pub(crate) fn long(&mut self) -> Read<i64> {
        let offset = self.offset;
        let mut raw = 0_u64;
        for position in 0..NUMBER_BYTES_MAX {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            let is_last = byte & 0x80 == 0;
            let overflows = position + 1 == NUMBER_BYTES_MAX && bits > 1;
            let is_padded = is_last && bits == 0 && position > 0;
            if overflows || is_padded {
                break;
            }
            raw |= bits << (7 * position);
            if is_last {
                return Ok((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed());
            }
        }
        Err(at(offset, AvroProblem::Number))
    }

    pub(crate) fn text(&mut self) -> Read<String> {
        let length = self.length()?;
        let offset = self.offset;
        let text = std::str::from_utf8(self.take(length)?);
        let text = text.map_err(|_| at(offset, AvroProblem::Utf8))?;
        Ok(text.to_owned())
    }

    /// A list: blocks of items up to an empty one. A negative count is followed by the bytes that
    /// the block takes.
    pub(crate) fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let mut items = Vec::new();
        loop {
            let offset = self.offset;
            let count = self.long()?;
            if count == 0 {
                return Ok(items);
            }
            let bytes = if count < 0 {
                Some(self.length()?)
            } else {
                None
            };
            let start = self.offset;
            let count = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
            if count > self.limits.items_max.saturating_sub(items.len()) {
                return Err(at(offset, AvroProblem::TooManyItems));
            }
            for _ in 0..count {
                items.push(item(self)?);
            }
            if bytes.is_some_and(|bytes| bytes != self.offset - start) {
                return Err(at(offset, AvroProblem::BlockSize));
            }
        }
    }

    fn length(&mut self) -> Read<usize> {
        let offset = self.offset;
        usize::try_from(self.long()?).map_err(|_| at(offset, AvroProblem::Length))
    }

    fn byte(&mut self) -> Read<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let offset = self.offset;
        let bytes = self.take(N)?;
        <[u8; N]>::try_from(bytes).map_err(|_| at(offset, AvroProblem::EndOfPayload))
    }

    fn take(&mut self, length: usize) -> Read<&'a [u8]> {
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        let taken = rest.get(..length);
        let taken = taken.ok_or_else(|| self.wrong(AvroProblem::EndOfPayload))?;
        self.offset += length;
        Ok(taken)
    }

    const fn wrong(&self, problem: AvroProblem) -> DecodeError {
        at(self.offset, problem)
    }
}

const fn at(offset: usize, problem: AvroProblem) -> DecodeError {
    DecodeError::Payload {
        offset,
        field: String::new(),
        problem,
    }
}
