use palisade::prelude::*;
#[derive(Form)]
pub struct Unbounded {
    title: String,
}
