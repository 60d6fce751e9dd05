//! Makes the filter of stolen passwords from a list, one a line, on standard input: `scripts/stolen` does.

use std::collections::BTreeSet;
use std::io::{BufRead, Write, stdin, stdout};
use xorf::{BinaryFuse16, DmaSerializable};

fn main() -> std::io::Result<()> {
    let mut keys = BTreeSet::new();
    for line in stdin().lock().split(b'\n') {
        let line = line?;
        let Ok(password) = std::str::from_utf8(&line) else {
            continue;
        };
        let password = password.trim_end_matches('\r');
        if password.chars().count() >= 8 {
            keys.insert(palisade_password::stolen_key_of(password));
        }
    }
    let filter =
        BinaryFuse16::try_from_iterator(keys.iter().copied()).map_err(std::io::Error::other)?;
    let mut descriptor = [0; BinaryFuse16::DESCRIPTOR_LEN];
    filter.dma_copy_descriptor_to(&mut descriptor);
    stdout().write_all(filter.dma_fingerprints())?;
    stdout().write_all(&descriptor)?;
    eprintln!(
        "{} passwords, {} bytes",
        keys.len(),
        filter.dma_fingerprints().len() + descriptor.len()
    );
    Ok(())
}
