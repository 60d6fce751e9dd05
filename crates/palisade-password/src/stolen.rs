//! Passwords that were stolen, and published: 474,743 of at least 8 characters, of the million commonest in the ten million that Mark Burnett collected from
//! leaks and gave away (the list of `scripts/stolen`). What is shipped is a filter ([Graf and Lemire, Binary Fuse Filters](https://arxiv.org/abs/2201.01174))
//! of 1.1 MB, from which no password can be read. It finds every one of them, in upper and lower case; of passwords that are not on the list, it takes one
//! in 65,536 for one that is.

use sha2::{Digest, Sha256};
use std::sync::LazyLock;
use xorf::{BinaryFuse16Ref, DmaSerializable, Filter, FilterRef};

/// Fingerprints of two bytes, and behind them how they are found. Little-endian, like every machine that this runs on.
#[repr(align(2))]
struct Aligned<T: ?Sized>(T);

static FILE: &Aligned<[u8]> = &Aligned(*include_bytes!("stolen.filter"));

static FILTER: LazyLock<BinaryFuse16Ref<'static>> = LazyLock::new(|| {
    let (fingerprints, descriptor) = FILE
        .0
        .split_at(FILE.0.len() - xorf::BinaryFuse16::DESCRIPTOR_LEN);
    BinaryFuse16Ref::from_dma(descriptor, fingerprints)
});

/// Whether a password is on the list.
pub(crate) fn is_stolen(password: &str) -> bool {
    FILTER.contains(&key_of(password))
}

/// What is known of a password. Also for whoever makes the filter anew.
pub fn key_of(password: &str) -> u64 {
    let digest = Sha256::digest(password.to_lowercase());
    digest
        .iter()
        .take(8)
        .fold(0, |key, byte| key << 8 | u64::from(*byte))
}
