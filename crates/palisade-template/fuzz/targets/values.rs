//! Any value in every context: the structure stays, the value comes back whole, and no script runs.

#![no_main]

#[path = "../../tests/it/reading.rs"]
#[allow(dead_code, reason = "this target uses a part of it")]
mod reading;

thread_local! {
    static PAGES: Vec<reading::Page> = reading::pages();
}

libfuzzer_sys::fuzz_target!(|value: &str| {
    PAGES.with(|pages| pages.iter().for_each(|page| page.holds(value)));
});
