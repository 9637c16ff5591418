use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::super::error::{MapError, RefusalReason};
use super::super::map::is_default;
use super::Refused;
use crate::crm::{FieldName, Native, Value};

/// How a decimal number looks in a system: multiplied by `factor` and rounded to `scale`.
///
/// The calculation is exact but for that rounding, and back again it is rounded to the scale of
/// the field. What comes back is stable after one round, whichever of the two is finer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DecimalLens {
    /// Digits behind the point in the system. The field's own, if not given.
    #[serde(skip_serializing_if = "is_default")]
    pub scale: Option<u32>,
    /// What happens to digits that the scale leaves out.
    #[serde(skip_serializing_if = "is_default")]
    pub rounding: Rounding,
    /// How many native units one unit of the field is: 100 for percent, 2.54 for inches in
    /// centimetres, a rate for an amount in another currency. Default 1.
    #[serde(skip_serializing_if = "is_default")]
    pub factor: Option<Decimal>,
    /// Number or text.
    #[serde(skip_serializing_if = "is_default")]
    pub form: NumberForm,
    /// Least native number that is written.
    #[serde(skip_serializing_if = "is_default")]
    pub min: Option<Decimal>,
    /// Greatest native number that is written.
    #[serde(skip_serializing_if = "is_default")]
    pub max: Option<Decimal>,
}

/// How a whole number looks in a system.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct IntegerLens {
    /// Number or text.
    #[serde(skip_serializing_if = "is_default")]
    pub form: NumberForm,
    /// Least number that is written.
    #[serde(skip_serializing_if = "is_default")]
    pub min: Option<i64>,
    /// Greatest number that is written.
    #[serde(skip_serializing_if = "is_default")]
    pub max: Option<i64>,
}

/// What happens to digits that a scale leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Rounding {
    /// To the nearest, halves to the even neighbour.
    #[default]
    HalfEven,
    /// To the nearest, halves away from zero.
    HalfUp,
}

/// Whether a number is a number or text in the system's interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NumberForm {
    /// A number.
    #[default]
    Number,
    /// Text of an optional sign, digits, and possibly a point with further digits.
    Text,
}

impl DecimalLens {
    /// Rounds to so many digits behind the point.
    pub fn scaled(scale: u32, rounding: Rounding) -> Self {
        Self {
            scale: Some(scale),
            rounding,
            ..Self::default()
        }
    }

    /// Sets how many native units one unit of the field is.
    #[must_use]
    pub fn with_factor(mut self, factor: Decimal) -> Self {
        self.factor = Some(factor);
        self
    }

    /// Refuses to write native numbers outside of these.
    #[must_use]
    pub fn with_range(mut self, min: Decimal, max: Decimal) -> Self {
        (self.min, self.max) = (Some(min), Some(max));
        self
    }

    /// Sets whether it is a number or text.
    #[must_use]
    pub fn with_form(mut self, form: NumberForm) -> Self {
        self.form = form;
        self
    }

    pub(super) fn check(&self, field: &FieldName, scale: u32, errors: &mut Vec<MapError>) {
        let field = || field.clone();
        if scale.max(self.scale.unwrap_or_default()) > Decimal::MAX_SCALE {
            errors.push(MapError::Scale {
                field: field(),
                scale_max: Decimal::MAX_SCALE,
            });
        }
        if self.factor.is_some_and(|factor| factor <= Decimal::ZERO) {
            errors.push(MapError::Factor { field: field() });
        }
        if matches!((self.min, self.max), (Some(min), Some(max)) if min > max) {
            errors.push(MapError::Range { field: field() });
        }
    }

    pub(super) fn read(&self, native: &Native, scale: u32) -> Refused<Option<Value>> {
        let native = self.form.read(native)?;
        // Digits that the system is not said to have are none: they could not be written back.
        let native = self
            .rounding
            .apply(native, 1, 1, self.scale.unwrap_or(scale))?;
        let (numerator, denominator) = self.factor_parts()?;
        // Dividing by the factor is multiplying by its inverse.
        self.rounding
            .apply(native, denominator, numerator, scale)
            .map(|value| Some(Value::Decimal(value)))
    }

