//! The handles of the database, for functions that take any of them.

use super::{Db, Tx};
use sea_orm::ConnectionTrait;

/// A handle of the site's database, [`Db`] or [`Tx`], which can encrypt and decrypt.
pub trait DataHandle: ConnectionTrait + private::Sealed {
    #[doc(hidden)]
    fn field_keys(&self) -> private::Keys<'_>;
}

pub(crate) mod private {
    /// Only handles of the framework.
    pub trait Sealed {}

    /// Keys that leave the crate in no other way.
    pub struct Keys<'a>(pub(crate) &'a crate::db::FieldKeys);
}

macro_rules! handles {
    ($($handle:ty),*) => {
        $(
            impl private::Sealed for $handle {}

            impl DataHandle for $handle {
                fn field_keys(&self) -> private::Keys<'_> {
                    private::Keys(self.keys())
                }
            }
        )*
    };
}

handles!(Db, Tx);
