//! Time to look an address up in a block list, by the length of the list.

use crate::load::median;
use palisade::http::Networks;
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::Instant;

const ROUNDS: usize = 21;
const LOOKUPS: u32 = 100_000;

/// Prints the time of a lookup in short and long lists, and of parsing them.
pub fn measure() {
    println!(
        "{:<28}{:>12}{:>12}",
        "block list, entries", "read", "lookup"
    );
    for entries in [100_u32, 10_000, 100_000] {
        let list: String = (0..entries)
            .map(|number| format!("{}\n", address(number.wrapping_mul(2_654_435_761))))
            .collect();
        let begun = Instant::now();
        let networks = Networks::read(&list).unwrap();
        let read = begun.elapsed().as_secs_f64() * 1e3;
        let lookups = (0..ROUNDS).map(|_| {
            let begun = Instant::now();
            for number in 0..LOOKUPS {
                black_box(networks.contains(address(number.wrapping_mul(2_246_822_519)).into()));
            }
            begun.elapsed().as_secs_f64() * 1e9 / f64::from(LOOKUPS)
        });
        println!(
            "{entries:<28}{read:>9.1} ms{:>9.1} ns",
            median(lookups.collect())
        );
    }
}

fn address(bits: u32) -> Ipv4Addr {
    Ipv4Addr::from(bits)
}
