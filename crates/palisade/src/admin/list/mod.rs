//! Lists: filters, search, order and pages by key. Names in the URL are those of columns that the
//! user sees; anything else is refused, so that no list answers questions about other columns.

pub(crate) mod cells;
pub(crate) mod cursor;
pub(crate) mod facets;
pub(crate) mod page;
pub(crate) mod query;
pub(crate) mod rows;