    pub(super) fn write(&self, value: Decimal, scale: u32) -> Refused<Native> {
        let (numerator, denominator) = self.factor_parts()?;
        let value = self.rounding.apply(value, 1, 1, scale)?;
        let native_scale = self.scale.unwrap_or(scale);
        let native = self
            .rounding
            .apply(value, numerator, denominator, native_scale)?;
        let below = self.min.is_some_and(|min| native < min);
        if below || self.max.is_some_and(|max| native > max) {
            return Err(RefusalReason::OutOfRange);
        }
        Ok(self.form.write(native))
    }

    /// The factor as a fraction of whole numbers.
    fn factor_parts(&self) -> Refused<(i128, i128)> {
        let Some(factor) = self.factor.map(|factor| factor.normalize()) else {
            return Ok((1, 1));
        };
        let denominator = power_of_ten(factor.scale()).ok_or(RefusalReason::OutOfRange)?;
        Ok((factor.mantissa(), denominator))
    }
}

impl Rounding {
    /// `value * numerator / denominator`, exactly but for one rounding to `scale`.
    fn apply(
        self,
        value: Decimal,
        numerator: i128,
        denominator: i128,
        scale: u32,
    ) -> Refused<Decimal> {
        self.exactly(value.normalize(), numerator, denominator, scale)
            .ok_or(RefusalReason::OutOfRange)
    }

    fn exactly(
        self,
        value: Decimal,
        numerator: i128,
        denominator: i128,
        scale: u32,
    ) -> Option<Decimal> {
        let mut above = value.mantissa().checked_mul(numerator)?;
        let mut below = denominator;
        match scale.checked_sub(value.scale()) {
            Some(more) => above = above.checked_mul(power_of_ten(more)?)?,
            None => below = below.checked_mul(power_of_ten(value.scale() - scale)?)?,
        }
        let mut mantissa = self.divided(above, below)?;
        let mut scale = scale;
        while scale > 0 && mantissa % 10 == 0 {
            mantissa /= 10;
            scale -= 1;
        }
        Decimal::try_from_i128_with_scale(mantissa, scale).ok()
    }

    /// The nearest whole number to `above / below`, with `below` above zero.
    fn divided(self, above: i128, below: i128) -> Option<i128> {
        let floor = above.checked_div_euclid(below)?;
        let rest = above.checked_rem_euclid(below)?;
        let is_up = match rest.cmp(&(below - rest)) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Equal => match self {
                Self::HalfEven => floor % 2 != 0,
                Self::HalfUp => above > 0,
            },
        };
        floor.checked_add(i128::from(is_up))
    }
}

fn power_of_ten(exponent: u32) -> Option<i128> {
    10_i128.checked_pow(exponent)
}

impl IntegerLens {
    /// Refuses to write numbers outside of these.
    pub fn ranged(min: i64, max: i64) -> Self {
        Self {
            min: Some(min),
            max: Some(max),
            ..Self::default()
        }
    }

    pub(super) fn check(&self, field: &FieldName, errors: &mut Vec<MapError>) {
        if matches!((self.min, self.max), (Some(min), Some(max)) if min > max) {
            errors.push(MapError::Range {
                field: field.clone(),
            });
        }
    }

    pub(super) fn read(&self, native: &Native) -> Refused<Option<Value>> {
        let number = self.form.read(native)?;
        if !number.is_integer() {
            return Err(RefusalReason::Malformed);
        }
        i64::try_from(number)
            .map(|value| Some(Value::Integer(value)))
            .map_err(|_| RefusalReason::OutOfRange)
    }

    pub(super) fn write(&self, value: i64) -> Refused<Native> {
        let below = self.min.is_some_and(|min| value < min);
        if below || self.max.is_some_and(|max| value > max) {
            return Err(RefusalReason::OutOfRange);
        }
        Ok(self.form.write(Decimal::from(value)))
    }
}

impl NumberForm {
    fn read(self, native: &Native) -> Refused<Decimal> {
        match (self, native) {
            (Self::Number, Native::Number(number)) => Ok(*number),
            (Self::Text, Native::Text(text)) => parse(text).ok_or(RefusalReason::Malformed),
            _ => Err(RefusalReason::WrongNative),
        }
    }

    fn write(self, number: Decimal) -> Native {
        let number = number.normalize();
        match self {
            Self::Number => Native::Number(number),
            Self::Text => Native::Text(number.to_string()),
        }
    }
}

/// A number without rounding, exponent or separators of thousands.
fn parse(text: &str) -> Option<Decimal> {
    let text = text.trim();
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+'));
    Decimal::from_str_exact(text).ok().filter(|_| is_plain)
}
