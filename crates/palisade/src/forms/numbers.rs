use super::{Field, Shape};
use std::fmt;

/// An exact decimal number with at most `DIGITS` digits, `SCALE` of them behind the point, as
/// Django's `DecimalField`. A comma is accepted as the point.
///
/// ```
/// use palisade::forms::Decimal;
/// use palisade::prelude::*;
/// #[derive(Form)]
/// struct Reading {
///     celsius: Decimal<5, 2>,
///     price: Money<100_000_00>,
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decimal<const DIGITS: u32, const SCALE: u32>(rust_decimal::Decimal);

/// An amount of money from 0 to `MAX`, in the smallest unit of its currency: `12.30` is 1230 with
/// two decimals, the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money<const MAX: i64, const DECIMALS: u32 = 2>(i64);

impl<const DIGITS: u32, const SCALE: u32> Decimal<DIGITS, SCALE> {
    /// The number.
    pub fn get(self) -> rust_decimal::Decimal {
        self.0
    }
}

impl<const MAX: i64, const DECIMALS: u32> Money<MAX, DECIMALS> {
    /// The amount in the smallest unit, such as cents.
    pub fn minor_units(self) -> i64 {
        self.0
    }
}

impl<const DIGITS: u32, const SCALE: u32> fmt::Display for Decimal<DIGITS, SCALE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<const MAX: i64, const DECIMALS: u32> fmt::Display for Money<MAX, DECIMALS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        rust_decimal::Decimal::new(self.0, DECIMALS).fmt(f)
    }
}

impl<const DIGITS: u32, const SCALE: u32> From<Decimal<DIGITS, SCALE>> for rust_decimal::Decimal {
    fn from(decimal: Decimal<DIGITS, SCALE>) -> Self {
        decimal.0
    }
}

impl<const MAX: i64, const DECIMALS: u32> From<Money<MAX, DECIMALS>> for i64 {
    fn from(money: Money<MAX, DECIMALS>) -> Self {
        money.0
    }
}

impl<const DIGITS: u32, const SCALE: u32> Field for Decimal<DIGITS, SCALE> {
    const SHAPE: Shape = Shape {
        inputmode: "decimal",
        ..Shape::new("text", DIGITS as usize + 2)
    };

    fn parse(raw: Option<&str>) -> Result<Self, String> {
        let number = parse_decimal(raw).ok_or("Enter a number such as 12.5.")?;
        if number.scale() > SCALE {
            return Err(format!("Use at most {SCALE} decimals."));
        }
        let whole = i64::from(10_u8).checked_pow(DIGITS - SCALE);
        match whole.is_none_or(|limit| number.abs() < limit.into()) {
            true => Ok(Self(number)),
            false => Err(format!(
                "Use at most {} digits before the point.",
                DIGITS - SCALE
            )),
        }
    }
}

impl<const MAX: i64, const DECIMALS: u32> Field for Money<MAX, DECIMALS> {
    const SHAPE: Shape = Shape {
        inputmode: "decimal",
        ..Shape::new("text", 24)
    };

    fn parse(raw: Option<&str>) -> Result<Self, String> {
        let amount = parse_decimal(raw).ok_or("Enter an amount such as 12.30.")?;
        if amount.scale() > DECIMALS {
            return Err(format!("Use at most {DECIMALS} decimals."));
        }
        let minor = amount.checked_mul(rust_decimal::Decimal::from(10_i64.pow(DECIMALS)));
        let minor = minor.and_then(|minor| i64::try_from(minor).ok());
        minor
            .filter(|minor| (0..=MAX).contains(minor))
            .map(Self)
            .ok_or_else(|| format!("Enter an amount from 0 to {}.", Self(MAX)))
    }
}

/// Digits with at most one point or comma: no exponent, no separators of thousands, which other
/// readers take for the point.
fn parse_decimal(raw: Option<&str>) -> Option<rust_decimal::Decimal> {
    let raw = raw.unwrap_or_default().trim().replace(',', ".");
    let digits = raw.strip_prefix(['-', '+']).unwrap_or(&raw);
    let is_plain = digits
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.')
        && digits.starts_with(|first: char| first.is_ascii_digit())
        && digits.ends_with(|last: char| last.is_ascii_digit());
    is_plain.then(|| rust_decimal::Decimal::from_str_exact(&raw).ok())?
}
