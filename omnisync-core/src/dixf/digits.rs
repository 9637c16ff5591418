//! Numbers and dates as text. Packages hold millions of them, and the formatting of the standard
//! library is made for more than digits.

use std::fmt::Write as _;

use chrono::{Datelike as _, NaiveDate};
use rust_decimal::Decimal;

/// Digits of the largest `u64`, with a point and a zero before it.
const CHARS_MAX: usize = 22;

/// Appends a number with all its decimals, as [`Decimal`] shows it, but zero without a sign.
pub(super) fn push_decimal(number: Decimal, out: &mut String) {
    let scale = usize::try_from(number.scale()).unwrap_or(usize::MAX);
    let Ok(mut digits) = u64::try_from(number.mantissa().unsigned_abs()) else {
        return push_large(number, out);
    };
    if scale + 2 > CHARS_MAX {
        return push_large(number, out);
    }
    if number.is_sign_negative() && digits > 0 {
        out.push('-');
    }
    let whole = if scale == 0 { 0 } else { scale + 1 };
    let mut text = [b'0'; CHARS_MAX];
    let mut chars = 0;
    // Backwards, until nothing is left and a digit stands before the point.
    for (index, slot) in text.iter_mut().rev().enumerate() {
        if index + 1 == whole {
            *slot = b'.';
        } else {
            *slot = b'0' + u8::try_from(digits % 10).unwrap_or_default();
            digits /= 10;
        }
        chars = index + 1;
        if digits == 0 && index >= whole {
            break;
        }
    }
    let text = text.get(CHARS_MAX - chars..).unwrap_or_default();
    out.push_str(std::str::from_utf8(text).unwrap_or_default());
}

fn push_large(mut number: Decimal, out: &mut String) {
    if number.is_zero() {
        number.set_sign_positive(true);
    }
    // A string takes everything.
    write!(out, "{number}").unwrap_or_default();
}

/// Appends a date as year, month and day.
pub(super) fn push_date(date: NaiveDate, out: &mut String) {
    push_year(date, out);
    out.push('-');
    push_two(date.month(), out);
    out.push('-');
    push_two(date.day(), out);
}

/// Appends a date as month, day and year with slashes.
pub(super) fn push_us_date(date: NaiveDate, out: &mut String) {
    push_two(date.month(), out);
    out.push('/');
    push_two(date.day(), out);
    out.push('/');
    push_year(date, out);
}

fn push_year(date: NaiveDate, out: &mut String) {
    match u32::try_from(date.year()) {
        Ok(year @ 0..=9_999) => {
            push_two(year / 100, out);
            push_two(year % 100, out);
        }
        // A string takes everything.
        _ => write!(out, "{}", date.format("%Y")).unwrap_or_default(),
    }
}

fn push_two(number: u32, out: &mut String) {
    for digit in [number / 10 % 10, number % 10] {
        out.extend(char::from_digit(digit, 10));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(number: Decimal) -> String {
        let mut out = String::new();
        push_decimal(number, &mut out);
        out
    }

    #[test]
    fn decimals_stay_and_zero_has_no_sign() {
        for (mantissa, scale, expected) in [
            (0, 0, "0"),
            (0, 2, "0.00"),
            (5, 2, "0.05"),
            (-5, 1, "-0.5"),
            (1_234_500, 2, "12345.00"),
            (1, 28, "0.0000000000000000000000000001"),
        ] {
            assert_eq!(text(Decimal::new(mantissa, scale)), expected);
        }
        let mut zero = Decimal::new(0, 3);
        zero.set_sign_negative(true);
        assert_eq!(text(zero), "0.000");
        zero.set_scale(28).unwrap();
        assert_eq!(text(zero), "0.0000000000000000000000000000");
        assert_eq!(text(Decimal::MIN), Decimal::MIN.to_string());
        let largest = Decimal::from(u64::MAX);
        assert_eq!(text(largest), u64::MAX.to_string());
    }

    proptest! {
        #[test]
        fn every_date_is_as_it_shows_itself(days in -4_000_000..4_000_000_i32) {
            let date = NaiveDate::from_epoch_days(days).unwrap();
            let mut text = String::new();
            push_date(date, &mut text);
            prop_assert_eq!(&text, &date.to_string());
            text.clear();
            push_us_date(date, &mut text);
            prop_assert_eq!(text, date.format("%m/%d/%Y").to_string());
        }

        #[test]
        fn every_number_is_as_it_shows_itself(mantissa in any::<i64>(), scale in 0..=28_u32) {
            let number = Decimal::new(mantissa, scale);
            prop_assert_eq!(text(number), number.to_string());
        }

        #[test]
        fn large_ones_too(mantissa in -(1_i128 << 95)..(1_i128 << 95), scale in 0..=28_u32) {
            let number = Decimal::from_i128_with_scale(mantissa, scale);
            prop_assume!(!number.is_zero());
            prop_assert_eq!(text(number), number.to_string());
        }
    }
}
