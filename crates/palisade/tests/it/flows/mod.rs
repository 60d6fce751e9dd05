//! Flows that are run twice, out of order, at once, or too often.

mod exports;
mod links;
mod once;
mod rows;
mod site;
mod unsent;
