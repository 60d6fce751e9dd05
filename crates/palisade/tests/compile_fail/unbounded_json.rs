use palisade::prelude::*;
#[derive(palisade::serde::Deserialize, JsonBody)]
#[serde(crate = "palisade::serde")]
pub struct New {
    pub title: String,
}
