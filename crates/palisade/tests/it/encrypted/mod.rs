//! Encrypted columns: what is stored, what is found, what a moved, changed or old value is.

mod canary;
mod columns;
mod django;
mod program;
mod rotation;
mod site;
