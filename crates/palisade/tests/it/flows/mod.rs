//! Flows that are run twice, out of order, at once, or too often.

mod once;
mod rows;
mod site;
mod unsent;
