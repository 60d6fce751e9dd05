//! Field types as encrypted columns.

use super::{Choice, Day, Decimal, Field, IntoColumn, Moment, Money, Number, ShowColumn};
use crate::encrypted_fields::{Encryptable, Encrypted};
use zeroize::{Zeroize, Zeroizing};

/// A typed value, to be encrypted when its row is written.
impl<T: Encryptable> IntoColumn<Encrypted<T>> for T {
    fn into_column(self) -> Encrypted<T> {
        Encrypted::new(self)
    }
}

/// Empty: a form that is filled from a row does not decrypt. Set the field with the
/// result of `Model::open_…`.
impl<T: Encryptable> ShowColumn<Encrypted<T>> for T {
    fn show(_: &Encrypted<T>) -> Vec<String> {
        Vec::new()
    }
}

impl<T: Choice + Zeroize> Encryptable for T {
    const DOMAIN_BITS: u32 = T::ALL.len().ilog2();

    fn to_plaintext(&self) -> Zeroizing<String> {
        Zeroizing::new(self.code().to_owned())
    }

    fn from_plaintext(text: &str) -> Option<Self> {
        T::from_code(text)
    }
}

macro_rules! parsed {
    ($([$($generic:tt)*] $type:ty: $bits:expr, $zero:expr;)+) => {
        $(
            impl<$($generic)*> Zeroize for $type {
                fn zeroize(&mut self) {
                    if let Some(zero) = Self::from_plaintext($zero) {
                        *self = zero;
                    }
                }
            }

            impl<$($generic)*> Encryptable for $type {
                const DOMAIN_BITS: u32 = $bits;

                fn to_plaintext(&self) -> Zeroizing<String> {
                    Zeroizing::new(self.to_string())
                }

                fn from_plaintext(text: &str) -> Option<Self> {
                    Self::parse(Some(text)).ok()
                }
            }
        )+
    };
}

/// The logarithm to base 2 of 10 to this power, rounded down.
const fn bits_of_digits(digits: u32) -> u32 {
    digits * 332 / 100
}

parsed! {
    // 120 years
    [] Day: 15, "0001-01-01";
    [] Moment: 31, "0001-01-01T00:00:00Z";
    [const DIGITS: u32, const SCALE: u32] Decimal<DIGITS, SCALE>: bits_of_digits(DIGITS), "0";
    [const MAX: i64, const DECIMALS: u32] Money<MAX, DECIMALS>: (MAX.unsigned_abs() + 1).ilog2(), "0";
    [const MIN: i64, const MAX: i64] Number<MIN, MAX>: (MAX.abs_diff(MIN).saturating_add(1)).ilog2(), &MIN.to_string();
}
